"""Objects of a notebook's cells, in a real kernel."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

CELLS = """
import numpy as np, tlbench
from torch import nn
from tlbench import Train, strategy

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
SHARE = 0.5

class Noise:
    classes = ("even", "odd")
    targets = [place % 2 for place in range(60)]
    def __len__(self): return 60
    def __getitem__(self, place): return PIXELS[place], self.targets[place]

def part(model):
    return model.head

@strategy("half", learning_rates={"adamw": 1e-3, "sgd": 1e-1})
def half(model, options):
    yield Train(part(model), epochs=SHARE)

def tiny(num_classes):
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(8, num_classes))

def run():
    try:
        results = tlbench.run(backbones=tiny, datasets={"noise": Noise()}, strategies=[half], epochs=2, image_size=16,
                              name="one", results="FOLDER", progress=False)
        print(results.records[0].status, results.records[0].provenance["strategy"].distribution)
    except tlbench.UserError as error:
        print(str(error).partition("(")[2][:16])
# ----
run()
# ----
run()
# ----
def part(model):
    return model.everything
run()
# ----
def part(model):
    return model.head
SHARE = 0.25
run()
"""


@pytest.mark.slow
def test_cells_are_read_by_value_and_a_changed_helper_or_constant_makes_another_cell(tmp_path: Path) -> None:
    sources = CELLS.replace("FOLDER", str(tmp_path)).split("# ----\n")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    said = ["".join(each.text for each in cell.outputs if each.name == "stdout") for cell in notebook.cells]
    assert said == ["", "ok notebook\n", "ok notebook\n", "sources.strategy\n", "sources.strategy\n"]
