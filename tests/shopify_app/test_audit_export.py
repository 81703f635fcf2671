"""The audit of CSV exports: what good files hold, and what becomes of poisoned ones."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopify_app.exports import report as reports
from shopify_app.exports import safe_csv
from shopify_app.exports.audit import NothingToAudit, audit
from shopify_app.exports.columns import Fate, Kind, fate
from shopify_app.exports.reading import MOST_COLUMNS, Faults, Table, Unreadable
from shopify_app.exports.sampling import Sampled
from shopify_app.exports.tally import tally

ROOT = Path(__file__).parents[2]
ORDERS = [
    "Name",
    "Email",
    "Created at",
    "Total",
    "Currency",
    "Lineitem quantity",
    "Lineitem name",
    "Lineitem price",
    "Id",
]
HEAD = ",".join(ORDERS)


def order(number: int, *, lines: int = 2, email: str | None = None, day: int = 1) -> str:
    person = f"p{number % 40}@example.com" if email is None else email
    first = f"#{number},{person},{date(2026, 1, 1) + timedelta(days=day)} 10:00:00 +0000,12.50,GBP,1,Thing {number % 9},6.25,{number}"
    more = [f"#{number},{person},,,,2,Thing {(number + each) % 9},3.00," for each in range(1, lines)]
    return "\n".join([first, *more])


def run(folder: Path, *options: str) -> tuple[int, str, str]:
    """The command as an operator starts it, without any database."""
    env = {**os.environ, "SHELFWISE_LOCAL": "1", "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none"}
    command = [sys.executable, "manage.py", "audit_export", str(folder), *options]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def findings(folder: Path) -> tuple[int, dict[str, Any]]:
    report = audit(folder)
    assert list(reports.lines(report))
    return reports.exit_code(report), json.loads(reports.as_json(report))


def test_a_good_export_is_told_in_numbers_and_verdicts(tmp_path: Path) -> None:
    rows = [order(number, day=number // 2) for number in range(300)]
    (tmp_path / "orders_export_1.csv").write_text("\n".join([HEAD, *rows[:150]]))
    (tmp_path / "orders_export_2.csv.gz").write_bytes(gzip.compress("\n".join([HEAD, *rows[150:]]).encode()))
    (tmp_path / "products_export.csv").write_text(
        "Handle,Title,Burn time (product.metafields.custom.burn)\nmug,Mug,\njar,Jar,30\n"
    )
    (tmp_path / "customers_export.csv").write_text("Customer ID,Email,First Name\n1,ann@example.com,Ann\n")
    status, found = findings(tmp_path)
    assert status == 0
    facts = found["orders"]
    assert (facts["orders"], facts["lines"], facts["exact"]) == (300, 600, True)
    assert facts["customers"] == 40
    assert facts["repeat_rate"] == 1.0
    assert facts["days"] == 150
    assert facts["orders_per_day"] == 2.0
    assert facts["products_often"] == facts["products"] == 9
    answers = {each["what"]: each["answer"] for each in found["verdicts"]}
    assert answers["show what sells now"] == "yes"
    assert answers["learn demand by week"] == "no"
    columns = {
        (each["kind"], column["name"]): column for each in found["files"] for column in each["columns"]
    }
    assert columns["orders", "Total"]["fill_rate"] == 1.0, (
        "an order's own columns stand in its first row only"
    )
    assert columns["products", "Burn time (product.metafields.custom.burn)"]["fate"] == Fate.CHOOSE.value
    status, told, measured = run(tmp_path)
    assert status == 0
    assert "yes     show what sells now" in told
    assert json.loads(measured.splitlines()[-1])["peak_mib"] > 0
    assert "example.com" not in json.dumps(found) + told
    assert "Ann" not in json.dumps(found) + told


@pytest.mark.parametrize(
    ("content", "aside", "reason"),
    [
        (f"{HEAD}\n{order(1)}\n{order(2, lines=1)},extra\n{order(3)}\n", 1, "another number of cells"),
        (f"{HEAD}\n{order(1)}\n#2,a\0b@x.y,,,,1,Thing,1,\n{order(3)}\n", 1, "NUL"),
        (f'{HEAD}\n{order(1)}\n#2,"open,,,,1,Thing,1,\n{order(3)}\n', 1, "quote"),
        (f"{HEAD}\n{order(1)}\n#2,{'x' * 2_000_000},,,,1,Thing,1,\n{order(3)}\n", 1, "too long"),
    ],
)
def test_bad_records_are_put_aside_with_line_and_reason_and_the_good_ones_arrive(
    tmp_path: Path, content: str, aside: int, reason: str
) -> None:
    (tmp_path / "orders_export.csv").write_text(content)
    status, found = findings(tmp_path)
    assert status == 1
    assert found["put_aside"] == aside
    (fault,) = [each for each in found["faults"] if reason in each["reason"]]
    assert (fault["file"], fault["line"]) == ("orders_export.csv", 4)
    assert found["orders"]["orders"] == 2
    assert found["orders"]["lines"] == 4


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le-bom"])
def test_byte_order_marks_are_understood(tmp_path: Path, name: str) -> None:
    text = f"{HEAD}\r\n{order(1, email='zoë@example.com')}\r\n"
    raw = b"\xff\xfe" + text.encode("utf-16-le") if name.endswith("bom") else text.encode(name)
    (tmp_path / "orders_export.csv").write_bytes(raw)
    status, found = findings(tmp_path)
    assert (status, found["orders"]["orders"], found["orders"]["lines"]) == (0, 1, 2)


def test_latin_1_is_read_and_told(tmp_path: Path) -> None:
    (tmp_path / "orders_export.csv").write_bytes(
        f"{HEAD}\n{order(1)}\n{order(2, email='zoë@x.y')}\n".encode("latin-1")
    )
    status, found = findings(tmp_path)
    assert (status, found["put_aside"], found["orders"]["orders"]) == (0, 0, 2)
    assert "is not UTF-8 throughout: such places are read as Windows-1252" in found["reasons"]
    assert "such places are read as Windows-1252  (orders_export.csv)" in run(tmp_path)[1], "no line of it"


def test_twice_the_same_header_is_told(tmp_path: Path) -> None:
    (tmp_path / "orders_export.csv").write_text(f"{HEAD},Email\n{order(1, lines=1)},other\n")
    status, found = findings(tmp_path)
    assert (status, found["mended"]) == (0, 1)
    assert "a header name is there twice: the first counts" in found["reasons"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no header"),
        (b"\n\n", "no header"),
        (b",".join(b"c%d" % each for each in range(2_000)), "2000 columns; more than"),
        (b"Name,Email\n#1,a@b.c\n", "lacks the columns created at"),
        (b"Handle,Title\nmug,Mug\n", "lacks the columns name"),
        (b",".join(b"c%d" % each for each in range(1_000_000)), "header line that cannot be read"),
        (os.urandom(200_000), ""),
        (b"\x1f\x8b not really", ""),
    ],
)
def test_files_that_are_no_exports_are_refused_with_the_reason(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "orders_export.csv").write_bytes(content)
    status, found = findings(tmp_path)
    assert status == 2
    assert found["files"] == []
    assert why in found["refused"][0]["reason"]


def test_a_damaged_archive_is_read_up_to_there(tmp_path: Path) -> None:
    packed = gzip.compress("\n".join([HEAD, *map(order, range(4_000))]).encode())
    (tmp_path / "orders_export.csv.gz").write_bytes(packed[: len(packed) // 2])
    status, found = findings(tmp_path)
    assert status == 1
    assert "the compressed file is damaged: read up to there" in found["reasons"]


def test_a_folder_without_exports_is_said(tmp_path: Path) -> None:
    with pytest.raises(NothingToAudit, match=r"nowhere is not a folder"):
        audit(tmp_path / "nowhere")
    status, _, told = run(tmp_path)
    assert status == 2
    assert f"{tmp_path} holds no products_export" in told


def test_formulas_are_counted_and_never_written(tmp_path: Path) -> None:
    header = HEAD.replace("Lineitem name", "=cmd|' /C calc'!A0 lineitem name") + ",Lineitem name"
    rows = [f"#{n},a@b.c,2026-01-0{n} 10:00:00,1,GBP,1,@SUM(1+1)*cmd,-5,{n},+1 mug" for n in (1, 2)]
    (tmp_path / "orders_export.csv").write_text("\n".join([header, *rows]))
    target = tmp_path / "found.csv"
    target.write_text(reports.as_csv(audit(tmp_path)))
    _, *cells = csv.reader(io.StringIO(target.read_text()))
    assert not [cell for row in cells for cell in row if safe_csv.is_formula(cell)]
    (poisoned,) = [row for row in cells if "cmd|" in row[1]]
    assert poisoned[-1] == "2"
    (price,) = [row for row in cells if row[1] == "Lineitem price"]
    assert price[-1] == "0", "a negative number is a number"


def test_memory_stays_bounded_whatever_the_file_holds(tmp_path: Path) -> None:
    """A field of 40 MB, a line of a million columns, open quotes, and 60,000 orders of as many buyers."""
    path = tmp_path / "orders_export.csv"
    with path.open("w") as out:
        out.write(HEAD + "\n")
        out.write(order(1) + "\n")
        out.write('#2,"' + "x" * 40_000_000 + '",,,,1,Thing,1,\n')
        out.write("," * 1_000_000 + "\n")
        out.write('#3,"' + "line\n" * 30_000)
        for number in range(4, 60_000):
            out.write(order(number, lines=1, email=f"p{number}@example.com") + "\n")
    target = tmp_path / "found.json"
    status, _, told = run(tmp_path, "--json", str(target), "--csv", str(tmp_path / "found.csv"))
    assert status == 1, told
    found = json.loads(target.read_text())
    assert found["orders"]["orders"] == 1 + 59_996
    small = tmp_path / "small"
    small.mkdir()
    (small / "orders_export.csv").write_text(f"{HEAD}\n{order(1)}\n")
    least = json.loads(run(small)[2].splitlines()[-1])["peak_mib"]
    assert json.loads(told.splitlines()[-1])["peak_mib"] < least + 64


CELLS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=8),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_spreadsheet_wrote_is_read_back(tmp_path: Path, rows: list[list[str]], encoding: str) -> None:
    path = tmp_path / "orders_export.csv"
    with path.open("w", encoding=encoding, newline="") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        writer.writerow(["a", "b", "c"])
        writer.writerows(rows)
    faults = Faults()
    read = [each.cells for each in Table(path, faults)]
    # Line ends inside of cells are read as one kind; a record of nothing is none.
    plain = [[cell.replace("\r\n", "\n").replace("\r", "\n") for cell in row] for row in rows]
    assert read == [row for row in plain if any(row)]
    assert faults.aside == 0


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400) | st.text(alphabet='",\n\r;=ab\0é', max_size=200).map(str.encode))
def test_whatever_bytes_come_each_record_is_used_or_put_aside(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "orders_export.csv"
    path.write_bytes(raw)
    faults = Faults()
    table = Table(path, faults)
    try:
        found = tally(Kind.ORDERS, table)
    except Unreadable:
        return
    assert found.records == found.read + sum(
        count
        for reason, count in faults.reasons.items()
        if not reason.startswith(("is not UTF-8", "a header name"))
    )
    assert len(table.header) <= MOST_COLUMNS


@given(st.lists(st.integers(0, 30), max_size=200))
def test_sampling_is_exact_while_it_fits(numbers: list[int]) -> None:
    seen = Sampled(64)
    for each in numbers:
        seen.add(str(each))
    assert seen.exact
    assert seen.different == len(set(numbers))
    assert seen.at_least(2) == sum(numbers.count(each) >= 2 for each in set(numbers))


def test_sampling_of_many_is_near() -> None:
    seen, other = Sampled(2_048), Sampled(2_048)
    for number in range(60_000):
        (seen if number % 2 else other).add(f"thing {number // 2 % 20_000}", 1)
    seen.join(other)
    assert not seen.exact
    assert abs(seen.different / 20_000 - 1) < 0.15
    assert abs(seen.share_at_least(4) - 0.5) < 0.1


@pytest.mark.parametrize(
    ("kind", "header", "expected"),
    [
        (Kind.ORDERS, "Shipping Address1", Fate.PERSONAL),
        (Kind.ORDERS, "Billing Province Name", Fate.PERSONAL),
        (Kind.ORDERS, "Phone", Fate.PERSONAL),
        (Kind.ORDERS, "Note Attributes", Fate.PERSONAL),
        (Kind.ORDERS, "Shipping Method", Fate.UNUSED),
        (Kind.ORDERS, "Lineitem price", Fate.TAKEN),
        (Kind.PRODUCTS, "Material (product.metafields.custom.material)", Fate.CHOOSE),
        (Kind.PRODUCTS, "Height (variant.metafields.custom.height)", Fate.CHOOSE),
        (Kind.CUSTOMERS, "Birthday (customer.metafields.custom.birthday)", Fate.PERSONAL),
        (Kind.CUSTOMERS, "Total Spent", Fate.PERSONAL),
        (Kind.CUSTOMERS, "Customer ID", Fate.TAKEN),
    ],
)
def test_columns_and_what_becomes_of_them(kind: Kind, header: str, expected: Fate) -> None:
    assert fate(kind, header) is expected
