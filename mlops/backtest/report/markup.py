"""HTML in pieces. Whatever comes from a shop is text: it is escaped here and nowhere else. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

MISSING = "–"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """Plain text as HTML; control characters, which no page may hold, are shown as spaces."""
    if isinstance(value, Html):
        return value
    plain = "".join(each if each in "\n\t" or each.isprintable() else " " for each in str(value))
    return Html(escape(plain))


def element(tag: str, *content: object, **attributes: str) -> Html:
    """`class_` is `class`; every attribute is escaped."""
    told = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"' for name, value in attributes.items()
    )
    return Html(f"<{tag}{told}>{''.join(text(each) for each in content)}</{tag}>")


def joined(parts: Iterable[object]) -> Html:
    return Html("".join(text(each) for each in parts))


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[object]], *, texts: int = 1) -> Html:
    """A table whose first `texts` columns are words and whose others are numbers; it scrolls by itself where it is wide."""

    def cell(at: int, value: object) -> Html:
        if at == 0:
            return element("th", value, scope="row")
        return element("td", value) if at < texts else element("td", value, class_="number")

    top = [
        element("th", name, scope="col", class_="" if at < texts else "number")
        for at, name in enumerate(head)
    ]
    body = [element("tr", *[cell(at, value) for at, value in enumerate(row)]) for row in rows]
    whole = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", element("tr", *top)),
        element("tbody", *body),
    )
    return element("div", whole, class_="scroll", role="region", aria_label=caption, tabindex="0")


def number(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    return MISSING if value is None else f"{value:.{digits}%}"


def spread(each: dict[str, float | None] | None, digits: int = 3) -> Html:
    """A value with its interval."""
    if each is None or each["value"] is None:
        return Html(MISSING)
    if each["low"] is None:
        return text(number(each["value"], digits))
    return joined(
        [
            number(each["value"], digits),
            " ",
            element("small", f"{number(each['low'], digits)} to {number(each['high'], digits)}"),
        ]
    )


def change(each: dict[str, float | None] | None, *, less_is_better: bool = False, share: bool = True) -> Html:
    """A difference with its interval, and a word for what may be read from it."""
    if each is None or each["value"] is None or each["low"] is None or each["high"] is None:
        return Html(MISSING)
    low, high = (-each["high"], -each["low"]) if less_is_better else (each["low"], each["high"])
    word, kind = (
        ("better", "good") if low > 0 else ("worse", "bad") if high < 0 else ("not separable", "even")
    )

    def shown(value: float | None) -> str:
        return MISSING if value is None else f"{value:+.1%}" if share else f"{value:+.3f}"

    return joined(
        [
            element("span", word, class_=f"verdict {kind}"),
            f" {shown(each['value'])} ",
            element("small", f"{shown(each['low'])} to {shown(each['high'])}"),
        ]
    )
