"""Roll back and deploy over HTTP: effective at once, on the record, and only from what the reader saw."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from mlops.deployments import store as deployments
from mlops.features import sealed
from mlops.features.events import SlotName
from mlops.registry import loader
from mlops.registry.models import Version
from tenancy.models import AuditEntry, Role, Shop
from tenancy.scope import scope, unscoped
from tests.admin_api.members import Answer, Member, hire
from tests.admin_api.versions_of import deployed, registered

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob(shop: Shop) -> Member:
    return hire(shop, 1002, Role.OPERATOR)


@pytest.fixture
def two(shop: Shop, now: datetime) -> tuple[Version, Version]:
    """Version 1, then version 2, live in all three slots."""
    made = registered(shop, 1, now), registered(shop, 2, now)
    for place, version in enumerate(made):
        deployed(shop, version, now + timedelta(minutes=place))
    return made


def live(shop: Shop) -> dict[str, int]:
    with scope(shop):
        return {name.value: state.version.number for name, state in deployments.slots(shop).items()}


def roll_back(member: Member, slot: str, version: Version, reason: str = "Shows sold-out lamps") -> Answer:
    body = {"expected_version": str(version.pk), "reason": reason}
    return member.send("POST", f"slots/{slot}/rollback", body)


def test_roll_back_returns_one_slot_to_the_previous_version(
    bob: Member, two: tuple[Version, Version]
) -> None:
    answer = roll_back(bob, "home", two[1])
    assert answer.status == 200
    assert answer.body["version"]["number"] == 1
    assert answer.body["changed_by"] == "staff:1002"
    assert answer.body["reason"] == "Shows sold-out lamps"
    assert answer.body["previous_good"] is None
    assert live(bob.shop) == {"product_page": 2, "cart": 2, "home": 1}


def test_who_and_why_are_on_the_record(bob: Member, two: tuple[Version, Version]) -> None:
    roll_back(bob, "cart", two[1], reason="  Shows sold-out lamps ")
    entry = bob.ask("audit").body["entries"][0]
    assert (entry["actor"], entry["action"]) == ("staff:1002", "slot.rolled_back")
    assert entry["reason"] == "Shows sold-out lamps"
    assert (entry["data"]["slot"], entry["data"]["from_version"], entry["data"]["to_version"]) == (
        "cart",
        2,
        1,
    )
    change = bob.ask(f"versions/{two[1].pk}").body["changes"][0]
    assert (change["slot"], change["from_number"], change["to_number"]) == ("cart", 2, 1)


def test_a_slot_that_changed_meanwhile_is_left_alone(bob: Member, two: tuple[Version, Version]) -> None:
    roll_back(bob, "home", two[1])
    with unscoped(why="the test looks at every shop"):
        entries = AuditEntry.objects.count()
    again = roll_back(bob, "home", two[1])
    assert (again.status, again.code) == (409, "slot_changed")
    assert again.body["error"]["next_step"]
    assert live(bob.shop)["home"] == 1
    with unscoped(why="the test looks at every shop"):
        assert AuditEntry.objects.count() == entries


def test_there_must_be_something_to_return_to(bob: Member, shop: Shop, now: datetime) -> None:
    only = registered(shop, 1, now)
    nothing = roll_back(bob, "home", only)
    assert nothing.status == 404
    deployed(shop, only, now)
    answer = roll_back(bob, "home", only)
    assert (answer.status, answer.code) == (409, "nothing_to_roll_back_to")


def test_deploy_puts_a_chosen_version_live(bob: Member, two: tuple[Version, Version]) -> None:
    body = {"version": str(two[0].pk), "reason": "Compare the first one again"}
    answer = bob.send("POST", "slots/product_page/deploy", body)
    assert answer.status == 200
    assert answer.body["version"]["id"] == str(two[0].pk)
    assert answer.body["previous_good"]["number"] == 2
    assert live(bob.shop) == {"product_page": 1, "cart": 2, "home": 2}


def test_a_version_whose_file_was_altered_is_not_put_live(
    bob: Member, shop: Shop, two: tuple[Version, Version], now: datetime
) -> None:
    third = registered(shop, 3, now)
    path = sealed.path_of(shop.pk, third.artefact_digest, kind=loader.KIND)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    answer = bob.send("POST", "slots/home/deploy", {"version": str(third.pk), "reason": "try it"})
    assert (answer.status, answer.code) == (409, "version_unusable")
    assert str(path) not in str(answer.body)
    assert live(shop)["home"] == 2


def test_another_shops_versions_do_not_exist_here(
    bob: Member, other_shop: Shop, two: tuple[Version, Version], now: datetime
) -> None:
    theirs = registered(other_shop, 9, now)
    deployed(other_shop, theirs, now)
    missing, foreign = bob.ask("versions/999999999"), bob.ask(f"versions/{theirs.pk}")
    assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "version_not_found")
    assert foreign.body["error"]["message"] == missing.body["error"]["message"]
    assert roll_back(bob, "home", theirs).status == 404
    body = {"version": str(theirs.pk), "reason": "take theirs"}
    assert bob.send("POST", "slots/home/deploy", body).status == 404
    assert {each["id"] for each in bob.ask("versions").body["versions"]} == {str(each.pk) for each in two}
    assert live(bob.shop) == {"product_page": 2, "cart": 2, "home": 2}
    assert live(other_shop)[SlotName.HOME] == 1
