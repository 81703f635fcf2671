"""Shopify's products export, `products_export*.csv[.gz]`: a product begins with its title, its variants and images follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mlops.backtest.store.csv_records import records

WORDS = {
    "vendor": ("vendor",),
    "type": ("type", "product type"),
    "category": ("product category",),
    "tags": ("tags",),
}


@dataclass(slots=True)
class Listed:
    """A product of the file.

    Args:
        variants: (SKU, name of an order line of it), each as the file tells.
    """

    title: str
    words: dict[str, str]
    variants: list[tuple[str, str]] = field(default_factory=list)


def read_products(paths: Iterable[Path], tell: Callable[[str], object]) -> dict[str, Listed]:
    """Products by handle; of a handle that comes in two files the first counts.

    Raises:
        BadInput: a column is missing, or a row cannot be read.
    """
    found: dict[str, Listed] = {}
    for path in paths:
        tell(f"reading {path.name}")
        with records(path) as (header, rows):
            handle_at = header.needed("handle", "url handle")
            title_at = header.needed("title")
            sku_at = header.place("variant sku", "sku")
            options = [header.place(f"option{k} value") for k in (1, 2, 3)]
            words = {name: header.place(*names) for name, names in WORDS.items()}
            before = frozenset(found)
            for row, cells in rows:
                handle = cells[handle_at].strip()
                if not handle:
                    header.refuse(row, handle_at, "is empty; every row needs the handle of its product")
                if handle in before:
                    continue
                if handle not in found:
                    told = {name: cells[at].strip() for name, at in words.items() if at is not None}
                    found[handle] = Listed(cells[title_at].strip() or handle, told)
                product = found[handle]
                chosen = [cells[at].strip() for at in options if at is not None]
                named = " / ".join(each for each in chosen if each)
                sku = "" if sku_at is None else cells[sku_at].strip()
                if sku or named:  # a row of neither is one more image
                    plain = not named or named == "Default Title"
                    product.variants.append((sku, product.title if plain else f"{product.title} - {named}"))
    return found
