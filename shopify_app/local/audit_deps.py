"""`make audit-deps`: are there published advisories against what the lock files install?

pip-audit asks the Python Package Index, `npm audit` the npm registry. pip-audit ends well, too, when the index told it
nothing about a package, so its answer is read: only a package that was looked at counts as clean.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
LONGEST_WAIT_S = 300


class Ended(IntEnum):
    """Exit codes of the command."""

    CLEAN = 0
    ADVISORIES = 1
    NOT_ASKED = 3


@dataclass(frozen=True, slots=True)
class Told:
    """What one advisory service said of one lock file.

    Args:
        looked_at: how many packages it knows and has judged.
        advisories: one line for each, with the version that mends it where there is one.
        problem: why not everything was judged; empty when it was.
    """

    lock: str
    looked_at: int = 0
    advisories: tuple[str, ...] = ()
    problem: str = ""


def read_pip(lock: str, output: str, complaint: str) -> Told:
    """pip-audit's JSON (`dependencies` with `vulns` or `skip_reason`)."""
    try:
        listed: list[dict[str, Any]] = json.loads(output)["dependencies"]
        skipped = [each["skip_reason"] for each in listed if "skip_reason" in each]
        judged = [each for each in listed if "skip_reason" not in each]
        found = tuple(
            f"{each['name']} {each['version']}: {vuln['id']}{_mended(vuln['fix_versions'])}"
            for each in judged
            for vuln in each["vulns"]
        )
    except (ValueError, KeyError, TypeError):
        return Told(lock, problem=_last(complaint) or "no answer")
    problem = f"{len(skipped)} packages were not judged, the first: {skipped[0]}" if skipped else ""
    return Told(lock, len(judged), found, problem or ("" if listed else "no package was named"))


def read_npm(lock: str, output: str, complaint: str) -> Told:
    """`npm audit --json` of npm 7 and later (`vulnerabilities` by package, `metadata.dependencies.total`)."""
    try:
        told: dict[str, Any] = json.loads(output)
        if "vulnerabilities" not in told:
            return Told(lock, problem=str(told.get("message") or told.get("error") or "no answer"))
        found = tuple(
            f"{name} {each['range']}: {each['severity']}{'' if each['fixAvailable'] else ', not mended yet'}"
            for name, each in told["vulnerabilities"].items()
        )
        return Told(lock, int(told["metadata"]["dependencies"]["total"]), found)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Told(lock, problem=_last(complaint) or "no answer")


def ended(answers: Sequence[Told]) -> Ended:
    """An advisory weighs more than a service that did not answer."""
    if any(each.advisories for each in answers):
        return Ended.ADVISORIES
    return Ended.NOT_ASKED if any(each.problem for each in answers) else Ended.CLEAN


def _mended(versions: Sequence[str]) -> str:
    return f", mended in {', '.join(versions)}" if versions else ", not mended yet"


def _last(complaint: str) -> str:
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _ask(command: Sequence[str]) -> tuple[str, str]:
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_WAIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {LONGEST_WAIT_S} s"
    except OSError as error:
        return "", f"{command[0]}: {error.strerror or error}"
    return done.stdout, done.stderr


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="make audit-deps",
        description="Published advisories against what the lock files install.",
        epilog="Exit codes: 0 none, 1 there are some, 3 an advisory service could not be asked about everything.",
    )
    parser.add_argument(
        "--pip-audit", default="pip-audit", help="the program to ask with; default: %(default)s"
    )
    given = parser.parse_args(arguments)
    answers = []
    for lock in LOCKS:
        print(f"{lock}: asking", file=sys.stderr)
        command = [given.pip_audit, "--requirement", lock, "--require-hashes", "--disable-pip"]
        answers.append(read_pip(lock, *_ask([*command, "--format", "json", "--progress-spinner", "off"])))
    print("package-lock.json: asking", file=sys.stderr)
    npm = ["npm", "audit", "--package-lock-only", "--json", "--fetch-retries=1"]
    answers.append(read_npm("package-lock.json", *_ask(npm)))
    for told in answers:
        if told.looked_at or not told.problem:
            print(f"{told.lock}: {told.looked_at} packages judged, {len(told.advisories)} with advisories")
        for line in told.advisories:
            print(f"    {line}")
        if told.problem:
            print(f"{told.lock}: NOT KNOWN: {told.problem}")
    outcome = ended(answers)
    if outcome is Ended.NOT_ASKED:
        print(
            "An advisory service could not be asked, so this says nothing about safety. Try again with access to"
            " pypi.org and registry.npmjs.org.",
            file=sys.stderr,
        )
    return outcome


if __name__ == "__main__":
    raise SystemExit(main())
