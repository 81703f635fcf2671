"""The first page's facts, gathered from the rooms that own them."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings

from mlops.features import store as features
from shopify_app.admin_api import read_versions, read_work
from shopify_app.admin_api.authentication import Actor
from shopify_app.admin_api.facts import DataFacts, Overview, ShopFacts, You
from tenancy.models import Role, Shop

# The block's file name in extensions/theme/blocks.
BLOCK = "recommendations"


def overview(actor: Actor, now: datetime) -> Overview:
    shop = actor.shop
    held = features.counts(shop)
    return Overview(
        at=now,
        shop=ShopFacts(
            domain=shop.domain,
            name=shop.name,
            currency=shop.currency,
            timezone=shop.timezone,
            state=shop.state,
            installed_at=shop.installed_at,
            theme_editor_url=theme_editor_url(shop),
        ),
        you=You(
            user_id=actor.user_id,
            role=actor.role,
            may_operate=actor.role.includes(Role.OPERATOR),
            may_manage_team=actor.role.includes(Role.OWNER),
        ),
        history_import=read_work.history_import(shop, now),
        data=DataFacts(
            orders=held.orders,
            order_lines=held.lines,
            customers=held.customers,
            products=held.products,
            variants=held.variants,
            collections=held.collections,
            refunds=held.refunds,
        ),
        training=read_work.training(shop),
        slots=read_versions.slots(shop),
        attribution_window_hours=settings.ATTRIBUTION_WINDOW_HOURS,
    )


def theme_editor_url(shop: Shop) -> str:
    """The theme editor on a product page, with our block added and ready to be saved.

    Form: shopify.dev, "Configure theme app extensions", deep links.
    """
    query = {
        "context": "apps",
        "template": "product",
        "addAppBlockId": f"{settings.SHOPIFY_API_KEY}/{BLOCK}",
        "target": "newAppsSection",
    }
    origin = settings.SHOPIFY_SHOP_ORIGIN.format(shop=shop.domain)
    return f"{origin}/admin/themes/current/editor?{urlencode(query, safe='/')}"
