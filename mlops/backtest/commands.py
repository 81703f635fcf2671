"""The sub-commands of `manage.py backtest`, by name. A module of the table offers three things:

- `HELP`, one line of what it does;
- `add_arguments(parser)`;
- `run(options, tell)`, which does it and says how far it is with `tell(line)`.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol, cast

Tell = Callable[[str], object]

MODULES: Mapping[str, str] = {
    "forecast": "mlops.backtest.forecast",
    "recommend": "mlops.backtest.recommend",
    "shop": "mlops.backtest.shop",
}


class BadInput(ValueError):
    """A file that cannot be used. The message names the file, the column and the row, and what to do."""


class SubCommand(Protocol):
    HELP: str

    def add_arguments(self, parser: ArgumentParser) -> None: ...

    def run(self, options: Mapping[str, Any], tell: Tell) -> None:
        """Do it.

        Raises:
            BadInput: a file cannot be used; nothing was written.
        """
        ...


class MissingLibrary(RuntimeError):
    """The machine lacks something that is no Python package; the message says what to install."""


def sub_command(name: str) -> SubCommand:
    """The sub-command of this name.

    Raises:
        MissingLibrary: LightGBM cannot be loaded on this machine.
    """
    try:
        return cast(SubCommand, import_module(MODULES[name]))
    except OSError as error:
        # LightGBM's wheel leaves the OpenMP runtime to the system, and no wheel brings it under the name asked for.
        if "libgomp" not in str(error):
            raise
        raise MissingLibrary(
            "LightGBM needs the GNU OpenMP runtime libgomp.so.1: install libgomp1 (Debian, Ubuntu) or libgomp "
            "(Fedora, Alpine) with the system's package manager, then run this again"
        ) from error
