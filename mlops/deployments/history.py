"""Where a rollback goes, from the changes of a slot. Pure.

"Previous good" is not "the number before": a version that was rolled back from is bad and is passed over, until someone
deploys it again on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a slot.

    Args:
        after: version that serves from then on.
        rollback: the version that served before was found bad.
    """

    after: int
    rollback: bool


def previous_good(changes: Iterable[Change]) -> int | None:
    """The version to return to; None when there is none.

    Args:
        changes: all changes of one slot, oldest first.
    """
    stack: list[int] = []
    bad: set[int] = set()
    for change in changes:
        if change.rollback:
            if stack:
                bad.add(stack[-1])
            # Down to the version that was returned to; it stays on top.
            while stack and stack[-1] != change.after:
                stack.pop()
        if not stack or stack[-1] != change.after:
            stack.append(change.after)
        bad.discard(change.after)
    serving = stack[-1] if stack else None
    return next((each for each in reversed(stack) if each != serving and each not in bad), None)
