"""`ShopTask`: the base of every Celery task that works for one shop.

It takes a shop id, loads the shop, opens its scope, times the run and counts expected and unexpected failures apart.
Bodies are short and call a service; every effect is safe to repeat, because delivery is at least once.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery import Task
from django.db import transaction

from tenancy.errors import Transient, UserFixable
from tenancy.models import Shop, ShopState
from tenancy.scope import scope

log = logging.getLogger("shelfwise.tasks")


class ShopTask(Task):  # type: ignore[type-arg]
    """Use as ``@app.task(base=ShopTask)``; the body receives the `Shop` in place of its id.

    A shop that is gone or uninstalled ends the task quietly, unless `runs_when_uninstalled` is set.
    """

    abstract = True
    runs_when_uninstalled = False
    acks_late = True
    reject_on_worker_lost = True
    max_retries = 8

    def __call__(self, shop_id: int, *args: Any, **kwargs: Any) -> Any:
        shop = Shop.objects.filter(pk=shop_id).first()
        if shop is None or (shop.state == ShopState.UNINSTALLED and not self.runs_when_uninstalled):
            log.info("task.skipped", extra={"task": self.name, "shop_id": shop_id})
            return None
        started = time.monotonic()
        outcome = "done"
        try:
            with scope(shop):
                return self.run(shop, *args, **kwargs)
        except Transient as error:
            outcome = f"transient:{error.code}"
            wait_s = (
                error.wait_s if error.wait_s is not None else min(300.0, 2.0 ** (self.request.retries or 0))
            )
            raise self.retry(countdown=wait_s, exc=error) from error
        except UserFixable as error:
            # The service has recorded it where the merchant sees it; repeating would not help.
            outcome = f"refused:{error.code}"
            return None
        except Exception:
            outcome = "failed"
            raise
        finally:
            ms = round((time.monotonic() - started) * 1000, 1)
            log.info("task.ran", extra={"task": self.name, "shop_id": shop_id, "outcome": outcome, "ms": ms})

    def send(self, shop: Shop | int, *args: Any, **kwargs: Any) -> None:
        """Enqueue once the surrounding transaction commits (at once when there is none)."""
        shop_id = shop if isinstance(shop, int) else shop.pk
        # Robust: the work is a row by now, and a tick finds it when the broker is away.
        transaction.on_commit(lambda: self.delay(shop_id, *args, **kwargs), robust=True)
