"""The suites that every shop begins with: impossible values are held, unusual ones counted. Pure.

What looks wrong but happens in honest shops is allowed here on purpose: free items, 100 % discounts, lines whose product
was deleted, orders of ten thousand pieces, stock below zero, prices of a currency without small coins.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlops.features import events as vocabulary
from mlops.validation.expectations import Check, Expectation, Severity, Suite

# Shopify's CurrencyCode without XXX ("unrecognized"), and codes that ISO 4217 introduced lately.
CURRENCIES = (  # noqa: SIM905 - as a list it would be 170 lines
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BYR BZD CAD CDF CHF"
    " CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG"
    " HUF IDR ILS INR IQD IRR ISK JEP JMD JOD JPY KES KGS KHR KID KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LTL LVL LYD"
    " MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR"
    " RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STD STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD"
    " TZS UAH UGX USD USDC UYU UZS VED VEF VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL"
).split()
LARGEST_ID = 2**63 - 1
LARGEST_UNITS = 2**31 - 1
# Above this a column of 18 digits, four of them decimals, overflows.
LARGEST_AMOUNT = 10**13
# Dividing a discount over units may leave a price a fraction below zero.
ROUNDING = -0.01

RESOURCES = ("orders", "refunds", "products", "collections", "customers", "inventory")
# Held together: an order and its refunds come out of the same file.
BATCH_OF = {"refunds": "orders"}
SUITE_OF: Mapping[type, str] = {
    vocabulary.OrderPlaced: "orders",
    vocabulary.OrderDeleted: "orders",
    vocabulary.RefundMade: "refunds",
    vocabulary.ProductChanged: "products",
    vocabulary.ProductDeleted: "products",
    vocabulary.CollectionChanged: "collections",
    vocabulary.CollectionDeleted: "collections",
    vocabulary.CustomerChanged: "customers",
    vocabulary.CustomerDeleted: "customers",
    vocabulary.CustomerMerged: "customers",
    vocabulary.StockChanged: "inventory",
}


def default(resource: str) -> Suite:
    """The suite that holds until the shop's own data has been profiled or a person has changed it."""
    return Suite(resource, (*_ROWS[resource], *_BATCHES.get(resource, ()), _pass_share()))


def _type(field: str, kind: str, *, nullable: bool = False) -> Expectation:
    return Expectation(field, Check.TYPE, Severity.QUARANTINE, {"type": kind, "nullable": nullable})


def _range(
    field: str, low: float | None, high: float | None, severity: Severity = Severity.QUARANTINE
) -> Expectation:
    return Expectation(field, Check.RANGE, severity, {"min": low, "max": high})


def _id(field: str, *, nullable: bool = False) -> tuple[Expectation, ...]:
    return _type(field, "integer", nullable=nullable), _range(field, 1, LARGEST_ID)


def _money(field: str, *, nullable: bool = False) -> tuple[Expectation, ...]:
    return _type(field, "decimal", nullable=nullable), _range(field, ROUNDING, LARGEST_AMOUNT)


def _units(field: str) -> tuple[Expectation, ...]:
    return _type(field, "integer"), _range(field, 0, LARGEST_UNITS)


def _set(field: str, values: list[str], severity: Severity) -> tuple[Expectation, ...]:
    return _type(field, "text"), Expectation(field, Check.SET, severity, {"values": values})


def _version() -> tuple[Expectation, ...]:
    # A version far in the future would shut out every later truth about the same thing.
    return _type("version_at", "time"), _fresh("version_at", 24, Severity.QUARANTINE)


def _fresh(field: str, ahead_h: float, severity: Severity) -> Expectation:
    return Expectation(field, Check.FRESH, severity, {"ahead_h": ahead_h, "behind_h": None})


def _unique(field: str) -> Expectation:
    return Expectation(field, Check.UNIQUE, Severity.QUARANTINE, {})


def _near_known(field: str) -> tuple[Expectation, ...]:
    return (Expectation(field, Check.NEAR_KNOWN, Severity.WARN, {"times": 20.0}),)


def _scale(field: str) -> Expectation:
    return Expectation(field, Check.SCALE, Severity.HALT, {"times": 100.0, "max": 0.3, "least": 5})


def _pass_share() -> Expectation:
    return Expectation("", Check.PASS_SHARE, Severity.HALT, {"min": 0.8, "least": 3})


def _row_band() -> Expectation:
    return Expectation("", Check.ROW_BAND, Severity.WARN, {"mads": 4.0, "weekdays": None})


_ROWS: Mapping[str, tuple[Expectation, ...]] = {
    "orders": (
        *_id("order_id"),
        *_version(),
        _type("ordered_at", "time"),
        _fresh("ordered_at", 48, Severity.WARN),
        *_set("currency", CURRENCIES, Severity.QUARANTINE),
        *_set("presentment_currency", ["", *CURRENCIES], Severity.WARN),
        *_money("total"),
        *_money("presentment_total", nullable=True),
        *_money("refunded"),
        *_id("customer_id", nullable=True),
        _type("cancelled_at", "time", nullable=True),
        *_id("lines.line_id"),
        _unique("lines.line_id"),
        *_id("lines.product_id", nullable=True),
        Expectation("lines.product_id", Check.GIVEN, Severity.QUARANTINE, {}),
        *_id("lines.variant_id", nullable=True),
        *_units("lines.quantity"),
        *_units("lines.current_quantity"),
        *_money("lines.unit_price"),
        *_near_known("lines.unit_price"),
    ),
    "refunds": (
        *_id("refund_id"),
        *_id("order_id"),
        *_version(),
        *_money("amount"),
        *_set("currency", ["", *CURRENCIES], Severity.QUARANTINE),
        *_id("lines.line_id"),
        *_units("lines.quantity"),
        *_money("lines.amount"),
    ),
    "products": (
        *_id("product_id"),
        *_version(),
        _type("created_at", "time"),
        *_set("status", ["active", "archived", "draft", "unlisted"], Severity.WARN),
        *_id("variants.variant_id"),
        _unique("variants.variant_id"),
        *_money("variants.price"),
        *_near_known("variants.price"),
        *_money("variants.compare_at_price", nullable=True),
        *_id("variants.inventory_item_id", nullable=True),
        _type("variants.available", "integer", nullable=True),
        _range("variants.available", -LARGEST_UNITS, LARGEST_UNITS),
    ),
    "collections": (*_id("collection_id"), *_version(), _type("product_ids", "ids", nullable=True)),
    "customers": (*_id("customer_id"), *_id("kept_id"), *_id("deleted_id"), *_version()),
    "inventory": (
        *_id("inventory_item_id"),
        *_id("location_id"),
        *_version(),
        _type("available", "integer", nullable=True),
        _range("available", -LARGEST_UNITS, LARGEST_UNITS),
    ),
}
_BATCHES: Mapping[str, tuple[Expectation, ...]] = {
    "orders": (
        Expectation(
            "lines.product_id",
            Check.NULL_SHARE,
            Severity.HALT,
            {"max": None, "least": 20, "recent_days": 30},
        ),
        _scale("lines.unit_price"),
        _row_band(),
    ),
    "products": (_scale("variants.price"),),
}
