#!/usr/bin/env python
"""Django's door, and nothing else inside."""

import os
import sys

from shopify_app.environment import BadSetting

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shopify_app.settings")
    if sys.argv[1:2] in (["backtest"], ["bench_models"]):  # files alone: no shop's settings are needed
        os.environ.setdefault("SHELFWISE_LOCAL", "1")
        # Our matrices are many and small: threads would wait for each other, and sums depend on their number.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from django.core.management import execute_from_command_line

    from tenancy.outages import AWAY

    try:
        execute_from_command_line(sys.argv)
    except BadSetting as error:
        # Before anything was begun; for a try on this machine none of them is needed.
        sys.exit(f"{error}. docs/settings.md lists all; SHELFWISE_LOCAL=1 does without, on one machine.")
    except AWAY as error:
        if "--traceback" in sys.argv:
            raise
        reason = " ".join(str(error).split())
        sys.exit(
            "Postgres or Redis does not answer; what was saved before is kept. Start them (`make demo` does, on one "
            f"machine) or look at DATABASE_URL and REDIS_URL, then run the command again. ({reason})"
        )
