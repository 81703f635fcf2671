"""Metafields of a generated shop: definitions as a merchant makes them, and values for most of its things.

They are drawn from a generator of their own, so that a shop of the same seed has the same orders with or without them.
One value in forty is missing, one weight is written in another unit, and two definitions are of types no model can use.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from devstore.catalogue import Catalogue
from devstore.resolvers.fields import gid
from devstore.store import ID_BASE, ID_STEP, Store, domain_offset, utc_text

MATERIALS = ("beech", "cotton", "linen", "stoneware", "glass", "wax", "steel", "paper")
OCCASIONS = ("birthday", "christmas", "everyday", "housewarming", "wedding")
CHOICES = [{"name": "choices", "type": "list.single_line_text_field", "value": json.dumps(MATERIALS)}]
# owner type, namespace, key, name, type
DEFINITIONS: tuple[tuple[str, str, str, str, str], ...] = (
    ("PRODUCT", "custom", "lasts_days", "Lasts (days)", "number_integer"),
    ("PRODUCT", "custom", "material", "Material", "single_line_text_field"),
    ("PRODUCT", "custom", "handmade", "Made by hand", "boolean"),
    ("PRODUCT", "custom", "weight", "Weight", "weight"),
    ("PRODUCT", "custom", "occasions", "Occasions", "list.single_line_text_field"),
    ("PRODUCT", "custom", "first_made", "First made", "date"),
    ("PRODUCT", "custom", "goes_with", "Goes with", "list.product_reference"),
    ("PRODUCT", "reviews", "rating", "Rating", "rating"),
    ("PRODUCT", "custom", "care", "Care", "multi_line_text_field"),
    ("PRODUCT", "custom", "datasheet", "Data sheet", "json"),
    ("PRODUCTVARIANT", "custom", "height", "Height", "dimension"),
    ("PRODUCTVARIANT", "custom", "cost_price", "Cost price", "money"),
    ("CUSTOMER", "custom", "birthday", "Birthday", "date"),
    ("ORDER", "custom", "gift_note", "Gift note", "single_line_text_field"),
)


def write_metafields(store: Store, catalogue: Catalogue, *, seed: int, now: datetime) -> None:
    """Write the definitions, and values of the products and variants."""
    rng = np.random.default_rng((seed, 10))
    offset = domain_offset(store.domain)
    at = utc_text(now)
    definitions = [
        (
            place,
            *row[:4],
            None,
            row[4],
            json.dumps(CHOICES) if row[2] == "material" else "[]",
        )
        for place, row in enumerate(DEFINITIONS, 1)
    ]
    values = [*_of_products(catalogue, rng), *_of_variants(catalogue, rng)]
    rows = [
        (ID_BASE["metafields"] + offset + place * ID_STEP, owner, namespace, key, kind, value, at, at)
        for place, (owner, namespace, key, kind, value) in enumerate(values, 1)
    ]
    with store.transaction() as tx:
        tx.executemany("INSERT INTO metafield_definitions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", definitions)
        tx.executemany("INSERT INTO metafields VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _of_products(catalogue: Catalogue, rng: np.random.Generator) -> list[tuple[str, str, str, str, str]]:
    found = []
    total = len(catalogue.product_id)
    for p in range(total):
        owner = gid("Product", int(catalogue.product_id[p]))
        grams = int(rng.integers(40, 2_400))
        weight = {"value": grams / 1000, "unit": "kg"} if p % 7 == 0 else {"value": float(grams), "unit": "g"}
        others = sorted({int(catalogue.product_id[int(each)]) for each in rng.integers(0, total, 2)})
        told = {
            "material": MATERIALS[int(rng.integers(len(MATERIALS)))],
            "handmade": "true" if rng.random() < 0.3 else "false",
            "weight": json.dumps(weight),
            "occasions": json.dumps(_some(rng, OCCASIONS)),
            "first_made": f"{int(rng.integers(2012, 2026))}-{int(rng.integers(1, 13)):02d}-01",
            "goes_with": json.dumps([gid("Product", each) for each in others]),
            "rating": json.dumps(
                {"value": f"{rng.uniform(3, 5):.1f}", "scale_min": "1.0", "scale_max": "5.0"}
            ),
            "care": "Wipe clean.\nKeep dry.",
            "datasheet": json.dumps({"batch": int(rng.integers(1, 99))}),
        }
        if catalogue.cycle_days[p]:
            told["lasts_days"] = str(int(catalogue.cycle_days[p]))
        for _, namespace, key, _, kind in DEFINITIONS:
            if key in told and rng.random() >= 0.025:
                found.append((owner, namespace, key, kind, told[key]))
    return found


def _of_variants(catalogue: Catalogue, rng: np.random.Generator) -> list[tuple[str, str, str, str, str]]:
    found = []
    for v in range(len(catalogue.variant_id)):
        owner = gid("ProductVariant", int(catalogue.variant_id[v]))
        cost = int(catalogue.variant_pence[v]) * rng.uniform(0.35, 0.6) / 100
        height = {"value": round(float(rng.uniform(2, 60)), 1), "unit": "cm"}
        found.append((owner, "custom", "height", "dimension", json.dumps(height)))
        amount = {"amount": f"{cost:.2f}", "currency_code": "GBP"}
        found.append((owner, "custom", "cost_price", "money", json.dumps(amount)))
    return found


def _some(rng: np.random.Generator, words: Sequence[str]) -> list[str]:
    return [word for word in words if rng.random() < 0.4] or [words[0]]
