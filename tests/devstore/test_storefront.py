"""The storefront over HTTP: what a buyer, a theme's script and a hostile stranger get."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from devstore.changes import create_product, set_status, set_stock
from devstore.liquid_filters import amount_text
from tests.conftest import NOON
from tests.devstore.listening_app import ListeningApp
from tests.devstore.running import CUSTOMER_ID, DOMAIN, RunningDevstore

JSON = {"Accept": "application/json"}


@pytest.fixture
def buyer(devstore: RunningDevstore) -> httpx.Client:
    """A browser with its own cookies."""
    return httpx.Client(base_url=devstore.url, trust_env=False, timeout=15)


def new_product(
    devstore: RunningDevstore, title: str, *, available: int = 10, price: str = "12.50"
) -> dict[str, Any]:
    """A fresh product of this test, as /products/{handle}.js shows it."""
    store = devstore.platform.store(DOMAIN)
    product_id = create_product(store, title=title, price=price, available=available, now=NOON)[0].id
    row = store.one("SELECT handle FROM products WHERE id = ?", (product_id,))
    assert row is not None
    return dict(devstore.client.get(f"/products/{row['handle']}.js").json())


def variant_of(product: dict[str, Any]) -> int:
    return int(product["variants"][0]["id"])


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/collections",
        "/collections/all",
        "/search?q=candle",
        "/cart",
        "/account/login",
        "/products/candle-1",
    ],
)
def test_pages_stand(devstore: RunningDevstore, path: str) -> None:
    answer = devstore.client.get(path)
    assert answer.status_code == 200
    assert "<h1>" in answer.text


def test_the_block_stands_on_three_pages_while_the_app_is_installed(devstore: RunningDevstore) -> None:
    for path, slot in (("/", "home"), ("/products/candle-1", "product_page"), ("/cart", "cart")):
        page = devstore.client.get(path).text
        assert f'data-slot="{slot}"' in page
    assert "shelfwise-recommendations" not in devstore.client.get("/collections/all").text

    devstore.platform.uninstall(DOMAIN)
    assert "shelfwise-recommendations" not in devstore.client.get("/products/candle-1").text


def test_the_host_names_the_shop(devstore: RunningDevstore) -> None:
    new_product(devstore, "Only at Birch")
    assert devstore.client.get("/products/only-at-birch").status_code == 200
    stranger = {"Host": "stranger.localhost:9292"}
    assert devstore.client.get("/products/only-at-birch", headers=stranger).status_code == 404
    assert devstore.client.get("/", headers={"Host": "nobody.localhost"}).status_code == 404


def test_search_finds_by_words_and_takes_wildcards_literally(devstore: RunningDevstore) -> None:
    new_product(devstore, "Walnut 100% Board")
    assert "Walnut 100% Board" in devstore.client.get("/search", params={"q": "board walnut"}).text
    assert "Walnut 100% Board" in devstore.client.get("/search", params={"q": "100%"}).text
    assert "Walnut 100% Board" not in devstore.client.get("/search", params={"q": "W_lnut"}).text


def test_names_from_the_store_are_escaped(devstore: RunningDevstore) -> None:
    product = new_product(devstore, "<img src=x onerror=alert(1)>")
    page = devstore.client.get(product["url"]).text
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror" in page
    assert "<b>" not in devstore.client.get("/search", params={"q": "<b>'\""}).text


def test_product_json_in_cents_and_listing_in_decimals(devstore: RunningDevstore) -> None:
    product = new_product(devstore, "Priced Thing", price="1234.50")
    assert product["price"] == 123450
    assert product["variants"][0]["price"] == 123450
    assert product["available"] is True
    listed = devstore.client.get("/products.json?limit=250").json()["products"]
    mine = next(item for item in listed if item["id"] == product["id"])
    assert mine["variants"][0]["price"] == "1234.50"
    page = devstore.client.get(product["url"]).text
    assert "£1,234.50" in page


def test_products_json_pages_without_overlap(devstore: RunningDevstore) -> None:
    first = devstore.client.get("/products.json?limit=2&page=1").json()["products"]
    second = devstore.client.get("/products.json?limit=2&page=2").json()["products"]
    assert len(first) == 2
    assert not {item["id"] for item in first} & {item["id"] for item in second}


def test_drafts_are_nowhere(devstore: RunningDevstore) -> None:
    product = new_product(devstore, "Soon Here")
    set_status(devstore.platform.store(DOMAIN), product["id"], "DRAFT", now=NOON)
    assert devstore.client.get(product["url"]).status_code == 404
    assert devstore.client.get(product["url"] + ".js").status_code == 404
    ids = [item["id"] for item in devstore.client.get("/products.json?limit=250").json()["products"]]
    assert product["id"] not in ids
    sold = devstore.client.post("/cart/add.js", json={"items": [{"id": variant_of(product)}]})
    assert (sold.status_code, sold.json()["description"]) == (422, "Cannot find variant")


def test_related_products_share_a_collection(devstore: RunningDevstore) -> None:
    one, other, apart = (new_product(devstore, title) for title in ("Fig Soap", "Fig Balm", "Rake"))
    with devstore.platform.store(DOMAIN).transaction() as tx:
        tx.execute("INSERT OR IGNORE INTO collections VALUES (77, 'fig', 'Fig', '2026-01-01T00:00:00Z')")
        tx.executemany(
            "INSERT INTO collection_products VALUES (77, ?, ?)", [(one["id"], 1), (other["id"], 2)]
        )
    answer = devstore.client.get(f"/recommendations/products.json?product_id={one['id']}&limit=4")
    ids = [item["id"] for item in answer.json()["products"]]
    assert ids == [other["id"]]
    assert apart["id"] not in ids
    assert devstore.client.get("/recommendations/products.json?product_id=1").status_code == 404
    assert "Fig" in devstore.client.get("/collections/fig").text


def test_a_cart_from_first_line_to_paid_order(
    devstore: RunningDevstore, buyer: httpx.Client, app: ListeningApp
) -> None:
    product = new_product(devstore, "Followed Thing", price="50.00")
    variant = variant_of(product)

    plain = buyer.post("/cart/add.js", json={"id": variant, "quantity": 1})
    assert plain.json()["variant_id"] == variant
    assert plain.json()["properties"] == {}
    item = {
        "id": variant,
        "quantity": 1,
        "properties": {"_ml_rec": "abcdefghij0123456789", "Engraving": "For Ann"},
    }
    assert buyer.post("/cart/add.js", json={"items": [item]}).json()["items"][0]["quantity"] == 1
    assert buyer.post("/cart/add.js", json={"items": [item]}).json()["items"][0]["quantity"] == 2
    buyer.post("/cart/update.js", json={"attributes": {"_ml_visitor": "visitor-1234"}})

    cart = buyer.get("/cart.js").json()
    assert cart["item_count"] == 3
    assert cart["total_price"] == 15000
    assert len(cart["items"]) == 2  # other properties, other line
    assert cart["attributes"] == {"_ml_visitor": "visitor-1234"}

    page = buyer.get("/cart").text
    assert "For Ann" in page
    assert "abcdefghij0123456789" not in page  # names that start with _ are not for buyers
    assert f'data-cart="{product["id"]},{product["id"]}"' in page

    done = buyer.post("/checkout", follow_redirects=True)
    assert done.status_code == 200
    assert "Thank you" in done.text
    assert "abcdefghij0123456789" not in done.text
    assert buyer.get("/cart.js").json()["item_count"] == 0

    told = json.loads(app.wait_for("orders/create")[0].body)
    assert told["note_attributes"] == [{"name": "_ml_visitor", "value": "visitor-1234"}]
    properties = [pair for line in told["line_items"] for pair in line["properties"]]
    assert {"name": "_ml_rec", "value": "abcdefghij0123456789"} in properties
    assert told["total_price"] == "150.00"

    guessed = str(done.url).rsplit("/", 1)[0] + "/" + "0" * 32
    assert buyer.get(guessed).status_code == 404


def test_checkout_answers_scripts_in_json_and_knows_the_customer(
    devstore: RunningDevstore, buyer: httpx.Client
) -> None:
    product = new_product(devstore, "Scripted Thing")
    assert buyer.get(f"/account/login?customer_id={CUSTOMER_ID}").status_code == 303
    buyer.post("/cart/add.js", json={"id": variant_of(product)})
    answer = buyer.post("/checkout", json={"test": True})
    assert answer.status_code == 201
    order = answer.json()["order"]
    assert order["test"] is True
    row = devstore.platform.store(DOMAIN).one("SELECT customer_id FROM orders WHERE id = ?", (order["id"],))
    assert row is not None
    assert row["customer_id"] == CUSTOMER_ID
    assert buyer.post("/checkout", json={}).status_code == 422  # one cart, one order


def test_a_cart_that_cannot_be_bought_is_kept(devstore: RunningDevstore, buyer: httpx.Client) -> None:
    product = new_product(devstore, "Last One", available=2)
    buyer.post("/cart/add.js", json={"id": variant_of(product), "quantity": 2})
    set_stock(devstore.platform.store(DOMAIN), variant_of(product), 1, now=NOON)
    assert buyer.post("/checkout", json={}).status_code == 422
    assert buyer.get("/cart.js").json()["item_count"] == 2


def test_sold_out_is_refused_in_shopifys_words(devstore: RunningDevstore, buyer: httpx.Client) -> None:
    product = new_product(devstore, "Gone Thing", available=0)
    refused = buyer.post("/cart/add.js", json={"items": [{"id": variant_of(product), "quantity": 1}]})
    assert refused.status_code == 422
    assert refused.json() == {
        "status": 422,
        "message": "Cart Error",
        "description": "The product 'Gone Thing' is already sold out.",
    }
    few = new_product(devstore, "Two Things", available=2)
    assert buyer.post("/cart/add.js", json={"id": variant_of(few), "quantity": 2}).status_code == 200
    assert buyer.post("/cart/add.js", json={"id": variant_of(few), "quantity": 1}).status_code == 422


def test_lines_change_by_key_by_place_and_by_form(devstore: RunningDevstore, buyer: httpx.Client) -> None:
    product = new_product(devstore, "Changing Thing")
    variant = variant_of(product)
    form = buyer.post("/cart/add", data={"id": str(variant), "quantity": "2", "properties[Note]": "x"})
    assert form.status_code == 303
    line = buyer.get("/cart.js").json()["items"][0]
    assert line["properties"] == {"Note": "x"}
    assert buyer.post("/cart/change.js", json={"id": line["key"], "quantity": 5}).json()["item_count"] == 5
    assert buyer.post("/cart/change.js", json={"line": 1, "quantity": 1}).json()["item_count"] == 1
    assert buyer.post("/cart/update.js", json={"updates": {str(variant): 3}}).json()["item_count"] == 3
    assert buyer.post("/cart/update.js", json={"updates": [2]}).json()["item_count"] == 2
    sent = buyer.post(
        "/cart/add.js", files={"id": (None, str(variant)), "quantity": (None, "1")}, headers=JSON
    )
    assert sent.status_code == 200  # FormData, as themes send it
    assert buyer.post("/cart/change.js", json={"id": line["key"], "quantity": 0}).json()["item_count"] == 1
    assert buyer.post("/cart/clear.js", json={}).json()["items"] == []


BAD_BODIES: list[tuple[str, bytes, str]] = [
    ("/cart/add.js", b"{", "application/json"),
    ("/cart/add.js", b"[]", "application/json"),
    ("/cart/add.js", b"\xff\xfe", "application/json"),
    ("/cart/add.js", b'{"id": "\\ud800"}', "application/json"),
    ("/cart/add.js", b'{"items": 5}', "application/json"),
    ("/cart/add.js", b'{"items": [7]}', "application/json"),
    ("/cart/add.js", b'{"items": []}', "application/json"),
    ("/cart/add.js", b'{"id": 1e400}', "application/json"),
    ("/cart/add.js", b'{"id": ' + b"9" * 400 + b"}", "application/json"),
    ("/cart/add.js", b'{"id": true, "quantity": -1}', "application/json"),
    ("/cart/add.js", b"[" * 20_000, "application/json"),
    ("/cart/add.js", b"id=%FF%FE", "application/x-www-form-urlencoded"),
    ("/cart/add.js", b"nothing", "multipart/form-data; boundary=x"),
    ("/cart/add.js", b"nothing", "multipart/form-data"),
    ("/cart/update.js", b'{"updates": "x"}', "application/json"),
    ("/cart/update.js", b'{"updates": {"1": 1}}', "application/json"),
    ("/cart/update.js", b'{"attributes": [1]}', "application/json"),
    ("/cart/update.js", b'{"attributes": {"a": {"b": 1}}}', "application/json"),
    ("/cart/change.js", b'{"line": 1, "quantity": 1}', "application/json"),
    ("/cart/change.js", b"{}", "application/json"),
    ("/checkout", b"{}", "application/json"),
    ("/cart/add.js", b"x" * 600_000, "application/json"),
]


@pytest.mark.parametrize("path, body, kind", BAD_BODIES)
def test_bad_bodies_are_refused(devstore: RunningDevstore, path: str, body: bytes, kind: str) -> None:
    answer = devstore.client.post(path, content=body, headers={"Content-Type": kind})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["description"]


@pytest.mark.parametrize(
    "path",
    [
        "/products/nothing",
        "/products/nothing.js",
        "/products/%FF%00",
        "/collections/nothing",
        "/collections/nothing/products.json",
        "/products.json?limit=0",
        "/products.json?limit=251",
        "/products.json?page=" + "9" * 30,
        "/recommendations/products.json",
        "/recommendations/products.json?product_id=x",
        "/orders/1/x",
        "/orders/99999999999999999999/x",
        "/account/login?customer_id=5",
        "/account/login?customer_id=%D9%A1",
        "/cdn/images/1.svg",
        "/cdn/images/99999999999999999999.svg",
        "/cdn/theme/..%2Flayout.liquid",
        "/cdn/extensions/shelfwise-recommendations/assets/..%2Fshopify.extension.toml",
        "/cdn/extensions/another/assets/recommendations.js",
    ],
)
def test_bad_addresses_are_refused(devstore: RunningDevstore, path: str) -> None:
    assert 400 <= devstore.client.get(path).status_code < 500


def test_odd_cookies_are_no_cookies(devstore: RunningDevstore) -> None:
    cookies = {"Cookie": "cart=' OR 1=1; devstore_customer=99999999999999999999"}
    assert devstore.client.get("/cart.js", headers=cookies).json()["items"] == []
    assert devstore.client.get("/", headers=cookies).status_code == 200


def test_pictures_are_drawn_the_same_each_time(devstore: RunningDevstore) -> None:
    product = new_product(devstore, "Blue <Teapot>")
    first, second = (devstore.client.get(product["featured_image"]) for _ in range(2))
    assert first.headers["content-type"] == "image/svg+xml"
    assert first.content == second.content
    assert b"<Teapot>" not in first.content


@pytest.mark.parametrize(
    "cents, currency, text",
    [(123450, "GBP", "£1,234.50"), (5, "USD", "$0.05"), (99900, "SEK", "999.00 SEK"), ("x", "GBP", "")],
)
def test_money(cents: object, currency: str, text: str) -> None:
    assert amount_text(cents, currency) == text
