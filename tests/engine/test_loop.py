"""The training loop against closed formulas and a loop written by hand."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from builders import make_backbone, make_images, make_protocol, make_setting
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.contracts.part import Part
from tlbench.contracts.phases import Train
from tlbench.data.batches import Images, epoch_order
from tlbench.engine.feed import Feed
from tlbench.engine.loop import Trained, prepare_phase, train
from tlbench.engine.recipe import rate_factor
from tlbench.errors import Diverged, PhaseError
from tlbench.events import EpochDone, Event, StepDone


class Tiny(nn.Module):
    """A convolution, BatchNorm, a head, and a parameter that the output does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.aside = nn.PReLU(init=0.0)
        self.fc = nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.norm(self.conv(images)).relu().mean((2, 3))
        logits: torch.Tensor = self.fc(features)
        return logits


def tiny(seed: int = 0) -> TransferModel:
    torch.manual_seed(seed)
    return TransferModel(Tiny().to(memory_format=torch.channels_last), make_backbone("fc"))


def aside(model: TransferModel) -> torch.Tensor:
    return model.module.get_parameter("aside.weight")


def run(
    model: TransferModel,
    phase: Train,
    images: Images,
    lr: float = 1e-3,
    events: list[Event] | None = None,
    most_steps: int | None = None,
    **protocol: object,
) -> Trained:
    setting = make_setting(
        make_protocol(**protocol),
        learning_rate=lr,
        order=torch.Generator().manual_seed(5),
        report=([] if events is None else events).append,
        most_steps=most_steps,
    )
    prepare_phase(model, phase)
    return train(model, phase, 0, setting, Feed(images, model.module))


@pytest.mark.parametrize(
    ("number", "epochs", "fraction", "steps"),
    [(16, 3, 1.0, 12), (16, 3, 0.5, 6), (18, 2, 1.0, 10), (17, 2, 1.0, 8), (16, 1, 0.01, 1), (16, 2, 1.25, 10)],
)
def test_steps_are_epochs_times_steps_per_epoch(
    tmp_path: Path, number: int, epochs: int, fraction: float, steps: int
) -> None:
    events: list[Event] = []
    model = tiny()
    run(model, Train(model.head, epochs=fraction), make_images(tmp_path, number), events=events, epochs=epochs)
    done = [event for event in events if isinstance(event, StepDone)]
    assert [event.step for event in done] == list(range(1, steps + 1))
    assert {event.steps for event in done} == {steps}
    ended = [event.epoch for event in events if isinstance(event, EpochDone)]
    assert ended == sorted({event.epoch for event in done})


def test_rate_falls_along_a_cosine(tmp_path: Path) -> None:
    """On a gradient that is always 1, Adam moves a parameter by just the rate."""
    seen: list[float] = []

    def penalty(model: TransferModel) -> torch.Tensor:
        seen.append(aside(model).item())
        return aside(model).sum()

    model = tiny()
    phase = Train(Part(frozenset({"aside"})), epochs=2.5, lr=0.5, penalty=penalty)
    run(model, phase, make_images(tmp_path, 16), lr=0.02)
    seen.append(aside(model).item())
    steps = 20
    rates = [0.02 * 0.5 * (1 + math.cos(math.pi * step / steps)) / 2 for step in range(steps)]
    moved = [before - after for before, after in pairwise(seen)]
    assert moved == pytest.approx(rates, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize(
    ("steps", "share", "expected"),
    [
        (4, 0.0, [1.0, 0.5 + 2**0.5 / 4, 0.5, 0.5 - 2**0.5 / 4]),
        (6, 1 / 3, [1 / 3, 2 / 3, 1.0, 0.5 + 2**0.5 / 4, 0.5, 0.5 - 2**0.5 / 4]),
        (1, 0.1, [1.0]),
    ],
)
def test_rates_rise_along_a_line_and_fall_along_a_cosine(steps: int, share: float, expected: list[float]) -> None:
    protocol = make_protocol(warmup=share)
    assert [rate_factor(step, steps, protocol) for step in range(steps)] == pytest.approx(expected)


@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_training_is_adamw_written_by_hand(tmp_path: Path, clip: float) -> None:
    images = make_images(tmp_path, 18)
    ours, theirs = tiny(), tiny()
    run(ours, Train(ours.everything), images, lr=0.01, epochs=1, gradient_clip=clip)

    module = theirs.module.train()
    matrices = [each for each in module.parameters() if each.ndim > 1]
    vectors = [each for each in module.parameters() if each.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.01, fused=True)
    batches = epoch_order(18, 4, torch.Generator().manual_seed(5))
    for step, chosen in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * 0.5 * (1 + math.cos(math.pi * step / len(batches)))
        batch = images.batch(chosen)
        optimizer.zero_grad()
        F.cross_entropy(module(batch.images), batch.labels).backward()
        if clip:
            norm = torch.stack([each.grad.norm() for each in module.parameters() if each.grad is not None]).norm()
            for each in module.parameters():
                if each.grad is not None:
                    each.grad *= min(1.0, clip / (float(norm) + 1e-6))
        optimizer.step()

    for (name, mine), hand in zip(ours.module.state_dict().items(), module.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, hand, rtol=0, atol=0 if not clip else 1e-6, msg=name)
    assert not torch.equal(ours.module.get_parameter("conv.weight"), tiny().module.get_parameter("conv.weight"))


def test_loss_is_the_mean_over_images_of_the_last_epoch(tmp_path: Path) -> None:
    images = make_images(tmp_path, 10)
    model = tiny()
    loss = run(model, Train(model.head), images, lr=0.0).loss
    everything = images.batch(torch.arange(10))
    with torch.no_grad():
        expected = F.cross_entropy(model.module.eval()(everything.images), everything.labels)
    assert loss == pytest.approx(float(expected), rel=1e-5)


def test_penalty_is_added_to_the_loss_and_to_the_gradient(tmp_path: Path) -> None:
    images = make_images(tmp_path, 12)
    bare, penalised = tiny(), tiny()
    part = bare.head | Part(frozenset({"aside"}))
    plain_loss = run(bare, Train(part), images, lr=0.0).loss
    loss = run(penalised, Train(part, penalty=lambda model: 2 + aside(model).sum()), images, lr=0.0).loss
    assert loss == pytest.approx(plain_loss + 2, rel=1e-6)
    run(penalised, Train(part, penalty=lambda model: aside(model).sum()), images, lr=0.01)
    assert aside(penalised).item() < 0 == aside(bare).item()


def test_what_is_frozen_does_not_move_by_a_bit(tmp_path: Path) -> None:
    model = tiny()
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    run(model, Train(model.head), make_images(tmp_path, 16), lr=0.1)
    moved = {name for name, tensor in model.module.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"fc.weight", "fc.bias"}


def test_batchnorm_follows_the_data_where_it_is_trained(tmp_path: Path) -> None:
    model = tiny()
    run(model, Train(model.everything), make_images(tmp_path, 16), epochs=1)
    assert model.module.get_buffer("norm.num_batches_tracked").item() == 4
    assert model.module.get_buffer("norm.running_mean").abs().sum() > 0


@pytest.mark.parametrize("bad_step", [1, 3, 6])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_found_at_its_step(tmp_path: Path, bad: float, bad_step: int) -> None:
    calls: list[int] = []

    def penalty(model: TransferModel) -> torch.Tensor:
        calls.append(1)
        return torch.tensor(bad if len(calls) == bad_step else 0.0)

    model = tiny()
    with pytest.raises(Diverged, match=f"became {bad} at step {bad_step}") as raised:
        run(model, Train(model.head, penalty=penalty), make_images(tmp_path, 16))
    assert raised.value.step == bad_step


@pytest.mark.parametrize("paths", [frozenset[str](), frozenset({""})])
def test_a_part_without_parameters_is_an_error(tmp_path: Path, paths: frozenset[str]) -> None:
    with pytest.raises(PhaseError, match="without parameters"):
        run(tiny(), Train(Part(paths)), make_images(tmp_path, 8))


def test_every_step_is_logged_with_its_images(tmp_path: Path) -> None:
    model = tiny()
    trained = run(model, Train(model.head), make_images(tmp_path, 17), epochs=2)
    assert trained.steps.images == [4, 4, 4, 5] * 2
    assert len(trained.steps.steps) == 8
    assert all(step.seconds > 0 and step.parts == {} for step in trained.steps.steps)


def test_adamw_keeps_two_moments_and_a_step_count_for_each_parameter(tmp_path: Path) -> None:
    model = tiny()
    trained = run(model, Train(model.head), make_images(tmp_path, 8), epochs=1)
    assert trained.optimizer_bytes == 4 * (2 * (4 * 3 + 3) + 2)


def test_a_rehearsal_ends_after_some_steps(tmp_path: Path) -> None:
    model = tiny()
    assert len(run(model, Train(model.head), make_images(tmp_path, 40), most_steps=2).steps.steps) == 2


def test_a_phase_ends_where_the_caller_wants(tmp_path: Path) -> None:
    model = tiny()
    setting = make_setting(make_protocol(epochs=9))
    seen: list[int] = []

    def after_epoch(epoch: int, loss: float) -> bool:
        assert math.isfinite(loss)
        seen.append(epoch)
        return epoch == 3

    phase = Train(model.head)
    prepare_phase(model, phase)
    train(model, phase, 0, setting, Feed(make_images(tmp_path, 8), model.module), after_epoch)
    assert seen == [1, 2, 3]


def test_bf16_computes_in_bf16_and_keeps_the_parameters_in_fp32(tmp_path: Path) -> None:
    images = make_images(tmp_path, 16)
    exact, rounded = tiny(), tiny()
    run(exact, Train(exact.everything), images)
    run(rounded, Train(rounded.everything), images, precision="bf16")
    weight = rounded.module.get_parameter("conv.weight")
    assert weight.dtype == torch.float32
    assert not torch.equal(weight, exact.module.get_parameter("conv.weight"))
    torch.testing.assert_close(weight, exact.module.get_parameter("conv.weight"), rtol=0.1, atol=0.02)
