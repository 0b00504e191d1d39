"""The Python API, from a script without a `__main__` guard."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from conftest import Finished

import tlbench

SCRIPT = """
import sys, tlbench
print("the script runs")
results = tlbench.run(
    backbones=["small_cnn"], datasets=["digits:train=64:test=40"], strategies=["freeze", "scratch"], epochs=1, lr=0.01,
    progress=False, name="from-python",
)
print(len(results), [record["status"] for record in results.to_dicts()], "torch" in sys.modules)
"""


def test_run_from_a_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["the script runs", "2 ['ok', 'ok'] False"]
    loaded = tlbench.load("from-python", tmp_path / "results")
    assert [record.trial.cell.strategy for record in loaded] == ["builtin/freeze", "builtin/scratch"]


def test_results_as_dicts_and_as_a_data_frame(trained: tuple[Path, Finished]) -> None:
    folder, finished = trained
    results = tlbench.load(folder / "results" / "trained")
    assert results.to_dicts() == finished.records
    frame = results.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["accuracy"]) == [record["metrics"]["test"]["accuracy"] for record in finished.records]
    assert list(frame["strategy"].unique()) == ["builtin/freeze", "builtin/full"]
    assert "| efficientnet_lite0 | full | pretrained |" in results.to_markdown()


def test_mistakes_are_user_errors() -> None:
    with pytest.raises(tlbench.UserError, match="did you mean freeze"):
        tlbench.run(strategies="freze", progress=False)
    with pytest.raises(tlbench.UserError, match=r"tlbench\.run has no argument 'epoch'; did you mean epochs"):
        tlbench.run(epoch=3, progress=False)
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        tlbench.rnu  # noqa: B018


class Endless:
    """What Python takes for a sequence that never ends."""

    def __getitem__(self, index: int) -> int:
        return index


@pytest.mark.parametrize(
    ("datasets", "said"),
    [
        (Endless(), "the split train is a Endless, which has no items by number"),
        ([np.zeros(3)], "item 0 of the split train is a float64; it must be a pair"),
        (3, "the split train is a int, which has no items by number"),
    ],
)
def test_what_is_no_dataset_is_refused(datasets: Any, said: str) -> None:
    with pytest.raises(tlbench.UserError, match=said):
        tlbench.run(datasets=datasets, progress=False)


def test_every_public_name_is_there() -> None:
    for name in tlbench.__all__:
        assert getattr(tlbench, name) is not None


def test_results_are_one_line_and_a_table_in_a_notebook(trained: tuple[Path, Finished]) -> None:
    results = tlbench.load("trained", trained[0] / "results")
    assert repr(results).startswith("<tlbench.Results trained: 2 cells on packaged/digits:") and "4 ok" in repr(results)
    assert "\n" not in repr(results)
    html = results._repr_html_()
    assert "<caption>packaged/digits:" in html and html.count("<tr>") == 3
    assert "Protocol: 2 epochs" in html


def test_the_best_row_and_two_rows_compared(trained: tuple[Path, Finished]) -> None:
    results = tlbench.load("trained", trained[0] / "results")
    best = results.best()
    means = {row.strategy: row.primary.mean for row in results.rows() if row.primary}
    assert best.strategy == max(means, key=means.__getitem__)
    assert repr(best).startswith("<Row efficientnet_lite0 × ") and len(repr(best)) < 120
    found = results.compare("full", "efficientnet_lite0 × freeze")
    assert found.difference.value == pytest.approx(means["full"] - means["freeze"])
    assert found.verdict in ("better", "worse", "tie")
    assert results.compare("freeze", "full").difference.value == pytest.approx(-found.difference.value)
    assert results.compare("full", "freeze", margin=100).verdict == "practically equal"


def test_a_cell_by_its_name(trained: tuple[Path, Finished]) -> None:
    results = tlbench.load("trained", trained[0] / "results")
    freeze = results.cell("freeze")
    named = results.cell("efficientnet_lite0 × freeze", "digits:test=100:train=200")
    assert named.cell == freeze.cell == results.rows()[0].cell
    assert freeze.figures["trainable_parameters"] == 1280 * 10 + 10
    assert freeze.primary is not None and freeze.primary.n == 2


def test_rows_and_datasets_that_there_are_not_are_refused(trained: tuple[Path, Finished]) -> None:
    results = tlbench.load("trained", trained[0] / "results")
    with pytest.raises(tlbench.UserError, match=r"there is no row 'ful'.*there are efficientnet_lite0 × freeze"):
        results.compare("ful", "freeze")
    with pytest.raises(tlbench.UserError, match="several rows are called 'efficientnet_lite0'"):
        results.compare("efficientnet_lite0", "freeze")
    with pytest.raises(tlbench.UserError, match="there is no dataset 'flowers'; the run has packaged/digits:"):
        results.best("flowers")
    with pytest.raises(tlbench.UserError, match="may not be compared"):
        results.compare("full", "full")
