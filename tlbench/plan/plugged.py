"""The options of a run that say which plugins are used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AliasChoices, BeforeValidator

from tlbench.plan.choices import Frozen
from tlbench.plan.option import option
from tlbench.registry.chosen import HELP, METAVARS, Chosen
from tlbench.registry.local import found_local

Several = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]
"""Names, or a single one."""


class Plugged(Frozen):
    """Which plugins are used: installed ones but some, and others that are not installed."""

    plugin: Several = option((), HELP["plugin"], metavar=METAVARS["plugin"], shown="none")
    local_plugins: bool = option(True, HELP["local_plugins"])
    no_plugin: Several = option(
        (),
        HELP["no_plugin"],
        metavar=METAVARS["no_plugin"],
        shown="none",
        validation_alias=AliasChoices("no_plugin", "block"),  # as plans of earlier releases have it
    )
    plugins_from: Several = option((), HELP["plugins_from"], metavar=METAVARS["plugins_from"], shown="all")

    @property
    def chosen(self) -> Chosen:
        """The plugins in use; local ones are to be found (`with_local`) before."""
        return Chosen(self.no_plugin, self.plugins_from, self.plugin)


P = TypeVar("P", bound=Plugged)


def with_local(asked: P, folder: Path) -> P:
    """The same with local plugins as they are found from any folder, and the tlbench_plugins.py of one among them.

    Raises UserError where a file or module is not found.
    """
    found = found_local(asked.plugin, folder if asked.local_plugins else None)
    return asked.model_copy(update={"plugin": found})
