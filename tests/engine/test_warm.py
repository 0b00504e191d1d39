"""A batch predicted before anything is timed leaves no trace."""

from __future__ import annotations

from pathlib import Path

import torch
from builders import Small, make_images, make_protocol

from tlbench.engine.warm import warm_up


def test_nothing_of_the_model_or_of_chance_changes(tmp_path: Path) -> None:
    module, images = Small().train(), make_images(tmp_path, 12)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    chance = torch.get_rng_state()
    passes: list[tuple[bool, int]] = []
    module.register_forward_hook(lambda module, inputs, _output: passes.append((module.training, len(inputs[0]))))
    warm_up(module, images, make_protocol(batch_size=8), torch.device("cpu"))
    assert passes == [(False, 8)]
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), chance)
