"""Lists the dead letters of the event bus, or publishes them anew: after a fault in a consumer has been mended.

Without a topic, says for each topic and group how much waits and how much was given up. With one, replays its dead
letters, oldest first. Consumers are idempotent, so a message that was handled after all does no harm.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenancy.bus.interface import EventBus
from tenancy.bus.opened import open_bus
from tenancy.bus.topics import every
from tenancy.errors import Transient

_AT_A_TIME = 1_000


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("topic", nargs="?", help="such as exposures")
        parser.add_argument("--group", help="only of this consumer group")
        parser.add_argument(
            "--list", action="store_true", help="show the letters and their reasons; change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._run(open_bus(), options["topic"], options["group"], only_list=options["list"])
        except Transient as error:
            raise CommandError(f"{error} Nothing was lost; try again.") from error

    def _run(self, bus: EventBus, name: str | None, group: str | None, *, only_list: bool) -> None:
        topics = [topic for topic in every() if name in (None, topic.name)]
        if not topics:
            known = ", ".join(topic.name for topic in every())
            raise CommandError(f"no topic is called {name!r}; there are: {known}")
        pairs = [(topic.name, each) for topic in topics for each in topic.groups if group in (None, each)]
        if not pairs:
            groups = ", ".join(each for topic in topics for each in topic.groups)
            raise CommandError(f"no consumer group is called {group!r}; there are: {groups}")
        for topic, each in pairs:
            if name is None:
                lag = bus.lag(topic, each)
                self.stdout.write(
                    f"{topic} → {each}: {lag.waiting} waiting, {lag.pending} in hand,"
                    f" {lag.dead} dead, oldest {lag.oldest_s:.0f} s"
                )
            elif only_list:
                self._list(bus, topic, each)
            else:
                self._replay(bus, topic, each)

    def _list(self, bus: EventBus, topic: str, group: str) -> None:
        letters = bus.dead_letters(topic, group, count=_AT_A_TIME)
        for letter in letters:
            self.stdout.write(
                f"{letter.id}  {letter.at:%Y-%m-%d %H:%M:%S}  shop {letter.fields.get('shop', b'?').decode()}"
                f"  {letter.attempts}×  {letter.reason}"
            )
        self.stdout.write(f"{topic} → {group}: {len(letters)} dead letters shown")

    def _replay(self, bus: EventBus, topic: str, group: str) -> None:
        # As many as there are now: what dies again meanwhile waits for the next time.
        left, done = bus.lag(topic, group).dead, 0
        while left > 0 and (count := bus.replay(topic, group, count=min(left, _AT_A_TIME))):
            left, done = left - count, done + count
            self.stderr.write(f"{topic} → {group}: {done} replayed")
        self.stdout.write(f"{topic} → {group}: {done} dead letters replayed")
