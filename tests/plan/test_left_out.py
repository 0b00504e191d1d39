"""What no cell is made of: by strategy, backbone and dataset, with the reason."""

from __future__ import annotations

import pytest
from conftest import Cli, PluginMaker

GREY = """
import numpy as np
from tlbench import Dataset, Split, hookimpl

tlbench_api = 1

def make_grey(options):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60, 16, 16), dtype=np.uint8)
    return Dataset(classes=("a", "b"), train=Split(np.arange(60) % 2, lambda place: images[place]), native_size=16,
                   channels=1, fingerprint="grey")

@hookimpl
def tlbench_register_datasets(register):
    register("grey", make_grey)
"""
COMMAND = ("run", "--backbones", "efficientnet_lite0", "--image-size", "32", "--epochs", "1", "--dry-run")


@pytest.mark.slow
def test_a_strategy_that_asks_the_published_head_is_left_out_for_other_channels_alone(
    cli: Cli, plugin: PluginMaker
) -> None:
    """The published head does not know images of one channel; on three, the strategy has its cell."""
    done = cli(
        *(*COMMAND, "--strategies", "lwf,freeze", "--datasets", "digits:train=40:test=20,grey"),
        environment=plugin("grey", GREY).environment,
    )
    assert done.status == 0, done.stderr
    said = "left out: builtin/lwf can't adapt packaged/efficientnet_lite0 on grey/grey: "
    assert said in done.stderr
    assert "3 trials (3 cells × 1 seed)" in done.stderr


@pytest.mark.parametrize("datasets", ["grey", "grey,digits:train=40:test=20"])
def test_where_nothing_is_left_the_reasons_are_the_error(cli: Cli, plugin: PluginMaker, datasets: str) -> None:
    done = cli(
        *(*COMMAND, "--strategies", "lwf", "--normalisation", "dataset", "--datasets", datasets),
        environment=plugin("grey", GREY).environment,
    )
    assert done.status == 2
    assert "\nerror: builtin/lwf can't adapt packaged/efficientnet_lite0: " in done.stderr
