"""Nothing of ours turns bytes into code: no loader that runs what it reads, in any Python file of the repository."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from shopify_app.celery import app

ROOT = Path(__file__).parents[1]
# Their formats can name any callable.
LOADERS = {
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle",
}  # fmt: skip
RUNNERS = {"eval", "exec", "compile", "__import__"}
SAFE_YAML = {"SafeLoader", "CSafeLoader"}


def python_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.py"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [ROOT / each for each in listed.stdout.split("\0") if each and (ROOT / each).is_file()]


def unsafe(source: str) -> Iterator[str]:
    """What in this source would run what it reads, as `line: what`."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = [each.name for each in names if each.name.partition(".")[0] in LOADERS]
            case ast.ImportFrom(module=module, names=names):
                found = [module or ""] if (module or "").partition(".")[0] in LOADERS else []
                if module and module.partition(".")[0] in ("yaml", "torch"):
                    found += [each.name for each in names if "load" in each.name.lower()]
            case ast.Call():
                found = [_call(node)]
            case _:
                found = []
        yield from (f"{getattr(node, 'lineno', 0)}: {each}" for each in found if each)


def _call(node: ast.Call) -> str:
    given = {each.arg: each.value for each in node.keywords}
    if isinstance(node.func, ast.Name) and node.func.id in RUNNERS:
        return f"{node.func.id}()"
    if not isinstance(node.func, ast.Attribute):
        return ""
    owner, name = _root(node.func.value), node.func.attr
    if owner == "builtins" and name in RUNNERS:
        return f"builtins.{name}()"
    if owner == "yaml" and "load" in name and not name.startswith("safe_"):
        loader = given.get("Loader") or (node.args[1] if len(node.args) > 1 else None)
        told = getattr(loader, "attr", getattr(loader, "id", ""))
        return "" if told in SAFE_YAML else f"yaml.{name}()"
    if owner == "torch" and ("load" in name or name == "save"):
        return f"torch.{name}()"
    # NumPy takes pickles only when it is told to; here it must be told not to.
    if owner in ("np", "numpy") and name in ("load", "read_array"):
        allowed = given.get("allow_pickle")
        told_not_to = isinstance(allowed, ast.Constant) and allowed.value is False
        return "" if told_not_to else f"{owner}.{name}() without allow_pickle=False"
    return f".{name}()" if name in ("read_pickle", "to_pickle") else ""


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def test_no_file_of_ours_runs_what_it_reads() -> None:
    files = python_files()
    assert len(files) > 400
    assert {
        str(path.relative_to(ROOT)): found for path in files if (found := list(unsafe(path.read_text())))
    } == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, marshal as quick",
        "from shelve import open",
        "from joblib.numpy_pickle import load",
        "def late():\n    import dill",
        "import torch\ntorch.load('x')",
        "import yaml\nyaml.load(text)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "import yaml\nyaml.full_load(text)",
        "from yaml import unsafe_load",
        "eval(text)",
        "exec(compile(text, 'x', 'exec'))",
        "import builtins\nbuiltins.eval(text)",
        "__import__(name)",
        "import numpy as np\nnp.load(file)",
        "import numpy as np\nnp.load(file, allow_pickle=True)",
        "import numpy as np\nnp.load(file, allow_pickle=allowed)",
        "import numpy\nnumpy.lib.format.read_array(file)",
        "frame = polars.read_pickle(file)",
    ],
)
def test_the_search_finds(source: str) -> None:
    assert list(unsafe(source))


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.load(file, allow_pickle=False)",
        "import yaml\nyaml.safe_load(text)",
        "import yaml\nyaml.load(text, Loader=yaml.CSafeLoader)",
        "redis.eval(SCRIPT, 1, key)",
        "import re\nre.compile(text)",
    ],
)
def test_the_search_leaves_alone(source: str) -> None:
    assert not list(unsafe(source))


def test_tasks_travel_as_json_and_as_nothing_else() -> None:
    conf = app.conf
    assert (conf.task_serializer, conf.result_serializer, conf.event_serializer) == ("json", "json", "json")
    assert list(conf.accept_content) == ["json"]
    assert list(conf.result_accept_content or conf.accept_content) == ["json"]


def test_no_session_and_no_shared_cache_pickles() -> None:
    # Django's Redis and file caches pickle what they keep; its session store is JSON, and we have none.
    assert {each["BACKEND"] for each in settings.CACHES.values()} <= {
        "django.core.cache.backends.locmem.LocMemCache",
        "django.core.cache.backends.dummy.DummyCache",
    }
    assert not any("sessions" in each for each in (*settings.INSTALLED_APPS, *settings.MIDDLEWARE))
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"
