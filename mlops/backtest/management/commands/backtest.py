"""Measures our models on files: no server, no database and no installed shop are needed."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.backtest.commands import MODULES, BadInput, MissingLibrary, sub_command

UNUSABLE = 2


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = parser.add_subparsers(dest="what", required=True, metavar="|".join(MODULES))
        for name in MODULES:
            try:
                module = sub_command(name)
            except MissingLibrary as error:
                raise CommandError(str(error)) from error
            module.add_arguments(kinds.add_parser(name, help=module.HELP, description=module.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sub_command(options["what"]).run(options, lambda line: self.stderr.write(line))
        except BadInput as error:
            self.stderr.write(str(error))
            sys.exit(UNUSABLE)
