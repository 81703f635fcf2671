"""Shop, OnlineStoreTheme, AppInstallation, App."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from devstore.resolvers.fields import (
    Args,
    Field,
    Linked,
    One,
    Page,
    PageRequest,
    Reader,
    Row,
    TypeTable,
    Value,
    by_number,
    columns,
    constant,
    gid,
    id_field,
)
from devstore.resolvers.metafields import metafield_fields
from devstore.resolvers.paging import Source, root
from devstore.resolvers.services import Typed, services_of

THEMES = Source(table="themes", sorts={"ID": "id"})
APP_ID = 1
_VERSIONS = ("2025-10", "2026-01", "2026-04", "2026-07", "2026-10", "unstable")


def shop_row(reader: Reader) -> dict[str, Any]:
    return {**reader.shop, "id": reader.shop["shop_id"]}


def _shop(name: str) -> Value:
    return Value(lambda reader, row, args: row[name])


def _offset(row: Row) -> tuple[str, int]:
    """("+01:00", 60) of the shop's zone now; UTC for a zone this machine does not know."""
    try:
        zone: Any = ZoneInfo(row["iana_timezone"])
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    offset = datetime.now(zone).utcoffset()
    minutes = int(offset.total_seconds() // 60) if offset else 0
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}", minutes


def _url(row: Row) -> str:
    return f"https://{row['domain']}"


_SHOP: dict[str, Field] = {
    "id": id_field("Shop"),
    **metafield_fields("Shop"),
    **columns(
        name="name",
        email="email",
        contactEmail="email",
        myshopifyDomain="domain",
        currencyCode="currency",
        ianaTimezone="iana_timezone",
        createdAt="created_at",
    ),
    "updatedAt": Value(lambda reader, row, args: row.get("updated_at", row["created_at"])),  # type: ignore[attr-defined]
    "url": Value(lambda reader, row, args: _url(row)),
    "primaryDomain": Value(
        lambda reader, row, args: {
            "id": gid("Domain", row["id"]),
            "host": row["domain"],
            "url": _url(row),
            "sslEnabled": True,
        }
    ),
    "plan": Value(
        lambda reader, row, args: {
            "publicDisplayName": row["plan"],
            "displayName": row["plan"],
            "partnerDevelopment": False,
            "shopifyPlus": "plus" in row["plan"].lower(),
        }
    ),
    "timezoneOffset": Value(lambda reader, row, args: _offset(row)[0].replace(":", "")),
    "timezoneOffsetMinutes": Value(lambda reader, row, args: _offset(row)[1]),
    "timezoneAbbreviation": Value(lambda reader, row, args: _offset(row)[0]),
    "enabledPresentmentCurrencies": Value(lambda reader, row, args: [row["currency"]]),
    "shipsToCountries": Value(lambda reader, row, args: [row["country"]]),
    "shopAddress": Value(
        lambda reader, row, args: {"id": gid("ShopAddress", row["id"]), "countryCodeV2": row["country"]}
    ),
    "billingAddress": Value(
        lambda reader, row, args: {"id": gid("ShopAddress", row["id"]), "countryCodeV2": row["country"]}
    ),
    "currencyFormats": Value(
        lambda reader, row, args: {
            "moneyFormat": "{{amount}}",
            "moneyWithCurrencyFormat": "{{amount}} " + row["currency"],
            "moneyInEmailsFormat": "{{amount}}",
            "moneyWithCurrencyInEmailsFormat": "{{amount}} " + row["currency"],
        }
    ),
    "weightUnit": constant("KILOGRAMS"),
    "unitSystem": constant("METRIC_SYSTEM"),
    "checkoutApiSupported": constant(True),
    "orderNumberFormatPrefix": constant("#"),
}


def _themes(reader: Reader, rows: Sequence[Row], request: PageRequest) -> list[Page]:
    pages = list(_all_themes.load(reader, rows, request))
    roles, names = request.args.get("roles"), request.args.get("names")
    return [
        Page(
            [
                row
                for row in page.rows
                if (not roles or row["role"] in roles) and (not names or row["name"] in names)
            ],
            page.has_next,
            page.has_previous,
            page.cursor_of,
        )
        for page in pages
    ]


_all_themes = root("OnlineStoreTheme", THEMES)
_THEME: dict[str, Field] = {
    "id": id_field("OnlineStoreTheme"),
    **columns(name="name", role="role", updatedAt="updated_at", createdAt="updated_at"),
    "processing": constant(False),
    "processingFailed": constant(False),
    "prefix": constant(""),
}


def _scope_list(scopes: Sequence[str]) -> list[dict[str, str]]:
    return [
        {"handle": scope, "description": scope.replace("_", " ").capitalize()} for scope in sorted(scopes)
    ]


def _granted(reader: Reader) -> list[str]:
    install = services_of(reader).platform.installs.active(reader.domain)
    return sorted(install.scopes) if install else sorted(reader.scopes)


def _app_value(attribute: str) -> Value:
    return Value(lambda reader, row, args: getattr(services_of(reader).platform.app, attribute))


_APP_ROW: Mapping[str, Any] = {"id": APP_ID}
_INSTALLATION: dict[str, Field] = {
    "id": id_field("AppInstallation"),
    **metafield_fields("AppInstallation"),
    "accessScopes": Value(lambda reader, row, args: _scope_list(_granted(reader))),
    "app": One("App", lambda reader, rows, args: [_APP_ROW] * len(rows)),
    "launchUrl": Value(lambda reader, row, args: f"https://{reader.domain}/admin/apps/{reader.client}"),
    "activeSubscriptions": constant([]),
}
_APP: dict[str, Field] = {
    "id": id_field("App"),
    "title": _app_value("name"),
    "apiKey": _app_value("client_id"),
    "handle": Value(
        lambda reader, row, args: services_of(reader).platform.app.name.lower().replace(" ", "-")
    ),
    "embedded": _app_value("embedded"),
    "webhookApiVersion": _app_value("webhook_api_version"),
    "developerType": constant("MERCHANT"),
    "installation": One("AppInstallation", lambda reader, rows, args: [_installation(reader)] * len(rows)),
    "requestedAccessScopes": Value(
        lambda reader, row, args: _scope_list(sorted(services_of(reader).platform.app.scopes))
    ),
    "optionalAccessScopes": Value(
        lambda reader, row, args: _scope_list(sorted(services_of(reader).platform.app.optional_scopes))
    ),
    "availableAccessScopes": Value(
        lambda reader, row, args: _scope_list(sorted(services_of(reader).platform.app.scopes))
    ),
}


def _installation(reader: Reader) -> Row:
    return {"id": reader.shop["shop_id"]}


def _own_app(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
    known = args.get("id") in (None, gid("App", APP_ID))
    return [_APP_ROW if known else None] * len(rows)


def _own_installation(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
    known = args.get("id") in (None, gid("AppInstallation", reader.shop["shop_id"]))
    return [_installation(reader) if known else None] * len(rows)


def _uninstall(reader: Reader, args: Args) -> dict[str, Any]:
    services_of(reader).platform.uninstall(reader.domain)
    return {"app": Typed("App", _APP_ROW), "userErrors": []}


def _revoke_scopes(reader: Reader, args: Args) -> dict[str, Any]:
    services = services_of(reader)
    app, wanted = services.platform.app, set(args["scopes"])
    granted = set(_granted(reader))
    for names, code, message in (
        (wanted & app.scopes, "CANNOT_REVOKE_REQUIRED_SCOPES", "Required scopes cannot be revoked."),
        (
            {name for name in wanted if name.startswith("read_") and "write_" + name[5:] in granted - wanted},
            "CANNOT_REVOKE_IMPLIED_SCOPES",
            "Scopes implied by other granted scopes cannot be revoked.",
        ),
        (
            wanted - granted - app.optional_scopes,
            "UNKNOWN_SCOPES",
            "The requested list of scopes to revoke includes invalid handles.",
        ),
    ):
        if names:
            return {"revoked": None, "userErrors": [{"field": ["scopes"], "message": message, "code": code}]}
    revoked = sorted(wanted & granted)
    return {"revoked": _scope_list(revoked), "userErrors": []}


def _versions(reader: Reader, row: Row, args: Args) -> list[dict[str, Any]]:
    return [{"handle": name, "displayName": name, "supported": name != "unstable"} for name in _VERSIONS]


TYPES: TypeTable = {"Shop": _SHOP, "OnlineStoreTheme": _THEME, "AppInstallation": _INSTALLATION, "App": _APP}
ROOTS: dict[str, Field] = {
    "shop": One("Shop", lambda reader, rows, args: [shop_row(reader)] * len(rows)),
    "themes": Linked("OnlineStoreTheme", _themes),
    "currentAppInstallation": One(
        "AppInstallation", lambda reader, rows, args: [_installation(reader)] * len(rows)
    ),
    "appInstallation": One("AppInstallation", _own_installation),
    "app": One("App", _own_app),
    "publicApiVersions": Value(_versions),
}
BY_ID = {
    "OnlineStoreTheme": by_number("themes"),
    "Shop": lambda reader, tails: [
        shop_row(reader) if tail == reader.shop["shop_id"] else None for tail in tails
    ],
    "App": lambda reader, tails: [_APP_ROW if tail == str(APP_ID) else None for tail in tails],
    "AppInstallation": lambda reader, tails: [
        _installation(reader) if tail == reader.shop["shop_id"] else None for tail in tails
    ],
}
MUTATIONS = {"appUninstall": _uninstall, "appRevokeAccessScopes": _revoke_scopes}
