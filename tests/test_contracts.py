"""Rules of the house that a machine can hold: names, sizes, and nothing left undocumented."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BANNED = re.compile(r"(^|_)(utils?|helpers?|common|misc)(_|$)")
LONGEST = 500


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def test_no_file_is_named_for_nothing() -> None:
    assert [
        str(p.relative_to(ROOT)) for p in _tracked("*.py", "*.ts", "*.tsx", "*.js") if BANNED.search(p.stem)
    ] == []


def test_no_source_file_has_outgrown_a_screenful_of_ideas() -> None:
    too_long = {
        str(path.relative_to(ROOT)): lines
        for path in _tracked("*.py", "*.ts", "*.tsx", "*.js", "*.liquid")
        if path.name != "schema.d.ts" and (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert too_long == {}


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    source = (ROOT / "shopify_app" / "settings.py").read_text()
    read = set(re.findall(r'environment\.\w+\(\s*"([A-Z_]+)"', source)) | {"SHELFWISE_VAR"}
    documented = set(
        re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    )
    assert read - {"SHELFWISE_LOCAL"} == documented


def test_every_topic_has_a_handler_and_every_handler_a_topic() -> None:
    from shopify_app.sync import receive
    from shopify_app.sync.translate.shapes import SHAPES
    from shopify_app.webhooks.handlers import HANDLERS

    webhooks = tomllib.loads((ROOT / "shopify.app.toml").read_text())["webhooks"]["subscriptions"]
    subscribed = {t for each in webhooks for t in each.get("topics", []) + each.get("compliance_topics", [])}
    assert set(SHAPES) == subscribed, "what is not cut to a shape is not kept"
    assert {topic for topic in SHAPES if receive.handles(topic)} | set(HANDLERS) == subscribed
    assert not [topic for topic in HANDLERS if receive.handles(topic)]


def test_lock_files_carry_hashes_and_no_address() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "package-lock.json"):
        content = (ROOT / name).read_text()
        assert not re.search(r"resolved|pypi|npmjs|pythonhosted|file://|index-url", content), name
    assert "--hash=sha256:" in (ROOT / "requirements.lock").read_text()


@pytest.mark.parametrize("pattern", [r"shp(at|ca|pa|ss|rt)_[0-9a-f]{32}", r"-----BEGIN [A-Z ]*PRIVATE KEY"])
def test_no_secret_is_committed(pattern: str) -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in _tracked()
        if path.stat().st_size < 2**20 and re.search(pattern.encode(), path.read_bytes())
    ]
    assert found == []


def test_dependabot_watches_the_dependencies() -> None:
    watched = (ROOT / ".github" / "dependabot.yml").read_text()
    assert '"pip"' in watched
    assert '"npm"' in watched


def test_only_the_gate_writes_the_event_log() -> None:
    """Outside of `mlops`, translated events go through `mlops.validation.gate.admit`."""
    importing = re.compile(
        r"from mlops\.features(\.store|\.append)? import [^\n]*\bappend\b|\b(store|features)\.append\("
    )
    outside = [each for each in _tracked("*.py") if each.relative_to(ROOT).parts[0] not in ("mlops", "tests")]
    assert len(outside) > 100
    assert [str(each.relative_to(ROOT)) for each in outside if importing.search(each.read_text())] == []


def test_each_decision_has_a_number_of_its_own() -> None:
    pages = [path for path in _tracked("docs/decisions/*.md") if path.is_file()]
    numbers = [int(path.name[:4]) for path in pages]
    assert sorted(numbers) == sorted(set(numbers))
    assert [path.name for path in pages if not path.read_text().startswith(f"# {int(path.name[:4])}. ")] == []


def _actions(tree: ast.AST) -> Iterator[str]:
    """What the `audit.record` calls of a module may write as their action; of an f-string what it begins with."""
    given = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record":
            action = next(each.value for each in node.keywords if each.arg == "action")
            told = given.get(action.id, action) if isinstance(action, ast.Name) else action
            if isinstance(told, ast.JoinedStr):
                yield str(getattr(told.values[0], "value", ""))
            elif isinstance(told, ast.IfExp):
                yield from (str(getattr(each, "value", "")) for each in (told.body, told.orelse))
            else:
                yield str(getattr(told, "value", ""))


def test_the_change_log_has_words_for_everything_that_is_written_to_it() -> None:
    words = (ROOT / "frontend" / "src" / "words.ts").read_text().partition("const ACTIONS")[2]
    known = set(re.findall(r'^  "([a-z_]+\.[a-z_]+)":', words, re.MULTILINE))
    written = {
        action
        for path in _tracked("*.py")
        if path.relative_to(ROOT).parts[0] in ("tenancy", "mlops", "storefront_proxy", "shopify_app")
        for action in _actions(ast.parse(path.read_text()))
    }
    assert len(written) > 15
    assert [
        each
        for each in written
        if not any(name == each or (each.endswith(".") and name.startswith(each)) for name in known)
    ] == []
