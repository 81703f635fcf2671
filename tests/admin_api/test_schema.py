"""openapi.json is what the code says, and the front end's types are what openapi.json says."""

from __future__ import annotations

import json
import subprocess
from io import StringIO
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from shopify_app.admin_api import urls

ROOT = Path(settings.BASE_DIR)


def test_the_committed_schema_is_fresh() -> None:
    out, complaints = StringIO(), StringIO()
    call_command("spectacular", "--fail-on-warn", "--format", "openapi-json", stdout=out, stderr=complaints)
    committed = (ROOT / "openapi.json").read_text()
    assert out.getvalue().strip() == committed.strip(), "run `make types`"
    assert not complaints.getvalue()


def test_every_operation_is_authenticated_and_answers_problems() -> None:
    schema = json.loads((ROOT / "openapi.json").read_text())
    operations = {
        (path, method): operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }
    assert len(schema["paths"]) == len(urls.urlpatterns) - 1  # all but the last, which refuses
    for name, operation in operations.items():
        assert operation["security"] == [{"sessionToken": []}], name
        assert "401" in operation["responses"], name
    problem = {"$ref": "#/components/schemas/Problem"}
    refused = operations["/api/slots/{slot}/rollback", "post"]["responses"]["409"]
    assert refused["content"]["application/json"]["schema"] == problem


def test_the_types_are_fresh(tmp_path: Path) -> None:
    generated = tmp_path / "schema.d.ts"
    tool = ROOT / "node_modules" / ".bin" / "openapi-typescript"
    subprocess.run([tool, ROOT / "openapi.json", "-o", generated], check=True, capture_output=True, cwd=ROOT)
    assert generated.read_text() == (ROOT / "frontend" / "src" / "schema.d.ts").read_text(), (
        "run `make types`"
    )
