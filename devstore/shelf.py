"""The shops under the data folder, found when they are asked for: one may be generated while the server runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from devstore.store import BadDomainError, Store, shop_path, shop_paths


class UnknownShopError(LookupError):
    """No shop of this name lives under the data folder."""


@dataclass(frozen=True)
class Staff:
    """A person who works in the shop; session tokens are minted for one."""

    id: int
    first_name: str
    last_name: str
    email: str
    account_owner: bool
    locale: str


def staff_of(store: Store) -> list[Staff]:
    """The shop's staff, owner first."""
    return [
        Staff(
            row["id"],
            row["first_name"],
            row["last_name"],
            row["email"],
            bool(row["account_owner"]),
            row["locale"],
        )
        for row in store.read("SELECT * FROM staff ORDER BY account_owner DESC, id")
    ]


class Shelf:
    """Open stores by domain. A file that was replaced (another inode) is opened again."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._lock = threading.Lock()
        self._open: dict[str, tuple[int, Store]] = {}
        self._retired: list[Store] = []
        self._order: list[str] = []
        self.reload()

    def reload(self) -> list[str]:
        """Look through the folder; returns the domains, the first made first. A file that is not a shop is skipped."""
        order = [path.name.removesuffix(".sqlite3") for path in shop_paths(self._data)]
        self._order = [domain for domain in order if self.find(domain) is not None]
        return list(self._order)

    def find(self, domain: str) -> Store | None:
        try:
            path = shop_path(self._data, domain)
            inode = path.stat().st_ino
        except (BadDomainError, FileNotFoundError):
            return None
        known = self._open.get(domain)
        if known is not None and known[0] == inode:
            return known[1]
        with self._lock:
            known = self._open.get(domain)
            if known is not None and known[0] == inode:
                return known[1]
            store = Store.open(path)
            if known is not None:
                self._retired.append(known[1])  # other threads may be reading it: closed at the end
            self._open[domain] = (inode, store)
            return store

    def default(self) -> Store | None:
        """The first shop that was made."""
        for domain in self._order or self.reload():
            store = self.find(domain)
            if store is not None:
                return store
        return None

    def all(self) -> dict[str, Store]:
        """Every shop, the first made first."""
        return {domain: store for domain in self.reload() if (store := self.find(domain)) is not None}

    def close(self) -> None:
        with self._lock:
            for store in [*self._retired, *(store for _, store in self._open.values())]:
                store.close()
            self._retired.clear()
            self._open.clear()


def domain_of_host(host: str) -> str | None:
    """The shop that a Host header names: `x.myshopify.com[:port]` or `x.localhost[:port]`; None for other hosts."""
    name = host.lower().partition(":")[0]
    for suffix in (".myshopify.com", ".localhost"):
        if name.endswith(suffix):
            return name.removesuffix(suffix) + ".myshopify.com"
    return None
