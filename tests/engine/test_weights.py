"""Bodies are loaded where all of their tensors fit and are numbers; tensors are identified."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tlbench.engine.weights import digest, load_body, load_file_into
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


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


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


def test_load_body_does_without_a_head_and_without_counts_of_batches() -> None:
    module, source = net(0), net(1)
    body = {
        name: tensor
        for name, tensor in source.state_dict().items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }
    load_body(module, body, HEAD, "net.pt")
    assert torch.equal(module.conv.weight, source.conv.weight)


def test_load_body_says_what_does_not_fit_and_changes_nothing() -> None:
    module = net()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = net(1).state_dict()
    missing = {name: tensor for name, tensor in state.items() if name != "norm.bias"}
    for wrong, said in (
        (missing, "missing: norm.bias"),
        (state | {"extra.weight": torch.ones(1)}, "left over: extra.weight"),
        (state | {"conv.bias": torch.ones(9)}, r"of another shape: conv.bias \(9, not 4\)"),
    ):
        with pytest.raises(UserError, match=rf"net\.pt don't fit the backbone; {said}$"):
            load_body(module, wrong, HEAD, "net.pt")
    assert same(before, module.state_dict())


def test_many_tensors_that_do_not_fit_are_told_by_module() -> None:
    state = {f"layer1.{place}.weight": torch.ones(1) for place in range(30)} | {"stem.bias": torch.ones(1)}
    with pytest.raises(UserError, match=r"left over: layer1 \(30 tensors\), stem \(1 tensor\)"):
        load_body(net(), net().state_dict() | state, HEAD, "net.pt")
    with pytest.raises(UserError, match=r"missing: norm \(4 tensors\), conv \(2 tensors\); left over: stem\.bias"):
        load_body(net(), {"stem.bias": torch.ones(1)}, HEAD, "net.pt")


def test_values_that_are_no_numbers_are_found(tmp_path: Path) -> None:
    state = net().state_dict()
    state["conv.weight"][0, 0, 0, 0] = torch.nan
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(UserError, match=r"has values that are infinite or not a number: conv\.weight"):
        load_file_into(net(), tmp_path / "net.pt", HEAD)


def test_a_conversion_comes_before_the_judgement(tmp_path: Path) -> None:
    source = net(1)
    torch.save({f"old.{name}": tensor for name, tensor in source.state_dict().items()}, tmp_path / "net.pt")
    module = net(0)
    load_file_into(
        module,
        tmp_path / "net.pt",
        HEAD,
        lambda state: {name.removeprefix("old."): each for name, each in state.items()},
    )
    assert same(module.state_dict(), source.state_dict())


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
