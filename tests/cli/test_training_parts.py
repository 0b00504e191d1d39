"""Optimizers, schedules and augmentations of plugins, by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import QUICK, Cli

PARTS = """
import torch
from tlbench import hookimpl

tlbench_api = 1

class Signs(torch.optim.Optimizer):
    "The sign of each gradient."
    def __init__(self, groups, lr):
        super().__init__(groups, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for each in group["params"]:
                if each.grad is not None:
                    each.sub_(group["lr"] * each.grad.sign())

@hookimpl
def tlbench_register_optimizers(register):
    register("signs", Signs)
    register("plain", lambda groups, lr: torch.optim.AdamW(groups, lr=lr, fused=True))

@hookimpl
def tlbench_register_schedules(register):
    register("linear", lambda step, steps: 1 - step / steps)
    register("flat", lambda step, steps: 1.0)

@hookimpl
def tlbench_register_augmentations(register):
    register("darker", lambda size: lambda images: images * (0.5 + 0.5 * torch.rand(len(images), 1, 1, 1)))
"""


@pytest.fixture
def run(tmp_path: Path, cli_here: Cli) -> Cli:
    """A short run of `full` with further options."""
    (tmp_path / "mine.py").write_text(PARTS)
    plugin = ("--plugin", "mine.py", "--strategies", "full", "--json")
    return lambda *more: cli_here("run", *QUICK, *plugin, *more)


@pytest.mark.slow
def test_parts_of_a_plugin_train_and_stand_in_the_record(run: Cli) -> None:
    finished = run("--optimizer", "signs", "--lr", "1e-4", "--schedule", "linear", "--augment", "darker")
    assert finished.status == 0, finished.stderr
    (record,) = finished.records
    cell = record["trial"]["cell"]
    assert (cell["protocol"]["optimizer"], cell["protocol"]["schedule"]) == ("mine/signs", "mine/linear")
    assert cell["protocol"]["augment"] == ["mine/darker"]
    assert {"optimizer", "schedule", "augmentation mine/darker"} <= record["provenance"].keys() & cell["sources"].keys()


@pytest.mark.slow
def test_the_same_under_another_name_gives_the_same_numbers(run: Cli) -> None:
    ours = run("--optimizer", "plain", "--lr", "1e-3", "--schedule", "flat", "--warmup", "0").records[0]
    own = run("--lr", "1e-3", "--schedule", "constant", "--warmup", "0").records[0]
    assert ours["metrics"] == own["metrics"] and ours["history"] == own["history"]
    assert ours["trial"]["id"] != own["trial"]["id"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--optimizer", "sings"), "--optimizer 'sings': there is no optimizer of that name; did you mean signs?"),
        (("--schedule", "linaer"), "did you mean linear?; there are cosine, constant, linear, flat"),
        (("--augment", "flip,drker"), "--augment 'drker': there is no augmentation of that name; did you mean darker?"),
        (("--optimizer", "signs"), "strategy builtin/full states no learning rate for mine/signs"),
    ],
)
def test_what_is_no_part_or_has_no_rate_is_refused(run: Cli, options: tuple[str, ...], said: str) -> None:
    refused = run(*options)
    assert refused.status == 2 and said in refused.stderr


def test_parts_are_listed(tmp_path: Path, cli_here: Cli) -> None:
    (tmp_path / "mine.py").write_text(PARTS)
    for what, names in (("optimizers", ["signs", "plain"]), ("schedules", ["linear", "flat"])):
        listed = json.loads(cli_here("list", what, "--plugin", "mine.py", "--json").stdout)
        assert [row["name"] for row in listed] == [f"mine/{name}" for name in names]
