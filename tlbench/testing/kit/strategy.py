"""Checks of strategies: carried out in this process on a tiny model and tiny images."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.phases import Look, Train
from tlbench.contracts.strategy import Strategy
from tlbench.engine.precision import FORMATS
from tlbench.errors import PhaseError, TestSplitShut, UserError
from tlbench.plan.cells import another_without_numbers, without_numbers
from tlbench.plan.choices import OPTIMIZERS
from tlbench.saved.document import read_document
from tlbench.saved.rebuild import rebuilt
from tlbench.temporary import temporary_folder
from tlbench.testing.kit.checks import Failed, NotApplicable, check
from tlbench.testing.kit.ground import Ground, grounds, starts_from
from tlbench.testing.kit.runner import Trained, outside, same, trained
from tlbench.testing.kit.subject import Subject
from tlbench.testing.kit.tiny import SIZE, tiny_cnn, tiny_transformer
from tlbench.words import counted, listed

EPOCHS = 2
CHANGED = "changed what it does not train"
HEAD_ONLY = "states head_only"
"""What the engine says of a strategy that breaks its word."""
NAMED = 3
SAME_OUTPUTS = 1e-5
CLOSE = 1e-6


@dataclass(frozen=True)
class Tried:
    """What came of carrying a strategy out: what it left, or what was raised; and what its saved model says."""

    trained: Trained | None
    error: Exception | None = None
    ground: Ground | None = None
    rebuilt_outputs: torch.Tensor | None = None
    not_saved: str | None = None


def _answers(subject: Subject) -> Mapping[str, object]:
    """What a strategy says of the tiny models, by what they are: None where it can adapt one."""
    strategy: Strategy = subject.made()
    found: dict[str, object] = {}
    for name, backbone in _models().items():
        model = without_numbers(backbone, starts_from(strategy, backbone), SIZE)
        if model is not None:
            model.another = partial(another_without_numbers, subject.registry, len(backbone.preprocessing.mean), SIZE)
        answer = strategy.serves(model, subject.component.options) if strategy.serves and model is not None else None
        found[name] = answer
    return found


def _models() -> dict[str, Backbone]:
    return {"a small residual network": tiny_cnn(), "a small vision transformer": tiny_transformer()}


def _ground(subject: Subject) -> Ground:
    """A tiny model that the strategy can adapt, or its own, and tiny images of a task that it serves."""
    strategy: Strategy = subject.made()
    model: Backbone | None = None
    if strategy.backbone is None:
        try:
            answers = subject.once(_answers)
        except Exception as error:
            raise NotApplicable("serves raises an exception") from error
        served = [name for name, answer in answers.items() if answer is None]
        if not served:
            raise NotApplicable(f"it can adapt none of the kit's models: {listed([*map(str, answers.values())])}")
        model = _models()[served[0]]
    try:
        return grounds(subject.registry, subject.component, backbone=model)
    except UserError as error:
        raise NotApplicable(str(error)) from error


def _first(subject: Subject) -> Tried:
    """The strategy carried out once, its model saved and built again."""
    ground = _ground(subject)
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder:
        try:
            found = trained(ground, EPOCHS, save=Path(folder))
        except Exception as error:  # of the plugin, or of the engine that refuses what it yields
            return Tried(None, error)
        place = ground.model_folder(Path(folder))
        if place is None:
            return Tried(found, None, ground, None, str(found.model.notes.get("model")))
        model = rebuilt(place, read_document(place), ground.registry)
        module = model.module.to(memory_format=FORMATS["channels_last"])
        with torch.inference_mode():
            outputs = module(found.images).float()
        return Tried(found, None, ground, outputs)


def _trained(subject: Subject) -> Trained:
    """What it left; raises NotApplicable where it does not end well."""
    found = subject.once(_first).trained
    if found is None:
        raise NotApplicable("the strategy does not end well")
    return found


@check("strategy", "says what it does")
def says_what_it_does(subject: Subject) -> None:
    """Its function has a docstring, whose first line is the summary in `tlbench list` and in the documentation."""
    if not subject.made().summary.strip():
        raise Failed("it has no summary; give its function a docstring whose first line says what it does")


@check("strategy", "states its learning rates")
def states_its_rates(subject: Subject) -> None:
    """For AdamW and for SGD there are rates above 0 (of the families of backbones that it serves); or none at all."""
    strategy: Strategy = subject.made()
    if not strategy.learning_rates:
        found = subject.once(_first).trained
        if found is not None and any(isinstance(each.phase, Train) for each in found.phases):
            raise Failed("it states no learning rates, and yields a Train phase; state one for adamw and one for sgd")
        return
    for optimizer in OPTIMIZERS:
        stated = strategy.learning_rates.get(optimizer)
        rates = list(stated.values()) if isinstance(stated, Mapping) else [] if stated is None else [stated]
        if not rates:
            raise Failed(f"it states no learning rate for {optimizer}; state one for adamw and one for sgd")
        for rate in rates:
            if not (isinstance(rate, int | float) and 0 < rate < math.inf):
                raise Failed(f"its learning rate for {optimizer} is {rate!r}; it must be a number above 0")


@check("strategy", "says whether it can adapt a model")
def says_what_it_serves(subject: Subject) -> None:
    """Given a model without numbers, `serves` answers None or a sentence, and does not raise."""
    strategy: Strategy = subject.made()
    if strategy.serves is None:
        raise NotApplicable("it states no serves, and so adapts every model")
    try:
        answers = subject.once(_answers)
    except Exception as error:
        raise Failed(f"serves raises {type(error).__name__}: {error}; it must answer None or a sentence") from error
    for name, answer in answers.items():
        if not (answer is None or (isinstance(answer, str) and answer.strip())):
            raise Failed(f"serves answers {answer!r} for {name}; it must answer None or a sentence that says why not")


@check("strategy", "ends well")
def ends_well(subject: Subject) -> None:
    """All its phases are carried out without an exception, and the model's outputs are finite, N×classes."""
    tried = subject.once(_first)
    if _reads_test(tried.error) or _is_claimed(tried.error, CHANGED) or _is_claimed(tried.error, HEAD_ONLY):
        raise NotApplicable("another check says why not")
    if tried.error is not None:
        raise Failed(f"it does not end well: {type(tried.error).__name__}: {tried.error}") from tried.error
    found = _trained(subject)
    shape = (len(found.images), found.context.setting.objective.outputs)
    if tuple(found.outputs.shape) != shape or not bool(torch.isfinite(found.outputs).all()):
        raise Failed(
            f"its model gives outputs of shape {tuple(found.outputs.shape)}; finite numbers {shape} are expected"
        )


@check("strategy", "changes nothing but what it trains")
def changes_what_it_trains(subject: Subject) -> None:
    """After each Train phase, all parameters and buffers outside of its part and `moves` are bit for bit as before.

    Looking at images changes nothing at all.
    """
    tried = subject.once(_first)
    if tried.error is not None and _is_claimed(tried.error, CHANGED):
        raise Failed(str(tried.error))
    for place, each in enumerate(_trained(subject).phases):
        changed: list[str] = []
        if isinstance(each.phase, Train):
            part = each.phase.part if each.phase.moves is None else each.phase.part | each.phase.moves
            changed = outside(part, each.changed)
        elif isinstance(each.phase, Look):
            changed = list(each.changed)
        if changed:
            raise Failed(
                f"its phase {place} ({type(each.phase).__name__}) has changed {listed(changed, NAMED)}, which it "
                f"does not train; name it in `moves`, or leave it as it is"
            )


@check("strategy", "leaves test alone")
def leaves_test_alone(subject: Subject) -> None:
    """It does not open the test split, nor read its files, before the last choice is made."""
    tried = subject.once(_first)
    if _reads_test(tried.error):
        raise Failed(
            f"it reads the test split before the last choice is made ({tried.error}); choose on val, by Validate"
        )
    _trained(subject)


@check("strategy", "is the same under one seed")
def same_under_one_seed(subject: Subject) -> None:
    """Two runs with the same seed leave the same tensors, bit for bit."""
    first = _trained(subject)
    ground = subject.once(_first).ground
    assert ground is not None
    second = trained(ground, EPOCHS)
    one, other = first.module.state_dict(), second.module.state_dict()
    differ = [name for name in one if name not in other or not same(one[name], other[name])]
    if differ:
        raise Failed(
            f"two runs with seed 0 leave other tensors: {listed(differ, NAMED)}; draw random numbers from torch's "
            f"global generator or from model.generator alone"
        )


@check("strategy", "spends the passes that it states")
def spends_its_passes(subject: Subject) -> None:
    """The epochs of its Train phases sum up to `passes`, which is 1 where it states none."""
    strategy: Strategy = subject.made()
    phases = [each.phase for each in _trained(subject).phases if isinstance(each.phase, Train)]
    if not phases:
        raise NotApplicable("it has no Train phase")
    spent = sum(each.epochs for each in phases)
    stated = 1.0 if strategy.passes is None else strategy.passes(subject.component.options)
    if abs(spent - stated) > CLOSE * max(1.0, stated):
        what = "states no passes, which means 1" if strategy.passes is None else f"states {stated:g} passes"
        raise Failed(f"it {what}, and its {counted(len(phases), 'Train phase')} have {spent:g} times the epochs")


@check("strategy", "is built again from what is saved")
def is_built_again(subject: Subject) -> None:
    """The saved model is built from its document and its tensors and predicts the same; or `not_saved` says why not."""
    strategy: Strategy = subject.made()
    found = _trained(subject)
    if strategy.not_saved:
        raise NotApplicable(f"it states not_saved: {strategy.not_saved}")
    again = subject.once(_first)
    if again.rebuilt_outputs is None:
        raise Failed(f"its model is {again.not_saved}")
    apart = float((again.rebuilt_outputs - found.outputs).abs().max())
    if apart > SAME_OUTPUTS * max(1.0, float(found.outputs.abs().max())):
        raise Failed(
            f"the model built again from what is saved gives other outputs, by {apart:.2g}; they must be the same"
        )


@check("strategy", "trains the head alone, as it states")
def trains_the_head_alone(subject: Subject) -> None:
    """With `head_only`, it is one Train of the head by the task's loss, so that all heads are trained together."""
    strategy: Strategy = subject.made()
    if not strategy.head_only:
        raise NotApplicable("it does not state head_only")
    tried = subject.once(_first)
    if tried.error is not None and _is_claimed(tried.error, HEAD_ONLY):
        raise Failed(str(tried.error))
    found = _trained(subject)
    moved = [name for name in _moved(found) if not found.model.head.holds(name)]
    if len(found.phases) != 1 or moved:
        raise Failed(f"it states head_only, and yields {counted(len(found.phases), 'phase')}; it must yield one Train")


@check("strategy", "is a baseline, as it states")
def is_a_baseline(subject: Subject) -> None:
    """With `baseline`, it trains no tensor of the body: what is no better than it has learned nothing of use."""
    strategy: Strategy = subject.made()
    if not strategy.baseline:
        raise NotApplicable("it does not state baseline")
    found = _trained(subject)
    moved = [name for name in _moved(found) if not found.model.head.holds(name)]
    if moved:
        raise Failed(
            f"it states baseline, and has trained {listed(moved, NAMED)} of the body; a baseline trains none of it"
        )


def _moved(found: Trained) -> list[str]:
    """The tensors that the model had from the start, and that are others now."""
    now = dict((*found.module.named_parameters(), *found.module.named_buffers()))
    return [name for name, each in found.start.items() if name in now and not same(each, now[name].detach())]


def _is_claimed(error: Exception | None, words: str) -> bool:
    return isinstance(error, PhaseError) and words in str(error)


def _reads_test(error: Exception | None) -> bool:
    if isinstance(error, FileNotFoundError):
        return Path(str(error.filename)).name.startswith("test-")
    return isinstance(error, TestSplitShut)
