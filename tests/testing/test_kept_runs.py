"""Runs that tests share: made once, gone on with where unfinished, made anew where anything else is another."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from builders import write_tree

from tlbench.api import Results, request_of
from tlbench.testing.kept import KeptRuns, digest_of, digest_of_sources

QUICK: dict[str, Any] = {
    "backbones": "small_cnn", "strategies": "freeze,majority", "datasets": "digits:train=96:test=60", "epochs": 1,
}  # fmt: skip


def runs_of(folder: Path, session: str) -> KeptRuns:
    """The same results, in another session."""
    return KeptRuns(folder / "results", folder / session)


def started(results: Results) -> dict[str, object]:
    return {record.trial.cell.strategy: record.started for record in results}


@pytest.mark.slow
def test_a_run_is_made_once_and_an_unfinished_one_gone_on_with(tmp_path: Path) -> None:
    request = request_of(QUICK)
    made = runs_of(tmp_path, "first").get(request)
    assert [record.status for record in made] == ["ok", "ok"]
    assert started(runs_of(tmp_path, "first").get(request)) == started(made)
    assert started(runs_of(tmp_path, "second").get(request)) == started(made)
    lost = next(record for record in made if record.trial.cell.strategy == "builtin/majority")
    (made.folder / "trials" / f"{lost.trial.id}.json").unlink()
    again = runs_of(tmp_path, "third").get(request)
    assert again.folder == made.folder
    assert started(again)["builtin/freeze"] == started(made)["builtin/freeze"]
    assert started(again)["builtin/majority"] != started(made)["builtin/majority"]


@pytest.mark.slow
def test_other_data_are_another_run_and_the_first_is_found_again(tmp_path: Path) -> None:
    photos = write_tree(tmp_path / "photos", {"cats": 20, "dogs": 20})
    request = request_of(QUICK | {"datasets": f"folder:{photos}", "strategies": "majority"})
    first = runs_of(tmp_path, "first").get(request)
    image, kept = photos / "cats" / "000.png", tmp_path / "kept.png"
    shutil.copy(image, kept)
    PIL.Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(image)
    second = runs_of(tmp_path, "second").get(request)
    assert second.folder.name == f"{first.folder.name}-2"
    shutil.copy(kept, image)
    assert runs_of(tmp_path, "third").get(request).folder == first.folder


def test_another_request_is_another_run() -> None:
    assert digest_of(request_of(QUICK)) == digest_of(request_of(QUICK))
    assert digest_of(request_of(QUICK)) != digest_of(request_of(QUICK | {"seeds": 2}))


def test_a_change_of_any_source_of_a_plugin_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "acme_layers"
    package.mkdir()
    for name in ("__init__", "strategies", "layers"):
        (package / f"{name}.py").write_text("")
    (tmp_path / "acme_single.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    modules = [importlib.import_module(name) for name in ("acme_layers.strategies", "acme_single")]
    for module in ("acme_layers", "acme_layers.strategies", "acme_single"):
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.setitem(sys.modules, module, importlib.import_module(module))
    digests = [digest_of_sources(modules)]
    for changed in (package / "layers.py", tmp_path / "acme_single.py"):
        changed.write_text("width = 8\n")
        digests.append(digest_of_sources(modules))
    (tmp_path / "unrelated.py").write_text("width = 8\n")
    assert len(set(digests)) == 3 and digest_of_sources(modules) == digests[-1]
