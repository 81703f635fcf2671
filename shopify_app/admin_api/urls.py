"""Paths below /api/. Whatever is not named here answers 404 in the one error shape, never the embedded page."""

from __future__ import annotations

from django.urls import path, re_path, register_converter
from django.urls.converters import IntConverter

from shopify_app.admin_api.access_log import AccessExportView, AccessLogView
from shopify_app.admin_api.audit import AuditView
from shopify_app.admin_api.demand import (
    DemandExportView,
    DemandSeriesView,
    DemandTotalView,
    DemandView,
    ForecastView,
    PromotionsView,
    PromotionView,
    PurchaseView,
    TermsView,
)
from shopify_app.admin_api.features import FeatureDaysView, FeatureExportView, FeaturesView
from shopify_app.admin_api.fields import FieldsExportView, FieldsView
from shopify_app.admin_api.flow import FlowView
from shopify_app.admin_api.incidents import IncidentsView
from shopify_app.admin_api.jobs import ImportView, TrainingView
from shopify_app.admin_api.markers import MarkersView, NoteView
from shopify_app.admin_api.metafields import MetafieldsView
from shopify_app.admin_api.overview import OverviewView, TrafficView
from shopify_app.admin_api.privacy import CertificateView, ExportView, PrivacyView
from shopify_app.admin_api.quality import (
    DismissRowsView,
    QualityView,
    QuarantineView,
    ReleaseView,
    ReplayRowsView,
    SuiteView,
)
from shopify_app.admin_api.reconciliation import ReconciliationView
from shopify_app.admin_api.scoped_view import NothingHere
from shopify_app.admin_api.slots import DeployView, RollBackView
from shopify_app.admin_api.staff import RoleView, StaffView
from shopify_app.admin_api.storefront import BrowserLinkView, StorefrontView, TestVisitorsView
from shopify_app.admin_api.versions import VersionsView, VersionView
from shopify_app.admin_api.webhooks import DeadLettersView, ReplayView


class MemberNumber(IntConverter):
    """Shopify's staff user id: at most 18 digits, so that it fits the column."""

    regex = "[0-9]{1,18}"


register_converter(MemberNumber, "member")

app_name = "admin_api"
urlpatterns = [
    path("overview", OverviewView.as_view(), name="overview"),
    path("traffic", TrafficView.as_view(), name="traffic"),
    path("versions", VersionsView.as_view(), name="versions"),
    path("versions/<str:version_id>", VersionView.as_view(), name="version"),
    path("slots/<str:slot>/rollback", RollBackView.as_view(), name="rollback"),
    path("slots/<str:slot>/deploy", DeployView.as_view(), name="deploy"),
    path("training", TrainingView.as_view(), name="training"),
    path("import/restart", ImportView.as_view(), name="import-restart"),
    path("reconcile", ReconciliationView.as_view(), name="reconcile"),
    path("flow", FlowView.as_view(), name="flow"),
    path("incidents", IncidentsView.as_view(), name="incidents"),
    path("markers", MarkersView.as_view(), name="markers"),
    path("markers/<member:marker_id>", NoteView.as_view(), name="note"),
    path("privacy", PrivacyView.as_view(), name="privacy"),
    path("privacy/requests/<member:request_id>/export", ExportView.as_view(), name="privacy-export"),
    path(
        "privacy/redactions/<member:redaction_id>/certificate",
        CertificateView.as_view(),
        name="privacy-certificate",
    ),
    path("audit", AuditView.as_view(), name="audit"),
    path("webhooks/dead", DeadLettersView.as_view(), name="dead-letters"),
    path("webhooks/<str:delivery_id>/replay", ReplayView.as_view(), name="replay"),
    path("access-log", AccessLogView.as_view(), name="access-log"),
    path("access-log/export", AccessExportView.as_view(), name="access-log-export"),
    path("fields", FieldsView.as_view(), name="fields"),
    path("fields/export", FieldsExportView.as_view(), name="fields-export"),
    path("features", FeaturesView.as_view(), name="features"),
    path("features/export", FeatureExportView.as_view(), name="features-export"),
    path("features/<str:view>/days", FeatureDaysView.as_view(), name="feature-days"),
    path("metafields", MetafieldsView.as_view(), name="metafields"),
    path("validation", QualityView.as_view(), name="validation"),
    path("validation/suites/<str:resource>", SuiteView.as_view(), name="suite"),
    path("validation/quarantine", QuarantineView.as_view(), name="quarantine"),
    path("validation/quarantine/replay", ReplayRowsView.as_view(), name="quarantine-replay"),
    path("validation/quarantine/dismiss", DismissRowsView.as_view(), name="quarantine-dismiss"),
    path("validation/halts/<str:resource>/release", ReleaseView.as_view(), name="halt-release"),
    path("demand", DemandView.as_view(), name="demand"),
    path("demand/export", DemandExportView.as_view(), name="demand-export"),
    path("demand/purchase-order", PurchaseView.as_view(), name="purchase-order"),
    path("demand/total", DemandTotalView.as_view(), name="demand-total"),
    path("demand/variants/<member:variant_id>", DemandSeriesView.as_view(), name="demand-series"),
    path("demand/forecast", ForecastView.as_view(), name="forecast"),
    path("demand/terms", TermsView.as_view(), name="terms"),
    path("demand/promotions", PromotionsView.as_view(), name="promotions"),
    path("demand/promotions/<member:promotion_id>", PromotionView.as_view(), name="promotion"),
    path("storefront", StorefrontView.as_view(), name="storefront"),
    path("storefront/browser-link", BrowserLinkView.as_view(), name="browser-link"),
    path("storefront/test-visitors", TestVisitorsView.as_view(), name="test-visitors"),
    path("staff", StaffView.as_view(), name="staff"),
    path("staff/<member:user_id>", RoleView.as_view(), name="role"),
    re_path(r"^.*$", NothingHere.as_view(), name="nothing-here"),
]
