"""Checkpoints read without running what is in them, bodies loaded, tensors identified."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tlbench.engine.weights import digest, load_body, read_checkpoint
from tlbench.errors import UserError

HEAD = ("fc",)


class Net(nn.Module):
    """A body with BatchNorm and a head."""

    def __init__(self, classes: int = 3, width: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, classes)


def net(seed: int = 0, classes: int = 3, width: int = 4) -> Net:
    torch.manual_seed(seed)
    return Net(classes, width)


class Harmful:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_safetensors(tmp_path: Path) -> None:
    state = net().state_dict()
    save_file(state, tmp_path / "net.safetensors")
    assert same(read_checkpoint(tmp_path / "net.safetensors"), state)


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state, "epoch": 3}])
def test_a_state_dict_plain_or_wrapped(tmp_path: Path, wrap: object) -> None:
    state = net().state_dict()
    torch.save(wrap(state), tmp_path / "net.pt")  # type: ignore[operator]
    assert same(read_checkpoint(tmp_path / "net.pt"), dict(state))


def test_a_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(net(), tmp_path / "net.pt")
    with pytest.raises(UserError, match=r"net\.pt can't be read"):
        read_checkpoint(tmp_path / "net.pt")


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


@pytest.mark.parametrize("content", [torch.ones(2), {}, {"lr": 0.1}, [torch.ones(1)]])
def test_tensors_without_names_are_no_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(UserError, match="does not hold a state dict"):
        read_checkpoint(tmp_path / "net.pt")


def test_load_body_takes_all_of_a_model_of_the_same_classes() -> None:
    module, source = net(0), net(1)
    load_body(module, source.state_dict(), HEAD, "net.pt")
    assert same(module.state_dict(), source.state_dict())


def test_load_body_leaves_a_head_of_another_shape() -> None:
    module, source = net(0), net(1, classes=7)
    head = module.fc.weight.clone()
    load_body(module, source.state_dict(), HEAD, "net.pt")
    assert torch.equal(module.conv.weight, source.conv.weight)
    assert torch.equal(module.fc.weight, head)


def test_load_body_does_without_a_head() -> None:
    module, source = net(0), net(1)
    body = {name: tensor for name, tensor in source.state_dict().items() if not name.startswith("fc.")}
    load_body(module, body, HEAD, "net.pt")
    assert torch.equal(module.conv.weight, source.conv.weight)


def test_load_body_names_what_does_not_fit_and_changes_nothing() -> None:
    module = net()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = net(1).state_dict()
    missing = {name: tensor for name, tensor in state.items() if name != "norm.bias"}
    for wrong, named in (
        (missing, "norm.bias"),
        (state | {"extra.weight": torch.ones(1)}, "extra.weight"),
        (state | {"conv.bias": torch.ones(9)}, "conv.bias"),
    ):
        with pytest.raises(UserError, match=rf"net\.pt don't fit the backbone: {named}$"):
            load_body(module, wrong, HEAD, "net.pt")
    assert same(before, module.state_dict())


def test_load_body_names_three_and_counts_the_rest() -> None:
    with pytest.raises(UserError, match=r"conv\.weight, conv\.bias, norm\.weight and 3 more"):
        load_body(net(), net(1, width=5).state_dict(), HEAD, "net.pt")


def test_digest_is_equal_for_equal_tensors_in_any_memory_format() -> None:
    again = net().to(memory_format=torch.channels_last)
    assert digest(net(), HEAD) == digest(again, HEAD) != digest(net(1), HEAD)


def test_digest_tells_one_flipped_bit() -> None:
    module = net()
    before = digest(module, HEAD)
    with torch.no_grad():
        module.conv.weight.view(torch.int32)[1, 2, 0, 0] ^= 1
    assert digest(module, HEAD) != before


def test_digest_sees_buffers_and_not_the_head() -> None:
    module = net()
    before = digest(module, HEAD)
    with torch.no_grad():
        module.fc.weight.add_(1)
    assert digest(module, HEAD) == before
    module.norm.running_mean.add_(1)
    assert digest(module, HEAD) != before
