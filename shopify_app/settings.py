"""All settings, read once from the environment. docs/settings.md lists every variable."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from shopify_app import environment
from shopify_app.environment import BadSetting
from tenancy.bus.address import BusAddress, address
from tenancy.crypto import Keyring
from tenancy.embedded import Embedded, default_folder

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = default_folder()
EMBEDDED = Embedded(VAR_DIR)

DEBUG = False
# Local mode serves over plain http to this machine only; `make run`, `make demo` and the tests switch it on.
LOCAL = environment.flag("SHELFWISE_LOCAL", default=False)

# --- Shopify -----------------------------------------------------------------------------------------------------
SHOPIFY_API_VERSION = "2026-10"
SHOPIFY_API_KEY = environment.text("SHOPIFY_API_KEY", "shelfwise-local-client-id" if LOCAL else None)
SHOPIFY_API_SECRET = environment.text("SHOPIFY_API_SECRET", "shelfwise-local-secret" if LOCAL else None)
# Within an hour of a rotation Shopify may still sign with the old secret.
SHOPIFY_API_SECRET_PREVIOUS = environment.text("SHOPIFY_API_SECRET_PREVIOUS", "")
SHOPIFY_SECRETS: tuple[str, ...] = tuple(s for s in (SHOPIFY_API_SECRET, SHOPIFY_API_SECRET_PREVIOUS) if s)
SHOPIFY_SHOP_ORIGIN = environment.origin("SHOPIFY_SHOP_ORIGIN", "https://{shop}")
SHOPIFY_CDN_ORIGIN = environment.origin("SHOPIFY_CDN_ORIGIN", "https://cdn.shopify.com/shopifycloud")
SHOPIFY_FRAME_ANCESTORS = environment.text(
    "SHOPIFY_FRAME_ANCESTORS", "https://{shop} https://admin.shopify.com"
)
APP_URL = environment.origin("APP_URL", "http://127.0.0.1:8000" if LOCAL else None)
APP_TOML = BASE_DIR / "shopify.app.toml"

# --- Secrets -----------------------------------------------------------------------------------------------------
SECRET_KEY = environment.text("SECRET_KEY", "local-only-secret-key-for-development" if LOCAL else None)


def _keyring(given: str) -> Keyring:
    try:
        keys = tuple(base64.b64decode(part, validate=True) for part in given.split(",") if part.strip())
        return Keyring(keys)
    except ValueError as error:
        raise BadSetting(f"ENCRYPTION_KEYS: {error}; make one with `openssl rand -base64 32`") from error


_LOCAL_KEY = base64.b64encode(hashlib.sha256(b"shelfwise local key").digest()).decode()
KEYRING = _keyring(environment.text("ENCRYPTION_KEYS", _LOCAL_KEY if LOCAL else None))
# Empty: nobody may read /metrics.
METRICS_TOKEN = environment.text("METRICS_TOKEN", "local-metrics-token" if LOCAL else "")

# --- Services ----------------------------------------------------------------------------------------------------
DATABASE_URL = environment.text("DATABASE_URL", EMBEDDED.database_url)
REDIS_URL = environment.text("REDIS_URL", EMBEDDED.redis_url)
REDIS_PREFIX = environment.text("REDIS_PREFIX", "shelfwise")


def _event_bus(url: str) -> BusAddress:
    try:
        return address(url)
    except ValueError as error:
        raise BadSetting(f"EVENT_BUS_URL: {error}") from error


EVENT_BUS = _event_bus(environment.text("EVENT_BUS_URL", "redis"))


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise BadSetting("DATABASE_URL must begin with postgresql://")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    # A serving thread has one request at a time, so it needs one connection and no pool. A pool would also wait in vain
    # while Postgres is away; this fails at once (503), and the check finds the new server when it is back.
    options: dict[str, Any] = {"connect_timeout": 5}
    host = query.pop("host", parts.hostname or "")
    return {
        "ENGINE": "tenancy.postgres",  # Django's, and each session knows the open shop scope
        "NAME": parts.path.lstrip("/") or "shelfwise",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "OPTIONS": {**options, **query},
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "TEST": {"NAME": os.environ.get("TEST_DATABASE", "test_shelfwise")},
    }


DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Django ------------------------------------------------------------------------------------------------------
ALLOWED_HOSTS = [urlsplit(APP_URL).hostname or "", *(["127.0.0.1", "localhost"] if LOCAL else [])]
INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "tenancy",
    "mlops.features",
    "mlops.validation",
    "mlops.feature_store",
    "mlops.registry",
    "mlops.training",
    "mlops.demand",
    "mlops.deployments",
    "mlops.backtest",
    "storefront_proxy",
    "shopify_app.webhooks",
    "shopify_app.sync",
    "shopify_app.pixels",
    "shopify_app.privacy",
    "shopify_app.admin_api",
    "shopify_app",
]
MIDDLEWARE = [
    "shopify_app.middleware.RequestId",
    "shopify_app.middleware.FrameAncestors",
    "shopify_app.middleware.ServicesAway",
    "shopify_app.middleware.Door",
    "whitenoise.middleware.WhiteNoiseMiddleware",
]
ROOT_URLCONF = "shopify_app.urls"
APPEND_SLASH = False  # a redirect counts as a failed webhook delivery
WSGI_APPLICATION = "shopify_app.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {}}]
TEMPLATES[0]["DIRS"] = [BASE_DIR / "shopify_app" / "templates"]
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
STATIC_URL = "/static/"
STATICFILES_DIRS = [p for p in [BASE_DIR / "frontend" / "dist"] if p.exists()]
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024  # the largest webhook body Shopify documents is far smaller
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002", "security.W003"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["shopify_app.admin_api.authentication.SessionTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["shopify_app.admin_api.authentication.AtLeastViewer"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "shopify_app.admin_api.problems.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Shelfwise admin API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "ENUM_NAME_OVERRIDES": {
        "JudgedResourceEnum": "shopify_app.admin_api.quality_shapes.RESOURCES",
        "ExpectationSeverityEnum": "shopify_app.admin_api.quality_shapes.SEVERITIES",
    },
}

# --- Files, models, sync -----------------------------------------------------------------------------------------
ARTEFACT_DIR = Path(environment.text("ARTEFACT_DIR", str(VAR_DIR / "artefacts")))
CODE_REVISION = environment.text("CODE_REVISION", "")  # empty: read from git when a model is trained
ATTRIBUTION_WINDOW_HOURS = environment.whole("ATTRIBUTION_WINDOW_HOURS", default=24, lowest=1, highest=720)
BULK_POLL_S = environment.whole("BULK_POLL_S", default=1 if LOCAL else 30, lowest=1, highest=600)
API_HEADROOM_PERCENT = environment.whole("API_HEADROOM_PERCENT", default=50, lowest=0, highest=95)
API_LEGACY_REST = environment.flag("API_LEGACY_REST", default=False)

# --- Privacy: how long what is kept (docs/settings.md) ------------------------------------------------------------------
LOG_DIRS = [
    Path(each) for each in environment.text("LOG_DIRS", str(VAR_DIR / "log")).split(",") if each.strip()
]
RETAIN_DAYS = {
    "visitors": environment.whole("RETENTION_VISITORS_DAYS", default=180, lowest=31, highest=3650),
    "storefront": environment.whole("RETENTION_STOREFRONT_DAYS", default=400, lowest=31, highest=3650),
    "inbox": environment.whole("RETENTION_INBOX_DAYS", default=7, lowest=2, highest=365),
    "dead_letters": environment.whole("RETENTION_DEAD_LETTERS_DAYS", default=30, lowest=1, highest=365),
    "quarantine": environment.whole("RETENTION_QUARANTINE_DAYS", default=90, lowest=1, highest=3650),
    "snapshots": environment.whole("RETENTION_SNAPSHOTS_DAYS", default=90, lowest=1, highest=3650),
    "logs": environment.whole("RETENTION_LOGS_DAYS", default=30, lowest=1, highest=3650),
    "feature_statistics": environment.whole(
        "RETENTION_FEATURE_STATISTICS_DAYS", default=400, lowest=31, highest=3650
    ),
    "access_log": environment.whole("RETENTION_ACCESS_LOG_DAYS", default=400, lowest=31, highest=3650),
    "references": environment.whole("RETENTION_REFERENCES_DAYS", default=730, lowest=90, highest=3650),
}
RETENTION_EXPORTS_DAYS = environment.whole("RETENTION_EXPORTS_DAYS", default=60, lowest=30, highest=365)
RETRAIN_AFTER_REDACTION_DAYS = environment.whole(
    "RETRAIN_AFTER_REDACTION_DAYS", default=7, lowest=0, highest=30
)

# --- Training ----------------------------------------------------------------------------------------------------
TRAINING_MAX_SECONDS = environment.whole("TRAINING_MAX_SECONDS", default=600, lowest=5, highest=86_400)
TRAINING_MAX_MODELS = environment.whole("TRAINING_MAX_MODELS", default=20, lowest=0, highest=1_000)

# --- Storefront events -------------------------------------------------------------------------------------------
# How many proxies stand before the web server: each adds the address it was asked from to X-Forwarded-For.
PROXY_HOPS = environment.whole("PROXY_HOPS", default=0 if LOCAL else 1, lowest=0, highest=9)
# On a local store the shoppers are scripts, and are to be seen in the figures.
COUNT_HEADLESS = environment.flag("COUNT_HEADLESS", default=LOCAL)
COLLECT_SHOP_PER_MINUTE = environment.whole(
    "COLLECT_SHOP_PER_MINUTE", default=30_000, lowest=60, highest=10_000_000
)

# --- Limits a minute (docs/limits.md) ----------------------------------------------------------------------------
# On a local store one address and one member of staff are many scripts.
_MANY = 100 if LOCAL else 1
ADDRESS_PER_MINUTE = environment.whole(
    "ADDRESS_PER_MINUTE", default=3_000 * _MANY, lowest=60, highest=10_000_000
)
STAFF_PER_MINUTE = environment.whole("STAFF_PER_MINUTE", default=600 * _MANY, lowest=60, highest=10_000_000)
EXPLORE_PERCENT = environment.whole("EXPLORE_PERCENT", default=10, lowest=0, highest=10)
PROXY_SHOP_PER_MINUTE = environment.whole(
    "PROXY_SHOP_PER_MINUTE", default=120_000 * _MANY, lowest=60, highest=100_000_000
)
PROXY_SHOPPER_PER_MINUTE = environment.whole(
    "PROXY_SHOPPER_PER_MINUTE", default=1_200 * _MANY, lowest=60, highest=10_000_000
)
WEBHOOKS_SHOP_PER_MINUTE = environment.whole(
    "WEBHOOKS_SHOP_PER_MINUTE", default=60_000, lowest=60, highest=10_000_000
)

# --- Celery ------------------------------------------------------------------------------------------------------
WORKER_CONCURRENCY = environment.whole("WORKER_CONCURRENCY", default=2, lowest=1, highest=64)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "shopify_app.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": environment.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "CRITICAL"},
    },
}
