"""Who asks: a member of a shop's staff, proved by a Shopify session token on every request.

There is no cookie and no session: a state change needs the bearer token that only App Bridge inside this shop's admin
can mint, so a foreign site cannot forge one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from shopify_app import installs
from shopify_app.verify.session_token import verify_session_token
from tenancy.errors import NotAllowed
from tenancy.models import Role, Shop, ShopState, StaffMember
from tenancy.scope import scope

if TYPE_CHECKING:
    # DRF's view module reads this file's classes from the settings while it is itself being imported.
    from rest_framework.views import APIView


@dataclass(frozen=True, slots=True)
class Actor:
    """A verified member of staff, in one shop, with one role."""

    shop: Shop
    user_id: int
    role: Role
    is_authenticated: bool = True

    @property
    def name(self) -> str:
        """As written to the audit log."""
        return f"staff:{self.user_id}"


class SessionTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <session token>`; anything else is a 401 that asks App Bridge for a fresh token."""

    def authenticate(self, request: Request) -> tuple[Actor, None]:
        token = _bearer(request)
        now = timezone.now()
        verdict = verify_session_token(
            token, client_id=settings.SHOPIFY_API_KEY, secrets=settings.SHOPIFY_SECRETS, now=now
        )
        if not verdict.ok:
            raise AuthenticationFailed(code=str(verdict.code))
        shop = Shop.objects.filter(domain=verdict.shop).first()
        if shop is None or shop.state == ShopState.UNINSTALLED:
            raise NotAllowed(
                f"Shelfwise is not installed on {verdict.shop}.",
                code="not_installed",
                next_step="Reload this page in the Shopify admin: opening the app installs it again.",
            )
        # Django's request is wrapped by DRF's: the middleware that names this shop as the only frame reads the former.
        request._request.shop_domain = shop.domain  # type: ignore[attr-defined]
        with scope(shop):
            member = StaffMember.objects.filter(shop=shop, user_id=verdict.user_id).only("role").first()
        role = Role(member.role) if member else installs.staff_role(shop, token)
        return Actor(shop=shop, user_id=verdict.user_id, role=role), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationFailed(code="missing_session_token")
    return token


class _AtLeast(BasePermission):
    role: Role

    def has_permission(self, request: Request, view: APIView) -> bool:
        user: Any = request.user
        return isinstance(user, Actor) and user.role.includes(self.role)


class AtLeastViewer(_AtLeast):
    role = Role.VIEWER


class AtLeastOperator(_AtLeast):
    role = Role.OPERATOR
    message = "Your role is viewer: it may look, but not change anything. Nothing was changed."


class OwnerOnly(_AtLeast):
    role = Role.OWNER
    message = "Only an owner may do this. Nothing was changed."
