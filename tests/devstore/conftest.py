"""One local Shopify with two small shops, and one listening app, for all tests of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.devstore.admin_client import AdminClient, admin_client
from tests.devstore.listening_app import ListeningApp, listening_app
from tests.devstore.running import DOMAIN, OTHER_DOMAIN, RunningDevstore, make_shop, running_devstore


@pytest.fixture(scope="session")
def _listening() -> Iterator[ListeningApp]:
    with listening_app() as app:
        yield app


@pytest.fixture(scope="session")
def _serving(_listening: ListeningApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevstore]:
    folder = tmp_path_factory.mktemp("devstore")
    make_shop(folder, DOMAIN).close()
    make_shop(folder, OTHER_DOMAIN).close()
    with running_devstore(folder, application_url=_listening.url) as server:
        yield server


@pytest.fixture
def app(_listening: ListeningApp) -> ListeningApp:
    """The app's side, with nothing received yet and 200 for every request."""
    _listening.reset()
    return _listening


@pytest.fixture
def devstore(_serving: RunningDevstore, app: ListeningApp) -> RunningDevstore:
    """Birch and Co has the app installed, the stranger has not; no faults, nothing waiting to be sent."""
    platform = _serving.platform
    platform.set_faults(None)
    platform.ledger.execute("DELETE FROM deliveries")
    for domain in (DOMAIN, OTHER_DOMAIN):
        platform.installs.end(domain, 0)
        platform.tokens.revoke_all(domain, 0)
        platform.subscriptions.delete_all(domain)
    platform.install(DOMAIN)
    return _serving


@pytest.fixture
def devstore_url(devstore: RunningDevstore) -> str:
    return devstore.url


@pytest.fixture(scope="session")
def _admin(_listening: ListeningApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminClient]:
    with admin_client(tmp_path_factory.mktemp("admin"), _listening) as found:
        yield found


@pytest.fixture
def api(_admin: AdminClient) -> AdminClient:
    """The Admin API of a generated shop with every scope, no faults, and a bucket that tests do not empty."""
    _admin.app.reset()
    _admin.devstore.platform.set_faults(None)
    _admin.devstore.platform.set_faults({"api": {"restore_rate": 1e6}})
    return _admin
