"""What the local Shopify knows about the app: `shopify.app.toml` plus command-line overrides.

Every rule that Shopify checks when an app is deployed is checked here when the server starts, so that a file that
Shopify would refuse is refused on the developer's machine, with the key and the reason.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from devstore.topics import COMPLIANCE_TOPICS, TOPIC_SCOPES, expand_scopes

PROXY_PREFIXES = ("a", "apps", "community", "tools")
RESERVED_SUBPATHS = ("admin", "services", "password", "login")
SCOPE = re.compile(r"(unauthenticated_)?(read|write)_[a-z_]+")
API_VERSION = re.compile(r"20\d\d-(01|04|07|10)|unstable")


class ConfigError(ValueError):
    """The app's configuration cannot be used; the message names the key and what to change."""


@dataclass(frozen=True)
class AppSubscription:
    """One webhook subscription of the app's configuration, for every shop that installs it."""

    topics: tuple[str, ...]
    uri: str
    name: str | None = None
    include_fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class AppProxy:
    """Where the storefront path `/{prefix}/{subpath}` is forwarded to; `url` is absolute."""

    url: str
    prefix: str
    subpath: str

    @property
    def path_prefix(self) -> str:
        return f"/{self.prefix}/{self.subpath}"


@dataclass(frozen=True)
class AppConfig:
    client_id: str
    client_secret: str
    name: str
    application_url: str
    embedded: bool
    scopes: frozenset[str]
    optional_scopes: frozenset[str]
    legacy_install: bool
    redirect_urls: tuple[str, ...]
    webhook_api_version: str
    subscriptions: tuple[AppSubscription, ...]
    proxy: AppProxy | None
    warnings: tuple[str, ...] = ()

    @property
    def granted_scopes(self) -> frozenset[str]:
        """The declared scopes with those they imply."""
        return expand_scopes(self.scopes)


@dataclass(frozen=True)
class Config:
    """All that `devstore serve` was told."""

    data: Path
    app: AppConfig
    extensions: Path
    host: str = "127.0.0.1"
    port: int = 9292
    schema: Path | None = None


def load_app(
    path: Path,
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    application_url: str | None = None,
) -> AppConfig:
    """Read and check `shopify.app.toml`; the keyword arguments replace what the file says.

    A redirect URL under the file's `application_url` follows it to the new address. Raises ConfigError.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}). Give its place with --app-toml."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    try:
        return _app(document, client_id, client_secret, application_url)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _app(
    document: dict[str, Any], client_id: str | None, client_secret: str | None, application_url: str | None
) -> AppConfig:
    warnings: list[str] = []
    client_id = client_id or _text(document, "client_id")
    if not client_secret:
        raise ConfigError("no client secret: give --client-secret (it never belongs in the file).")
    name = _text(document, "name")
    if len(name) > 30:
        raise ConfigError(f"name has {len(name)} characters; at most 30 are allowed.")
    declared_url = _text(document, "application_url")
    _check_url("application_url", declared_url)
    base = (application_url or declared_url).rstrip("/")
    _check_url("--app-url" if application_url else "application_url", base)
    if not isinstance(document.get("embedded"), bool):
        raise ConfigError("embedded must be true or false.")

    access = _table(document, "access_scopes")
    scopes = _scopes(access, "scopes") | _scopes(access, "required_scopes")
    legacy = bool(access.get("use_legacy_install_flow", False))
    if not ("scopes" in access or "required_scopes" in access):
        legacy = True
        warnings.append(
            "access_scopes has neither scopes nor required_scopes: the legacy install flow is used."
        )
    if "read_all_orders" in scopes and "read_orders" not in expand_scopes(scopes):
        raise ConfigError("access_scopes: read_all_orders needs read_orders too.")

    declared_base = declared_url.rstrip("/")
    redirects = tuple(
        base + url.removeprefix(declared_base) if f"{url}/".startswith(f"{declared_base}/") else url
        for url in _strings(_table(document, "auth"), "redirect_urls", where="auth")
    )
    webhooks = _table(document, "webhooks")
    version = str(webhooks.get("api_version", ""))
    if webhooks and not API_VERSION.fullmatch(version):
        raise ConfigError(f"webhooks.api_version {version!r} is not a version such as 2026-10.")
    return AppConfig(
        client_id=client_id,
        client_secret=client_secret,
        name=name,
        application_url=base,
        embedded=bool(document["embedded"]),
        scopes=scopes,
        optional_scopes=_scopes(access, "optional_scopes"),
        legacy_install=legacy,
        redirect_urls=redirects,
        webhook_api_version=version or "2026-10",
        subscriptions=_subscriptions(webhooks, base, expand_scopes(scopes), warnings),
        proxy=_proxy(document, base, scopes),
        warnings=tuple(warnings),
    )


def _subscriptions(
    webhooks: dict[str, Any], base: str, scopes: frozenset[str], warnings: list[str]
) -> tuple[AppSubscription, ...]:
    entries = webhooks.get("subscriptions", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError("webhooks.subscriptions must be an array of tables ([[webhooks.subscriptions]]).")
    found: list[AppSubscription] = []
    seen: set[tuple[str, str, str]] = set()
    seen_compliance: set[str] = set()
    for index, entry in enumerate(entries, start=1):
        where = f"webhooks.subscriptions[{index}]"
        topics = _strings(entry, "topics", where=where)
        compliance = _strings(entry, "compliance_topics", where=where)
        if not topics and not compliance:
            raise ConfigError(f"{where} has neither topics nor compliance_topics.")
        for topic in topics:
            if topic in COMPLIANCE_TOPICS:
                raise ConfigError(f"{where}: {topic} belongs in compliance_topics, not in topics.")
            if topic not in TOPIC_SCOPES:
                raise ConfigError(f"{where}: topic {topic!r} does not exist (or is not offered here).")
            needed = TOPIC_SCOPES[topic]
            if needed and needed not in scopes:
                raise ConfigError(
                    f"{where}: topic {topic} needs the scope {needed}, which is not in access_scopes."
                )
        uri = _webhook_uri(_text(entry, "uri", where=where), base, where)
        for topic in topics:
            key = (topic, uri, str(entry.get("filter", "")))
            if key in seen:
                raise ConfigError(f"{where}: topic {topic} is subscribed twice with the same uri and filter.")
            seen.add(key)
        for topic in compliance:
            if topic not in COMPLIANCE_TOPICS:
                raise ConfigError(
                    f"{where}: {topic!r} is not a compliance topic ({', '.join(sorted(COMPLIANCE_TOPICS))})."
                )
            if topic in seen_compliance:
                raise ConfigError(f"{where}: compliance topic {topic} is subscribed twice.")
            seen_compliance.add(topic)
        name = entry.get("name")
        if name is not None and not (isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,50}", name)):
            raise ConfigError(f"{where}: name must be 1 to 50 letters, digits, _ or -.")
        if entry.get("filter"):
            warnings.append(f"{where}: filter is ignored here; every {', '.join(topics)} webhook is sent.")
        fields = _strings(entry, "include_fields", where=where)
        found.append(AppSubscription((*topics, *compliance), uri, name, fields))
    return tuple(found)


def _webhook_uri(uri: str, base: str, where: str) -> str:
    if uri.startswith("/"):
        uri = base + uri
    elif not uri.startswith(("http://", "https://")):
        raise ConfigError(
            f"{where}: uri {uri!r} is neither a path nor an http(s) address, the two kinds sent from here."
        )
    return uri.rstrip("/")


def _proxy(document: dict[str, Any], base: str, scopes: frozenset[str]) -> AppProxy | None:
    table = _table(document, "app_proxy")
    if not table:
        return None
    url, prefix, subpath = (_text(table, key, where="app_proxy") for key in ("url", "prefix", "subpath"))
    if prefix not in PROXY_PREFIXES:
        raise ConfigError(f"app_proxy.prefix {prefix!r} must be one of {', '.join(PROXY_PREFIXES)}.")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,30}", subpath) or subpath in RESERVED_SUBPATHS:
        raise ConfigError(
            f"app_proxy.subpath {subpath!r} must be 1 to 30 letters, digits, _ or -, and not reserved."
        )
    if "write_app_proxy" not in scopes:
        raise ConfigError("app_proxy needs the scope write_app_proxy in access_scopes.")
    url = (base + url if url.startswith("/") else url).rstrip("/")
    _check_url("app_proxy.url", url)
    return AppProxy(url, prefix, subpath)


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{key} must be a table ([{key}]).")
    return value


def _text(document: dict[str, Any], key: str, *, where: str = "") -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{where + '.' if where else ''}{key} is missing or not a text.")
    return value.strip()


def _strings(document: dict[str, Any], key: str, *, where: str) -> tuple[str, ...]:
    value = document.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ConfigError(f"{where}.{key} must be a list of texts.")
    return tuple(value)


def _scopes(access: dict[str, Any], key: str) -> frozenset[str]:
    value = access.get(key, [])
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ConfigError(f"access_scopes.{key} must be a text with commas or a list of texts.")
    scopes = frozenset(item.strip() for item in items if item.strip())
    for scope in sorted(scopes):
        if not SCOPE.fullmatch(scope):
            raise ConfigError(f"access_scopes.{key}: {scope!r} is not a scope such as read_orders.")
    return scopes


def _check_url(key: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(f"{key} {url!r} is not an http or https address.")
