"""Settings: a value that is not understood stops the start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shopify_app import environment
from shopify_app.environment import BadSetting


def test_a_secret_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("hush\n")
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "secret"))
    assert environment.text("SOME_SECRET") == "hush"


def test_a_missing_secret_file_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(BadSetting, match="SOME_SECRET_FILE"):
        environment.text("SOME_SECRET", "a default must not hide it")


def test_a_required_variable_is_named_when_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_SECRET", raising=False)
    with pytest.raises(BadSetting, match="SOME_SECRET"):
        environment.text("SOME_SECRET")


@pytest.mark.parametrize("value", ["maybe", "2", "nein"])
def test_a_flag_is_yes_or_no(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_FLAG", value)
    with pytest.raises(BadSetting, match="SOME_FLAG"):
        environment.flag("SOME_FLAG", default=False)


@pytest.mark.parametrize("value", ["1.5", "x", "0", "11", ""])
def test_a_number_stays_in_its_range(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NUMBER", value)
    with pytest.raises(BadSetting, match="SOME_NUMBER"):
        environment.whole("SOME_NUMBER", default=5, lowest=1, highest=10)


@pytest.mark.parametrize("value", ["example.com", "ftp://example.com", ""])
def test_an_origin_names_its_scheme(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_URL", value)
    with pytest.raises(BadSetting, match="SOME_URL"):
        environment.origin("SOME_URL")


def test_a_command_without_its_settings_says_which_in_one_line() -> None:
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "audit_export", "exports"],
        cwd=Path(__file__).parents[1], env=bare, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("set the environment variable SHOPIFY_API_KEY")
    assert done.stderr.count("\n") == 1


def test_a_command_without_its_database_says_so_in_one_line(tmp_path: Path) -> None:
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "bench_gate"], cwd=Path(__file__).parents[1],
        env={**bare, "SHELFWISE_LOCAL": "1", "SHELFWISE_VAR": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Postgres or Redis does not answer; what was saved before is kept.")
    assert done.stderr.count("\n") == 1
