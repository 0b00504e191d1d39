"""Checkpoints are read without running what is in them, and unwrapped as people wrap them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tlbench.engine.checkpoint import Checkpoint, read_checkpoint
from tlbench.errors import UserError

STATE = {"conv.weight": torch.ones(2, 2), "norm.bias": torch.zeros(2), "fc.weight": torch.ones(3, 2)}


class Harmful:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_safetensors(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "net.safetensors")
    assert same(read_checkpoint(tmp_path / "net.safetensors").state, STATE)


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        (STATE, ()),
        ({"state_dict": STATE, "epoch": 3}, ("'state_dict'",)),
        ({"model_state_dict": STATE, "optimizer": {"lr": 1}}, ("'model_state_dict'",)),
        ({"model": STATE}, ("'model'",)),
        ({"state_dict": {"old": torch.ones(1)}, "state_dict_ema": STATE}, ("'state_dict_ema'",)),
        ({"model": {"state_dict": STATE}}, ("'model'", "'state_dict'")),
    ],
)
def test_a_state_dict_is_found_where_scripts_keep_it(tmp_path: Path, content: Any, taken: tuple[str, ...]) -> None:
    torch.save(content, tmp_path / "net.pt")
    found = read_checkpoint(tmp_path / "net.pt")
    assert same(found.state, STATE)
    assert found.taken == taken


@pytest.mark.parametrize(
    ("prefix", "taken"),
    [
        ("", ()),
        ("module.", ("without the prefix 'module.'",)),
        ("model.", ("without the prefix 'model.'",)),
        ("module._orig_mod.", ("without the prefix 'module.'", "without the prefix '_orig_mod.'")),
    ],
)
def test_prefixes_are_taken_off_where_a_modules_names_are_behind_them(prefix: str, taken: tuple[str, ...]) -> None:
    found = Checkpoint({f"{prefix}{name}": each for name, each in STATE.items()}).without_prefixes(STATE)
    assert same(found.state, STATE)
    assert found.taken == taken


def test_what_lies_beside_the_model_is_left_out_and_counted() -> None:
    state = {f"model.{name}": each for name, each in STATE.items()} | {"criterion.weight": torch.ones(1)}
    found = Checkpoint(state).without_prefixes(STATE)
    assert same(found.state, STATE)
    assert found.taken == ("without the prefix 'model.', 1 tensor outside of it left out",)


def test_a_prefix_that_is_the_modules_own_stays() -> None:
    state = {"model.weight": torch.ones(1)}
    assert same(Checkpoint(state).without_prefixes(["model.weight"]).state, state)


def test_a_pickled_module_is_told_by_its_class(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "net.pt")
    with pytest.raises(
        UserError, match=r"net\.pt holds Python objects \(torch\.nn\.modules\.linear\.Linear\)"
    ) as refused:
        read_checkpoint(tmp_path / "net.pt")
    assert "torch.save(model.state_dict(), FILE)" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(1), "more": Harmful(tmp_path / "zip")}, tmp_path / "zip.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Harmful(tmp_path / "bare"), protocol=2))
    for name in ("zip", "bare"):
        with pytest.raises(UserError, match="tensors only"):
            read_checkpoint(tmp_path / f"{name}.pt")
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("text", ["", "version https://git-lfs", "<!DOCTYPE html>", "see the wiki\n", "home page\n"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_text_file_is_refused(tmp_path: Path, text: str, suffix: str) -> None:
    path = (tmp_path / "net").with_suffix(suffix)
    path.write_text(text)
    with pytest.raises(UserError, match="can't be read"):
        read_checkpoint(path)


@pytest.mark.parametrize("name", ["none.pt", "none.safetensors"])
def test_a_missing_file_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=name):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("content", [torch.ones(2), {}, {"lr": 0.1}, [torch.ones(1)], {"state_dict": {"a": 1}}])
def test_tensors_without_names_are_no_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(UserError, match="does not hold a state dict"):
        read_checkpoint(tmp_path / "net.pt")
