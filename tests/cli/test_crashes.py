"""Crashes inside PyTorch: of one known kind, and while a run is prepared."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import Cli, PluginMaker

from tlbench.execute.crash import WORDS

STRIDED = """
import ctypes
from torch import nn
from tlbench import Backbone, hookimpl

tlbench_api = 1

class Strided(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.shortcut = nn.Conv2d(8, 16, 1, stride=2)
        self.fc = nn.Linear(16, num_classes)

    def forward(self, images):
        return self.fc(self.shortcut(self.stem(images)).relu().mean((2, 3)))

class Broken(Strided):
    def forward(self, images):
        return ctypes.string_at(0) if self.training and not images.is_meta else super().forward(images)

def factory(made):
    return lambda options: Backbone(lambda n, image_size, pretrained: made(n), head="fc")

@hookimpl
def tlbench_register_backbones(register):
    register("strided", factory(Strided))
    register("broken", factory(Broken))
"""

ONE_STEP = """
import torch
images = torch.randn(33, 8, 32, 32).contiguous(memory_format=torch.channels_last)
layer = torch.nn.Conv2d(8, 16, 1, stride=2).to(memory_format=torch.channels_last)
layer(images).sum().backward()
"""
TWO_THREADS = {"OMP_NUM_THREADS": "2"}
OF_65 = ("--datasets", "digits:train=65:test=20", "--image-size", "32", "--epochs", "1", "--strategies", "full")
"""Two batches of 32 and one image more: the last step is of 33."""


@pytest.mark.slow
def test_a_crash_of_channels_last_convolutions_is_told_by_name(cli: Cli, plugin: PluginMaker) -> None:
    tried = subprocess.run([sys.executable, "-c", ONE_STEP], env=os.environ | TWO_THREADS, check=False)
    if tried.returncode == 0:
        pytest.skip("this PyTorch does not crash here")
    environment = plugin("strided", STRIDED).environment | TWO_THREADS
    command = ("run", *OF_65, "--backbones", "strided", "--json")
    crashed = cli(*command, environment=environment)
    assert crashed.status == 1
    (record,) = crashed.records
    signal = record["error"]["type"]  # memory is written where it should not be: the kernel sees it, or the allocator
    assert record["status"] == "crashed"
    assert record["error"]["message"] == (
        f"the process crashed: {WORDS[signal]} ({signal}); PyTorch's channels_last convolutions are known to crash "
        "on the CPU for some shapes; try --memory-format contiguous"
    )
    # two threads crash at once, and the end of the first may cut short what the other writes: only its start is certain
    assert record["error"]["traceback"].startswith("Fatal Python error")
    cured = cli(*command, "--memory-format", "contiguous", environment=environment)
    assert [record["status"] for record in cured.records] == ["ok"]


@pytest.mark.slow
def test_a_crash_while_precisions_are_tried_is_one_sentence(cli: Cli, plugin: PluginMaker) -> None:
    environment = plugin("strided", STRIDED).environment
    finished = cli("run", *OF_65, "--backbones", "broken", "--precision", "auto", environment=environment)
    assert finished.status == 2
    said = "error: the process that prepares the run crashed: segmentation fault (SIGSEGV) (last: trying number formats"
    assert said in finished.stderr
    assert "for some shapes; try --memory-format contiguous" in finished.stderr
    assert "Traceback" not in finished.stderr
    debugged = cli("run", *OF_65, "--backbones", "broken", "--precision", "auto", "--debug", environment=environment)
    assert "in string_at" in debugged.stderr
