"""Objects of the program that started a run, as entries under the plugin name `python`."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tlbench.contracts.options import Options
from tlbench.registry.chosen import RESERVED, Given
from tlbench.registry.components import Entry

PLUGIN = RESERVED


def entry_of(given: Given) -> Entry[Any]:
    """The entry of an object; a strategy is read at once, as its options are needed, all else when it is made."""
    if given.kind == "strategy":
        strategy = _read(given)
        return Entry(
            given.kind, given.name, lambda _options: strategy, strategy.options, strategy.summary, given.origin
        )
    return Entry(given.kind, given.name, partial(_made, given), Options, "", given.origin)


def _made(given: Given, _options: Options) -> Any:
    from tlbench.objects.images import dataset_of
    from tlbench.objects.modules import backbone_of

    make: dict[str, Callable[[object], Any]] = {"backbone": backbone_of, "dataset": dataset_of}
    return make[given.kind](_read(given))


def _read(given: Given) -> Any:
    return pickle.loads(Path(given.file).read_bytes())
