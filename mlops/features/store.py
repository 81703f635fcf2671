"""The door of this room: everything that others may do with events, exposures and outcomes."""

from mlops.features.append import Appended, append
from mlops.features.attribute_frame import attributes_frame
from mlops.features.read import Counts, counts, eligible_products, order_frame
from mlops.features.shown import Recorded, record_clicks, record_exposures
from mlops.features.summary import Day, Summary, Traffic, traffic
from mlops.features.visit_counts import MarkedVisitor, VisitDay, marked_visitors, visit_counts
from mlops.features.visits import Visited, exclude, include
from mlops.features.visits import record as record_visits

__all__ = [
    "Appended",
    "Counts",
    "Day",
    "MarkedVisitor",
    "Recorded",
    "Summary",
    "Traffic",
    "VisitDay",
    "Visited",
    "append",
    "attributes_frame",
    "counts",
    "eligible_products",
    "exclude",
    "include",
    "marked_visitors",
    "order_frame",
    "record_clicks",
    "record_exposures",
    "record_visits",
    "traffic",
    "visit_counts",
]
