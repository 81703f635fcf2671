"""`make audit-deps`: what the advisory services say, and that silence is never taken for a good answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from shopify_app.local.audit_deps import ROOT, Ended, Told, ended, read_npm, read_pip

CLEAN: dict[str, object] = {"name": "redis", "version": "6.0.0", "vulns": []}
BAD: dict[str, object] = {
    "name": "jinja2", "version": "3.0.0",
    "vulns": [{"id": "GHSA-h5c8-rqwp-cp95", "fix_versions": ["3.1.3"], "aliases": []}],
}  # fmt: skip
SKIPPED: dict[str, object] = {
    "name": "amqp",
    "skip_reason": "Dependency not found on PyPI and could not be audited: amqp",
}
NPM = {
    "vulnerabilities": {"vite": {"range": "<5.4.12", "severity": "moderate", "fixAvailable": True}},
    "metadata": {"dependencies": {"total": 300}},
}


def pip(*listed: dict[str, object]) -> Told:
    return read_pip("requirements.lock", json.dumps({"dependencies": listed, "fixes": []}), "")


def test_what_was_judged_is_counted_and_advisories_name_what_mends_them() -> None:
    told = pip(CLEAN, BAD)
    assert told == Told("requirements.lock", 2, ("jinja2 3.0.0: GHSA-h5c8-rqwp-cp95, mended in 3.1.3",))
    assert ended([told]) is Ended.ADVISORIES
    assert ended([pip(CLEAN)]) is Ended.CLEAN
    npm = read_npm("package-lock.json", json.dumps(NPM), "")
    assert npm == Told("package-lock.json", 300, ("vite <5.4.12: moderate",))


def test_silence_is_not_a_good_answer() -> None:
    # pip-audit itself ends with 0 and "No known vulnerabilities found" when it could ask about nothing.
    assert ended([pip(CLEAN, SKIPPED)]) is Ended.NOT_ASKED
    assert "1 packages were not judged" in pip(CLEAN, SKIPPED).problem
    assert ended([pip()]) is Ended.NOT_ASKED
    assert (
        read_pip("x", "", "ERROR: Could not connect to PyPI\n").problem == "ERROR: Could not connect to PyPI"
    )
    assert read_npm("x", '{"message": "405 Method Not Allowed"}', "").problem == "405 Method Not Allowed"
    assert read_npm("x", "<html>", "").problem == "no answer"
    assert read_npm("x", '{"vulnerabilities": {"vite": {}}}', "").problem == "no answer"
    assert ended([pip(BAD), Told("x", problem="no answer")]) is Ended.ADVISORIES, "an advisory weighs more"


def test_without_a_service_the_command_says_so_and_ends_with_three() -> None:
    # Port 9 is closed: npm is the real one, and pip-audit is not there at all.
    done = subprocess.run(
        [sys.executable, "-m", "shopify_app.local.audit_deps", "--pip-audit", "/nowhere/pip-audit"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0"},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "requirements.lock: NOT KNOWN: /nowhere/pip-audit: No such file or directory" in done.stdout
    assert "package-lock.json: NOT KNOWN:" in done.stdout
    assert "says nothing about safety" in done.stderr
