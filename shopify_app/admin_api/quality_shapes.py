"""Serializers of data quality: suites, what they let pass, and what is held back."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from mlops.validation.defaults import RESOURCES
from mlops.validation.expectations import Check, Severity
from mlops.validation.models import HeldState

SEVERITIES = [each.value for each in Severity]


class ExpectationShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    field = serializers.CharField(allow_blank=True)
    check = serializers.ChoiceField(choices=[each.value for each in Check])
    severity = serializers.ChoiceField(choices=SEVERITIES)
    bounds = serializers.DictField(child=serializers.JSONField(allow_null=True))
    by_hand = serializers.BooleanField(help_text="a person set it: profiling leaves it alone")
    editable = serializers.ListField(
        child=serializers.CharField(), help_text="bounds that may be set by hand"
    )
    allowed = serializers.CharField(help_text="the bound in words")


class SuiteVersionShape(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    digest = serializers.CharField()
    author = serializers.CharField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()


class SuiteChangeShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    before = ExpectationShape(allow_null=True)
    after = ExpectationShape(allow_null=True)


class SuiteShape(serializers.Serializer[Any]):
    resource = serializers.ChoiceField(choices=RESOURCES)
    version = SuiteVersionShape()
    newest = serializers.IntegerField(help_text="the version that holds now")
    expectations = ExpectationShape(many=True)
    versions = SuiteVersionShape(many=True, help_text="newest first")
    compared_with = serializers.IntegerField(allow_null=True)
    changes = SuiteChangeShape(many=True, help_text="from `compared_with` to this version")


class PassDayShape(serializers.Serializer[Any]):
    day = serializers.DateField()
    checked = serializers.IntegerField()
    warned = serializers.IntegerField()
    quarantined = serializers.IntegerField()
    ratio = serializers.FloatField()


class HaltShape(serializers.Serializer[Any]):
    resource = serializers.ChoiceField(choices=RESOURCES)
    opened_at = serializers.DateTimeField()
    reasons = serializers.ListField(child=serializers.CharField())
    held = serializers.IntegerField()
    clean_rows = serializers.IntegerField(help_text="rows without a fault since")
    clean_needed = serializers.IntegerField(help_text="so many end it by themselves")


class SuiteStateShape(serializers.Serializer[Any]):
    resource = serializers.ChoiceField(choices=RESOURCES)
    version = serializers.IntegerField()
    author = serializers.CharField()
    since = serializers.DateTimeField()
    checked = serializers.IntegerField()
    warned = serializers.IntegerField()
    quarantined = serializers.IntegerField()
    ratio = serializers.FloatField(allow_null=True, help_text="null: nothing was judged in these days")
    held = serializers.IntegerField(help_text="rows that wait for a decision")
    days = PassDayShape(many=True)


class QualityShape(serializers.Serializer[Any]):
    since = serializers.DateField()
    until = serializers.DateField()
    halts = HaltShape(many=True)
    suites = SuiteStateShape(many=True)


class HeldRowShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    resource = serializers.ChoiceField(choices=RESOURCES)
    subject_id = serializers.IntegerField(allow_null=True)
    line_number = serializers.IntegerField(allow_null=True)
    delivery = serializers.CharField(allow_blank=True, help_text="webhook id")
    came_by = serializers.CharField(source="origin")
    reason = serializers.CharField()
    expectation = serializers.CharField()
    observed = serializers.CharField(allow_blank=True)
    allowed = serializers.CharField(allow_blank=True)
    suite_version = serializers.IntegerField(source="suite_number")
    replayable = serializers.BooleanField()
    state = serializers.ChoiceField(choices=HeldState.values)
    seen = serializers.IntegerField()
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    decided_by = serializers.CharField(allow_blank=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    content = serializers.DictField(child=serializers.JSONField(allow_null=True))


class QuarantineShape(serializers.Serializer[Any]):
    rows = HeldRowShape(many=True)
    total = serializers.IntegerField()
    next_before = serializers.IntegerField(allow_null=True, help_text="pass as `before` for older rows")


class ReplayedShape(serializers.Serializer[Any]):
    arrived = serializers.IntegerField()
    held = serializers.IntegerField(help_text="still fail")
    unreadable = serializers.IntegerField(help_text="became no event when they came: import them again")
    left = serializers.IntegerField(
        help_text="still to be sent; they follow in the background or by asking again"
    )


class DismissedShape(serializers.Serializer[Any]):
    dismissed = serializers.IntegerField()
