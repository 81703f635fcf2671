"""One customer planted in every store on purpose: the search finds them everywhere, then nowhere."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection

from mlops.deployments import pointers as deployments_pointers
from mlops.feature_store import refresh
from mlops.features import snapshots, store
from mlops.features.events import Click, CustomerChanged, Event, Exposure, ServedBy, SlotName, Source
from mlops.features.models import Exposure as ShownRow
from mlops.features.models import Order, Snapshot, Tombstone
from mlops.features.storefront import Consent, StorefrontEvent, StorefrontKind
from mlops.predictors.protocols import Query
from mlops.predictors.recommend.shop import ShopRecommender
from mlops.registry import loader
from mlops.registry.models import Version
from mlops.training import run as training
from mlops.training.models import TrainingRun
from shopify_app.privacy import certificate, places, search
from shopify_app.privacy.models import Redaction, RedactionState
from shopify_app.privacy.needles import Needles
from storefront_proxy import exposures
from tenancy import pseudonyms
from tenancy import redis as shared_redis
from tenancy.models import AuditEntry, Incident, Shop
from tenancy.scope import scope, unscoped
from tests.looks import looking
from tests.mlops.builders import line, order, product
from tests.mlops.shops import sell, stock, train
from tests.shopify_app.test_webhooks import V1, deliver, order_payload, rows, work_off

NUMBER, ORDER = 7_303_303_303_303, 5_909_909_909_909
VISITOR = "visitor-planted-0001"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REQUEST = {"customer": {"id": NUMBER}, "orders_to_redact": [ORDER]}


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path) -> None:
    settings.SHOPIFY_SECRETS = ("hush",)
    settings.ARTEFACT_DIR = tmp_path / "artefacts"
    settings.LOG_DIRS = [tmp_path / "log"]
    (tmp_path / "log").mkdir()


@pytest.fixture
def planted(shop: Shop) -> Shop:
    """A trained shop, and the customer in orders, events, exposures, clicks, frames, references and an export."""
    stock(shop)
    sell(shop, orders=200)
    customer = {"id": NUMBER, "created_at": V1.isoformat(), "updated_at": V1.isoformat()}
    deliver(customer, "customers/create", webhook_id="w-1")
    marks = [{"name": "_ml_visitor", "value": VISITOR}]
    deliver(order_payload(ORDER, customer={"id": NUMBER}, note_attributes=marks), webhook_id="w-2")
    work_off(shop)
    shown = Exposure(
        "exposure-planted-00001", shop.pk, V1, SlotName.HOME, ServedBy.TRENDING, (11,), visitor=VISITOR
    )
    store.record_exposures([shown])
    store.record_clicks([Click(shown.exposure_id, shop.pk, V1, 11, VISITOR)])
    train(shop)
    with scope(shop):
        snapshots.take(shop, until=NOW + timedelta(days=3), now=NOW)
    seen = StorefrontEvent(
        "event-planted-1", StorefrontKind.PRODUCT_VIEWED, NOW, NOW, NOW, Consent.PERSONAL, VISITOR, 11
    )
    store.record_visits(shop, [seen])
    refresh.refresh(shop, now=NOW + timedelta(days=3))
    deliver({"customer": {"id": NUMBER}, "orders_requested": [ORDER], "data_request": {"id": 77}},
            "customers/data_request", webhook_id="d-1", path="/webhooks/compliance")  # fmt: skip
    work_off(shop)
    return shop


def needles(shop: Shop) -> Needles:
    return Needles((NUMBER,), (pseudonyms.of(shop).of_customer(NUMBER),), (VISITOR,))


@pytest.fixture
def redact(django_capture_on_commit_callbacks: Any) -> Callable[[Shop], None]:
    """Shopify's request, worked off, and what follows the commit."""

    def ask(shop: Shop) -> None:
        deliver(REQUEST, "customers/redact", webhook_id="r-1", path="/webhooks/compliance", shop=shop.domain)
        with django_capture_on_commit_callbacks(execute=True):
            work_off(shop)

    return ask


def certified(shop: Shop, *, now: datetime = NOW) -> Redaction:
    with scope(shop):
        found = Redaction.objects.select_related("shop").latest("pk")
    return certificate.certify(found, now=now)


def where(found: search.Findings) -> set[str]:
    return {place.split(" (opened)")[0] for place in found.hits}


def test_the_search_finds_a_planted_customer_in_every_store_and_nowhere_after(
    planted: Shop, redact: Callable[[Shop], None]
) -> None:
    before = search.everywhere(needles(planted))
    assert {
        "postgres: features_event.payload", "postgres: features_event.subject_id", "postgres: features_order.customer_id",
        "postgres: features_order.visitor", "postgres: features_customer.customer_id",
        "postgres: features_exposure.visitor", "postgres: features_outcome.visitor",
        "postgres: sync_customerreference.customer_id", "postgres: sync_customerreference.number_sealed",
        "files: " + f"{planted.pk}/privacy/77.sealed",
    } <= where(before)  # fmt: skip
    assert any("column customer_id" in place for place in before.hits), "opened the frames"
    vectors = before.hits["redis: test:(a key that names the person)"]
    assert {"pseudonym as text", "visitor as text"} <= set(vectors), "theirs are named by them"
    assert "redis: test:features-changed" in where(before), "their order was news"
    redact(planted)
    made = certified(planted)
    assert made.state == RedactionState.CERTIFIED, made.certificate
    told = made.certificate
    assert told is not None
    assert (told["hits"], told["unopened"], told["clean"]) == ({}, [], True)
    assert told["sha256"] == certificate.digest(told)
    searched = told["searched"]
    assert searched["postgres"]["tables"] > 30
    assert searched["postgres"]["rows"] > 500
    assert searched["files"]["snapshot"] >= 1
    assert searched["files"]["artefact"] >= 1
    assert searched["redis"]["keys"] >= 3
    text = json.dumps(told)
    assert not [each for each in (NUMBER, needles(planted).pseudonyms[0], VISITOR) if str(each) in text]
    with scope(planted), looking():
        assert Order.objects.get(order_id=ORDER).customer_id is None
        assert Redaction.objects.get().needles_sealed is None
    with unscoped(why="the test looks at every shop"):
        entry = AuditEntry.objects.get(action="privacy.redaction_certified")
    assert entry.data["sha256"] == told["sha256"]


@pytest.mark.parametrize(
    "form", ["text", "gid", "json", "hex", "base64", "base64 in a longer text", "bytes", "visitor"]
)
def test_each_form_is_found_in_redis_files_and_logs(shop: Shop, tmp_path: Path, form: str) -> None:
    gid = f"gid://shopify/Customer/{NUMBER}"
    written = {
        "text": f"seen {NUMBER}.".encode(),
        "gid": gid.encode(),
        "json": json.dumps({"customer_id": NUMBER}).encode(),
        "hex": str(NUMBER).encode().hex().encode(),
        "base64": base64.b64encode(str(NUMBER).encode()),
        "base64 in a longer text": base64.b64encode(b"x" + gid.encode() + b" and more"),
        "bytes": needles(shop).pseudonyms[0].to_bytes(8, "little"),
        "visitor": f'{{"visitor": "{VISITOR}"}}'.encode(),
    }[form]
    client = shared_redis.client()
    client.xadd(shared_redis.key("some_stream"), {"message": written})
    client.hset(shared_redis.key("some_hash"), "field", written)
    client.sadd(shared_redis.key("some_set"), written)
    client.rpush(shared_redis.key("some_list"), written)
    client.zadd(shared_redis.key("some_zset"), {written: 1})
    client.set(shared_redis.key("some_string"), written)
    (tmp_path / "log" / "web.log").write_bytes(b'{"event": "x", "n": "' + written + b'"}\n')
    folder = Path(django_settings.ARTEFACT_DIR) / str(shop.pk) / "snapshot"
    folder.mkdir(parents=True)
    sealed = django_settings.KEYRING.seal(b"head " + written, context=f"snapshot:{shop.pk}:abc")
    (folder / "abc.sealed").write_bytes(sealed)
    found = where(search.everywhere(needles(shop)))
    kinds = ("stream", "hash", "set", "list", "zset", "string")
    assert {f"redis: test:some_{kind}" for kind in kinds} <= found
    assert f"files: {shop.pk}/snapshot/abc.sealed" in found
    assert "logs: web.log" in found


def test_others_who_look_alike_are_not_found(shop: Shop, tmp_path: Path) -> None:
    near = [str(NUMBER) + "0", "1" + str(NUMBER), str(NUMBER - 1), VISITOR + "a", "x" + VISITOR]
    (tmp_path / "log" / "web.log").write_text("\n".join(near))
    shared_redis.client().set(shared_redis.key("near"), " ".join(near))
    assert search.everywhere(needles(shop)).clean


def test_a_frame_is_opened_column_by_column(shop: Shop) -> None:
    folder = Path(django_settings.ARTEFACT_DIR) / str(shop.pk) / "snapshot"
    folder.mkdir(parents=True)
    held = io.BytesIO()
    pl.DataFrame({"who": [1, needles(shop).pseudonyms[0]], "browser": ["a", VISITOR]}).write_parquet(held)
    (folder / "f.sealed").write_bytes(
        django_settings.KEYRING.seal(held.getvalue(), context=f"snapshot:{shop.pk}:f")
    )
    found = where(search.everywhere(needles(shop)))
    assert {f"files: {shop.pk}/snapshot/f.sealed: column {each}" for each in ("who", "browser")} <= found


def test_a_file_that_does_not_open_makes_no_clean_certificate(shop: Shop) -> None:
    folder = Path(django_settings.ARTEFACT_DIR) / str(shop.pk) / "artefact"
    folder.mkdir(parents=True)
    (folder / "x.sealed").write_bytes(django_settings.KEYRING.seal(b"x", context="another"))
    made = certificate.make(shop, needles(shop), now=NOW)
    assert not made["clean"]
    assert len(made["unopened"]) == 1


def test_who_arrives_after_the_erasure_is_stripped_at_the_gate(
    planted: Shop, redact: Callable[[Shop], None]
) -> None:
    """The same browser goes on, an order and a customer are told late: sent and read after the erasure."""
    redact(planted)
    exposures.send_exposures(
        [
            Exposure(
                "exposure-planted-00002",
                planted.pk,
                V1,
                SlotName.HOME,
                ServedBy.TRENDING,
                (11,),
                visitor=VISITOR,
            )
        ]
    )
    exposures.send_click(Click("exposure-planted-00002", planted.pk, V1, 11, VISITOR))
    deliver(order_payload(ORDER, customer={"id": NUMBER}, version=V1 + timedelta(hours=1)), "orders/updated",
            webhook_id="late-1")  # fmt: skip
    later = (V1 + timedelta(hours=1)).isoformat()
    deliver({"id": NUMBER, "created_at": later, "updated_at": later}, "customers/update", webhook_id="late-2")
    deliver({"id": NUMBER}, "customers/delete", webhook_id="late-3")
    first = certified(planted)
    assert first.state == RedactionState.ERASED, "the stream and the inbox still hold them: it is tried again"
    assert first.next_try_at is not None
    exposures.flush(consumer="test", now=datetime.now(UTC))
    work_off(planted)
    with scope(planted), looking():
        assert ShownRow.objects.get(exposure_id="exposure-planted-00002").visitor is None
        assert Order.objects.get(order_id=ORDER).customer_id is None
        assert Order.objects.get(order_id=ORDER).version_at == V1 + timedelta(hours=1), (
            "the sale itself is kept"
        )
        assert Tombstone.objects.count() == 2
    made = certified(planted, now=NOW + timedelta(minutes=5))
    assert made.state == RedactionState.CERTIFIED, made.certificate


def test_a_trace_that_stays_ends_in_an_incident_and_says_where(
    planted: Shop, redact: Callable[[Shop], None], tmp_path: Path
) -> None:
    redact(planted)
    (tmp_path / "log" / "web.log").write_text(f"customer {NUMBER}")
    with scope(planted):
        Redaction.objects.update(tries=certificate.MOST_TRIES - 1)
    made = certified(planted)
    assert made.state == RedactionState.FOUND
    assert made.certificate is not None
    assert list(made.certificate["hits"]) == ["logs: web.log"]
    with unscoped(why="the test looks at every shop"):
        assert Incident.objects.get().kind == "redaction_incomplete"


def test_what_is_stuck_in_redis_goes_at_the_second_try(planted: Shop, redact: Callable[[Shop], None]) -> None:
    redact(planted)
    client = shared_redis.client()
    client.xadd(shared_redis.key("exposures", "dead"), {"exposure": json.dumps({"visitor": VISITOR})})
    client.hset(shared_redis.key("seen"), mapping={VISITOR: "1", "somebody": "2"})
    assert certified(planted).state == RedactionState.ERASED
    assert certified(planted, now=NOW + timedelta(minutes=1)).state == RedactionState.CERTIFIED
    assert client.hgetall(shared_redis.key("seen")) == {b"somebody": b"2"}


def test_frames_keep_the_sales_and_their_versions_are_flagged(
    planted: Shop, redact: Callable[[Shop], None]
) -> None:
    with scope(planted):
        held = Snapshot.objects.latest("pk")
        with looking():
            frame, digest = snapshots.read(held), held.digest
    redact(planted)
    with scope(planted):
        held.refresh_from_db()
        with looking():
            after = snapshots.read(held)
        assert held.digest != digest
        assert held.rewritten_at is not None
        assert Version.objects.get().redacted_at is not None
    assert after.drop("customer_id").equals(frame.drop("customer_id"))
    assert after["customer_id"].null_count() == frame["customer_id"].null_count() + 1
    folder = Path(django_settings.ARTEFACT_DIR) / str(planted.pk) / "snapshot"
    assert not (folder / f"{digest}.sealed").exists()


def test_the_model_forgets_the_customer_and_serves_on(planted: Shop, redact: Callable[[Shop], None]) -> None:
    """Rows of theirs leave the artefact; what it says to and of all others stays, number by number."""
    with scope(planted):
        before = Version.objects.get()
        old = loader.load(planted.pk, before.artefact_digest).predictor
    pseudonym = needles(planted).pseudonyms[0]
    assert isinstance(old, ShopRecommender)
    assert pseudonym in old.customers_
    with scope(planted):
        open_one = training.request(planted, reason="under way", actor="system:test", now=NOW)
        training.advance(planted, now=NOW)
        training.advance(planted, now=NOW)
    redact(planted)
    with scope(planted):
        after = Version.objects.get()
        assert after.artefact_digest != before.artefact_digest
        new = loader.load(planted.pk, after.artefact_digest).predictor
        pointers = deployments_pointers.read(planted.pk)
        again = TrainingRun.objects.get(pk=open_one.pk)
    assert isinstance(new, ShopRecommender)
    assert new.customers_.tolist() == [each for each in old.customers_.tolist() if each != pseudonym]
    for number in new.customers_.tolist()[:5]:
        asked = Query(day=NOW.timestamp() / 86_400, customer=number)
        ours, theirs = new.recommend(asked, 8).ranked, old.recommend(asked, 8).ranked
        assert set(ours.product_ids.tolist()) <= set(old.product_ids_.tolist())
        assert len(ours) == len(theirs)
    context = Query(day=NOW.timestamp() / 86_400, context=(3,))
    assert (
        new.recommend(context, 8).ranked.product_ids.tolist()
        == old.recommend(context, 8).ranked.product_ids.tolist()
    )
    assert pointers is not None
    assert {each.digest for each in pointers.values()} == {after.artefact_digest}, "what serves follows"
    folder = Path(django_settings.ARTEFACT_DIR) / str(planted.pk)
    assert [each.stem for each in (folder / "artefact").glob("*")] == [after.artefact_digest]
    assert (again.state, again.snapshot_id) == ("snapshot", None), "the open run begins again, without them"


def test_another_customers_version_is_not_flagged(planted: Shop) -> None:
    deliver({"customer": {"id": NUMBER + 5}, "orders_to_redact": []}, "customers/redact", webhook_id="r-9",
            path="/webhooks/compliance")  # fmt: skip
    work_off(planted)
    with scope(planted), looking():
        assert Version.objects.get().redacted_at is None
        assert Order.objects.get(order_id=ORDER).customer_id is not None


def test_the_command_prints_keeps_and_tells_by_its_exit_code(
    planted: Shop, redact: Callable[[Shop], None], capsys: Any
) -> None:
    asked = [planted.domain, "--customer", str(NUMBER), "--order", str(ORDER)]
    with pytest.raises(SystemExit) as ended:
        call_command("redaction_certificate", *asked)
    assert ended.value.code == 3
    assert not json.loads(capsys.readouterr().out)["clean"]
    redact(planted)
    call_command("redaction_certificate", *asked, "--visitor", VISITOR)
    assert json.loads(capsys.readouterr().out)["clean"]
    with scope(planted):
        assert Redaction.objects.exclude(certificate=None).count() == 2


SUSPICIOUS_NAMES = ("customer", "visitor", "person", "buyer", "email", "phone", "payload", "body")
SUSPICIOUS_TYPES = ("jsonb", "json", "bytea")


def test_every_column_that_could_hold_a_person_is_in_the_register(db: None) -> None:
    """A new table with such a column goes into `places.PLACES` with how it is erased, or among the harmless with why."""
    with connection.cursor() as cursor:
        unknown = []
        for model in apps.get_models():
            table = model._meta.db_table
            cursor.execute(
                "select column_name, data_type from information_schema.columns where table_name = %s", [table]
            )
            for column, kind in cursor.fetchall():
                suspicious = kind in SUSPICIOUS_TYPES or any(each in column for each in SUSPICIOUS_NAMES)
                if suspicious and places.named(table, column) is None:
                    unknown.append(f"{table}.{column}")
    assert unknown == []


def test_an_old_batch_of_events_is_stripped_too(planted: Shop, redact: Callable[[Shop], None]) -> None:
    redact(planted)
    names = pseudonyms.of(planted)
    told: list[Event] = [
        CustomerChanged(names.of_customer(NUMBER), V1, V1),
        order(1, [line(11, 7)], customer_id=names.of_customer(NUMBER), visitor=VISITOR),
        product(7, version_at=datetime.now(UTC)),
    ]
    store.append(planted, told, source=Source.RECONCILIATION, now=NOW)
    found = search.Findings()
    search.postgres(needles(planted), found)
    assert found.clean, found.hits
    assert rows()
    assert os.environ["REDIS_PREFIX"] == "test"
