"""How many decimals the amounts of a currency have. Pure."""

from __future__ import annotations

from decimal import Decimal

# ISO 4217: every currency that is not here has two.
_NONE = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
_THREE = frozenset("BHD IQD JOD KWD LYD OMR TND".split())  # noqa: SIM905


def decimals(currency: str) -> int:
    """Decimals of the currency's minor unit: 0, 2 or 3."""
    if currency in _NONE:
        return 0
    return 3 if currency in _THREE else 2


def written(amount: Decimal, currency: str) -> str:
    """The amount with exactly the currency's decimals, without a sign of the currency."""
    return f"{amount:.{decimals(currency)}f}"
