"""The version of a view: a hash of the code and the numbers that make its values. Pure.

Comments, docstrings and layout are not part of it, so words may be improved without a new version; any other change of the
view's own file, of the files that all views share, or of the SQL that reads their tables is one. So is another release of the
calendar of holidays, whose dates change.
"""

from __future__ import annotations

import hashlib
import io
import json
import tokenize
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version as release
from importlib.util import find_spec
from pathlib import Path

from mlops.feature_store.declared import View

# What every view stands on.
SHARED = tuple(f"mlops.feature_store.{name}" for name in ("as_of", "tables", "event_log", "visit_log"))
DIGITS = 16


def digest(view: View) -> str:
    """The version of a view, 16 hexadecimal digits; the same in every process, on every machine."""
    told = {
        "name": view.name,
        "entity": view.entity.value,
        "features": [
            [each.name, each.dtype.value, each.window and each.window.total_seconds(), each.ttl.total_seconds(), each.missing.value]
            for each in view.features
        ],
        "looks_back": view.looks_back.total_seconds(),
        "parameters": {name: str(value) for name, value in sorted(view.parameters.items())},
        "holidays": release("holidays") if view.module.endswith(".seasons") else "",
        "code": [code_of(module) for module in (view.module, *SHARED)],
    }  # fmt: skip
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:DIGITS]


def fingerprint(views: Sequence[View]) -> str:
    """What says whether a packed vector was written by exactly these views, in this order."""
    return hashlib.sha256(" ".join(f"{each.name}:{digest(each)}" for each in views).encode()).hexdigest()[
        :DIGITS
    ]


@lru_cache
def code_of(module: str) -> str:
    """The hash of a module's code without comments, docstrings and layout."""
    found = find_spec(module)
    if found is None or found.origin is None:
        raise ValueError(f"there is no module {module}")
    return hashlib.sha256(_bare(Path(found.origin).read_text(encoding="utf-8")).encode()).hexdigest()


_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}


def _bare(source: str) -> str:
    """The tokens of Python code, whose boundaries do not depend on the interpreter: f-strings are cut up by newer ones."""
    kept: list[str] = []
    begins = True  # of a statement, where a string alone is a docstring
    tokens = [
        each for each in tokenize.generate_tokens(io.StringIO(source).readline) if each.type not in _LAYOUT
    ]
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            kept.append("{" if token.type == tokenize.INDENT else "}")
            continue
        if token.type == tokenize.NEWLINE:
            if not begins:
                kept.append(";")
            begins = True
            continue
        if begins and token.type == tokenize.STRING and after is not None and after.type == tokenize.NEWLINE:
            continue
        kept.append(token.string)
        begins = False
    # A comma before a closing bracket is layout.
    return "".join(kept).replace(",)", ")").replace(",]", "]").replace(",}", "}")
