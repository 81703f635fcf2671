"""An erased shop is searched for in every store; what is kept of it names nobody, and an operator can read it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from mlops.features import online
from mlops.features.events import Click
from shopify_app.privacy import certificate, redact, search, shop_erasures, tasks
from shopify_app.privacy.models import RedactionState, ShopErasure
from shopify_app.privacy.needles import Needles
from storefront_proxy import arrivals, exposures
from tenancy import redis as shared_redis
from tenancy.bus import dead_letters
from tenancy.bus.interface import SHOP, Delivery
from tenancy.models import Shop, ShopState
from tenancy.redis import key
from tests.mlops.shops import sell, stock, train
from tests.storefront_proxy.pixel import Pixel, happened

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path) -> None:
    settings.ARTEFACT_DIR = tmp_path / "artefacts"
    settings.LOG_DIRS = [tmp_path / "log"]
    (tmp_path / "log").mkdir()


@pytest.fixture
def erase(django_capture_on_commit_callbacks: Any) -> Callable[[Shop], int]:
    """Erase a shop with what follows the commit; returns the number it had."""

    def erased(shop: Shop) -> int:
        number = int(shop.pk)
        with django_capture_on_commit_callbacks(execute=True):
            redact.erase_shop(shop, now=NOW)
        return number

    return erased


@pytest.fixture
def lived_in(shop: Shop, tmp_path: Path) -> Shop:
    """A shop with rows, keys, caps, files, messages, a dead letter, and its domain in a log."""
    stock(shop)
    sell(shop, orders=60)
    train(shop)
    online.publish_shop(shop)
    Pixel(shop.domain).send(happened())
    Pixel(shop.domain).send(*[happened(at=1)] * 2)  # too old: counted as dropped
    exposures.send_click(Click("exposure-1111111111", shop.pk, NOW, 11, "visitor-0001"))
    given_up = Delivery("1-1", {SHOP: str(shop.pk).encode()}, 5)
    dead_letters.keep(arrivals.TOPIC.name, arrivals.GROUP, given_up, "for the test")
    for part in ("points", "waiting"):
        shared_redis.client().set(key("api_bucket", shop.pk, part), "1")
    shared_redis.client().zadd(key("owed"), {f"{shop.pk}:7": 1.0})
    (tmp_path / "log" / "web.log").write_text(f'{{"event": "x", "shop": "{shop.domain}"}}\n')
    return shop


def test_a_shop_is_found_in_every_store_before_and_nowhere_after(
    lived_in: Shop, other_shop: Shop, erase: Callable[[Shop], int], tmp_path: Path
) -> None:
    stock(other_shop)
    online.publish_shop(other_shop)
    domain = lived_in.domain
    before = shop_erasures.make(lived_in.pk, domain, erased_at=NOW, now=NOW)
    assert before["installed_again"], "while it lives its domain is not sought"
    found = search.Findings()
    shop_erasures.linked(lived_in.pk, found)
    where = set(found.hits)
    number = lived_in.pk
    assert {
        "postgres: features_order.shop_id", "postgres: registry_version.shop_id", "postgres: tenancy_shop.id",
        f"redis: test:cards:{number}", f"redis: test:api_bucket:{number}:points", "redis: test:owed",
        "redis: test:bus:exposures", "redis: test:bus:storefront_events:dead:postgres", f"files: {number}",
    } <= where  # fmt: skip
    assert any(each.startswith(f"redis: test:collected:shop:{number}:") for each in where)
    assert any(each.startswith(f"redis: test:storefront_dropped:{number}:") for each in where)
    by_domain = set(search.everywhere(Needles(domains=(domain,))).hits)
    assert {"postgres: tenancy_shop.domain", "redis: test:shops", "logs: web.log"} <= by_domain

    assert erase(lived_in) == number
    erasure = ShopErasure.objects.get()
    made = shop_erasures.certify(erasure, now=NOW)
    assert made.state == RedactionState.CERTIFIED, made.certificate
    told = made.certificate
    assert told is not None
    assert (told["hits"], told["unopened"], told["clean"], told["installed_again"]) == ({}, [], True, False)
    assert told["sha256"] == certificate.digest(told)
    assert told["searched"]["postgres"]["tables of shops"] > 25
    assert (tmp_path / "log" / "web.log").read_text() == f'{{"event": "x", "shop": "{"x" * len(domain)}"}}\n'
    other = search.Findings()
    shop_erasures.linked(other_shop.pk, other)
    assert {"postgres: features_product.shop_id", f"redis: test:cards:{other_shop.pk}"} <= set(other.hits)


def test_what_is_kept_names_no_shop(lived_in: Shop, erase: Callable[[Shop], int]) -> None:
    domain, name = lived_in.domain, lived_in.name
    erase(lived_in)
    shop_erasures.certify(ShopErasure.objects.get(), now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("select t::text from privacy_shoperasure t")
        (kept,) = cursor.fetchone()
    for text in (domain, domain.split(".")[0], name):
        for form in (text, text.encode().hex(), base64.b64encode(text.encode()).decode().strip("=")):
            assert form not in kept
    assert ShopErasure.objects.get().needles_sealed is None


def test_the_clock_searches_and_what_was_left_behind_is_swept(
    lived_in: Shop, erase: Callable[[Shop], int], tmp_path: Path
) -> None:
    """A worker that was killed between the commit and the sweep."""
    number = erase(lived_in)
    folder = tmp_path / "artefacts" / str(number) / "snapshot"
    folder.mkdir(parents=True)
    (folder / "left.sealed").write_bytes(b"left")
    shared_redis.client().set(key("cards", number), "left")
    ShopErasure.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))
    assert tasks.tick() == 1
    assert ShopErasure.objects.get().state == RedactionState.CERTIFIED
    assert not folder.exists()
    assert tasks.tick() == 0


def test_a_trace_keeps_the_certificate_back_and_is_told_in_the_end(
    lived_in: Shop, erase: Callable[[Shop], int], tmp_path: Path
) -> None:
    domain = lived_in.domain
    erase(lived_in)
    shared_redis.client().set(key("somewhere"), f"of {domain}")
    erasure = shop_erasures.certify(ShopErasure.objects.get(), now=NOW)
    assert (erasure.state, erasure.certificate) == (RedactionState.ERASED, None)
    assert erasure.next_try_at == NOW + certificate.FIRST_PAUSE
    with pytest.raises(CommandError) as pending:
        call_command("shop_certificate", domain)
    assert pending.value.returncode == 4
    ShopErasure.objects.update(tries=certificate.MOST_TRIES - 1)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("shop_certificate", domain, "--now", stdout=out)
    assert ended.value.code == 3
    assert list(json.loads(out.getvalue())["hits"]) == ["redis: test:somewhere"]


def test_an_operator_finds_it_by_the_domain_and_in_the_list(
    lived_in: Shop, other_shop: Shop, erase: Callable[[Shop], int]
) -> None:
    domain = lived_in.domain
    number = erase(lived_in)
    out, listed = StringIO(), StringIO()
    call_command("shop_certificate", domain, "--now", stdout=out)
    assert json.loads(out.getvalue())["shop_number"] == number
    call_command("shop_certificate", stdout=listed)
    assert listed.getvalue().startswith(f"{number}\terased 2026-11-20T12:00:00+00:00\tcertified\t")
    with pytest.raises(CommandError) as unknown:
        call_command("shop_certificate", other_shop.domain)
    assert unknown.value.returncode == 1


def test_a_shop_that_comes_back_keeps_its_domain_and_the_old_number_is_certified(
    lived_in: Shop, erase: Callable[[Shop], int], tmp_path: Path
) -> None:
    domain = lived_in.domain
    erase(lived_in)
    again = Shop.objects.create(
        domain=domain, name="Back", state=ShopState.INSTALLED, installed_at=NOW, timezone="Europe/London"
    )
    online.publish_shop(again)
    made = shop_erasures.certify(ShopErasure.objects.get(), now=NOW).certificate
    assert made is not None
    assert (made["clean"], made["installed_again"]) == (True, True)
    assert shared_redis.client().hexists(key("shops"), domain)
    assert domain in (tmp_path / "log" / "web.log").read_text()
