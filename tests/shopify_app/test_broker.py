"""Whoever loads Django sends tasks to our broker, not to Celery's default."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from django.conf import settings

from shopify_app.privacy.tasks import daily, tick
from shopify_app.webhooks.tasks import drain

ROOT = Path(__file__).parents[2]
SCRIPT = """
from celery import current_app
from shopify_app.webhooks.tasks import drain
assert drain.app is current_app._get_current_object()
print(drain.app.main, drain.app.conf.broker_url)
"""


def test_a_task_of_a_test_knows_the_broker_and_its_queue() -> None:
    assert drain.app.main == "shelfwise"
    assert settings.REDIS_URL.removeprefix("unix://").partition("?")[0] in drain.app.conf.broker_url
    assert drain.app.amqp.router.route({}, drain.name)["queue"].name == "webhooks"


def test_a_search_waits_for_no_training_and_no_webhook_waits_for_it() -> None:
    queues = {
        each.name: each.app.amqp.router.route({}, each.name)["queue"].name for each in (tick, daily, drain)
    }
    assert queues == {"privacy.tick": "privacy", "privacy.daily": "train", "webhooks.drain": "webhooks"}
    beat = tick.app.conf.beat_schedule["privacy.tick"]
    assert beat["options"]["expires"] > 10 * beat["schedule"], "ticks behind a long search are still of use"


def test_a_management_command_knows_the_broker_too() -> None:
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["shelfwise", str(drain.app.conf.broker_url)]
