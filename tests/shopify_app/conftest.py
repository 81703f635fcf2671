"""A local Shopify with a generated shop of 300 orders, and the app's settings pointing at it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from shopify_app import installs
from tenancy.models import Shop
from tests.devstore.running import APP_TOML, DOMAIN, SECRET, RunningDevstore, running_devstore

ROOT = Path(__file__).parents[2]
CLIENT_ID = "5f2c0d1e8a7b4c3d9e6f"
OWNER, OPERATOR, VIEWER = 1001, 1002, 1003


@pytest.fixture(scope="session")
def _serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevstore]:
    folder = tmp_path_factory.mktemp("devstore")
    command = [sys.executable, "-m", "devstore", "generate", "--data", str(folder), "--shop", DOMAIN]
    command += ["--orders", "300", "--months", "6", "--seed", "7"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    # Deliveries to this address fail: the tests bring them by hand.
    with running_devstore(folder, application_url="http://127.0.0.1:9", app_toml=APP_TOML) as server:
        yield server


@pytest.fixture
def devstore(_serving: RunningDevstore, settings: Settings) -> RunningDevstore:
    """Birch and Co with the app granted by its merchant but not opened yet; no faults."""
    platform = _serving.platform
    platform.set_faults(None)
    platform.installs.end(DOMAIN, 0)
    platform.tokens.revoke_all(DOMAIN, 0)
    platform.install(DOMAIN)
    settings.SHOPIFY_SHOP_ORIGIN = _serving.url
    settings.SHOPIFY_API_KEY = CLIENT_ID
    settings.SHOPIFY_API_SECRET = SECRET
    settings.SHOPIFY_SECRETS = (SECRET,)
    settings.BULK_POLL_S = 0.05
    return _serving


@pytest.fixture
def installed(db: None, devstore: RunningDevstore) -> Shop:
    """The shop after its owner opened the app for the first time; its import waits."""
    return installs.ensure_installed(DOMAIN, devstore.session_token(OWNER), timezone.now())
