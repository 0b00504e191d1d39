"""Training on features is training on images: the same losses, step for step, and the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import PLAIN, make_images, make_protocol, make_setting

from tlbench.cache import StageCache
from tlbench.contracts.model import TransferModel
from tlbench.contracts.part import Part
from tlbench.contracts.phases import Train
from tlbench.engine import features
from tlbench.engine.features import FeatureInputs, feed
from tlbench.engine.loop import Trained, prepare_phase, train
from tlbench.events import EpochDone, Event
from tlbench.measure.memory import PeakMemory
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins
from tlbench.results.costs import FeaturesRecord

CPU = torch.device("cpu")


def lite0() -> TransferModel:
    torch.manual_seed(0)
    backbone = Registry.of(load_plugins()).backbones.resolve("packaged/efficientnet_lite0").load()
    module = backbone.build(3, image_size=8, pretrained=True).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TransferModel(module, backbone)


def last(model: TransferModel, layers: int) -> Part:
    """The head and so many of the layers before it, of the last convolution and its BatchNorm."""
    neck = model.layout[-1].neck
    return model.head | model.below(neck[len(neck) - layers :])


def source_of(folder: Path, **protocol: Any) -> FeatureInputs:
    return FeatureInputs(
        make_images(folder, 18), "digest", "train", PLAIN, make_protocol(epochs=3, **protocol), CPU, PeakMemory(CPU)
    )


def trained(
    model: TransferModel, phase: Train, source: FeatureInputs, cache: StageCache | None
) -> tuple[list[float], Trained, FeaturesRecord]:
    prepare_phase(model, phase)
    fed, record = feed(model, phase, source, cache)
    events: list[Event] = []
    setting = make_setting(source.protocol, order=torch.Generator().manual_seed(3), report=events.append)
    torch.manual_seed(1)
    done = train(model, phase, 0, setting, fed)
    return [event.train_loss for event in events if isinstance(event, EpochDone)], done, record


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_cached_and_uncached_training_agree_step_for_step(tmp_path: Path, layers: int, precision: str) -> None:
    source = source_of(tmp_path, batch_size=18, precision=precision)  # an epoch is a step
    cached, uncached = lite0(), lite0()
    losses, _, record = trained(cached, Train(last(cached, layers)), source, StageCache(tmp_path))
    expected, _, computed = trained(uncached, Train(last(uncached, layers)), source, None)
    assert (record.used, computed.used) == (True, False)
    tolerance = 1e-5 if precision == "fp32" else 0.02
    assert losses[0] == pytest.approx(expected[0], rel=tolerance)
    assert losses == pytest.approx(expected, rel=50 * tolerance if precision == "fp32" else 0.05)
    if precision == "fp32":  # AdamW makes a whole step of a gradient that is nothing but rounding
        weights = uncached.module.state_dict()
        for name, tensor in cached.module.state_dict().items():
            moved = (tensor - weights[name]).double().abs()
            assert float((moved > 2e-4 + 1e-3 * weights[name].abs()).double().mean()) < 0.002, name


@pytest.mark.slow
def test_features_are_shared_where_all_that_makes_them_is_equal(tmp_path: Path) -> None:
    cache, source = StageCache(tmp_path), source_of(tmp_path)

    def reused(**changes: Any) -> bool | None:
        model = changes.pop("model", None) or lite0()
        return trained(model, Train(model.head), replace(source, **changes), cache)[2].reused

    assert reused() is False
    assert reused() is True
    assert reused(dataset_digest="other") is False
    assert reused(split="val") is False
    assert reused(preprocessing=replace(PLAIN, mean=(0.1, 0.1, 0.1))) is False
    assert reused(protocol=make_protocol(epochs=9, batch_size=7)) is True  # neither is in the features
    assert reused(protocol=make_protocol(precision="bf16")) is False
    moved = lite0()
    moved.module.get_parameter("conv_stem.weight").data[0, 0, 0, 0] += 1e-3
    assert reused(model=moved) is False
    bolder = lite0()
    bolder.module.get_parameter("classifier.weight").data += 1  # behind the cut
    assert reused(model=bolder) is True


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        (lambda m: Train(m.everything), "nothing is frozen"),
        (lambda m: Train(m.head, epochs=0.1), "the phase sees no image twice"),
        (lambda m: Train(m.head, penalty=lambda _m: torch.zeros(())), "what is minimised may look at the frozen part"),
        (lambda m: Train(m.head, after_step=lambda _m: None), "what the phase does after a step may change"),
        (lambda m: Train(m.head, moves=m.body), "what the phase does after a step may change"),
        (lambda m: Train(m.head, watch=("conv_stem",)), "what is minimised may look at the frozen part"),
        (lambda m: Train(m.head | m.blocks[0]), "nothing is frozen before|tensors lead"),
    ],
)
def test_what_is_not_cached_says_why(tmp_path: Path, phase: Any, reason: str) -> None:
    model = lite0()
    record = trained(model, phase(model), source_of(tmp_path), StageCache(tmp_path))[2]
    assert record.used is False
    assert any(each in str(record.reason) for each in reason.split("|"))
    assert StageCache(tmp_path).entries() == []


def test_a_cache_that_is_too_small_or_can_not_be_written_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, source = lite0(), source_of(tmp_path)
    (tmp_path / "stages").write_text("a file, where a folder should be")
    record = trained(model, Train(model.head), source, StageCache(tmp_path))[2]
    assert not record.used
    assert "can't be written" in str(record.reason)
    monkeypatch.setenv("TLBENCH_CACHE_LIMIT", "1k")
    record = trained(model, Train(model.head), source, StageCache(tmp_path / "other"))[2]
    assert not record.used
    assert "more than the cache may hold" in str(record.reason)


def test_kept_features_of_another_model_are_not_taken_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_key", lambda pieces, source: {"key": "the same for all models"})
    monkeypatch.setattr(features, "_compared", set())
    cache, source = StageCache(tmp_path), source_of(tmp_path)

    def reused(model: TransferModel) -> bool | None:
        return trained(model, Train(model.head), source, cache)[2].reused

    other = lite0()
    other.module.get_parameter("conv_stem.weight").data.mul_(1.1)
    assert [reused(lite0()), reused(other), reused(lite0())] == [False, False, True]
    features._compared.clear()  # as in another process
    assert [reused(other), reused(lite0())] == [True, True]


def test_the_record_says_what_computing_took_of_memory_however_it_was_had(tmp_path: Path) -> None:
    cache, source = StageCache(tmp_path), source_of(tmp_path)
    model = lite0()
    first, second = (trained(model, Train(model.head), source, cache)[2] for _ in range(2))
    assert (first.reused, second.reused) == (False, True)
    assert first.peak_memory_bytes is not None and first.peak_memory_bytes == second.peak_memory_bytes


def test_dropout_behind_the_cut_is_drawn_in_each_step_as_without_features(tmp_path: Path) -> None:
    """timm's networks drop features by a function in their own forward, which was once kept with the features."""
    losses = []
    for cache in (StageCache(tmp_path), None):
        model = lite0()
        model.module.drop_rate = 0.5
        found, _, record = trained(model, Train(model.head), source_of(tmp_path), cache)
        assert record.used is (cache is not None)
        losses.append(found)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    plain = lite0()
    assert trained(plain, Train(plain.head), source_of(tmp_path), None)[0] != pytest.approx(losses[0], rel=1e-4)
