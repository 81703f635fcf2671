"""Rotating the keys: killed half way, repeated, and then the old key is thrown away."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from mlops.features import snapshots
from mlops.features.models import Snapshot
from mlops.registry import loader
from mlops.registry.models import Version
from shopify_app.privacy import exports, rotation
from shopify_app.sync import customers
from tenancy import pseudonyms
from tenancy.crypto import Keyring
from tenancy.models import Shop, ShopState
from tenancy.reading import Purpose, reading
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.shops import sell, stock, train
from tests.shopify_app.test_pseudonyms import dump
from tests.shopify_app.test_webhooks import V1, deliver

ROOT = Path(__file__).parents[2]
OLD, NEW = os.urandom(32), os.urandom(32)
NUMBER = 7_303_303_303_303
TOKEN = "shpat_plain_as_day"


@pytest.fixture(autouse=True)
def _old_key(settings: Any, tmp_path: Path) -> None:
    settings.KEYRING = Keyring((OLD,))
    settings.ARTEFACT_DIR = tmp_path / "artefacts"
    settings.SHOPIFY_SECRETS = ("hush",)


def sealed_shop(domain: str = "birch-and-co.myshopify.com", references: int = 3) -> Shop:
    """One of everything that is sealed."""
    shop = Shop.objects.create(domain=domain, state=ShopState.INSTALLED, installed_at=timezone.now())
    shop.access_token_sealed = shop.seal(TOKEN)
    shop.save()
    now = timezone.now()
    names = pseudonyms.of(shop)
    numbers = range(NUMBER, NUMBER + references)
    customers.remember(shop, customers.sealed_references(names, shop.pk, numbers), now)
    customer = {"id": NUMBER, "created_at": V1.isoformat(), "updated_at": V1.isoformat()}
    deliver(customer, "customers/create", webhook_id="w-1", shop=domain)
    exports.data_request(shop, {"customer": {"id": NUMBER}, "data_request": {"id": 5}}, now=now)
    return shop


def opens(shop: Shop) -> None:
    """Everything opens, with the keys that are configured now."""
    shop = Shop.objects.get(pk=shop.pk)
    pseudonyms.forget(shop)
    assert shop.unseal(shop.access_token_sealed or b"") == TOKEN
    pseudonym = pseudonyms.of(shop).of_customer(NUMBER)
    with looking():
        assert customers.numbers_of(shop, [pseudonym]) == {pseudonym: NUMBER}
    assert exports.read_export(shop, 5)["customer_id"] == NUMBER


def test_the_old_key_can_be_thrown_away(db: None, settings: Any, capsys: Any) -> None:
    shop = sealed_shop()
    stock(shop)
    sell(shop, orders=60)
    train(shop)
    before = dump()
    assert TOKEN not in before
    assert str(NUMBER) not in before
    assert shop.pseudonym_key().hex() not in before
    settings.KEYRING = Keyring((NEW, OLD))
    with pytest.raises(SystemExit):
        call_command("rotate_keys", "--dry-run")
    assert dump() == before
    call_command("rotate_keys")
    told = capsys.readouterr().out
    assert f"key {Keyring((OLD,)).current} (an older key): 0 sealed values" in told
    settings.KEYRING = Keyring((NEW,))
    opens(shop)
    with looking(), scope(shop):
        assert snapshots.read(Snapshot.objects.get()).height > 0
        loader.forget(shop.pk)
        assert loader.load(shop.pk, Version.objects.get().artefact_digest)
    again = rotation.rotate()
    assert again.done
    assert not again.renewed


def test_what_no_key_opens_is_said_and_left(db: None, settings: Any) -> None:
    shop = sealed_shop()
    settings.KEYRING = Keyring((NEW,))
    found = rotation.rotate()
    assert not found.done
    assert found.unopened["tenancy_shop.access_token_sealed"] == 1
    settings.KEYRING = Keyring((OLD,))
    opens(shop)


@pytest.mark.django_db(transaction=True)
def test_killed_half_way_it_goes_on_where_it_was(settings: Any, tmp_path: Path) -> None:
    shop = sealed_shop(references=20_000)
    name = connection.settings_dict["NAME"]
    environment = {
        **os.environ,
        "DATABASE_URL": urlsplit(django_settings.DATABASE_URL)._replace(path=f"/{name}").geturl(),
        "ENCRYPTION_KEYS": ",".join(base64.b64encode(each).decode() for each in (NEW, OLD)),
        "ARTEFACT_DIR": str(tmp_path / "artefacts"),
    }
    command = [sys.executable, "manage.py", "rotate_keys"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("sync_customerreference") and int(line.split()[-1]) >= 1_000:
                running.send_signal(signal.SIGKILL)
                break
    assert running.returncode == -signal.SIGKILL
    settings.KEYRING = Keyring((NEW, OLD))
    held = rotation.rotate(dry_run=True).held
    assert held[settings.KEYRING.current] >= 1_000
    assert held[Keyring((OLD,)).current] > 1_000, "killed half way"
    opens(shop)
    second = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert second.returncode == 0, second.stdout
    settings.KEYRING = Keyring((NEW,))
    opens(shop)
    assert rotation.rotate(dry_run=True).done
    with scope(shop), reading(actor="system:test", purpose=Purpose.ERASURE):
        shop.delete()
