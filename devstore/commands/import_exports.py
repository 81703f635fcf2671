"""`import`: a shop from Shopify's CSV exports."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from devstore.commands.arguments import (
    DEFAULT_SHOP,
    ProgressLine,
    Subparsers,
    add_data,
    shop_domain,
)
from devstore.csv_import import ImportFailedError, import_folder

SHOWN = 20


def add_parser(commands: Subparsers) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "import", help="make a shop from products_export.csv and orders_export.csv, plain or .gz"
    )
    add_data(parser)
    parser.add_argument("--shop", type=shop_domain, default=DEFAULT_SHOP, help="its domain (%(default)s)")
    parser.add_argument("--folder", type=Path, required=True, help="where the two files are")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status 0, also when rows were skipped; 1 when there is nothing to import. JSON on the last line."""
    try:
        report = import_folder(
            args.data, args.shop, args.folder, now=datetime.now(UTC), progress=ProgressLine("bytes of orders")
        )
    except ImportFailedError as error:
        sys.stderr.write(f"devstore import: {error}\n")
        return 1
    for fault in report.skipped[:SHOWN]:
        sys.stderr.write(f"skipped {fault['file']} line {fault['line']}: {fault['reason']}\n")
    if report.skipped_count > SHOWN:
        sys.stderr.write(f"... and {report.skipped_count - SHOWN} more, see {args.shop}.import-report.json\n")
    told = {
        "shop": report.shop,
        "counts": report.counts,
        "rows": {"products": report.product_rows, "orders": report.order_rows},
        "unmatched_lines": report.unmatched_lines,
        "skipped": report.skipped_count,
        "repaired": report.repaired_count,
    }
    print(json.dumps(told))
    return 0
