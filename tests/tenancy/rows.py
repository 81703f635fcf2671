"""One row of a shop in every table that belongs to shops, made from the models: a new table is filled by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from psycopg import sql
from psycopg.types.json import Jsonb

from tenancy import row_security
from tenancy.models import Shop
from tests.looks import looking


@looking()
def fill(shop: Shop, now: datetime) -> None:
    """Insert them, foreign keys to the rows made just before. Call it in the shop's scope."""
    made: dict[type[models.Model], Any] = {Shop: shop.pk}
    waiting = dict(row_security.shop_tables())
    while waiting:
        ready = [
            (table, model)
            for table, model in waiting.items()
            if all(field.null or field.related_model in made for field in _references(model))
        ]
        assert ready, f"tables that wait for each other: {sorted(waiting)}"
        for table, model in ready:
            made[model] = _insert(table, model, made, now)
            del waiting[table]


def _references(model: type[models.Model]) -> list[models.ForeignKey[Any, Any]]:
    return [field for field in model._meta.local_fields if isinstance(field, models.ForeignKey)]


def _insert(table: str, model: type[models.Model], made: dict[type[models.Model], Any], now: datetime) -> Any:
    fields = [field for field in model._meta.local_concrete_fields if not isinstance(field, models.AutoField)]
    values = [_value(field, made, now) for field in fields]
    columns = sql.SQL(", ").join([sql.Identifier(str(field.column)) for field in fields])
    marks = sql.SQL(", ").join([sql.SQL("%s")] * len(fields))
    query = sql.SQL("insert into {} ({}) values ({}) returning *").format(
        sql.Identifier(table), columns, marks
    )
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
        names = [each.name for each in cursor.description or ()]
    return dict(zip(names, row or (), strict=True)).get("id")


def _value(field: Any, made: dict[type[models.Model], Any], now: datetime) -> Any:
    if isinstance(field, models.ForeignKey):
        return made.get(field.related_model)
    if field.null:
        return None
    if field.name == "actor":
        return "system:test"
    kinds: list[tuple[type, Any]] = [
        (models.DateTimeField, now),
        (models.DateField, now.date()),
        (models.BooleanField, False),
        (ArrayField, []),
        (models.JSONField, Jsonb({})),
        (models.BinaryField, b"x"),
        (models.CharField, str(field.choices[0][0]) if field.choices else "x"),
        (models.TextField, "x"),
    ]
    return next((value for kind, value in kinds if isinstance(field, kind)), 1)
