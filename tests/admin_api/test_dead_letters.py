"""Deliveries that were given up: listed, and sent back to work by hand, on the record."""

from __future__ import annotations

from datetime import datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from shopify_app.webhooks import drain
from shopify_app.webhooks.models import DeliveryState, InboxDelivery
from tenancy.models import AuditEntry, Role, Shop
from tenancy.scope import scope, unscoped
from tests.admin_api.dead_letter_of import dead_letter
from tests.admin_api.members import Member, hire

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob(shop: Shop) -> Member:
    return hire(shop, 1002, Role.OPERATOR)


def state(delivery: InboxDelivery, shop: Shop) -> str:
    with scope(shop):
        return str(InboxDelivery.objects.get(pk=delivery.pk).state)


def test_the_list_tells_what_was_given_up_and_why_but_not_what_it_held(
    bob: Member, shop: Shop, now: datetime
) -> None:
    letters = [dead_letter(shop, now, problem=f"problem {number}") for number in range(3)]
    first = bob.ask("webhooks/dead?limit=2").body
    assert [each["problem"] for each in first["deliveries"]] == ["problem 2", "problem 1"]
    assert (first["total"], first["next_before"]) == (3, letters[1].pk)
    second = bob.ask(f"webhooks/dead?limit=2&before={first['next_before']}").body
    assert ([each["problem"] for each in second["deliveries"]], second["next_before"]) == (
        ["problem 0"],
        None,
    )
    assert set(first["deliveries"][0]) == {
        "id", "webhook_id", "topic", "state", "triggered_at", "received_at", "attempts", "problem",
    }  # fmt: skip


def test_a_replay_is_tried_at_once_and_on_the_record(bob: Member, shop: Shop, now: datetime) -> None:
    letter = dead_letter(shop, now, topic="shop/update", payload={"name": "Birch & Sons"})
    answer = bob.send("POST", f"webhooks/{letter.pk}/replay", {"reason": "Mended the name"})
    assert (answer.status, answer.body["state"], answer.body["attempts"]) == (202, "pending", 0)
    assert bob.ask("webhooks/dead").body["total"] == 0
    with scope(shop):
        assert drain.drain(shop, letter.next_try_at.replace(year=2099)) == 1
    assert Shop.objects.get(pk=shop.pk).name == "Birch & Sons"
    assert state(letter, shop) == DeliveryState.DONE
    with unscoped(why="the test looks at every shop"):
        entries = [(entry.actor, entry.action, entry.reason) for entry in AuditEntry.objects.all()]
    assert entries == [("staff:1002", "webhooks.replayed", "Mended the name")]


def test_what_is_at_work_or_done_is_not_sent_again(bob: Member, shop: Shop, now: datetime) -> None:
    letter = dead_letter(shop, now)
    path = f"webhooks/{letter.pk}/replay"
    assert bob.send("POST", path, {}).status == 202
    again = bob.send("POST", path, {})
    assert (again.status, again.code) == (409, "delivery_not_dead")
    with unscoped(why="the test looks at every shop"):
        assert AuditEntry.objects.count() == 1


def test_what_was_erased_cannot_be_sent_again(bob: Member, shop: Shop, now: datetime) -> None:
    letter = dead_letter(shop, now, payload={})
    answer = bob.send("POST", f"webhooks/{letter.pk}/replay", {})
    assert (answer.status, answer.code) == (409, "delivery_empty")
    assert state(letter, shop) == DeliveryState.DEAD


def test_the_command_lists_and_sends_one_or_all(shop: Shop, other_shop: Shop, now: datetime) -> None:
    letters = [dead_letter(shop, now, problem=f"problem {number}") for number in range(3)]
    theirs = dead_letter(other_shop, now)
    assert "problem 1" in _command(shop.domain)
    assert "3 dead letters" in _command(shop.domain)
    assert "1 sent" in _command(shop.domain, "--id", str(letters[1].pk))
    assert [state(each, shop) for each in letters] == ["dead", "pending", "dead"]
    with pytest.raises(CommandError, match="1 of them"):
        _command(shop.domain, "--id", str(letters[0].pk), str(theirs.pk))
    assert "1 sent" in _command(shop.domain, "--all")
    assert [state(each, shop) for each in letters] == ["pending"] * 3
    assert state(theirs, other_shop) == "dead"
    with pytest.raises(CommandError, match="not known"):
        _command("nobody.myshopify.com")
    with unscoped(why="the test looks at every shop"):
        assert {entry.actor for entry in AuditEntry.objects.all()} == {"system:command"}


def _command(*arguments: str) -> str:
    out = StringIO()
    call_command("replay_webhooks", *arguments, stdout=out)
    return out.getvalue()
