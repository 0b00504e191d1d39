"""The page of the conformance kit, from its declared checks, and the page of the faults that it finds."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tlbench.testing.kit.checks import MODULES, checks_of

FAULTS = Path(__file__).parents[1] / "tests" / "testing" / "kit" / "faults.py"
PAGE = """# Conformance of plugins

A plugin keeps its contracts ([docs/contracts.md](contracts.md)) or it doesn't, and the kit says which. It checks what a
run relies on, really: it trains the strategy, builds the backbone, reads the images, runs jobs. This page is made from
the checks by `python docs/generate.py`; [Faults that the kit finds](plugin-faults.md) has examples.

## On the command line

```
tlbench plugin check my-plugin                     # an installed plugin, or the distribution that brings it
tlbench plugin check mine.py                       # a file, or a module, that is not installed
tlbench plugin check timm --only resnet18          # these components alone, with options if need be: folder:photos
tlbench plugin check mine.py --json
```

How the plugin registers is checked in a process of its own; then each of its components. stdout has a table, and a
sentence for each check that failed; progress goes to stderr. The exit status is 0 where none failed, 1 where one did,
2 where there is no such plugin. A check that does not apply is skipped with the reason. Nothing is downloaded: what
needs published weights, or images that are downloaded, is skipped where they do not lie on this machine. Of a family
of backbones, the first with at most 100 million parameters is checked.

## In a plugin's own tests

```python
from tlbench.testing import conformance

test_half = conformance("strategy", "my-plugin/half")  # an installed plugin
test_net = conformance("backbone", "mine/net", plugin="mine.py")  # a file or a module
test_photos = conformance("dataset", "my-plugin/photos:size=32")  # with options
test_plugin = conformance("plugin", "my-plugin")  # how it registers
```

Each check is a test of its own (`pytest -k "half and seed"`); one that fails says what was found and what it should
be, in one sentence. `check_component(kind, name, plugin=None)` and `check_plugin(given)` give the results as objects.

## A strategy run in a test

`run_strategy` carries a strategy out by the engine, in the test's own process and in about a second: on a residual
network of 8 channels, whose "published" weights are those of a seed, and 36 images of 16 pixels. Backbone and dataset
may be others.

```python
from tlbench.testing import run_strategy


def test_half_trains_the_head_alone():
    trained = run_strategy("my-plugin/half:alpha=0.3", epochs=3)
    (phase,) = trained.phases
    assert set(phase.changed) == {{"fc.weight", "fc.bias"}}
    assert trained.test["accuracy"] > 0.5
    assert trained.module(trained.images).shape == (12, 3)
```

{sections}"""
TITLES = {
    "plugin": "Every plugin",
    "component": "Every component",
    "options": "Every component with options",
    "backbone": "Backbones",
    "dataset": "Datasets",
    "task": "Tasks",
    "strategy": "Strategies",
    "metric": "Metrics",
    "reporter": "Reporters",
    "executor": "Executors",
}
FAULTS_PAGE = """# Faults that the conformance kit finds

Each of these plugins has one fault, and the kit must find it: the tests carry them all out
([tests/testing/kit/faults.py](../tests/testing/kit/faults.py) has the plugins). This page is made from the same table
by `python docs/generate.py`.

| fault | kind | the check that finds it | what the kit says |
| --- | --- | --- | --- |
{rows}
"""


def page() -> str:
    """How the kit is used, and what each kind is checked for."""
    assert TITLES.keys() == MODULES.keys()
    return PAGE.format(sections="\n".join(_section(kind, title) for kind, title in TITLES.items()))


def _section(kind: str, title: str) -> str:
    return "\n".join([f"## {title}", "", "| check | |", "| --- | --- |", *_rows(kind), ""])


def _rows(kind: str) -> Iterator[str]:
    for each in checks_of(kind):
        about = " ".join(inspect.cleandoc(each.run.__doc__ or "").split()).replace("|", "\\|")
        yield f"| {each.name} | {about} |"


def faults_page() -> str:
    """The faults that tests plant, and what the kit says of each."""
    rows = [
        f"| {each.fault} | {each.kind} | {each.check} | … {each.says.replace('|', chr(92) + '|')} |"
        for each in planted().FAULTS
    ]
    return FAULTS_PAGE.format(rows="\n".join(rows))


def planted() -> ModuleType:
    """The table of planted faults, which lies among the tests."""
    spec = importlib.util.spec_from_file_location("planted_faults", FAULTS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["planted_faults"] = module
    spec.loader.exec_module(module)
    return module
