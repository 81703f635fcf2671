"""The shop file: made whole, shared by threads, ids never used twice."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from devstore.store import BadDomainError, Store, put_in_place, shop_path, shop_paths, shop_values

DOMAIN = "birch-and-co.myshopify.com"


def make_store(folder: Path, domain: str = DOMAIN) -> Store:
    facts = shop_values(
        domain=domain,
        name="Birch & Co",
        currency="GBP",
        iana_timezone="Europe/London",
        country="GB",
        created_at="2026-01-01T00:00:00Z",
    )
    store = Store.create(shop_path(folder, domain), domain=domain, facts=facts)
    store.finish_load()
    return store


def test_a_new_shop_is_empty_and_has_its_staff(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    assert store.counts() == {
        "orders": 0,
        "lines": 0,
        "customers": 0,
        "products": 0,
        "variants": 0,
        "collections": 0,
        "refunds": 0,
    }
    assert store.facts().currency == "GBP"
    owners = store.read("SELECT first_name FROM staff WHERE account_owner = 1")
    assert [row["first_name"] for row in owners] == ["Olivia"]


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = make_store(tmp_path)

    def write_and_fail() -> None:
        with store.transaction() as tx:
            tx.execute("INSERT INTO locations VALUES (1, 'Shop floor')")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert store.read("SELECT * FROM locations") == []


def test_ids_are_unique_under_threads_and_after_deletion(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    seen: list[int] = []

    def take() -> None:
        for _ in range(25):
            with store.transaction() as tx:
                fresh = store.next_id(tx, "customers")
                tx.execute(
                    "INSERT INTO customers (id, created_at, updated_at) VALUES (?, '2026-01-01T00:00:00Z', '')",
                    (fresh,),
                )
                tx.execute("DELETE FROM customers WHERE id = ?", (fresh,))
            seen.append(fresh)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == len(set(seen)) == 100


def test_a_thread_that_ends_leaves_no_open_file(tmp_path: Path) -> None:
    store = make_store(tmp_path)

    def read() -> None:
        store.counts()

    def open_files() -> int:
        return sum(entry.resolve().is_relative_to(tmp_path) for entry in Path("/proc/self/fd").iterdir())

    before = open_files()
    for _ in range(20):
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert open_files() <= before + 3  # SQLite keeps a closed file's descriptor for the next one to open it
    store.close()
    assert open_files() == 0


def test_two_shops_have_different_ids(tmp_path: Path) -> None:
    first, second = make_store(tmp_path), make_store(tmp_path, "oak-and-ash.myshopify.com")
    with first.transaction() as tx:
        one = first.next_id(tx, "orders")
    with second.transaction() as tx:
        two = second.next_id(tx, "orders")
    assert one != two


def test_shops_are_listed_oldest_first_and_can_be_replaced(tmp_path: Path) -> None:
    make_store(tmp_path, "zebra.myshopify.com").close()
    make_store(tmp_path).close()
    assert [path.name for path in shop_paths(tmp_path)] == [
        "zebra.myshopify.com.sqlite3",
        f"{DOMAIN}.sqlite3",
    ]
    building = Store.create(
        tmp_path / "x.building",
        domain=DOMAIN,
        facts=shop_values(
            domain=DOMAIN,
            name="New",
            currency="EUR",
            iana_timezone="UTC",
            country="DE",
            created_at="2026-02-02T00:00:00Z",
        ),
    )
    put_in_place(building, shop_path(tmp_path, DOMAIN))
    assert Store.open(shop_path(tmp_path, DOMAIN)).facts().name == "New"
    assert not list(tmp_path.glob("*building*"))


@pytest.mark.parametrize(
    "name", ["../etc.myshopify.com", "a.myshopify.com.evil.example", "A.myshopify.com", "", "x"]
)
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadDomainError):
        shop_path(tmp_path, name)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Store.open(shop_path(tmp_path, DOMAIN))
    assert list(tmp_path.iterdir()) == []
