"""Which shops have the app installed, with which scopes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from devstore.ledger import Ledger


@dataclass(frozen=True)
class Install:
    """One shop's relation to the app; times are unix seconds."""

    shop: str
    scopes: frozenset[str]
    installed_at: float
    uninstalled_at: float | None

    @property
    def active(self) -> bool:
        return self.uninstalled_at is None


class Installs:
    """Kept in memory and written through, because every request asks."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._by_shop = {
            row["shop"]: Install(
                row["shop"],
                frozenset(row["scopes"].split(",")) - {""},
                row["installed_at"],
                row["uninstalled_at"],
            )
            for row in ledger.rows("SELECT * FROM installs")
        }

    def get(self, shop: str) -> Install | None:
        return self._by_shop.get(shop)

    def active(self, shop: str) -> Install | None:
        install = self._by_shop.get(shop)
        return install if install and install.active else None

    def grant(self, shop: str, scopes: frozenset[str], now: float) -> Install:
        """Install, or change the scopes of an installed app. A reinstall starts a new installed_at."""
        with self._lock:
            known = self.active(shop)
            install = Install(shop, scopes, known.installed_at if known else now, None)
            self._ledger.execute(
                "INSERT OR REPLACE INTO installs VALUES (?, ?, ?, NULL)",
                (shop, ",".join(sorted(scopes)), install.installed_at),
            )
            self._by_shop[shop] = install
            return install

    def end(self, shop: str, now: float) -> bool:
        """Uninstall; False when the app was not installed."""
        with self._lock:
            install = self.active(shop)
            if install is None:
                return False
            self._ledger.execute("UPDATE installs SET uninstalled_at = ? WHERE shop = ?", (now, shop))
            self._by_shop[shop] = replace(install, uninstalled_at=now)
            return True
