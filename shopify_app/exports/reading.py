"""CSV files of unknown quality as records: streamed, bounded in memory, every fault told with file, line and reason. Pure.

A record is bounded in length, columns and lines, so that no file can fill the memory: what is longer is put aside and
reading goes on behind it. UTF-8, UTF-16 and UTF-32 with a byte order mark are read as such; a line that is not UTF-8 is
read as Windows-1252, as spreadsheets save it. After a quote that is never closed, reading goes on with the next line.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

MOST_COLUMNS = 1_000
LONGEST_LINE = 1_000_000  # characters; Shopify's own descriptions hold 512 KiB at most
LONGEST_RECORD = 2_000_000
MOST_LINES = 20_000  # physical lines of one record: a description with line breaks
CHUNK = 64 * 1024
FAULTS_KEPT = 200
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Unreadable(Exception):
    """The file as a whole cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Line:
    """One physical line; `whole` is False for one that was too long to be read."""

    number: int
    text: str
    whole: bool


@dataclass(slots=True)
class Faults:
    """What was wrong: the first `FAULTS_KEPT` of each reason by line, and how often each was met.

    Args:
        aside: records that were left out.
        mended: records that were read in spite of it.
    """

    aside: int = 0
    mended: int = 0
    kept: list[Fault] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def put_aside(self, file: str, line: int, reason: str) -> None:
        self.aside += 1
        self._note(file, line, reason)

    def mend(self, file: str, line: int, reason: str) -> None:
        self.mended += 1
        self._note(file, line, reason)

    def _note(self, file: str, line: int, reason: str) -> None:
        # Reasons are made of a fixed number of words here, never of what the file holds.
        self.reasons[reason] += 1
        if self.reasons[reason] <= FAULTS_KEPT:
            self.kept.append(Fault(file, line, reason))


@dataclass(frozen=True, slots=True)
class Record:
    """One record: the line on which it begins, and its cells by header name (lower case)."""

    line: int
    cells: list[str]
    places: dict[str, int]

    def get(self, *names: str) -> str:
        """The first of these columns that is there, stripped; empty when none is."""
        for name in names:
            place = self.places.get(name)
            if place is not None:
                return self.cells[place].strip()
        return ""


class Table:
    """One CSV file, read once from front to back."""

    def __init__(self, path: Path, faults: Faults) -> None:
        self.path = path
        self.records = 0
        self.bytes_read = 0
        self.encoding = "utf-8"
        self.header: list[str] = []
        self._faults = faults

    def __iter__(self) -> Iterator[Record]:
        """Every record that has as many cells as the header.

        Raises:
            Unreadable: no header, too many columns, or not a text file at all.
        """
        try:
            with self.path.open("rb") as raw:
                yield from self._records(self._lines(raw))
        except OSError as error:
            raise Unreadable(f"cannot be opened ({error.strerror or 'unreadable'})") from None

    def _records(self, lines: Iterator[_Line]) -> Iterator[Record]:
        split = self._split(lines)
        first = next(split, None)
        if self.records:
            raise Unreadable(
                "has a header line that cannot be read: it is too long, or a quote in it is open"
            )
        if first is None or not any(cell.strip() for cell in first[1]):
            raise Unreadable("has no header line")
        self.header = [cell.strip() for cell in first[1]]
        if len(self.header) > MOST_COLUMNS:
            raise Unreadable(f"has {len(self.header)} columns; more than {MOST_COLUMNS} are not read")
        places: dict[str, int] = {}
        for place, name in enumerate(self.header):
            if name.lower() in places:
                self._faults.mend(self.path.name, first[0], "a header name is there twice: the first counts")
            places.setdefault(name.lower(), place)
        for line, cells in split:
            if not any(cells) and len(cells) <= len(self.header):
                continue
            self.records += 1
            if len(cells) != len(self.header):
                self._aside(line, "has another number of cells than the header")
            elif any("\0" in cell for cell in cells):
                self._aside(line, "holds a NUL byte")
            else:
                yield Record(line, cells, places)

    def _aside(self, line: int, reason: str) -> None:
        self._faults.put_aside(self.path.name, line, reason)

    def _split(self, lines: Iterator[_Line]) -> Iterator[tuple[int, list[str]]]:
        """Records with their first line."""
        waiting: deque[_Line] = deque()
        taken: list[_Line] = []
        length = 0

        def feed() -> Iterator[str]:
            nonlocal length
            while True:
                line = waiting.popleft() if waiting else next(lines, None)
                if line is None:
                    return
                taken.append(line)
                length += len(line.text)
                if not line.whole or length > LONGEST_RECORD or len(taken) > MOST_LINES:
                    raise csv.Error("too long")
                yield line.text

        reader = csv.reader(feed(), strict=True)
        while True:
            try:
                cells = next(reader)
                begin = taken[0].number
            except StopIteration:
                return
            except csv.Error:
                self.records += 1
                first = taken[0]
                reason = "is not CSV: a quote is open or out of place"
                self._aside(first.number, reason if first.whole else "is a line that is too long")
                waiting.extendleft(reversed(taken[1:]))
                reader = csv.reader(feed(), strict=True)
            else:
                yield begin, cells
            taken.clear()
            length = 0

    def _lines(self, raw: BinaryIO) -> Iterator[_Line]:
        """Physical lines. One that is too long is told by its beginning, and skipped to its end."""
        held = ""
        number = 0
        skipping = False
        carriage = False
        for piece in self._text(raw):
            # A line ends with LF, CR LF, or CR alone; the two halves of one end may lie in two pieces.
            chunk = piece.removeprefix("\n") if carriage else piece
            carriage = piece.endswith("\r") or (carriage and not piece)
            if "\r" in chunk:
                chunk = chunk.replace("\r\n", "\n").replace("\r", "\n")
            parts = chunk.split("\n")
            parts[0] = held + parts[0]
            held = parts.pop()
            for part in parts:
                number += 1
                whole = not skipping and len(part) < LONGEST_LINE
                skipping = False
                yield _Line(number, part + "\n" if whole else "", whole)
            if len(held) >= LONGEST_LINE:
                skipping, held = True, ""
        if held or skipping:
            yield _Line(number + 1, held, not skipping)

    def _text(self, raw: BinaryIO) -> Iterator[str]:
        """The decoded file in pieces."""
        stream: BinaryIO | gzip.GzipFile = (
            gzip.GzipFile(fileobj=raw) if self.path.name.endswith(".gz") else raw
        )
        first = True
        decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        while True:
            try:
                chunk = stream.read(CHUNK)
            except (OSError, EOFError, zlib.error):
                self._faults.put_aside(self.path.name, 0, "the compressed file is damaged: read up to there")
                return
            self.bytes_read = raw.tell()
            if first:
                first = False
                chunk, decoder = self._begin(chunk, decoder)
            yield self._plain(decoder.decode(chunk, final=not chunk))
            if not chunk:
                return

    def _begin(
        self, chunk: bytes, decoder: codecs.IncrementalDecoder
    ) -> tuple[bytes, codecs.IncrementalDecoder]:
        for mark, name in _MARKS:
            if chunk.startswith(mark):
                self.encoding = name
                errors = "surrogateescape" if name == "utf-8" else "replace"
                return chunk[len(mark) :], codecs.getincrementaldecoder(name)(errors)
        return chunk, decoder

    def _plain(self, text: str) -> str:
        """Bytes that are not UTF-8 come as half surrogates: they are read as Windows-1252."""
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            if self.encoding == "utf-8":
                self.encoding = "windows-1252 in places"
                self._faults.mend(
                    self.path.name, 0, "is not UTF-8 throughout: such places are read as Windows-1252"
                )
            return "".join(
                bytes([ord(each) - 0xDC00]).decode("cp1252", "replace")
                if 0xDC80 <= ord(each) <= 0xDCFF
                else each
                for each in text
            )
        return text
