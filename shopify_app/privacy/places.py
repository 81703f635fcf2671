"""The register of places that can hold something of a person: what is erased, what lapses, what is searched sealed.

A test fails when the database has a column that could hold a person and is named neither here nor as harmless. The search
(`search`) does not rely on this list: it looks everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Holds(StrEnum):
    CUSTOMER = "customer"  # a pseudonym
    VISITOR = "visitor"
    MIXED = "mixed"  # JSON or text in which either may be mentioned


class Erase(StrEnum):
    OWN_ROOM = "own room"  # `mlops.features.erase` knows how, in the same transaction
    CLEAR = "clear"  # the column becomes null
    EMPTY = "empty"  # JSON becomes {}, where the person is mentioned
    DELETE = "delete"  # the row goes, where the person is mentioned
    PASSES = "passes"  # it leaves within minutes, through the gate that strips the erased


@dataclass(frozen=True, slots=True)
class Place:
    """Args:
    only: SQL that limits what is emptied or deleted; the rest passes the gate.
    """

    table: str
    column: str
    holds: Holds
    erase: Erase
    only: str = "true"


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column whose values must be opened to be searched.

    Args:
        columns: read beside it, to build the context.
    """

    table: str
    column: str
    columns: tuple[str, ...]
    context: Callable[..., str]


PLACES: tuple[Place, ...] = (
    Place("features_event", "subject_id", Holds.CUSTOMER, Erase.OWN_ROOM),
    Place("features_event", "payload", Holds.MIXED, Erase.OWN_ROOM),
    Place("features_customer", "customer_id", Holds.CUSTOMER, Erase.OWN_ROOM),
    Place("features_customer", "merged_into", Holds.CUSTOMER, Erase.OWN_ROOM),
    Place("features_order", "customer_id", Holds.CUSTOMER, Erase.OWN_ROOM),
    Place("features_order", "visitor", Holds.VISITOR, Erase.OWN_ROOM),
    Place("features_exposure", "visitor", Holds.VISITOR, Erase.OWN_ROOM),
    Place("features_outcome", "visitor", Holds.VISITOR, Erase.OWN_ROOM),
    Place("features_storefront_event", "visitor", Holds.VISITOR, Erase.OWN_ROOM),
    Place("features_excluded_visitor", "visitor", Holds.VISITOR, Erase.OWN_ROOM),
    # A metafield of a product may name a buyer ("engraved for"). Those of customers are never asked for.
    Place("features_attributevalue", "raw", Holds.MIXED, Erase.OWN_ROOM),
    Place("features_attributevalue", "text", Holds.MIXED, Erase.OWN_ROOM),
    Place("features_attributevalue", "items", Holds.MIXED, Erase.OWN_ROOM),
    Place("features_attributevalue", "number", Holds.MIXED, Erase.OWN_ROOM),
    Place("validation_heldrow", "content", Holds.MIXED, Erase.OWN_ROOM),
    Place("validation_heldrow", "customer_id", Holds.CUSTOMER, Erase.OWN_ROOM),
    Place("validation_heldrow", "visitor", Holds.VISITOR, Erase.OWN_ROOM),
    Place("sync_customerreference", "customer_id", Holds.CUSTOMER, Erase.DELETE),
    Place("webhooks_inboxdelivery", "payload", Holds.MIXED, Erase.EMPTY, only="state = 'dead'"),
    Place("sync_stagedrow", "body", Holds.MIXED, Erase.PASSES),
)

# Of these tables the places above are read only by who says why (`tenancy.reading`). The others pass from one process to the
# next; the event log is read back for erasure, to know a repeat, and for features, which count what they read (`reading.handled`).
READ_WITH_PURPOSE = (
    "features_customer", "features_order", "features_exposure", "features_outcome", "features_storefront_event",
    "features_excluded_visitor", "sync_customerreference", "validation_heldrow",
)  # fmt: skip
# Each row of these stands for a person: Postgres itself shows none while no purpose is said.
PERSON_ROWS = ("features_customer", "sync_customerreference")

# Columns that a name or a type makes suspicious, and that hold nobody.
HARMLESS: Mapping[str, str] = {
    "features_attribute.personal": "why a field is held to be personal: about the field",
    "features_snapshot.customers": "a count",
    "features_snapshot.manifest": "hashes and counts",
    "features_storefront_event.lines": "products, quantities and prices",
    "features_tombstone.mark": "a keyed hash: names nobody without the shop's key",
    "demand_adaptation.state": "scores of classes of products",
    "feature_store_featureday.commonest": "codes and how often each is there",
    "feature_store_viewversion.declared": "what was declared of features",
    "feature_store_viewversion.edges": "limits of bins",
    "privacy_datarequest.mark": "a keyed hash: names nobody without the shop's key",
    "privacy_redaction.counts": "numbers of rows",
    "privacy_redaction.needles_sealed": "what to search for, sealed; deleted with the certificate",
    "privacy_redaction.certificate": "says what was searched, never for whom",
    "privacy_shoperasure.mark": "a keyed hash of the domain of a shop that was erased",
    "privacy_shoperasure.needles_sealed": "what to search for, sealed; deleted with the certificate",
    "privacy_shoperasure.certificate": "says what was searched, never for which shop",
    "registry_version.manifest": "about products",
    "registry_version.metrics": "measures",
    "registry_version.parameters": "settings of the trainer",
    "sync_customerreference.number_sealed": "goes with its row",
    "sync_sweep.found": "numbers by day",
    "sync_sweep.todo": "days",
    "tenancy_accessentry.tables": "numbers of rows by table",
    "tenancy_auditentry.data": "numbers of rows; a test of each entry that tells of people says so",
    "tenancy_incident.data": "numbers by day",
    "tenancy_shop.access_token_sealed": "a token",
    "tenancy_shop.refresh_token_sealed": "a token",
    "tenancy_shop.pseudonym_key_sealed": "a key",
    "validation_dailycount.failures": "counts by expectation",
    "validation_halt.reasons": "measures of a batch",
    "validation_suiteversion.content": "expectations",
    "training_promotionpolicy.gates": "names of measures and numbers",
    "training_trainingrun.validation": "counts of a validation",
    "sync_importjob.refused": "the form of refused lines: words and customer numbers are blotted out (`sync.refused`)",
    "training_trainingrun.work": "measures, and the names of files",
}

SEALED: tuple[SealedColumn, ...] = (
    SealedColumn("tenancy_shop", "access_token_sealed", ("domain",), lambda domain: f"shop:{domain}"),
    SealedColumn("tenancy_shop", "refresh_token_sealed", ("domain",), lambda domain: f"shop:{domain}"),
    SealedColumn("tenancy_shop", "pseudonym_key_sealed", ("domain",), lambda domain: f"pseudonyms:{domain}"),
    SealedColumn(
        "sync_customerreference", "number_sealed", ("shop_id", "customer_id"),
        lambda shop_id, customer_id: f"customer:{shop_id}:{customer_id}",
    ),
)  # fmt: skip

# Sealed too, and renewed with the keys; the search leaves them out, since they are what is searched for.
REQUESTED: tuple[SealedColumn, ...] = (
    SealedColumn("privacy_redaction", "needles_sealed", ("shop_id",), lambda shop_id: f"redaction:{shop_id}"),
    SealedColumn(
        "privacy_shoperasure", "needles_sealed", ("shop_number",), lambda number: f"shop erasure:{number}"
    ),
)

# Streams and keys below the prefix that may name a visitor for a while. Whatever comes out of a stream passes the gate
# (`mlops.features.tombstones`); what stays in one is deleted by the second try of a search.
REDIS: Mapping[str, str] = {
    "exposures": "what was shown, on its way to Postgres",
    "storefront_events": "what browsers told, on its way to Postgres",
    "celery": "shop numbers in messages",
    "features": "vectors of customers and visitors, by their pseudonyms; forgotten with the person and the shop, gone in a day",
    "features-changed": "customers of whose orders something new is known, until their vectors are computed anew",
}


def files_context(kind: str, shop_id: str, name: str) -> str:
    """What a sealed file below ARTEFACT_DIR is bound to."""
    return f"{kind}:{shop_id}:{name}"


def named(table: str, column: str) -> Any:
    """The place, or why the column is harmless; None when it is neither."""
    for each in PLACES:
        if (each.table, each.column) == (table, column):
            return each
    return HARMLESS.get(f"{table}.{column}")
