"""Strategies that stay near the source: against the papers' equations, and against full at their ends."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from builders import make_backbone, make_protocol
from safetensors.torch import load_file
from torch import nn

import tlbench
from tlbench import Look, Strategy, Train
from tlbench.contracts.batch import HEAD_INPUT, Batch
from tlbench.contracts.model import TransferModel
from tlbench.contracts.seen import Seen
from tlbench.engine.recipe import make_optimizer
from tlbench.errors import PhaseError, UserError
from tlbench.results.records import Record
from tlbench_strategies import near_source, weight_space
from tlbench_strategies.basic import full
from tlbench_strategies.rates import head_factor

SAME_AS_FULL = (
    "bss:eta=0",
    "mars:radius=1e9",
    "model-soup:rates=1",
    "last-k:k=99",
    "layer-decay:decay=1",
)
SAME_AS_FULL_UNDECAYED = ("l2-sp:alpha=0:beta=0", "delta:alpha=0:beta=0")
"""Their penalties are in place of weight decay."""
OTHERS = (
    "freeze", "l2-sp:alpha=1000", "l2-sp:alpha=10", "wise-ft:alpha=0", "wise-ft", "wise-ft:alpha=1",
    "mars:norm=l2:radius=0.01",
)  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Record, dict[str, torch.Tensor]]]:
    """lite0's real weights on 80 digits: by strategy the record, and the predictions."""
    wanted: dict[str, Any] = {
        "datasets": "digits:train=80:test=60",
        "image_size": 32,
        "epochs": 2,
        "batch_size": 16,
        "results": tmp_path_factory.mktemp("results"),
        "progress": False,
    }
    rated = [each for each in SAME_AS_FULL if each.startswith(("layer-decay", "last-k"))]
    own_rates = [each for each in ("full", *SAME_AS_FULL, *OTHERS) if each not in rated]
    runs = [
        tlbench.run(strategies=own_rates, name="own rates", **wanted),
        tlbench.run(strategies=rated, lr=full.rate("adamw", "cnn"), name="full's rate", **wanted),
    ]
    found = {}
    for folder, record in ((results.folder, record) for results in runs for record in results):
        assert record.status == "ok", record.error
        assert record.predictions is not None
        predictions = load_file(folder / "trials" / record.predictions)
        found[record.trial.cell.strategy.removeprefix("builtin/")] = (record, predictions)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("strategy", SAME_AS_FULL)
def test_at_its_end_a_strategy_is_full_bit_for_bit(
    ran: dict[str, tuple[Record, dict[str, torch.Tensor]]], strategy: str
) -> None:
    canonical = {"mars:radius=1e9": "mars:radius=1000000000"}.get(strategy, strategy)
    record, predictions = ran[canonical]
    full, expected = ran["full"]
    assert record.distance == full.distance
    assert torch.equal(predictions["loss"], expected["loss"])


@pytest.mark.slow
def test_wise_ft_goes_from_freeze_to_what_is_fine_tuned_from_there(
    ran: dict[str, tuple[Record, dict[str, torch.Tensor]]],
) -> None:
    _, frozen = ran["freeze"]  # whose rate is the probe's
    _, start = ran["wise-ft:alpha=0"]
    torch.testing.assert_close(start["loss"], frozen["loss"], rtol=1e-3, atol=1e-3)
    _, end = ran["wise-ft:alpha=1"]
    assert float(end["loss"].mean()) < float(start["loss"].mean())


@pytest.mark.slow
def test_without_their_penalties_l2_sp_and_delta_are_full_without_weight_decay_bit_for_bit(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {
        "datasets": "digits:train=80:test=60", "image_size": 32, "epochs": 1, "batch_size": 16, "results": tmp_path,
        "progress": False,
    }  # fmt: skip
    runs = [
        tlbench.run(strategies="full", weight_decay=0, name="full", **wanted),
        tlbench.run(strategies="full", weight_decay=0.5, name="decayed", **wanted),
        tlbench.run(strategies=list(SAME_AS_FULL_UNDECAYED), weight_decay=0.5, name="ends", **wanted),
    ]
    full, decayed, *ends = (
        load_file(results.folder / "trials" / str(record.predictions))["loss"] for results in runs for record in results
    )
    assert len(ends) == 2
    assert all(torch.equal(each, full) for each in ends)
    assert not torch.equal(decayed, full)


@pytest.mark.slow
def test_last_k_of_no_block_is_freeze_bit_for_bit(tmp_path: Path) -> None:
    results = tlbench.run(
        strategies="freeze,last-k:k=0", datasets="digits:train=80:test=60", image_size=32, epochs=2, batch_size=16,
        lr=3e-3,
        results=tmp_path, progress=False,
    )  # fmt: skip
    freeze, none = (load_file(results.folder / "trials" / str(record.predictions)) for record in results)
    assert torch.equal(freeze["loss"], none["loss"])


@pytest.mark.slow
def test_a_probe_goes_nowhere_and_full_goes_far(ran: dict[str, tuple[Record, dict[str, torch.Tensor]]]) -> None:
    ways = {name: record.distance.l2 for name, (record, _) in ran.items() if record.distance is not None}
    assert ways["freeze"] == ways["wise-ft:alpha=0"] == 0
    assert ways["l2-sp:alpha=1000"] < ways["l2-sp:alpha=10"] < ways["full"]
    assert ways["wise-ft"] == pytest.approx(ways["wise-ft:alpha=1"] / 2, rel=1e-4)
    distance = ran["mars:norm=l2:radius=0.01"][0].distance
    assert distance is not None and distance.l2 < ways["full"]


@pytest.mark.slow
def test_blocks_distances_are_of_the_whole(ran: dict[str, tuple[Record, dict[str, torch.Tensor]]]) -> None:
    distance = ran["full"][0].distance
    assert distance is not None
    assert sum(block.l2**2 for block in distance.blocks) == pytest.approx(distance.l2**2)
    assert all(block.relative is not None and block.relative > 0 for block in distance.blocks if block.l2)


class Tiny(nn.Module):
    """Two convolutions and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Linear(5, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.two(self.one(images).tanh()).tanh().mean((2, 3)))
        return logits


@pytest.fixture
def moved() -> tuple[TransferModel, TransferModel]:
    """A model, and a copy from before it moved."""
    torch.manual_seed(0)
    model = TransferModel(Tiny(), make_backbone("fc"))
    before = model.copy()
    return model, before


def move(model: TransferModel) -> None:
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


def last_phase(strategy: Strategy, model: TransferModel, sent: Any = None, **options: Any) -> Train:
    """A strategy's last phase; what it looks for is answered by `sent`."""
    phases = strategy.phases(model, strategy.options(**options))
    found = [next(phases)]
    while True:
        try:
            found.append(phases.send(sent))  # type: ignore[attr-defined]
        except StopIteration:
            assert isinstance(found[-1], Train)
            return found[-1]


def seen(model: TransferModel, images: torch.Tensor, phase: Train) -> Seen:
    with model.watched(phase.watch, head_input=True) as activations:
        seen = Seen(model, Batch(images, torch.arange(len(images)) % 3), model.module, F.cross_entropy, activations)
        assert len(seen.outputs) == len(images)  # the forward pass, while activations are watched
    return seen


def test_l2_sps_gradient_is_autograds_of_the_formula(moved: tuple[TransferModel, TransferModel]) -> None:
    model, before = moved
    phase = last_phase(near_source.l2_sp, model, alpha=0.3, beta=0.2)
    move(model)
    assert phase.penalty is not None
    phase.penalty(model).backward()  # type: ignore[no-untyped-call]
    old = dict(before.module.named_parameters())
    for name, parameter in model.module.named_parameters():
        expected = 0.2 * parameter if name.startswith("fc") else 0.3 * (parameter - old[name])
        torch.testing.assert_close(parameter.grad, expected.detach())


def test_delta_pulls_the_head_alone_to_0(moved: tuple[TransferModel, TransferModel]) -> None:
    model, _ = moved
    phase = last_phase(near_source.delta, model, beta=0.2)
    assert phase.penalty is not None
    phase.penalty(model).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.module.named_parameters():
        if name.startswith("fc"):
            torch.testing.assert_close(parameter.grad, 0.2 * parameter.detach())
        else:
            assert parameter.grad is None


@pytest.mark.parametrize("strategy", [near_source.l2_sp, near_source.delta], ids=lambda each: each.name)
def test_a_penalty_in_place_of_weight_decay_leaves_none(
    moved: tuple[TransferModel, TransferModel], strategy: Strategy
) -> None:
    model, _ = moved
    optimizer = make_optimizer(model, 0.1, last_phase(strategy, model), make_protocol(weight_decay=0.1))
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0}
    assert last_phase(strategy, model).penalty is not None


def test_delta_is_the_papers_sum_over_feature_maps(moved: tuple[TransferModel, TransferModel]) -> None:
    model, before = moved
    phase = last_phase(near_source.delta, model, alpha=0.05, layers=2)
    move(model)
    images = torch.randn(6, 3, 8, 8)
    found = seen(model, images, phase)
    assert phase.objective is not None
    ours = phase.objective(found)
    first, first_old = model.module.one(images), before.module.one(images)  # type: ignore[operator]
    second, second_old = model.module.two(first.tanh()), before.module.two(first_old.tanh())  # type: ignore[operator]
    expected = found.loss
    for new, old in ((first, first_old), (second, second_old)):
        for channel in range(new.shape[1]):
            expected = expected + 0.05 * ((new - old)[:, channel] ** 2).mean()
    torch.testing.assert_close(ours, expected)


def test_bss_is_the_sum_of_the_smallest_squared_singular_values(moved: tuple[TransferModel, TransferModel]) -> None:
    model, _ = moved
    phase = last_phase(near_source.bss, model, eta=0.7, k=2)
    found = seen(model, torch.randn(6, 3, 8, 8), phase)
    assert phase.objective is not None
    features = found.activations[HEAD_INPUT]
    eigenvalues = torch.linalg.eigvalsh(features.T @ features)  # ascending; the squares of the singular values
    expected = found.loss + 0.7 * eigenvalues[:2].sum()
    torch.testing.assert_close(phase.objective(found), expected, rtol=1e-4, atol=1e-5)


def test_ewc_weighs_each_parameters_way_by_its_importance(moved: tuple[TransferModel, TransferModel]) -> None:
    model, before = moved
    importance = {name: torch.rand_like(each) for name, each in model.parameters(model.body)}
    phase = last_phase(near_source.ewc, model, sent=importance, strength=4.0)
    move(model)
    assert phase.penalty is not None
    old = dict(before.module.named_parameters())
    expected = torch.zeros(())
    for name, parameter in model.parameters(model.body):
        for weight, new, start in zip(
            importance[name].flatten(), parameter.flatten(), old[name].flatten(), strict=True
        ):
            expected = expected + 4.0 / 2 * weight * (new - start) ** 2
    torch.testing.assert_close(phase.penalty(model), expected)
    assert model.notes["fisher"] == "target images"


def test_fisher_is_the_mean_square_of_each_examples_gradient(moved: tuple[TransferModel, TransferModel]) -> None:
    model, _ = moved
    images = torch.randn(5, 3, 8, 8)
    batches = [Batch(images[:3], torch.zeros(3)), Batch(images[3:], torch.zeros(2))]
    torch.manual_seed(4)
    found = near_source.fisher(model, batches, samples=4)
    torch.manual_seed(4)
    squares = torch.zeros_like(model.module.get_parameter("one.weight"))
    for image in images[:4]:
        model.module.zero_grad()
        scores = model.module(image[None])
        label = torch.multinomial(scores.detach().softmax(1), 1)[0]
        F.cross_entropy(scores, label).backward()
        gradient = model.module.get_parameter("one.weight").grad
        assert gradient is not None
        squares += gradient**2 / 4
    torch.testing.assert_close(found["one.weight"], squares)
    assert not any(name.startswith("fc") for name in found)


def save_pictures(folder: Path, number: int) -> list[np.ndarray]:
    """Random pictures, some deeper than others, in the order of their names."""
    generator = np.random.default_rng(0)
    pixels = [generator.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(number)]
    for place, each in enumerate(pixels):
        file = folder / ("deep" if place % 2 else "") / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(each).save(file)
    order = sorted(range(number), key=lambda place: folder / ("deep" if place % 2 else "") / f"{place}.png")
    return [pixels[place] for place in order]


def test_ewc_takes_the_fisher_of_the_source_model_on_the_sources_images(
    moved: tuple[TransferModel, TransferModel], tmp_path: Path
) -> None:
    model, _ = moved
    images = save_pictures(tmp_path, 5)
    published = copy.deepcopy(model.module)
    published.set_submodule("fc", nn.Linear(5, 7))
    model.published = lambda: copy.deepcopy(published).requires_grad_(False).eval()
    phases = iter(near_source.ewc.phases(model, near_source.EWC(source=tmp_path, samples=3)))
    look = next(phases)
    assert isinstance(look, Look)
    torch.manual_seed(4)
    found = look.apply(model, [Batch(torch.zeros(2, 3, 8, 8), torch.zeros(2))])

    torch.manual_seed(4)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (model.preprocessing.mean, model.preprocessing.std))
    weight = published.get_parameter("one.weight")
    squares = torch.zeros_like(weight)
    for place in (0, 2, 4):
        image = (torch.from_numpy(images[place]).permute(2, 0, 1) / 255 - mean) / std
        scores = published(image[None]).log_softmax(1)
        label = torch.multinomial(scores.detach().exp(), 1)[0]
        (gradient,) = torch.autograd.grad(-scores[0, label].sum(), weight)
        squares += gradient**2 / 3
    torch.testing.assert_close(found["one.weight"], squares, rtol=1e-4, atol=1e-7)
    assert model.notes["fisher"] == "source images"
    assert not any(name.startswith("fc") for name in found)


def test_ewc_with_source_images_runs_where_there_is_a_source_model(tmp_path: Path) -> None:
    save_pictures(tmp_path / "pictures", 4)
    wanted = {"datasets": "digits:train=40:test=20", "epochs": 1, "image_size": 32, "progress": False}
    strategies = f"ewc:samples=4:source={tmp_path / 'pictures'}"
    (record,) = tlbench.run(strategies=strategies, results=tmp_path / "one", **wanted)
    assert record.status == "ok", record.error
    assert record.notes == {"fisher": "source images"}
    with pytest.raises(UserError, match="does not start from a published model"):
        tlbench.run(strategies=strategies, results=tmp_path / "two", weights="random", **wanted)
    with pytest.raises(UserError, match="no image in it"):
        tlbench.run(strategies=f"ewc:source={tmp_path / 'nothing'}", results=tmp_path / "three", **wanted)


@pytest.mark.parametrize("norm", ["mars", "l2"])
def test_mars_pulls_back_onto_the_ball_and_leaves_what_is_inside(
    moved: tuple[TransferModel, TransferModel], norm: str
) -> None:
    model, before = moved
    phase = last_phase(weight_space.mars, model, radius=0.5, norm=norm)
    move(model)
    old, far = dict(before.module.named_parameters()), {n: p.clone() for n, p in model.module.named_parameters()}
    assert phase.after_step is not None
    phase.after_step(model)
    for name, parameter in model.module.named_parameters():
        way, was = (parameter - old[name]).flatten(1 if parameter.ndim > 1 else 0), far[name] - old[name]
        if name.endswith("weight") and not name.startswith("fc"):
            size = way.norm() if norm == "l2" else way.abs().sum(1).max()
            assert size.item() == pytest.approx(0.5, rel=1e-4)
            along = F.cosine_similarity(way.flatten(), was.flatten(), dim=0)
            assert along.item() == pytest.approx(1, abs=1e-5)
        else:
            assert torch.equal(parameter, far[name])
    at_ease = {name: parameter.clone() for name, parameter in model.module.named_parameters()}
    last_phase(weight_space.mars, before, radius=1e6, norm=norm).after_step(model)  # type: ignore[misc]
    assert all(torch.equal(parameter, at_ease[name]) for name, parameter in model.module.named_parameters())


@pytest.mark.parametrize(("recipe", "kept"), [("greedy", [1, 2]), ("uniform", [0, 1, 2])])
def test_a_greedy_soup_keeps_what_does_not_harm_val(recipe: str, kept: list[int]) -> None:
    """Three models of which the second is best; the third helps it, the first does not."""
    torch.manual_seed(0)
    model = TransferModel(Tiny(), make_backbone("fc"))
    start = model.snapshot()
    phases = weight_space.model_soup.phases(model, weight_space.Soup(recipe=recipe))  # type: ignore[arg-type]
    scores = iter([0.5, 0.8, 0.7, 0.85, 0.6])  # of the three; then with the third, then with the first
    trained: list[float] = []
    answer: Any = None
    while True:
        try:
            phase = phases.send(answer)  # type: ignore[attr-defined]
        except StopIteration:
            break
        answer = None
        if isinstance(phase, tlbench.Rewrite):
            phase.apply(model)
        elif isinstance(phase, Train):
            assert all(torch.equal(each, start[name]) for name, each in model.snapshot().items())
            trained.append(phase.lr)
            with torch.no_grad():
                model.module.get_parameter("fc.bias").fill_(float(len(trained) - 1))
        else:
            answer = SimpleNamespace(merit=(next(scores), 0.0))
    assert trained == [0.3, 1.0, 3.0]
    assert model.module.get_parameter("fc.bias")[0].item() == pytest.approx(sum(kept) / len(kept))
    assert model.notes["soup_members"] == len(kept)


def test_lwfs_old_loss_is_the_papers(moved: tuple[TransferModel, TransferModel]) -> None:
    """Equations 2 and 3: outputs to the power of 1/T, normalised, and the cross-entropy between them."""
    torch.manual_seed(0)
    now, before = torch.randn(5, 7), torch.randn(5, 7)
    ours, theirs = now.softmax(1) ** (1 / 2), before.softmax(1) ** (1 / 2)
    ours, theirs = ours / ours.sum(1, keepdim=True), theirs / theirs.sum(1, keepdim=True)
    expected = -(theirs * ours.log()).sum(1).mean()
    torch.testing.assert_close(near_source.old_loss(now, before, 2.0), expected)


def test_lwf_keeps_the_old_head_beside_the_new_one_while_it_trains(moved: tuple[TransferModel, TransferModel]) -> None:
    model, _ = moved
    torch.manual_seed(3)
    source = Tiny()
    source.fc = nn.Linear(5, 9)
    model.published = lambda: source
    phases = near_source.lwf.phases(model, near_source.LwF(strength=0.5))
    names = set(model.module.state_dict())
    assert next(phases) == Train(model.head, epochs=0.2, lr=head_factor(model))
    joint = next(phases)
    assert isinstance(joint, Train) and joint.objective is not None
    trained = {name for name, _ in model.parameters(joint.part)}
    assert trained - names == {"old_head.weight", "old_head.bias"}
    images = torch.randn(6, 3, 8, 8)
    found = seen(model, images, joint)
    old = model.module.get_submodule("old_head")(found.features)
    expected = found.loss + 0.5 * near_source.old_loss(old, source(images), 2.0)
    torch.testing.assert_close(joint.objective(found), expected)
    assert next(phases, None) is None
    model.detach()  # as the engine does in the end
    assert set(model.module.state_dict()) == names


def test_without_published_weights_lwf_has_nothing_to_keep(moved: tuple[TransferModel, TransferModel]) -> None:
    model, _ = moved
    with pytest.raises(PhaseError, match="random weights"):
        next(near_source.lwf.phases(model, near_source.LwF()))
    assert near_source.lwf.serves is not None
    assert "no old outputs to keep" in str(near_source.lwf.serves(model, near_source.LwF()))
