"""What an amount in the shop's currency is to a buyer who sees another one. Made-up rates that never move."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

# Units of each currency for one US dollar, and how many decimals its amounts have.
RATES = {
    "USD": (Decimal("1"), 2),
    "EUR": (Decimal("0.92"), 2),
    "GBP": (Decimal("0.79"), 2),
    "CAD": (Decimal("1.36"), 2),
    "AUD": (Decimal("1.52"), 2),
    "JPY": (Decimal("151"), 0),
    "KWD": (Decimal("0.307"), 3),
}


def converted(amount: str, currency: str, presentment: str) -> str:
    """The amount as its buyer sees it; unchanged between currencies without a rate here."""
    if currency == presentment or not {currency, presentment} <= RATES.keys():
        return amount
    rate, places = RATES[presentment]
    told = Decimal(amount) / RATES[currency][0] * rate
    return str(told.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
