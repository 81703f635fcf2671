"""Serializers of the read side: exactly the fields of `facts`, nothing more."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from mlops.features.events import MarkerKind, SlotName
from shopify_app.graphql.calls import Phase
from tenancy.models import Role, Severity, ShopState

SLOTS = [name.value for name in SlotName]


class MeasureShape(serializers.Serializer[Any]):
    slot = serializers.ChoiceField(choices=SLOTS)
    name = serializers.CharField()
    value = serializers.FloatField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    baseline = serializers.FloatField(allow_null=True)
    ahead = serializers.FloatField(allow_null=True, help_text="value minus baseline, case by case")
    ahead_low = serializers.FloatField(allow_null=True)
    ahead_high = serializers.FloatField(allow_null=True)
    cases = serializers.IntegerField()


class VersionShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    number = serializers.IntegerField()
    use_case = serializers.CharField()
    state = serializers.CharField()
    created_at = serializers.DateTimeField()
    data_from = serializers.DateTimeField(allow_null=True)
    data_until = serializers.DateTimeField(allow_null=True)
    orders = serializers.IntegerField(allow_null=True)
    duration_s = serializers.FloatField(allow_null=True)
    measures = MeasureShape(many=True)
    live_in = serializers.ListField(child=serializers.CharField(), help_text="slots it answers in now")
    redacted_at = serializers.DateTimeField(
        allow_null=True, help_text="a customer it learnt from was erased then"
    )
    unlearned_at = serializers.DateTimeField(
        allow_null=True, help_text="since then a version without the erased customer serves"
    )


class SlotMoveShape(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    slot = serializers.ChoiceField(choices=SLOTS)
    from_number = serializers.IntegerField(allow_null=True)
    to_number = serializers.IntegerField(allow_null=True)
    actor = serializers.CharField()
    reason = serializers.CharField()
    strategy = serializers.CharField()


class PassedShape(serializers.Serializer[Any]):
    suite = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()
    checked = serializers.IntegerField()
    quarantined = serializers.IntegerField()
    pass_ratio = serializers.FloatField()


class VersionDetailShape(serializers.Serializer[Any]):
    version = VersionShape()
    kind = serializers.CharField()
    digest = serializers.CharField()
    snapshot = serializers.CharField()
    parameters = serializers.DictField(child=serializers.JSONField())
    seed = serializers.IntegerField(allow_null=True)
    code_revision = serializers.CharField()
    parent_number = serializers.IntegerField(allow_null=True)
    changes = SlotMoveShape(many=True)
    validation = PassedShape(many=True, help_text="suites that its data went through")


class VersionPageShape(serializers.Serializer[Any]):
    versions = VersionShape(many=True)
    next_before = serializers.IntegerField(allow_null=True, help_text="pass as `before` for older versions")


class SlotShape(serializers.Serializer[Any]):
    slot = serializers.ChoiceField(choices=SLOTS)
    version = VersionShape(allow_null=True)
    since = serializers.DateTimeField(allow_null=True)
    changed_by = serializers.CharField()
    reason = serializers.CharField()
    previous_good = VersionShape(allow_null=True)


class ResourceShape(serializers.Serializer[Any]):
    resource = serializers.CharField()
    state = serializers.ChoiceField(choices=["waiting", "running", "done", "failed"])
    phase = serializers.ChoiceField(choices=["exporting", "reading", "writing"], allow_null=True)
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    per_second = serializers.FloatField(allow_null=True)
    eta_s = serializers.FloatField(allow_null=True)
    note = serializers.CharField()
    problem = serializers.CharField()
    skipped = serializers.IntegerField()


class ImportShape(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["not_started", "running", "done", "failed"])
    resources = ResourceShape(many=True)


class DataShape(serializers.Serializer[Any]):
    orders = serializers.IntegerField()
    order_lines = serializers.IntegerField()
    customers = serializers.IntegerField()
    products = serializers.IntegerField()
    variants = serializers.IntegerField()
    collections = serializers.IntegerField()
    refunds = serializers.IntegerField()


class TrainingShape(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["never", "running", "done", "failed"])
    step = serializers.CharField()
    reason = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    problem = serializers.CharField()
    step_number = serializers.IntegerField(allow_null=True)
    steps = serializers.IntegerField(allow_null=True)
    eta_s = serializers.FloatField(allow_null=True)
    level = serializers.CharField()
    level_told = serializers.CharField()
    unlocks = serializers.ListField(child=serializers.CharField())


class ShopShape(serializers.Serializer[Any]):
    domain = serializers.CharField()
    name = serializers.CharField()
    currency = serializers.CharField()
    timezone = serializers.CharField()
    state = serializers.ChoiceField(choices=ShopState.values)
    installed_at = serializers.DateTimeField()
    theme_editor_url = serializers.CharField()


class YouShape(serializers.Serializer[Any]):
    user_id = serializers.IntegerField()
    role = serializers.ChoiceField(choices=Role.values)
    may_operate = serializers.BooleanField()
    may_manage_team = serializers.BooleanField()


class OverviewShape(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    shop = ShopShape()
    you = YouShape()
    history_import = ImportShape()
    data = DataShape()  # type: ignore[assignment]  # a field of this name, not the serializer's own
    training = TrainingShape()
    slots = SlotShape(many=True)
    attribution_window_hours = serializers.IntegerField()


class TiersShape(serializers.Serializer[Any]):
    item_to_item = serializers.IntegerField()
    trending = serializers.IntegerField()
    newest = serializers.IntegerField()
    none = serializers.IntegerField()


class TrafficTotalsShape(serializers.Serializer[Any]):
    requests = serializers.IntegerField()
    tiers = TiersShape()
    shown = serializers.IntegerField(help_text="answers with at least one product")
    clicks = serializers.IntegerField()
    attributed_orders = serializers.IntegerField()
    attributed_net_revenue = serializers.DecimalField(max_digits=18, decimal_places=2)
    taken_back = serializers.DecimalField(
        max_digits=18, decimal_places=2, help_text="refunded or cancelled, positive"
    )


class TrafficDayShape(TrafficTotalsShape):
    day = serializers.DateField()


class TrafficShape(serializers.Serializer[Any]):
    since = serializers.DateField()
    until = serializers.DateField()
    timezone = serializers.CharField()
    currency = serializers.CharField()
    attribution_window_hours = serializers.IntegerField()
    totals = TrafficTotalsShape()
    days = TrafficDayShape(many=True)


class AuditEntryShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    action = serializers.CharField()
    reason = serializers.CharField()
    data = serializers.DictField(child=serializers.JSONField())  # type: ignore[assignment]


class AuditPageShape(serializers.Serializer[Any]):
    entries = AuditEntryShape(many=True)
    next_before = serializers.IntegerField(allow_null=True, help_text="pass as `before` for older entries")


class MarkerShape(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="marker_id")
    kind = serializers.ChoiceField(choices=[each.value for each in MarkerKind])
    at = serializers.DateTimeField()
    day = serializers.DateField(help_text="the day of the shop in which it lies")
    detail = serializers.CharField()
    by = serializers.CharField(help_text="who noted it; empty when the app saw it")


class MarkersShape(serializers.Serializer[Any]):
    markers = MarkerShape(many=True)


class IncidentShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    subject = serializers.CharField()
    severity = serializers.ChoiceField(choices=Severity.values)
    opened_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    told = serializers.CharField()
    next_step = serializers.CharField()
    halts_training = serializers.BooleanField()


class IncidentPageShape(serializers.Serializer[Any]):
    incidents = IncidentShape(many=True)
    open = serializers.IntegerField(help_text="how many are open now, also on other pages")
    next_before = serializers.IntegerField(allow_null=True, help_text="pass as `before` for older incidents")


class TopicFlowShape(serializers.Serializer[Any]):
    topic = serializers.CharField()
    behind_s = serializers.FloatField(help_text="age of the oldest message on its way; 0 when none is")
    given_up = serializers.IntegerField(help_text="messages of this shop that could not be worked off")


class PhaseCallsShape(serializers.Serializer[Any]):
    phase = serializers.ChoiceField(choices=[each.value for each in Phase])
    calls = serializers.IntegerField()


class FlowShape(serializers.Serializer[Any]):
    topics = TopicFlowShape(many=True)
    calls = PhaseCallsShape(many=True)
    throttled = serializers.IntegerField(help_text="calls that Shopify refused as too many")


class DeliveryShape(serializers.Serializer[Any]):
    id = serializers.CharField()
    webhook_id = serializers.CharField()
    topic = serializers.CharField()
    state = serializers.ChoiceField(choices=["pending", "done", "dead"])
    triggered_at = serializers.DateTimeField(help_text="when it happened in the shop")
    received_at = serializers.DateTimeField()
    attempts = serializers.IntegerField()
    problem = serializers.CharField(help_text="why it was given up")


class DeadLetterPageShape(serializers.Serializer[Any]):
    deliveries = DeliveryShape(many=True)
    total = serializers.IntegerField(help_text="on all pages")
    next_before = serializers.IntegerField(allow_null=True, help_text="pass as `before` for older ones")


class SweptShape(serializers.Serializer[Any]):
    resource = serializers.CharField()
    state = serializers.ChoiceField(choices=["no_history", "never", "running", "failed", "done"])
    step = serializers.ChoiceField(choices=["walking", "counting"], allow_null=True)
    began_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    next_at = serializers.DateTimeField(allow_null=True, help_text="when the next one begins by itself")
    compared = serializers.IntegerField(help_text="objects of Shopify that were looked at")
    missing = serializers.IntegerField(help_text="Shopify had them, we did not; repaired")
    wrong = serializers.IntegerField(help_text="ours were not up to date; repaired")
    gone = serializers.IntegerField(help_text="deleted in Shopify; repaired")
    refreshed = serializers.IntegerField(help_text="brought up to date, no harm done")
    differing = serializers.IntegerField(help_text="days and objects that could not be repaired")
    problem = serializers.CharField()


class ReconciliationShape(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=["resting", "running", "failed"])
    resources = SweptShape(many=True)


class StaffMemberShape(serializers.Serializer[Any]):
    user_id = serializers.IntegerField()
    role = serializers.ChoiceField(choices=Role.values)
    first_seen_at = serializers.DateTimeField()


class StaffShape(serializers.Serializer[Any]):
    members = StaffMemberShape(many=True)
