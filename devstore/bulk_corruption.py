"""How the lines of a bulk result can be spoilt on request, so that an app shows what it does with them. Pure."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

GIANT_BYTES = 40 * 1024 * 1024
NOBODY = 999_999_999_999_999


def spoilt(word: str, line: str) -> bytes:
    """The line, spoilt in this way, as the bytes that go into the file.

    Raises:
        KeyError: the way is not one of `SPOILS`.
    """
    return SPOILS[word](line)


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[str], bytes]:
    return lambda line: change(line.encode()) + b"\n"


def _row(change: Callable[[dict[str, Any]], object]) -> Callable[[str], bytes]:
    """A change of the object; a line that lacks what is changed stays as it is."""

    def spoil(line: str) -> bytes:
        row = json.loads(line)
        change(row)
        return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"

    return spoil


def _with(name: str, value: Any) -> Callable[[str], bytes]:
    return _row(lambda row: row.update({name: value}))


def _text(find: str, put: str) -> Callable[[str], bytes]:
    """The first place where the pattern holds, replaced."""
    return lambda line: re.sub(find, put, line, count=1).encode() + b"\n"


def _other_parent(row: dict[str, Any]) -> None:
    kind = "Order" if "/Product/" in str(row.get("__parentId")) else "Product"
    row["__parentId"] = f"gid://shopify/{kind}/{str(row.get('__parentId', '1')).rpartition('/')[2]}"


def _times_100(row: dict[str, Any]) -> None:
    for name in ("discountedUnitPriceAfterAllDiscountsSet", "totalPriceSet"):
        if name in row:
            money = row[name]["shopMoney"]
            money["amount"] = f"{float(money['amount']) * 100:.2f}"
    if "price" in row:
        row["price"] = f"{float(row['price']) * 100:.2f}"


SPOILS: Mapping[str, Callable[[str], bytes]] = {
    "cut": _bytes(lambda line: line[: len(line) // 2]),
    "giant": _bytes(lambda line: line[:-1] + b',"filler":"' + b"x" * GIANT_BYTES + b'"}'),
    "not_utf8": lambda line: line.encode()[:-1] + b',"note":"\xff\xfe"}\n',
    "nul": lambda line: line.encode()[:-1] + b',"note":"a\x00b"}\n',
    "nul_escaped": _with("note", "a\x00b\\"),
    "half_a_character": lambda line: line.encode()[:-1] + b',"sku":"\\ud83d","title":"\\ud83d"}\n',
    "nan": lambda line: line.encode()[:-1] + b',"quantity":NaN}\n',
    "infinity": lambda line: line.encode()[:-1] + b',"quantity":-Infinity}\n',
    "deep": lambda line: line.encode()[:-1] + b',"note":' + b"[" * 50_000 + b"]" * 50_000 + b"}\n",
    "key_twice": lambda line: line.encode()[:-1] + b"," + line.encode()[1:] + b"\n",
    "not_an_object": lambda line: b"[1,2,3]\n",
    "words": lambda line: b"Ann Example, ann@example.com, +44 7700 900123\n",
    "blank_before": lambda line: b"\n \t\r\n" + line.encode() + b"\n",
    "byte_order_mark": lambda line: b"\xef\xbb\xbf" + line.encode() + b"\n",
    "carriage_return": lambda line: line.encode() + b"\r\n",
    "twice": lambda line: (line.encode() + b"\n") * 2,
    "null_id": _with("id", None),
    "no_id": _row(lambda row: row.pop("id")),
    "word_as_id": _with("id", "gid://shopify/Order/twelve"),
    "huge_id": _with("id", "gid://shopify/Order/" + "9" * 30),
    "orphan": _row(lambda row: row.update(__parentId=re.sub("[0-9]+", str(NOBODY), str(row.get("__parentId"))))),
    "null_parent": _with("__parentId", None),
    "other_parent": _row(_other_parent),
    "no_parent": _row(lambda row: row.pop("__parentId", None)),
    "null_quantity": _with("quantity", None),
    "huge_quantity": _with("quantity", 10**25),
    "large_quantity": _with("quantity", 2**31),
    "negative_quantity": _with("quantity", -3),
    "huge_price": _text(r'"amount":"[^"]*"', '"amount":"1e300"'),
    "wild_price": _text(r'"amount":"[^"]*"', '"amount":"NaN"'),
    "price_x100": _row(_times_100),
    "unknown_currency": _with("currencyCode", "XQZ"),
    "bad_time": _row(lambda row: row.update({k: "yesterday" for k in ("updatedAt", "createdAt") if k in row})),
    "first_day": _row(lambda row: row.update(updatedAt="0001-01-01T00:00:00+14:00")),
}  # fmt: skip
WHOLE_FILES: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "page": lambda _: (
        b"<!DOCTYPE html><html><head><title>502</title></head><body>Bad gateway</body></html>\n"
    ),
    "packed": gzip.compress,
    "rubbish": lambda whole: bytes(each ^ 0x5A for each in whole[:100_000]),
}
