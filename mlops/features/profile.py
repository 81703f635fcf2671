"""How full the stored columns of a shop are: counts, different values, ranges. Bounded by the newest rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models, transaction

from mlops.features.models import FieldProfile
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import ShopOwned, scope

# 50,000 rows of an order line table take some 0.1 s here.
MOST_ROWS = 50_000
LONGEST_SHOWN = 40
MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column to measure, and what of its values may be told: never anything of a person."""

    table: str
    column: str
    ranged: bool = False
    commonest: bool = False


@reading(actor="system:fields", purpose=Purpose.FIGURES)
def measure(shop: Shop, wanted: Sequence[Wanted], *, now: datetime, most_rows: int = MOST_ROWS) -> None:
    """Measure these columns and put the findings in place of earlier ones.

    Where a table has more than `most_rows` rows, its newest are looked at, and `distinct` is a lower bound.

    Raises:
        KeyError: no such column in a table of this room.
    """
    by_table: dict[str, list[Wanted]] = {}
    for each in wanted:
        by_table.setdefault(each.table, []).append(each)
    with transaction.atomic(), scope(shop):
        found = [
            row
            for table, columns in by_table.items()
            for row in _of_table(shop, table, columns, now, most_rows)
        ]
        FieldProfile.objects.filter(shop=shop).delete()
        FieldProfile.objects.bulk_create(found)


def profiles(shop: Shop) -> Mapping[str, FieldProfile]:
    """The last findings by `table.column`."""
    with scope(shop):
        return {each.column: each for each in FieldProfile.objects.filter(shop=shop)}


def _tables() -> dict[str, type[models.Model]]:
    found = apps.get_app_config("features").get_models()
    return {model._meta.db_table: model for model in found if issubclass(model, ShopOwned)}


def _of_table(
    shop: Shop, table: str, wanted: Sequence[Wanted], now: datetime, most_rows: int
) -> list[FieldProfile]:
    # Names reach the statement only after they were found among our own models.
    fields = {field.column: field for field in _tables()[table]._meta.concrete_fields}
    living = " and deleted_at is null" if "deleted_at" in fields else ""
    key = [each for each in _key(table) if each != "shop_id"]
    newest = (
        f"select * from {table} where shop_id = %s{living}"  # noqa: S608
        f" order by shop_id desc, {', '.join(f'{each} desc' for each in key)} limit %s"
    )
    parts = ["count(*)"]
    for each in wanted:
        field = fields[each.column]
        value = _filled(field)
        parts += [f"count({value})", f"count(distinct {value})"]
        ranged = each.ranged and not isinstance(field, models.BooleanField)
        parts += [f"min({each.column})::text", f"max({each.column})::text"] if ranged else ["null", "null"]
    rows: list[FieldProfile] = []
    with connection.cursor() as cursor:
        cursor.execute(f"select {', '.join(parts)} from ({newest}) t", [shop.pk, most_rows + 1])  # noqa: S608
        total, *numbers = cursor.fetchone()
        for place, each in enumerate(wanted):
            filled, distinct, low, high = numbers[4 * place : 4 * place + 4]
            commonest: list[str] = []
            if each.commonest and filled:
                cursor.execute(
                    f"select left({each.column}::text, %s) from ({newest}) t where {each.column}::text <> ''"  # noqa: S608
                    " group by 1 order by count(*) desc, 1 limit %s",
                    [LONGEST_SHOWN, shop.pk, most_rows + 1, MOST_SHOWN],
                )
                commonest = [row[0] for row in cursor.fetchall()]
            rows.append(
                FieldProfile(
                    shop=shop, column=f"{table}.{each.column}", rows=total, filled=filled, distinct=distinct,
                    whole=total <= most_rows, low=(low or "")[:64], high=(high or "")[:64], commonest=commonest,
                    measured_at=now,
                )
            )  # fmt: skip
    return rows


def _key(table: str) -> list[str]:
    key: Any = _tables()[table]._meta.pk
    return list(key.field_names) if hasattr(key, "field_names") else [key.column]


def _filled(field: models.Field[Any, Any]) -> str:
    """SQL of the value, null where there is none."""
    if isinstance(field, (models.CharField, models.TextField)):
        return f"nullif({field.column}, '')"
    if isinstance(field, ArrayField):
        return f"case when cardinality({field.column}) > 0 then {field.column} end"
    if isinstance(field, models.JSONField):
        return f"nullif({field.column}, '[]'::jsonb)"
    return str(field.column)
