"""A seeded catalogue: products in departments and styles, with the truths that orders will follow.

Arrays are aligned by product place p (products sorted by department, then style) or by variant place v
(variants of one product are neighbours). Prices are whole pence, days are counted from the first day of
the history, and a product sells on the days launched[p] <= day < retired[p].
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from devstore.catalogue_words import DEPARTMENTS, STYLES, Department, Form, Style
from devstore.shop_changes import handle_of
from devstore.store import ID_BASE, ID_STEP, Store, domain_offset, insert_sql, utc_text

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NEVER = 10**6
NEW_DAYS = 30
GIFT_CARD = "Gift Card"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """See the module docstring for shapes; `partner` is a place p or -1, `cycle_days` 0 for durable goods."""

    product_id: Ints
    department: Ints
    style: Ints
    popularity: Floats
    daily_trend: Floats
    launched: Ints
    retired: Ints
    cycle_days: Ints
    partner: Ints
    partner_probability: Floats
    first_variant: Ints
    variant_count: Ints
    variant_id: Ints
    variant_pence: Ints
    title: list[str]
    vendor: list[str]
    variant_title: list[str | None]
    sku: list[str]
    gift_card: NDArray[np.bool_]
    draft: NDArray[np.bool_]


def money_text(pence: int) -> str:
    """Whole pence as decimal text."""
    return f"{pence // 100}.{pence % 100:02d}"


def build_catalogue(rng: np.random.Generator, *, products: int, days: int, domain: str) -> Catalogue:
    """`products` products (at least 12) for a history of `days` days."""
    chosen = _choose(rng, products)
    forms = [form for _, form, _, _ in chosen]
    department = np.array([d for d, _, _, _ in chosen], dtype=np.int64)
    style = np.array([s for _, _, s, _ in chosen], dtype=np.int64)
    titles = [title for _, _, _, title in chosen]
    ranges = [title.split(" ", 1)[0] for title in titles]
    launched = np.where(
        rng.random(products) < 0.6, -rng.integers(1, 400, products), rng.integers(0, days, products)
    )
    gift = np.array([form.name == GIFT_CARD for form in forms])
    draft = (rng.random(products) < 0.04) & ~gift
    launched[gift], launched[draft] = -30, NEVER
    new = (rng.random(products) < 0.04) & ~gift & ~draft
    launched[new] = np.maximum(0, days - 1 - rng.integers(0, NEW_DAYS, int(new.sum())))
    retired = np.full(products, NEVER, dtype=np.int64)
    gone = (rng.random(products) < 0.05) & ~new & ~gift & ~draft
    retired[gone] = np.minimum(launched[gone] + rng.integers(60, 400, int(gone.sum())), days - 1)
    retired = np.where(gone & (retired <= 0), 1, retired)
    partner, probability = _partners(rng, forms, style, ~draft & ~gone)

    cheap_first = np.array([form.pounds for form in forms]) ** -0.35
    popularity = rng.lognormal(0.0, 0.9, products) * cheap_first
    popularity[gift] = np.median(popularity) * 0.5
    trend = np.where(
        rng.random(products) < 0.2, rng.choice([-1.0, 1.0], products) * rng.uniform(0.5, 1.6, products), 0
    )

    counts = np.array([len(form.options) or 1 for form in forms], dtype=np.int64)
    counts[gift] = 3
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    pounds = np.array([form.pounds for form in forms]) * rng.uniform(0.8, 1.3, products)
    base = np.maximum(np.round(pounds * 2) / 2 * 100 - 5, 195).astype(np.int64)
    variant_titles: list[str | None] = []
    pence: list[int] = []
    for place, form in enumerate(forms):
        options = ("10.00", "25.00", "50.00") if gift[place] else form.options
        variant_titles.extend(options or [None])
        if gift[place]:
            pence.extend((1000, 2500, 5000))
        else:
            step = 0.25 if form.options[:1] == ("Small",) else 0.0
            pence.extend(int(base[place] * (1 + step * i)) // 50 * 50 + 45 for i in range(int(counts[place])))
    offset = domain_offset(domain)
    rank = np.empty(products, dtype=np.int64)
    rank[np.argsort(launched, kind="stable")] = np.arange(1, products + 1)
    return Catalogue(
        product_id=ID_BASE["products"] + offset + rank * ID_STEP,
        department=department,
        style=style,
        popularity=popularity,
        daily_trend=trend / 365.0,
        launched=launched,
        retired=retired,
        cycle_days=np.array([form.cycle_days for form in forms], dtype=np.int64),
        partner=partner,
        partner_probability=probability,
        first_variant=first.astype(np.int64),
        variant_count=counts,
        variant_id=ID_BASE["variants"] + offset + np.arange(1, len(pence) + 1, dtype=np.int64) * ID_STEP,
        variant_pence=np.array(pence, dtype=np.int64),
        title=titles,
        vendor=[f"{name} Workshop" for name in ranges],
        variant_title=variant_titles,
        sku=[f"BC-{place:05d}" for place in range(1, len(pence) + 1)],
        gift_card=gift,
        draft=draft,
    )


def write_catalogue(
    store: Store,
    catalogue: Catalogue,
    rng: np.random.Generator,
    *,
    midnights: list[datetime],
    now: datetime,
    out: Ints,
) -> None:
    """Write products, variants and collections; `out` holds the places that are out of stock at `now`.

    One product in twenty is sold on without stock, as many are not tracked at all, and one in a hundred is
    active but not on the online store.
    """
    total = len(catalogue.product_id)
    days = len(midnights)
    offset = domain_offset(store.domain)
    goes_on = rng.random(total) < 0.05
    unlisted = rng.random(total) < 0.01
    untracked = (rng.random(total) < 0.05) | catalogue.gift_card
    sold_out = np.zeros(total, dtype=bool)
    sold_out[out] = True
    stock = (catalogue.popularity * rng.uniform(8, 60, total)).astype(np.int64) + 3
    hours = rng.integers(8, 17, total)
    products, variants = [], []
    for p in range(total):
        day = int(catalogue.launched[p])
        if catalogue.draft[p]:
            day = days - 1 - p % NEW_DAYS
        born = midnights[max(day, 0)] + timedelta(days=min(day, 0), hours=int(hours[p]))
        created = utc_text(min(born, now - timedelta(minutes=5)))
        retired = int(catalogue.retired[p])
        status = "ARCHIVED" if retired < days else "DRAFT" if catalogue.draft[p] else "ACTIVE"
        changed = utc_text(midnights[retired]) if retired < days else created
        department, style = DEPARTMENTS[int(catalogue.department[p])], STYLES[int(catalogue.style[p])]
        first, count = int(catalogue.first_variant[p]), int(catalogue.variant_count[p])
        form = _form_of(catalogue.title[p], department)
        product_id = int(catalogue.product_id[p])
        products.append(
            (
                product_id, handle_of(catalogue.title[p]), catalogue.title[p], _body(catalogue, p, department, style),
                form, catalogue.vendor[p], status, json.dumps(_tags(catalogue, p, department, style)),
                department.title, json.dumps([_option_name(catalogue, p)]), created,
                None if status == "DRAFT" or unlisted[p] else created, max(created, changed), None, int(catalogue.gift_card[p]),
            )
        )  # fmt: skip
        for v in range(first, first + count):
            variants.append(
                (
                    int(catalogue.variant_id[v]), product_id, catalogue.variant_title[v] or "Default Title",
                    catalogue.sku[v], money_text(int(catalogue.variant_pence[v])), None, v - first + 1,
                    ID_BASE["inventory_items"] + offset + (v + 1) * ID_STEP,
                    "CONTINUE" if goes_on[p] else "DENY", int(not untracked[p]),
                    (-2 if goes_on[p] else 0) if sold_out[p] else int(stock[p]), created, max(created, changed),
                )
            )  # fmt: skip
    with store.transaction() as tx:
        tx.executemany(insert_sql("products"), sorted(products))
        tx.executemany(insert_sql("variants"), variants)
        _write_collections(tx, catalogue, offset=offset, now=now)


def _choose(rng: np.random.Generator, products: int) -> list[tuple[int, Form, int, str]]:
    """(department, form, style, title) of every product, sorted by department and style, titles unique."""
    deck = [(d, form) for d, department in enumerate(DEPARTMENTS) for form in department.forms]
    order = rng.permutation(len(deck))
    chosen: list[tuple[int, Form, int, str]] = [(7, Form(GIFT_CARD, 25), 5, "Birch Gift Card")]
    taken = {chosen[0][3]}
    while len(chosen) < products:
        d, form = deck[order[len(chosen) % len(deck)]]
        s = int(rng.integers(len(STYLES)))
        style = STYLES[s]
        words = (
            style.ranges[int(rng.integers(len(style.ranges)))],
            style.shades[int(rng.integers(len(style.shades)))],
        )
        title, number = f"{words[0]} {words[1]} {form.name}", 1
        while title in taken:
            number += 1
            title = f"{words[0]} {words[1]} {form.name} No. {number}"
        taken.add(title)
        chosen.append((d, form, s, title))
    return sorted(chosen, key=lambda row: (row[0], row[2], row[3]))


def _partners(
    rng: np.random.Generator, forms: list[Form], style: Ints, lasting: NDArray[np.bool_]
) -> tuple[Ints, Floats]:
    """For each product the one that is often bought with it: the right form, of its own style if there is one.

    Only `lasting` products are chosen, so that a pair of the truth can be seen in the orders.
    """
    by_form: dict[str, list[int]] = {}
    for place, form in enumerate(forms):
        if lasting[place]:
            by_form.setdefault(form.name, []).append(place)
    partner = np.full(len(forms), -1, dtype=np.int64)
    probability = np.zeros(len(forms))
    for place, form in enumerate(forms):
        others = by_form.get(form.goes_with, [])
        if others:
            alike = [other for other in others if style[other] == style[place]] or others
            partner[place] = alike[int(rng.integers(len(alike)))]
            probability[place] = rng.uniform(0.15, 0.45)
    return partner, probability


def _form_of(title: str, department: Department) -> str:
    return next((form.name for form in department.forms if form.name in title), GIFT_CARD)


def _option_name(catalogue: Catalogue, p: int) -> str:
    second = catalogue.variant_title[int(catalogue.first_variant[p])]
    if second is None:
        return "Title"
    return {"Small": "Size", "Cedar": "Scent", "Natural": "Colour"}.get(second, "Denominations")


def _tags(catalogue: Catalogue, p: int, department: Department, style: Style) -> list[str]:
    tags = [style.title.lower(), catalogue.title[p].split(" ")[1].lower()]
    if catalogue.cycle_days[p]:
        tags.append("refill")
    if department.swing >= 0.5:
        tags.append("seasonal")
    return tags


def _body(catalogue: Catalogue, p: int, department: Department, style: Style) -> str:
    lasts = f" Lasts about {int(catalogue.cycle_days[p])} days." if catalogue.cycle_days[p] else ""
    return f"<p>{style.title} {department.title.lower()} by {catalogue.vendor[p]}.{lasts}</p>"


def _write_collections(tx: sqlite3.Connection, catalogue: Catalogue, *, offset: int, now: datetime) -> None:
    """One collection per department and per style, and the newest products; bestsellers first."""
    places = np.arange(len(catalogue.product_id))
    liked = places[np.argsort(-catalogue.popularity, kind="stable")]
    groups = [(d.title, liked[catalogue.department[liked] == i]) for i, d in enumerate(DEPARTMENTS)]
    groups += [(f"{s.title} style", liked[catalogue.style[liked] == i]) for i, s in enumerate(STYLES)]
    groups.append(("New in", places[np.argsort(-catalogue.launched, kind="stable")][:24]))
    for number, (title, members) in enumerate(groups, 1):
        collection_id = ID_BASE["collections"] + offset + number * ID_STEP
        tx.execute(
            "INSERT INTO collections VALUES (?, ?, ?, ?)",
            (collection_id, handle_of(title), title, utc_text(now)),
        )
        tx.executemany(
            "INSERT INTO collection_products VALUES (?, ?, ?)",
            [
                (collection_id, int(catalogue.product_id[p]), position)
                for position, p in enumerate(members, 1)
            ],
        )
