"""Definitions of metafields and the values of a generated shop, as the Admin API tells them."""

from __future__ import annotations

import json

from devstore.metafield_samples import DEFINITIONS
from tests.devstore.admin_client import AdminClient

SET = "mutation($m: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $m) { userErrors { message } } }"


def test_definitions_are_listed_by_owner_and_page(api: AdminClient) -> None:
    query = """query($o: MetafieldOwnerType!, $a: String) { metafieldDefinitions(ownerType: $o, first: 4, after: $a) {
      nodes { id name namespace key ownerType type { name } metafieldsCount validations { name value } }
      pageInfo { hasNextPage endCursor } } }"""
    found, after = [], None
    while True:
        page = api.data(query, {"o": "PRODUCT", "a": after})["metafieldDefinitions"]
        found += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    wanted = [row[1:3] for row in DEFINITIONS if row[0] == "PRODUCT"]
    assert [(each["namespace"], each["key"]) for each in found] == wanted
    assert {each["ownerType"] for each in found} == {"PRODUCT"}
    by_key = {each["key"]: each for each in found}
    assert by_key["weight"]["type"] == {"name": "weight"}
    assert 0 < by_key["weight"]["metafieldsCount"] <= api.store.counts()["products"]
    assert "beech" in json.loads(by_key["material"]["validations"][0]["value"])
    one = (
        'query { metafieldDefinitions(ownerType: PRODUCT, first: 5, namespace: "reviews") { nodes { key } } }'
    )
    assert api.data(one)["metafieldDefinitions"]["nodes"] == [{"key": "rating"}]


def test_a_product_tells_its_metafields_and_counts_as_changed_with_them(api: AdminClient) -> None:
    query = """{ products(first: 100) { nodes { id updatedAt w: metafield(namespace: "custom", key: "weight")
      { value type definition { name } } } } }"""
    nodes = api.data(query)["products"]["nodes"]
    weights = [each["w"] for each in nodes if each["w"]]
    assert len(nodes) > len(weights) > 0.9 * len(nodes)
    assert {each["definition"]["name"] for each in weights} == {"Weight"}
    assert {json.loads(each["value"])["unit"] for each in weights} == {"g", "kg"}
    care = {"namespace": "custom", "key": "care", "value": "Dust.", "type": "multi_line_text_field"}
    api.data(SET, {"m": [{"ownerId": nodes[0]["id"], **care}]})
    (after,) = [each for each in api.data(query)["products"]["nodes"] if each["id"] == nodes[0]["id"]]
    assert after["updatedAt"] > nodes[0]["updatedAt"]


def test_a_bulk_operation_tells_metafields_in_the_line_of_their_owner(api: AdminClient) -> None:
    query = """{ products { edges { node { id a: metafield(namespace: "custom", key: "handmade") { value }
      variants { edges { node { id b: metafield(namespace: "custom", key: "height") { value type } } } } } } } }"""
    done, lines = api.bulk(query)
    counts = api.store.counts()
    assert int(done["objectCount"]) == len(lines) == counts["products"] + counts["variants"]
    assert all(line["b"]["type"] == "dimension" for line in lines if line.get("b"))
    assert {line["a"]["value"] for line in lines if line.get("a")} == {"true", "false"}


def test_values_are_of_defined_types(api: AdminClient) -> None:
    # What an app keeps under its own name is its own affair.
    rows = api.store.read(
        "SELECT DISTINCT namespace, key, type FROM metafields WHERE namespace NOT LIKE 'app--%'"
    )
    assert {tuple(row) for row in rows} <= {(row[1], row[2], row[4]) for row in DEFINITIONS}
