"""torch.compile: the same steps up to rounding, only where it pays, and never at the cost of the trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from builders import make_backbone, make_images, make_protocol, make_setting
from torch import nn

from tlbench.contracts.model import TransferModel
from tlbench.contracts.phases import Train
from tlbench.engine import compilation
from tlbench.engine.compilation import FullBatches, compiled, keep_compilations
from tlbench.engine.feed import Feed
from tlbench.engine.loop import prepare_phase, train
from tlbench.events import EpochDone, Event
from tlbench.plan import CompilePolicy
from tlbench.results.costs import CompileRecord


class Small(nn.Module):
    """Something that compiles in seconds, with statistics that a pass changes."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.norm, self.fc = nn.Linear(3, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.norm(self.body(images.mean((2, 3)))).relu())
        return logits


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
    keep_compilations()


def small() -> TransferModel:
    torch.manual_seed(0)
    return TransferModel(Small(), make_backbone("fc"))


def compile_feed(
    model: TransferModel, folder: Path, policy: CompilePolicy, steps: int = 10, **protocol: Any
) -> tuple[Feed, CompileRecord]:
    phase = Train(model.everything)
    prepare_phase(model, phase)
    feed = Feed(make_images(folder, 18), model.module)
    return compiled(model, phase, feed, make_setting(make_protocol(compile=policy, **protocol)), steps)


@pytest.mark.slow
def test_compiled_training_is_training_up_to_rounding(tmp_path: Path) -> None:
    ours, theirs = small(), small()
    before = {name: tensor.clone() for name, tensor in ours.module.state_dict().items()}
    feed, record = compile_feed(ours, tmp_path, "on")
    assert record.used
    assert isinstance(feed.forward, FullBatches)
    assert record.seconds and record.eager_step_ms and record.compiled_step_ms
    assert record.seconds == record.cold_seconds
    after = ours.module.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())  # statistics too
    assert all(parameter.grad is None for parameter in ours.module.parameters())

    phase = Train(theirs.everything)
    prepare_phase(theirs, phase)
    losses: list[list[float]] = []
    for model, forward in ((ours, feed), (theirs, Feed(feed.source, theirs.module))):
        events: list[Event] = []
        setting = make_setting(
            make_protocol(epochs=3),
            learning_rate=1e-2,
            order=torch.Generator().manual_seed(1),
            report=events.append,
        )
        train(model, phase, 0, setting, forward)  # batches of 4, and a last one of 2
        losses.append([event.train_loss for event in events if isinstance(event, EpochDone)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][2] < losses[0][0]
    assert (tmp_path / "cache" / "compile" / "inductor").is_dir()

    again = compile_feed(small(), tmp_path, "on")[1]  # what it took at first is remembered
    assert again.used
    assert again.cold_seconds == record.cold_seconds


@pytest.mark.parametrize(
    ("eager_ms", "compiled_ms", "cold", "warm", "steps", "used"),
    [
        (10.0, 5.0, 40.0, 3.0, 1000, True),  # 5 s saved for 3
        (10.0, 5.0, 40.0, 3.0, 500, False),  # 2.5 s for 3
        (10.0, 5.0, 40.0, None, 1000, False),  # 5 s for 40: it was never compiled from what is kept
        (10.0, 12.0, 40.0, 3.0, 10**6, False),
    ],
)
def test_auto_compiles_where_what_is_known_repays_it(
    eager_ms: float, compiled_ms: float, cold: float, warm: float | None, steps: int, used: bool
) -> None:
    known = compilation.Known(
        cold_seconds=cold, warm_seconds=warm, eager_step_ms=eager_ms, compiled_step_ms=compiled_ms
    )
    reason = compilation._not_worth_it(known, eager_ms, steps)
    assert (reason is None) is used
    assert used or f"{steps} steps don't repay" in str(reason)


def test_auto_risks_a_first_compilation_only_for_many_steps(tmp_path: Path) -> None:
    assert compilation._not_worth_it(None, 200.0, 2251) is None  # 450 s, of which a gain of 1.25 saves 90: 1.5 × 60
    assert "hardly repay" in str(compilation._not_worth_it(None, 200.0, 2249))
    feed, record = compile_feed(small(), tmp_path, "auto")
    assert not record.used
    assert not isinstance(feed.forward, FullBatches)
    assert record.eager_step_ms


@pytest.mark.slow
def test_what_compiles_but_gains_nothing_runs_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = compilation._step_ms

    def slower(model: Any, phase: Any, feed: Feed, *rest: Any) -> list[float]:
        return [each + 1e3 * isinstance(feed.forward, FullBatches) for each in real(model, phase, feed, *rest)]

    monkeypatch.setattr(compilation, "_step_ms", slower)
    feed, record = compile_feed(small(), tmp_path, "auto", steps=10**9)
    assert not record.used
    assert not isinstance(feed.forward, FullBatches)
    assert "compiled, a step takes" in str(record.reason)
    assert "known from before" in str(compile_feed(small(), tmp_path, "auto", steps=10**9)[1].reason)


def test_what_can_not_be_compiled_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: FullBatches, inputs: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no C++ compiler\nmore of it")

    monkeypatch.setattr(FullBatches, "forward", fails)
    feed, record = compile_feed(small(), tmp_path, "on")
    assert not isinstance(feed.forward, FullBatches)
    assert record.reason == "it can't be compiled: RuntimeError: no C++ compiler"
