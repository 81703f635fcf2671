"""The door of this room: everything that others may do with events, exposures and outcomes."""

from mlops.features.append import Appended, append
from mlops.features.attribute_frame import attributes_frame
from mlops.features.read import Counts, counts, eligible_products, order_frame
from mlops.features.shown import Recorded, record_clicks, record_exposures
from mlops.features.summary import Day, Summary, Traffic, traffic

__all__ = [
    "Appended",
    "Counts",
    "Day",
    "Recorded",
    "Summary",
    "Traffic",
    "append",
    "attributes_frame",
    "counts",
    "eligible_products",
    "order_frame",
    "record_clicks",
    "record_exposures",
    "traffic",
]
