"""Answers of the two-stage recommender through the signed proxy: who is known, what a session does, what is tried."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from mlops.deployments.pointers import Pointer
from mlops.features import newcomers as kept_newcomers
from mlops.features import online, store, tombstones
from mlops.features.events import SlotName, Source
from mlops.features.models import Exposure
from mlops.features.newcomers import Described, alike
from mlops.predictors.protocols import Query, Spoke
from storefront_proxy import exposures, lists, newcomers, versions
from storefront_proxy.versions import Serving
from tenancy import pseudonyms
from tenancy.models import Shop
from tenancy.redis import client, key
from tenancy.scope import scope
from tests.looks import looking
from tests.mlops.builders import NOON, product
from tests.mlops.recommend import themed
from tests.storefront_proxy.storefront import Storefront
from tests.storefront_proxy.two_stage import open_shop, theme

VISITOR = "visitor-of-birch"
AT = 9  # a customer's position
NEW = 5_000


@pytest.fixture
def numbers(shop: Shop) -> list[int]:
    return open_shop(shop)


@pytest.fixture
def front(shop: Shop, numbers: list[int]) -> Storefront:
    return Storefront(shop.domain)


def reasons(answer: dict[str, Any]) -> list[str]:
    return [each["reason"] for each in answer["products"]]


def themes(answer: dict[str, Any], first: int = 5) -> set[int]:
    return {theme(each["product_id"]) for each in answer["products"][:first]}


def test_a_page_gets_its_theme(front: Storefront) -> None:
    answer = front.ask(slot="product_page", product_id=1003).json()
    assert (answer["served_by"], answer["version"], themes(answer)) == ("item_to_item", "1", {3})
    assert reasons(answer)[:5] == ["bought_together"] * 5
    cart = front.ask(slot="cart", cart="1004,1010").json()
    assert themes(cart) == {4}


def test_a_signed_in_customer_who_allows_it_is_known(front: Storefront, numbers: list[int]) -> None:
    mine = front.ask(slot="home", visitor=VISITOR, customer=numbers[AT]).json()
    assert themes(mine) == {themed.likes(AT)}
    assert reasons(mine)[:5] == ["for_you"] * 5
    anybody = front.ask(slot="home").json()
    assert anybody["served_by"] == "trending"
    for other in (
        front.ask(slot="home", customer=numbers[AT]),  # allows nothing: no visitor
        front.ask(slot="home", visitor=VISITOR, customer=42),  # has never bought
        front.ask(slot="home", visitor=VISITOR),
    ):
        assert other.json()["products"] == anybody["products"]


def test_what_was_bought_may_be_left_out(front: Storefront, numbers: list[int]) -> None:
    owned = {1000 + int(at) for at in themed.recommender().model_.signals.own[AT].indices}
    ask: dict[str, Any] = {"slot": "home", "visitor": VISITOR, "customer": numbers[AT], "limit": 24}
    usual = {each["product_id"] for each in front.ask(**ask).json()["products"]}
    new = {each["product_id"] for each in front.ask(**ask, repeats="exclude").json()["products"]}
    assert usual & owned
    assert not new & owned


def test_an_erased_customer_is_unknown_at_once(front: Storefront, shop: Shop, numbers: list[int]) -> None:
    anybody = front.ask(slot="home").json()["products"]
    ask: dict[str, Any] = {"slot": "home", "visitor": VISITOR, "customer": numbers[AT]}
    assert front.ask(**ask).json()["products"] != anybody
    with scope(shop), transaction.atomic():
        customer = pseudonyms.of(shop).of_customer(numbers[AT])
        tombstones.set_up(shop, customers=[customer], visitors=[], now=NOON)
    assert front.ask(**ask).json()["products"] == anybody
    client().delete(key("erased", shop.pk))  # Redis lost it
    assert front.ask(**ask).json()["products"] == anybody


def test_a_known_customer_costs_no_query(front: Storefront, numbers: list[int]) -> None:
    ask: dict[str, Any] = {"slot": "home", "visitor": VISITOR, "customer": numbers[AT]}
    front.ask(**ask)

    def refuse(execute: Any, sql: str, *args: Any) -> Any:
        raise AssertionError(f"the warm path ran {sql}")

    with connection.execute_wrapper(refuse):
        assert reasons(front.ask(**ask).json())[0] == "for_you"


def test_a_session_moves_the_list(front: Storefront) -> None:
    """A new visitor with three views gets what goes with them instead of what everybody buys."""
    popular = front.ask(slot="home").json()
    session = front.ask(slot="home", visitor="new", recent="1002,1008,1014").json()
    assert popular["served_by"] == "trending"
    assert reasons(session)[:5] == ["session"] * 5
    assert themes(session) == {2}
    page = front.ask(slot="product_page", product_id=1003).json()
    moved = front.ask(slot="product_page", product_id=1003, recent="1002,1008,1014").json()
    assert (themes(page), themes(moved)) == ({3}, {2, 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recent", ",".join(str(each) for each in range(1, 22))),
        ("recent", "1,x"),
        ("recent", "0"),
        ("repeats", "sometimes"),
    ],
)
def test_what_is_no_session_is_refused(front: Storefront, name: str, value: str) -> None:
    wrong: dict[str, Any] = {name: value}
    response = front.ask(slot="home", **wrong)
    assert response.status_code == 400
    assert response.json()["error"]["field"] == name


def serving(shop: Shop) -> Serving:
    found = versions.serving(shop.pk, SlotName.HOME)
    assert found is not None
    return found


def test_lists_without_a_person_are_kept_and_those_with_one_are_not(
    front: Storefront, shop: Shop, numbers: list[int]
) -> None:
    page, customer = Query(20_000.3, (1003,)), pseudonyms.of(shop).of_customer(numbers[AT])
    assert lists.ask(serving(shop), page) is lists.ask(serving(shop), Query(20_000.9, (1003,)))
    mine = Query(20_000.3, customer=customer)
    assert lists.ask(serving(shop), mine) is not lists.ask(serving(shop), mine)
    nobody = lists.ask(serving(shop), Query(20_000.3))
    assert nobody is not None
    assert nobody.by == Spoke.TRENDING


def test_without_time_no_ranker_answers(front: Storefront, shop: Shop, numbers: list[int]) -> None:
    found = lists.ask(serving(shop), Query(20_000.3, (1003,), recent=(1004,)), budget_s=-1.0)
    assert found is not None
    assert found.by == Spoke.GENERATOR
    assert found.named > 3


class Broken:
    """A version that was learnt wrong."""

    def recommend(self, *args: Any, **kwargs: Any) -> Any:
        raise IndexError("index 7 is out of bounds")


def test_a_recommender_that_fails_is_logged_and_served_around(caplog: pytest.LogCaptureFixture) -> None:
    broken = Serving(Pointer(1, 1, 1, "d"), Broken())  # type: ignore[arg-type]
    assert lists.ask(broken, Query(20_000.3, (1003,))) is None
    assert "storefront.recommender_failed" in caplog.text


# New products


def publish(shop: Shop, *, title: str = "A theme product", days: float = 1) -> None:
    """A product that arrives by webhook, a day old, and the minute after it."""
    now = datetime.now(UTC)
    found = product(NEW, title=title, published_at=now - timedelta(days=days))
    store.append(shop, [found], source=Source.WEBHOOK, now=now)
    online.refresh(shop, [NEW])
    with scope(shop):
        kept_newcomers.renew(shop, now=now)
    newcomers.forget()


def test_a_product_that_nobody_bought_is_tried_in_a_capped_share_of_places(
    front: Storefront, shop: Shop
) -> None:
    publish(shop)
    shown: Counter[str] = Counter()
    for number in range(150):
        answer = front.ask(slot="product_page", product_id=1000 + number % 60, limit=8).json()
        shown.update(reasons(answer))
        places = [at for at, reason in enumerate(reasons(answer)) if reason == "new"]
        assert len(places) <= 1
        assert all(at >= 4 for at in places)
        assert len({each["product_id"] for each in answer["products"]}) == 8
    assert 0.05 < shown["new"] / shown.total() < 0.13
    while exposures.flush(consumer="one", now=datetime.now(UTC)):
        pass
    with scope(shop), looking():
        rows = list(Exposure.objects.values_list("product_ids", "reasons"))
    assert sum(each == "new" for _, why in rows for each in why) == shown["new"]
    assert all(len(ids) == len(why) and (NEW in ids) == ("new" in why) for ids, why in rows)
    assert kept_newcomers.read(shop.pk, now=datetime.now(UTC).timestamp())[NEW].shown == shown["new"]


def test_a_click_on_what_is_tried_is_counted(front: Storefront, shop: Shop) -> None:
    publish(shop)
    for _ in range(60):
        answer = front.ask(slot="home").json()
        if "new" in reasons(answer):
            break
    for each in (NEW, answer["products"][0]["product_id"]):
        front.click({"exposure": answer["exposure"], "product_id": each})
    while exposures.flush(consumer="one", now=datetime.now(UTC)):
        pass
    found = kept_newcomers.read(shop.pk, now=datetime.now(UTC).timestamp())[NEW]
    assert (found.shown, found.clicked) == (1, 1)


def test_a_new_products_own_page_shows_what_is_like_it(front: Storefront, shop: Shop) -> None:
    store.append(
        shop,
        [product(1001, title="Blue spotted kettle", version_at=NOON + timedelta(hours=1))],
        source=Source.WEBHOOK,
        now=NOON,
    )
    publish(shop, title="Red spotted kettle")
    answer = front.ask(slot="product_page", product_id=NEW).json()
    assert (answer["products"][0]["product_id"], reasons(answer)[0]) == (1001, "similar")
    assert answer["served_by"] == "item_to_item"
    assert len(answer["products"]) == 8


@pytest.mark.parametrize(("days", "percent"), [(31, 10), (1, 0)])
def test_what_is_old_or_forbidden_is_not_tried(
    front: Storefront, shop: Shop, settings: Any, days: float, percent: int
) -> None:
    settings.EXPLORE_PERCENT = percent
    publish(shop, days=days)
    assert all("new" not in reasons(front.ask(slot="home").json()) for _ in range(40))


def test_a_shop_that_is_forgotten_leaves_nothing_to_try(front: Storefront, shop: Shop) -> None:
    publish(shop)
    kept_newcomers.count(shop.pk, shown=[NEW])
    online.forget(shop.pk, shop.domain)
    assert kept_newcomers.read(shop.pk, now=0) == {}
    assert not client().exists(key("tried", shop.pk), key("newcomers", shop.pk), key("erased", shop.pk))


def test_alike_by_rare_words_and_price() -> None:
    """1 shares a rare word with 2 and 3; 3 costs ten times as much. "shop" is in all titles and tells nothing."""
    found = alike(
        [1, 5],
        [
            Described(1, "shop spotted kettle", 10.0),
            Described(2, "shop spotted cup", 11.0),
            Described(3, "shop spotted cup", 100.0),
            Described(4, "shop duck", 10.0),
            Described(5, "shop lantern", None),
            *(Described(each, f"shop thing{'abcdefghij'[each - 6]}", 1.0) for each in range(6, 16)),
        ],
    )
    assert found == {1: [2, 3], 5: []}
