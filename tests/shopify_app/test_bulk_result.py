"""Reading a bulk result: cut connections, servers without ranges, lapsed addresses, and hosts that are not Shopify's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pytest_django import Settings

from shopify_app.graphql import bulk
from shopify_app.graphql.bulk import BulkOperation, BulkStatus, NotAResult, ResultGone
from shopify_app.graphql.client import ShopifyTrouble
from shopify_app.graphql.library import document
from shopify_app.sync import decide
from tenancy.errors import Bug

LINES = [b'{"id":"gid://shopify/Order/%d","name":"\xc3\xa9"}' % number for number in range(1, 501)]


@dataclass
class FileStore:
    """What the little server below does."""

    content: bytes = b"\n".join(LINES) + b"\n"
    cut_at: int | None = None
    ranges: bool = True
    status: int = 200
    asked: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def files(settings: Settings) -> Iterator[FileStore]:
    store = FileStore()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            store.asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and store.ranges else 0
            if store.status != 200:
                self.send_error(store.status)
                return
            if start >= len(store.content) and start:
                self.send_error(416)
                return
            body = store.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if store.cut_at is None else body[: store.cut_at])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.SHOPIFY_SHOP_ORIGIN = f"http://127.0.0.1:{server.server_port}"
    store.url = f"http://127.0.0.1:{server.server_port}/result.jsonl"
    yield store
    server.shutdown()
    server.server_close()


def read_all(files: FileStore, *, per_piece: int = 64, tries: int = 100) -> tuple[list[bytes], int]:
    """As a job does: from the last mark on, after each cut."""
    found: list[bytes] = []
    offset = 0
    for _ in range(tries):
        try:
            with bulk.pieces(files.url, offset, lines_per_piece=per_piece) as pieces:
                for piece in pieces:
                    found += piece.lines
                    offset = piece.offset
            return found, offset
        except ShopifyTrouble:
            continue
    raise AssertionError("the file never ended")


@pytest.mark.parametrize("per_piece", [1, 7, 500, 10_000])
def test_every_line_is_read_once_and_the_mark_ends_at_the_end(files: FileStore, per_piece: int) -> None:
    assert read_all(files, per_piece=per_piece) == (LINES, len(files.content))


def test_a_file_without_a_last_newline_keeps_its_last_line(files: FileStore) -> None:
    files.content = files.content[:-1]
    assert read_all(files) == (LINES, len(files.content))


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("cut_at", [997, 4096])
def test_a_connection_that_is_cut_goes_on_from_the_last_whole_line(
    files: FileStore, cut_at: int, ranges: bool
) -> None:
    files.ranges = ranges
    files.cut_at = cut_at
    if not ranges:
        # Such a server sends the beginning again each time: it is reached only when a cut lets it come further.
        files.cut_at = None
        with bulk.pieces(files.url, 0, lines_per_piece=64) as pieces:
            first = next(pieces)
        with bulk.pieces(files.url, first.offset, lines_per_piece=64) as pieces:
            rest = [line for piece in pieces for line in piece.lines]
        assert first.lines + rest == LINES
        return
    assert read_all(files) == (LINES, len(files.content))
    assert len(files.asked) > 4


def test_asking_behind_the_end_finds_nothing(files: FileStore) -> None:
    with bulk.pieces(files.url, len(files.content), lines_per_piece=10) as pieces:
        assert list(pieces) == []


@pytest.mark.parametrize(
    ("status", "error"), [(403, ResultGone), (404, ResultGone), (503, ShopifyTrouble), (302, ShopifyTrouble)]
)
def test_a_refusal_tells_whether_to_wait_or_to_export_again(
    files: FileStore, status: int, error: type[Exception]
) -> None:
    files.status = status
    with pytest.raises(error):
        with bulk.pieces(files.url, 0, lines_per_piece=10):
            pass


@pytest.mark.parametrize("ends_with", [b"\n", b""])
def test_a_line_without_end_is_passed_over_and_never_held(files: FileStore, ends_with: bytes) -> None:
    giant = b'{"id":"' + b"x" * 3_000_000
    files.content = b"\n".join([LINES[0], giant, LINES[1], giant + ends_with])
    with bulk.pieces(files.url, 0, lines_per_piece=2) as pieces:
        found = list(pieces)
    assert [each.lines[0] for each in found] == [LINES[0], LINES[1]]
    for each in found:
        assert each.too_long == {1: len(giant)}
        assert len(each.lines[1]) == bulk.KEPT_OF_TOO_LONG
    assert found[-1].offset == len(files.content)


def test_a_piece_is_bounded_by_its_bytes_too(files: FileStore) -> None:
    line = b'{"id":"' + b"x" * 200_000 + b'"}'
    files.content = b"\n".join([line] * 100) + b"\n"
    with bulk.pieces(files.url, 0, lines_per_piece=5_000) as pieces:
        sizes = [sum(map(len, each.lines)) for each in pieces]
    assert sum(sizes) == 100 * len(line)
    assert max(sizes) < bulk.BYTES_PER_PIECE + bulk.LONGEST_LINE


def test_a_file_that_ends_amid_a_line_keeps_that_line_to_itself(files: FileStore) -> None:
    files.content = b"\n".join(LINES)[:-9]
    found, offset = read_all(files)
    assert found == LINES[:-1]
    assert files.content[:offset].endswith(LINES[-2] + b"\n")


@pytest.mark.parametrize(
    "content", [b"<!doctype html><p>Sorry", b"\n  <?xml version='1.0'?><Error/>", b"\x1f\x8b\x08\x00abc\n"]
)
def test_a_page_or_a_packed_file_is_no_result(files: FileStore, content: bytes) -> None:
    files.content = content
    with pytest.raises(NotAResult), bulk.pieces(files.url, 0, lines_per_piece=10) as pieces:
        next(pieces)


@pytest.mark.parametrize(
    "url",
    ["http://storage.googleapis.com/x", "https://evil.tld/x", "https://storage.googleapis.com.evil.tld/x",
     "https://shopify.com.evil.tld/x", "https://evilshopify.com/x", "https://u@storage.googleapis.com/x",
     "https://storage.googleapis.com:8443/x", "file:///etc/passwd", "http://169.254.169.254/latest", "https://[::1]/x", "nonsense"],
)  # fmt: skip
def test_no_other_host_is_fetched(url: str, settings: Settings) -> None:
    settings.SHOPIFY_SHOP_ORIGIN = "https://{shop}"
    assert not bulk.allowed_address(url)
    with pytest.raises(Bug):
        with bulk.pieces(url, 0, lines_per_piece=10):
            pass


def test_shopifys_own_file_hosts_are_fetched(settings: Settings) -> None:
    settings.SHOPIFY_SHOP_ORIGIN = "https://{shop}"
    assert bulk.allowed_address("https://storage.googleapis.com/shopify-tiers-assets/bulk.jsonl?sig=1")
    assert bulk.allowed_address("https://bulk.shopify.com/x.jsonl")


def operation(
    status: BulkStatus, *, error: str = "", url: str | None = None, partial: str | None = None
) -> BulkOperation:
    return BulkOperation("gid://shopify/BulkOperation/1", status, error, 10, 5, url, partial)


def after(found: BulkOperation | None, *, exports: int = 1) -> decide.Step:
    return decide.after_asking(found, exports=exports, poll_s=30.0)


def test_a_running_export_is_asked_less_and_less_often() -> None:
    assert after(operation(BulkStatus.RUNNING)) == decide.Wait(45.0)
    assert decide.after_asking(operation(BulkStatus.CREATED), exports=1, poll_s=59.0) == decide.Wait(60.0)


def test_a_finished_export_is_read_or_is_empty() -> None:
    assert after(operation(BulkStatus.COMPLETED, url="u")) == decide.Read("u", partial=False)
    assert after(operation(BulkStatus.COMPLETED)) == decide.Empty()


@pytest.mark.parametrize("status", [BulkStatus.FAILED, BulkStatus.CANCELED, BulkStatus.EXPIRED])
def test_a_failed_export_is_read_as_far_as_it_came_and_run_again_where_there_is_nothing(
    status: BulkStatus,
) -> None:
    assert after(operation(status, error="TIMEOUT", partial="p")) == decide.Read("p", partial=True)
    failed = operation(status, error="TIMEOUT")
    assert isinstance(after(failed), decide.ExportAgain)
    assert isinstance(after(failed, exports=decide.MOST_EXPORTS), decide.GiveUp)
    assert isinstance(after(None), decide.ExportAgain)


def test_a_denied_export_is_not_tried_again() -> None:
    found = after(operation(BulkStatus.FAILED, error="ACCESS_DENIED", partial="p"))
    assert isinstance(found, decide.GiveUp)
    assert found.code == "access_denied"


def before(last_root: int, last_parent: int, *, in_order: bool = True, has_children: bool = True) -> int:
    return decide.complete_before(
        last_root=last_root, last_parent=last_parent, in_order=in_order, has_children=has_children
    )


def test_of_a_file_that_broke_off_only_what_surely_has_all_its_children_counts() -> None:
    assert before(50, 20) == 20, "20 may lack lines; those after it have none yet"
    assert before(50, 60) == 50, "a child before its parent: 51 to 59 were never seen"
    assert before(50, 20, in_order=False) == 0
    assert before(50, 0) == 0, "no child was seen at all"
    assert before(50, 0, has_children=False) == 51
    assert before(0, 0, has_children=False) == 0


def test_a_file_that_broke_off_counts_as_a_failure_when_it_brought_next_to_nothing() -> None:
    assert decide.worth_going_on(10_000, 10_000_000)
    assert decide.worth_going_on(30, 300)
    assert not decide.worth_going_on(29, 300)
    assert not decide.worth_going_on(9_999, None)


def test_a_resumed_export_asks_only_for_the_rest() -> None:
    assert "orders(sortKey: ID) {" in bulk.query_text(document("OrdersBulk"))
    assert 'orders(sortKey: ID, query: "id:>=17") {' in bulk.query_text(document("OrdersBulk"), from_id=17)
    assert 'inventoryItems(query: "id:>=17") {' in bulk.query_text(document("InventoryBulk"), from_id=17)
