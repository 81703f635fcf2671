"""Makes what we keep agree with what Shopify listed, and says what had to be changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from mlops.features.events import (
    CollectionDeleted,
    CustomerDeleted,
    CustomerMerged,
    Event,
    OrderDeleted,
    OrderPlaced,
    ProductDeleted,
    Source,
    StockChanged,
)
from mlops.validation import gate
from shopify_app.graphql.client import AdminClient
from shopify_app.sync import customers, kept, listing
from shopify_app.sync.differences import ON_ITS_WAY, Findings, State, Verdict, judge
from shopify_app.sync.listing import Listed, Page
from shopify_app.sync.reread import Kind, Wanted, read
from shopify_app.sync.translate.values import Untranslatable
from tenancy import pseudonyms
from tenancy.models import Shop

# So many objects are read before they are kept together: a death costs these calls at most.
PIECE = 10
_DELETED: Mapping[str, Callable[[int, datetime], Event]] = {
    "orders": OrderDeleted,
    "products": ProductDeleted,
    "customers": CustomerDeleted,
    "collections": CollectionDeleted,
}
Save = Callable[[Findings], None]


class Repair:
    """One step's hand on one resource of one shop.

    Args:
        began_at: when the sweep began; what changed in the minute before may still be on its way.
        save: writes the findings and renews the lease; called in the transaction that keeps what they tell of.
        now: when we learn of it.
    """

    def __init__(
        self, shop: Shop, resource: str, client: AdminClient, *, began_at: datetime, save: Save, now: datetime
    ) -> None:
        self.shop, self.resource, self.client, self.save, self.now = shop, resource, client, save, now
        self.zone = ZoneInfo(shop.timezone)
        self.in_time_after = began_at - ON_ITS_WAY

    def differing(self, theirs: Mapping[int, State]) -> dict[int, Verdict]:
        """Those that do not agree, with what is the matter."""
        ours = kept.states(self.shop, self.resource, theirs)
        judged = {each: judge(state, ours.get(each)) for each, state in theirs.items()}
        return {each: verdict for each, verdict in judged.items() if verdict is not Verdict.AGREES}

    def mend(self, listed: Listed, page: Page, piece: list[int], findings: Findings) -> None:
        """Read these objects and keep them as they are now, in one transaction with the findings.

        Raises:
            as `AdminClient.run`.
        """
        theirs = page.states
        before = self.differing({each: theirs[each] for each in piece})
        events: list[Event] = []
        absent: set[int] = set()
        for each in before:
            try:
                told = self._read(listed, each, theirs[each])
            except Untranslatable:
                findings.unsettled += 1
                continue
            events += told
            if not told:
                absent.add(each)  # deleted since it was listed
        with transaction.atomic():
            gate.admit(self.shop, events, source=Source.RECONCILIATION, now=self.now)
            learnt = [
                page.numbers[each] for each, what in before.items() if self._new_customer(page, each, what)
            ]
            references = customers.sealed_references(pseudonyms.of(self.shop), self.shop.pk, learnt)
            customers.remember(self.shop, references, self.now)
            after = self.differing({each: theirs[each] for each in before if each not in absent})
            for each, verdict in before.items():
                if each in absent:
                    continue
                if each in after:
                    findings.unsettled += after[each] is not Verdict.BEHIND
                else:
                    state = theirs[each]
                    findings.note(verdict, self._day(state.at), late=state.version_at < self.in_time_after)
            self.save(findings)
        self.bury({each: theirs[each].at for each in absent}, findings)

    def mend_stock(self, levels: Iterable[StockChanged], findings: Findings) -> None:
        """Keep the levels that differ, in one transaction with the findings."""
        levels = list(levels)
        ours = kept.stock(self.shop, {each.inventory_item_id for each in levels})
        differing: list[Event] = []
        for each in levels:
            held = ours.get((each.inventory_item_id, each.location_id))
            verdict = judge(
                State(each.version_at, each.version_at, ("" if each.available is None else each.available,)),
                held and State(held[0], held[0], ("" if held[1] is None else held[1],)),
            )
            findings.compared += 1
            if verdict in (Verdict.MISSING, Verdict.WRONG):
                differing.append(each)
                late = each.version_at < self.in_time_after
                findings.note(verdict, self._day(each.version_at), late=late)
        with transaction.atomic():
            gate.admit(self.shop, differing, source=Source.RECONCILIATION, now=self.now)
            self.save(findings)

    def bury(self, ids: Mapping[int, datetime], findings: Findings) -> None:
        """Delete what Shopify has no more; only those of which we keep a living row are counted.

        Raises:
            as `AdminClient.run`.
        """
        ours = kept.states(self.shop, self.resource, ids)
        dead = [each for each in ids if each in ours and not ours[each].deleted]
        events = [event for each in dead for event in self._death(each)]
        with transaction.atomic():
            gate.admit(self.shop, events, source=Source.RECONCILIATION, now=self.now)
            for each in dead:
                findings.note_gone(self._day(ids[each]))
            self.save(findings)

    def _new_customer(self, page: Page, object_id: int, verdict: Verdict) -> bool:
        return verdict is Verdict.MISSING and object_id in page.numbers

    def _read(self, listed: Listed, object_id: int, state: State) -> list[Event]:
        if self.resource == "customers":
            return [listing.customer(object_id, state)]
        return read(self.client, Wanted(Kind(listed.type), object_id))

    def _death(self, object_id: int) -> list[Event]:
        if self.resource == "customers":
            merged_into = self._heir(object_id)
            if merged_into is not None:
                return [CustomerMerged(merged_into, object_id, self.now)]
        return [_DELETED[self.resource](object_id, self.now)]

    def _heir(self, customer_id: int) -> int | None:
        """Whose the orders of a vanished customer are now: Shopify deletes none with orders, it merges them."""
        order_id = kept.an_order_of(self.shop, customer_id)
        if order_id is None:
            return None
        for event in read(self.client, Wanted(Kind.ORDER, order_id)):
            if isinstance(event, OrderPlaced) and event.customer_id not in (None, customer_id):
                return event.customer_id
        return None

    def _day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()
