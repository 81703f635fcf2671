"""Rows of a CSV file that may be damaged: streamed, named by header, every fault told by line and reason."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from devstore.store import utc_text

MAX_FAULTS_KEPT = 100_000  # of a file in which every row is wrong; the counts go on
MAX_LINE_BYTES = 4 * 2**20
_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,10})?")
_WHOLE = re.compile(r"-?\d{1,9}")
# Ids made of text: above Shopify's own numbers, below 2**53, so that JavaScript reads them exactly.
_HASHED_FROM, _HASHED_WIDTH = 7_000_000_000_000_000, 2_000_000_000_000_000


class RowError(ValueError):
    """A row that cannot be used; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Fault:
    file: str
    line: int
    reason: str


@dataclass(slots=True)
class Faults:
    """What was wrong in the files. `skipped` rows are not in the store, `repaired` ones are, as the reason says."""

    skipped: list[Fault] = field(default_factory=list)
    repaired: list[Fault] = field(default_factory=list)
    skipped_count: int = 0
    repaired_count: int = 0

    def skip(self, file: str, line: int, reason: str) -> None:
        self.skipped_count += 1
        if len(self.skipped) < MAX_FAULTS_KEPT:
            self.skipped.append(Fault(file, line, reason))

    def repair(self, file: str, line: int, reason: str) -> None:
        self.repaired_count += 1
        if len(self.repaired) < MAX_FAULTS_KEPT:
            self.repaired.append(Fault(file, line, reason))


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One record: the line it begins on, and a look-up by the wanted name of a column ("" when absent)."""

    line: int
    cells: list[str]
    places: Mapping[str, int]

    def get(self, name: str) -> str:
        place = self.places.get(name)
        return "" if place is None else self.cells[place].strip()


class CsvFile:
    """A CSV file, plain or gzipped, read once from front to back in constant memory."""

    def __init__(self, path: Path, aliases: Mapping[str, tuple[str, ...]], faults: Faults) -> None:
        self.path = path
        self.rows = 0  # data rows read so far, good and bad
        self.bytes_read = 0  # of the file as it lies on disk
        self.header: list[str] = []  # known from the first row on
        self._aliases = aliases
        self._faults = faults

    def __iter__(self) -> Iterator[CsvRow]:
        """Every usable row. Raises RowError when there is no header with a wanted column."""
        with self.path.open("rb") as raw:
            records = self._records(self._lines(raw))
            header = next(records, None)
            self.header = header[1] if header else []
            places = self._places(self.header)
            width = len(self.header)
            for line, cells in records:
                if not any(cells) and len(cells) <= width:
                    continue
                self.rows += 1
                if len(cells) != width:
                    self._faults.skip(self.path.name, line, f"expected {width} columns, found {len(cells)}")
                elif "\0" in "".join(cells):
                    self._faults.skip(self.path.name, line, "holds a NUL byte")
                else:
                    yield CsvRow(line, cells, places)

    def skip(self, line: int, reason: str) -> None:
        self._faults.skip(self.path.name, line, reason)

    def repair(self, line: int, reason: str) -> None:
        self._faults.repair(self.path.name, line, reason)

    def _places(self, header: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        lower = {name.strip().lower(): place for place, name in reversed(list(enumerate(header)))}
        for name, aliases in self._aliases.items():
            for alias in aliases:
                if alias in lower:
                    found[name] = lower[alias]
                    break
        if len(lower) < len(header):
            self.repair(1, "two columns have the same name: the first counts")
        if not found:
            raise RowError(f"{self.path.name} has no header that Shopify writes")
        return found

    def _lines(self, raw: BinaryIO) -> Iterator[str]:
        """Physical lines as text. One that is not UTF-8 is read as Windows-1252, as spreadsheets save it."""
        packed = self.path.name.endswith(".gz")
        stream = _utf8(gzip.GzipFile(fileobj=raw) if packed else raw)
        number = 0
        while True:
            try:
                line = next(stream, b"")
                too_long = len(line) == MAX_LINE_BYTES and not line.endswith(b"\n")
                rest = line if too_long else b""
                while rest and not rest.endswith(b"\n"):
                    rest = next(stream, b"")
            except (OSError, EOFError) as error:
                self.skip(number + 1, f"the compressed file is damaged from here on ({error})")
                return
            if not line:
                return
            number += 1
            self.bytes_read = raw.tell()
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if too_long:
                # What is left of it is no CSV, whatever stands in it: the line is told, and those behind it are read.
                self.repair(number, f"is longer than {MAX_LINE_BYTES} bytes: cut")
                line = line[:100].replace(b'"', b"") + b"\n"
            try:
                yield line.decode()
            except UnicodeDecodeError:
                self.repair(number, "is not UTF-8: read as Windows-1252")
                yield line.decode("cp1252", "replace")

    def _records(self, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        """Records with their first line. After an unclosed quote, reading goes on from the next line."""
        waiting: deque[str] = deque()
        taken: list[str] = []

        def feed() -> Iterator[str]:
            while True:
                line = waiting.popleft() if waiting else next(lines, None)
                if line is None:
                    return
                taken.append(line)
                yield line

        begin = 1
        reader = csv.reader(feed(), strict=True)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.rows += 1
                self.skip(begin, f"is not CSV ({error})")
                waiting.extendleft(reversed(taken[1:]))
                begin += 1
                taken.clear()
                reader = csv.reader(feed(), strict=True)
                continue
            yield begin, cells
            begin += len(taken)
            taken.clear()


def _utf8(stream: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    """Lines of at most `MAX_LINE_BYTES`; UTF-16 with a byte order mark, as spreadsheets save it, becomes UTF-8."""
    line = stream.readline(MAX_LINE_BYTES)
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        stream.seek(0)
        text = io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="")
        while wide := text.readline(MAX_LINE_BYTES // 4):
            yield wide.encode("utf-8", "replace")
        text.detach()
        return
    while line:
        yield line
        line = stream.readline(MAX_LINE_BYTES)


def decimal_of(text: str, column: str) -> Decimal:
    """An amount; empty is zero. Raises RowError."""
    if not text:
        return Decimal(0)
    if not _NUMBER.fullmatch(text):
        raise RowError(f"{column} is not a number: {text[:40]!r}")
    return Decimal(text)


def whole_of(text: str, column: str) -> int:
    """A whole number. Raises RowError, also for an empty cell."""
    if not _WHOLE.fullmatch(text):
        raise RowError(f"{column} is not a whole number: {text[:40]!r}")
    return int(text)


def time_of(text: str, column: str) -> str:
    """A time like `2011-11-30 17:37:00 +0000` as the store keeps it; without an offset it is UTC. Raises RowError."""
    try:
        parsed = datetime.fromisoformat(re.sub(r"\s+(?=[+-]\d)", "", text.replace(" UTC", "+0000")))
        return utc_text(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise RowError(f"{column} is not a time: {text[:40]!r}") from error


def stable_id(domain: str, kind: str, *parts: object) -> int:
    """The same id for the same thing of the same shop in every import."""
    text = "\x1f".join((domain, kind, *map(str, parts)))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return _HASHED_FROM + int.from_bytes(digest) % _HASHED_WIDTH
