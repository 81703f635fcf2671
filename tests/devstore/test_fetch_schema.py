"""Fetching the schema: nothing to do when it is there, a named next step when it cannot be had."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from devstore.fetch_schema import SCHEMA_PATH, SchemaUnavailable, fetch, is_readable, main
from devstore.schema import load_schema


def test_a_schema_that_is_there_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "schema.json.gz"
    shutil.copy(SCHEMA_PATH, target)
    before = target.stat().st_mtime_ns
    assert fetch(target) is False
    assert target.stat().st_mtime_ns == before


@pytest.mark.parametrize("cut", [0, 1000, -1000])
def test_a_broken_file_is_not_taken_for_a_schema(tmp_path: Path, cut: int) -> None:
    target = tmp_path / "schema.json.gz"
    target.write_bytes(SCHEMA_PATH.read_bytes()[:cut])
    assert not is_readable(target)
    with pytest.raises(SchemaUnavailable, match=r"python -m devstore\.fetch_schema"):
        load_schema(target)


def test_the_schema_may_be_given_unpacked(tmp_path: Path) -> None:
    plain = tmp_path / "admin.json"
    plain.write_bytes(gzip.decompress(SCHEMA_PATH.read_bytes()))
    assert load_schema(plain).schema.query_type is not None


def test_a_missing_schema_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SchemaUnavailable, match=r"run `python -m devstore\.fetch_schema`"):
        load_schema(tmp_path / "none.json.gz")
    (tmp_path / "other.json.gz").write_bytes(gzip.compress(b'{"__schema": 1}'))
    with pytest.raises(SchemaUnavailable, match="is broken"):
        load_schema(tmp_path / "other.json.gz")


def test_without_npm_the_command_fails_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--target", str(tmp_path / "schema.json.gz")]) == 1
    assert "install Node.js" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
