"""Counting different things in bounded memory: exact while they are few, an even sample of them when they are many. Pure.

Adaptive sampling (Wegman; Flajolet, "On adaptive sampling", Computing 43, 1990): things are kept by a hash; when too many
are held, those with an odd next bit are dropped. What is left is an even sample of 1 in 2**level of all that was seen, each
with its full count. The relative error of the number of different things is about 1.2 / sqrt(capacity).
"""

from __future__ import annotations


class Sampled:
    """How often each of many things was seen.

    Args:
        capacity: things held at most; each takes about 100 bytes.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._level = 0
        self._held: dict[int, int] = {}

    def add(self, thing: str, times: int = 1) -> None:
        # Python's own hash of text: keyed by the process (SipHash), so what is held leads back to nothing.
        number = hash(thing)
        if number & ((1 << self._level) - 1):
            return
        self._held[number] = self._held.get(number, 0) + times
        if len(self._held) > self._capacity:
            self._thin(self._level + 1)

    def join(self, other: Sampled) -> None:
        """Take in what another counted in this run."""
        self._thin(max(self._level, other._level))
        mask = (1 << self._level) - 1
        for number, times in other._held.items():
            if not number & mask:
                self._held[number] = self._held.get(number, 0) + times
        self._thin(self._level)

    def _thin(self, level: int) -> None:
        self._level = level
        while True:
            mask = (1 << self._level) - 1
            self._held = {each: count for each, count in self._held.items() if not each & mask}
            if len(self._held) <= self._capacity:
                return
            self._level += 1

    @property
    def exact(self) -> bool:
        return self._level == 0

    @property
    def different(self) -> int:
        """How many different things there were; an estimate unless `exact`."""
        return len(self._held) << self._level

    def at_least(self, times: int) -> int:
        """How many of them were seen at least so often; an estimate unless `exact`."""
        return sum(count >= times for count in self._held.values()) << self._level

    def share_at_least(self, times: int) -> float:
        """The share of things that were seen at least so often."""
        return self.at_least(times) / self.different if self._held else 0.0
