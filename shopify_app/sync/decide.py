"""What to do after asking Shopify how an export stands. Pure: facts in, the next step as a value out."""

from __future__ import annotations

from dataclasses import dataclass

from shopify_app.graphql.bulk import BulkOperation, BulkStatus

MOST_EXPORTS = 4
MOST_TROUBLES = 8
# A file that ends early is read again from the mark so often before it counts as broken off.
MOST_SHORT_READS = 3
ENOUGH_LINES = 10_000
SLOWEST_POLL_S = 60.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again in `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Read:
    """Read this file; `partial` when the export failed after writing it and must run again afterwards."""

    url: str
    partial: bool


@dataclass(frozen=True, slots=True)
class Empty:
    """The export ended well and holds nothing."""


@dataclass(frozen=True, slots=True)
class ExportAgain:
    """Start the export anew after `seconds`."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A person must look; `code` and `message` are shown to the merchant."""

    code: str
    message: str


Step = Wait | Read | Empty | ExportAgain | GiveUp


def after_asking(operation: BulkOperation | None, *, exports: int, poll_s: float) -> Step:
    """The step that follows Shopify's answer.

    Args:
        operation: None when Shopify no longer knows it.
        exports: exports started in this run that brought nothing, this one included.
        poll_s: the wait before this answer.
    """
    if operation is None:
        return again("Shopify no longer knows the export", exports)
    if operation.status in (BulkStatus.CREATED, BulkStatus.RUNNING, BulkStatus.CANCELING):
        return Wait(min(poll_s * 1.5, SLOWEST_POLL_S))
    if operation.status == BulkStatus.COMPLETED:
        return Read(operation.url, partial=False) if operation.url else Empty()
    if operation.error_code == "ACCESS_DENIED":
        return GiveUp(
            "access_denied", "Shopify denies this app access to the data. Open the app and grant its scopes."
        )
    if operation.partial_url:
        return Read(operation.partial_url, partial=True)
    what = operation.error_code or operation.status.value
    return again(f"Shopify's export ended with {what}", exports)


def again(reason: str, exports: int) -> Step:
    """Export anew, unless that was done often enough."""
    if exports >= MOST_EXPORTS:
        return GiveUp("export_failed", f"{reason}, {exports} times. Try again later with Restart import.")
    return ExportAgain(reason, seconds=min(300.0, 5.0 * 3.0 ** (exports - 1)))


def complete_before(*, last_root: int, last_parent: int, in_order: bool, has_children: bool) -> int:
    """Of a file that broke off: roots with smaller ids are in it with all their children. 0 when none surely is.

    Shopify keeps the order of each connection and writes children behind their parents, and we ask for roots by id. So
    children of a later root show that those of the earlier ones are all written. A file that breaks this order once is
    not believed: an order cut from its lines would look like an order that lost them.

    Args:
        last_root, last_parent: ids of the last root, and of the last child's parent, in the file; 0 when there is none.
        in_order: roots came by rising id, and children by rising id of their parents.
    """
    if not in_order:
        return 0
    return min(last_root, last_parent) if has_children else last_root + 1 if last_root else 0


def worth_going_on(lines: int, roots_expected: int | None) -> bool:
    """Whether a file that broke off brought enough for the next one not to count as another failure."""
    return lines >= ENOUGH_LINES or (roots_expected is not None and lines * 10 >= roots_expected)


def pause_after_trouble(troubles: int, wait_s: float | None) -> float:
    """Seconds before the next try: the server's own wait when it gave one, else growing."""
    return wait_s if wait_s is not None else min(120.0, 2.0**troubles)


def too_many_skipped(skipped: int, lines: int) -> bool:
    """A stray row may be left out and told; more than one in a hundred means that we do not understand the shop."""
    return skipped > max(5, lines // 100)
