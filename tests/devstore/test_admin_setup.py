"""What an app sets up in a shop through the Admin API, and how the API misbehaves on request."""

from __future__ import annotations

from typing import Any

from devstore import changes
from devstore.resolvers.fields import gid
from tests.devstore.admin_client import NOW, AdminClient
from tests.devstore.running import OTHER_DOMAIN


def test_a_web_pixel_lives_as_long_as_the_install(api: AdminClient) -> None:
    create = "mutation($s: JSON!) { webPixelCreate(webPixel: {settings: $s}) { webPixel { id settings } userErrors { code } } }"
    assert api.data(create, {"s": "no object"})["webPixelCreate"]["userErrors"] == [
        {"code": "INVALID_SETTINGS"}
    ]
    made = api.data(create, {"s": '{"endpoint":"https://x.test"}'})["webPixelCreate"]
    assert made["webPixel"]["settings"] == '{"endpoint":"https://x.test"}'
    assert api.data(create, {"s": "{}"})["webPixelCreate"]["userErrors"] == [{"code": "TAKEN"}]
    identifier = made["webPixel"]["id"]
    update = "mutation($i: ID!) { webPixelUpdate(id: $i, webPixel: {settings: {a: 1}}) { webPixel { settings } userErrors { code } } }"
    assert api.data(update, {"i": identifier})["webPixelUpdate"]["webPixel"]["settings"] == '{"a":1}'
    delete = "mutation($i: ID!) { webPixelDelete(id: $i) { deletedWebPixelId userErrors { code } } }"
    assert api.data(delete, {"i": identifier})["webPixelDelete"]["deletedWebPixelId"] == identifier
    assert api.data(delete, {"i": identifier})["webPixelDelete"]["userErrors"] == [{"code": "NOT_FOUND"}]
    assert api.data("{ webPixel { id } }") == {"webPixel": None}


def test_a_webhook_subscription_is_sent_webhooks(api: AdminClient) -> None:
    create = """mutation($t: WebhookSubscriptionTopic!, $u: String) { webhookSubscriptionCreate(topic: $t,
      webhookSubscription: {uri: $u}) { webhookSubscription { id topic uri } userErrors { field message } } }"""
    variables = {"t": "PRODUCTS_UPDATE", "u": api.app.url + "/webhooks/extra"}
    made = api.data(create, variables)["webhookSubscriptionCreate"]["webhookSubscription"]
    assert made["topic"] == "PRODUCTS_UPDATE"
    assert api.data(create, variables)["webhookSubscriptionCreate"]["userErrors"][0]["message"] == (
        "Address for this topic has already been taken"
    )
    assert api.data(create, {"t": "PRODUCTS_UPDATE", "u": "nowhere"})["webhookSubscriptionCreate"][
        "userErrors"
    ]
    (row,) = api.store.read("SELECT id FROM variants LIMIT 1")
    api.devstore.platform.emit(api.store, changes.set_price(api.store, row["id"], price="9.99", now=NOW))
    assert "/webhooks/extra" in {request.path for request in api.app.wait_for("products/update", 3)}
    listed = api.data("{ webhookSubscriptions(first: 5) { nodes { id uri } } }")["webhookSubscriptions"][
        "nodes"
    ]
    assert listed == [{"id": made["id"], "uri": variables["u"]}]
    delete = "mutation($i: ID!) { webhookSubscriptionDelete(id: $i) { deletedWebhookSubscriptionId userErrors { message } } }"
    assert api.data(delete, {"i": made["id"]})["webhookSubscriptionDelete"]["userErrors"] == []
    assert api.data(delete, {"i": made["id"]})["webhookSubscriptionDelete"]["userErrors"]


def test_metafields_are_set_together_or_not_at_all(api: AdminClient) -> None:
    (row,) = api.store.read("SELECT id FROM products LIMIT 1")
    owner = gid("Product", row["id"])
    mutation = """mutation($m: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $m) { metafields { id value jsonValue }
      userErrors { field code elementIndex } } }"""
    good = {"ownerId": owner, "namespace": "$app", "key": "model", "type": "json", "value": '{"v":1}'}
    bad = {"ownerId": gid("Product", 1), "key": "model", "type": "json", "value": "{}"}
    refused = api.data(mutation, {"m": [good, bad]})["metafieldsSet"]
    assert refused["metafields"] is None
    assert refused["userErrors"] == [
        {"field": ["metafields", "1", "ownerId"], "code": "INVALID_VALUE", "elementIndex": 1}
    ]
    read = 'query($i: ID!) { product(id: $i) { metafield(namespace: "$app", key: "model") { value } metafields(first: 5, namespace: "$app") { nodes { key } } } }'
    assert api.data(read, {"i": owner})["product"] == {"metafield": None, "metafields": {"nodes": []}}
    (made,) = api.data(mutation, {"m": [good]})["metafieldsSet"]["metafields"]
    (again,) = api.data(mutation, {"m": [{**good, "value": '{"v":2}'}]})["metafieldsSet"]["metafields"]
    assert (again["id"], again["jsonValue"]) == (made["id"], {"v": 2})
    assert api.data(read, {"i": owner})["product"] == {
        "metafield": {"value": '{"v":2}'},
        "metafields": {"nodes": [{"key": "model"}]},
    }


def test_flow_triggers_are_recorded(api: AdminClient) -> None:
    mutation = "mutation($h: String, $p: JSON) { flowTriggerReceive(handle: $h, payload: $p) { userErrors { field message } } }"

    def send(handle: str, payload: Any) -> list[Any]:
        errors: list[Any] = api.data(mutation, {"h": handle, "p": payload})["flowTriggerReceive"][
            "userErrors"
        ]
        return errors

    assert send("model-degraded", {"Model name": "als-v12", "product_id": 5}) == []
    assert send("", {"a": 1})[0]["field"] == ["handle"]
    assert send("model-degraded", [1])[0]["field"] == ["payload"]
    assert "50 KB" in send("model-degraded", {"a": "x" * 51_000})[0]["message"]
    (recorded,) = api.devstore.control("GET", "/flow_triggers").json()["flow_triggers"]
    assert recorded["payload"] == {"Model name": "als-v12", "product_id": 5}
    assert (recorded["shop"], recorded["handle"]) == (api.domain, "model-degraded")


def test_an_unoffered_mutation_says_so(api: AdminClient) -> None:
    errors = api.errors(
        'mutation { productDelete(input: {id: "gid://shopify/Product/1"}) { deletedProductId } }'
    )
    assert errors
    assert "not offered by this local Shopify" in errors[0] or "Access denied" in errors[0]


def test_the_app_can_uninstall_itself(api: AdminClient) -> None:
    other = AdminClient(api.devstore, api.app, OTHER_DOMAIN)
    api.devstore.platform.install(OTHER_DOMAIN)
    asking = other.with_scopes("read_products")
    assert asking.data("mutation { appUninstall { app { title } userErrors { message } } }")[
        "appUninstall"
    ] == {
        "app": {"title": "Shelfwise"},
        "userErrors": [],
    }
    assert asking.post("{ shop { name } }").status_code == 401
    api.app.wait_for("app/uninstalled")


def test_faults_of_the_api(api: AdminClient) -> None:
    platform = api.devstore.platform
    platform.set_faults({"api": {"error_rate": 1}})
    assert api.post("{ shop { name } }").status_code == 500
    platform.set_faults({"api": {"error_rate": 0, "throttle_rate": 1}})
    assert api.ask("{ shop { name } }")["errors"][0]["extensions"]["code"] == "THROTTLED"
