"""Checks of backbones: the model that is built, and what is said of it."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import torch
import torch.nn.functional as F
from torch import nn

from tlbench.contracts.backbone import Backbone, Interpolation
from tlbench.contracts.blocks import blocks_of
from tlbench.contracts.channels import with_channels
from tlbench.contracts.model import TransferModel
from tlbench.contracts.structure import lies_in
from tlbench.engine.cut import NotCuttable, cut
from tlbench.errors import BackboneError, UserError
from tlbench.testing.kit.checks import Failed, NotApplicable, check
from tlbench.testing.kit.models import (
    BUILT,
    EQUAL,
    FEW,
    IMAGES,
    MANY,
    NAMED,
    STEADY,
    TRAINED,
    apart,
    built,
    by,
    images_for,
    model_of,
    outputs_of,
    size_of,
    taken_size,
)
from tlbench.testing.kit.subject import Subject
from tlbench.words import counted, listed

OTHER_SIZES = (32, 64, 96, 128, 224)
"""Image sizes that are tried where they are near the backbone's own."""


@check("backbone", BUILT)
def built_for_classes(subject: Subject) -> None:
    """The outputs for N images are finite numbers, N×classes, whatever the number of classes is."""
    backbone: Backbone = subject.made()
    side = subject.once(size_of).side
    for classes in (FEW, MANY):
        outputs = outputs_of(built(backbone, classes, side), images_for(backbone, side))
        _check_outputs(outputs, classes, f"{IMAGES} images of {side} pixels")


def _check_outputs(outputs: object, classes: int, of: str) -> None:
    number = int(of.partition(" ")[0])
    if not isinstance(outputs, torch.Tensor):
        raise Failed(f"its model gives a {type(outputs).__name__}; it must give one tensor, images × classes")
    if tuple(outputs.shape) != (number, classes):
        raise Failed(f"for {of} and {classes} classes its outputs have the shape {by(outputs)}, not {number}×{classes}")
    if not outputs.is_floating_point() or not bool(torch.isfinite(outputs).all()):
        raise Failed(f"for {of} its outputs are not all finite numbers")


@check("backbone", "takes images of another size than its own", needs=[BUILT])
def takes_another_size(subject: Subject) -> None:
    """Built for another size, it takes images of that size; or `build` says by an error of its own that it can't."""
    backbone: Backbone = subject.made()
    taken_size(subject)
    own = backbone.preprocessing.size
    problems = []
    for side in (own // 2, *(each for each in OTHER_SIZES if own / 2 < each <= own * 2 and each != own), own * 2):
        try:
            module = built(backbone, FEW, side)
        except (UserError, BackboneError, ValueError) as error:
            raise NotApplicable(f"it refuses images of {side} pixels: {error}") from error
        try:
            outputs = outputs_of(module, images_for(backbone, side))
        except Exception as error:  # of a provider's model: it may take other sizes
            problems.append(f"{side} pixels: {type(error).__name__}: {_first_line(error)}")
        else:
            return _check_outputs(outputs, FEW, f"{IMAGES} images of {side} pixels")
    raise Failed(
        f"it takes images of its own {own} pixels alone ({problems[0]}); build must use image_size, or raise "
        f"tlbench.UserError that says which sizes it takes"
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


@check("backbone", TRAINED, needs=[BUILT])
def trained_as_a_whole(subject: Subject) -> None:
    """In a training step the loss is finite, and every parameter gets a gradient, which is finite."""
    model = model_of(subject, FEW)
    model.train_only(model.everything)
    images = images_for(subject.made(), taken_size(subject))
    loss = F.cross_entropy(model.module(images), torch.arange(IMAGES) % FEW)
    if not bool(torch.isfinite(loss)):
        raise Failed(f"the loss of a training step is {float(loss)}; it must be a finite number")
    loss.backward()  # type: ignore[no-untyped-call]
    named = list(model.module.named_parameters())
    if left := [name for name, each in named if each.grad is None]:
        raise Failed(
            f"a training step gives no gradient to {listed(left, NAMED)}; leave out what the forward pass does "
            f"not use, and detach nothing"
        )
    if odd := [name for name, each in named if each.grad is not None and not bool(torch.isfinite(each.grad).all())]:
        raise Failed(f"a training step gives {listed(odd, NAMED)} gradients that are not finite numbers")


@check("backbone", STEADY, needs=[BUILT])
def same_twice(subject: Subject) -> None:
    """In eval mode the same images give the same outputs, and no buffer moves."""
    model = model_of(subject)
    before = {name: each.clone() for name, each in model.module.named_buffers()}
    images = images_for(subject.made(), taken_size(subject))
    one, other = (outputs_of(model.module, images) for _ in range(2))
    if not torch.equal(one, other):
        raise Failed(
            f"in eval mode, two passes over the same images differ by {apart(one, other):.2g} of the largest output"
        )
    moved = [name for name, each in model.module.named_buffers() if not torch.equal(each, before[name])]
    if moved:
        raise Failed(f"in eval mode, a pass changes its buffers {listed(moved, NAMED)}; they must stay as they are")


@check("backbone", "sees every image by itself in eval mode", needs=[BUILT, STEADY])
def sees_images_alone(subject: Subject) -> None:
    """In eval mode the outputs for an image do not depend on the other images of the batch."""
    model = model_of(subject)
    images = images_for(subject.made(), taken_size(subject))
    together = outputs_of(model.module, images)[:1]
    alone = outputs_of(model.module, images[:1])
    if alone.shape != together.shape or (far := apart(together, alone)) > EQUAL:
        said = f"by {far:.2g} of the largest" if alone.shape == together.shape else "in shape"
        raise Failed(f"in eval mode, the outputs for an image alone and in a batch of {IMAGES} differ {said}")


@check("backbone", "has the head that it states", needs=[BUILT])
def has_its_head(subject: Subject) -> None:
    """The modules named in `head` decide the outputs, their width follows the classes, and no other tensor's does."""
    backbone: Backbone = subject.made()
    side = taken_size(subject)
    narrow, wide = built(backbone, FEW, side), built(backbone, MANY, side)
    known = [path for path, _ in narrow.named_modules()]
    if missing := [path for path in backbone.head_paths if path not in known]:
        raise Failed(f"head={missing[0]!r} names no module of its model")
    few, many = narrow.state_dict(), wide.state_dict()
    differ = [name for name in few.keys() | many.keys() if _shape(few, name) != _shape(many, name)]
    if outside := sorted(name for name in differ if not lies_in(name, backbone.head_paths)):
        raise Failed(f"{listed(outside, NAMED)} of the body change shape with the classes; name the module in head=")
    of_head = [name for name in few if lies_in(name, backbone.head_paths)]
    if not set(of_head) & set(differ):
        raise Failed(f"no tensor of its head {listed(backbone.head_paths)} changes its shape with the classes")
    images = images_for(backbone, side)
    before = outputs_of(narrow, images)
    with torch.no_grad():
        for name in of_head:
            if few[name].is_floating_point():
                few[name].add_(1.0)
    if torch.equal(before, outputs_of(narrow, images)):
        raise Failed(f"its outputs stay the same when the tensors of its head {listed(backbone.head_paths)} change")


def _shape(state: dict[str, torch.Tensor], name: str) -> torch.Size | None:
    return state[name].shape if name in state else None


@check("backbone", "has blocks in the order in which they run", needs=[BUILT, TRAINED])
def has_blocks_in_order(subject: Subject) -> None:
    """The blocks are disjoint, have weights, cover the body, and their outputs come one after the other."""
    backbone: Backbone = subject.made()
    side = taken_size(subject)
    module = built(backbone, FEW, side)
    try:
        blocks = blocks_of(module, backbone)
        model = TransferModel(module, backbone)
    except BackboneError as error:
        raise Failed(str(error)) from error
    for block, part in zip(blocks, model.blocks, strict=True):
        if not any(True for _ in model.parameters(part)):
            raise Failed(f"its block {block.name} has no parameters; leave it out of blocks=")
    body = [name for name, _ in model.parameters(model.body)]
    if loose := [name for name in body if sum(part.holds(name) for part in model.blocks) != 1]:
        raise Failed(f"{listed(loose, NAMED)} of the body belong to no block or to several; each belongs to one")
    with _passed(module, [block.name for block in blocks]) as passed:
        outputs_of(module, images_for(backbone, side, 2))
    if idle := [block.name for block in blocks if block.name not in passed]:
        raise Failed(f"its block {idle[0]} is not run as a module by the forward pass; name the module that is")
    last = {name: place for place, name in enumerate(passed)}
    ran = sorted(last, key=last.__getitem__)
    stated = [block.name for block in blocks]
    if ran != stated:
        place = next(place for place in range(len(ran)) if ran[place] != stated[place])
        raise Failed(f"its block {place} is stated as {stated[place]}, and {ran[place]} runs in its place")


@contextmanager
def _passed(module: nn.Module, paths: list[str]) -> Iterator[list[str]]:
    """The paths of the modules that give an output in this block, in that order."""
    passed: list[str] = []

    def note(path: str) -> torch.utils.hooks.RemovableHandle:
        return module.get_submodule(path).register_forward_hook(lambda *_given: passed.append(path))

    handles = [note(path) for path in paths]
    try:
        yield passed
    finally:
        for handle in handles:
            handle.remove()


@check("backbone", "has preprocessing that makes sense")
def has_preprocessing(subject: Subject) -> None:
    """As many means as deviations, finite, deviations above 0, a size above 0, an interpolation that is known."""
    used = subject.made().preprocessing
    if len(used.mean) != len(used.std) or not used.mean:
        raise Failed(
            f"its preprocessing has {len(used.mean)} means and {len(used.std)} deviations; one of each a channel"
        )
    if not all(math.isfinite(each) for each in (*used.mean, *used.std)) or min(used.std) <= 0:
        raise Failed(
            f"its deviations are {used.std} and its means {used.mean}; they must be finite, deviations above 0"
        )
    if max(used.std) > 1 or max(map(abs, used.mean)) > 1:
        raise Failed(
            f"its means are {used.mean} and its deviations {used.std}; they are of values from 0 to 1, not 255"
        )
    if not isinstance(used.size, int) or used.size < 1:
        raise Failed(f"its image size is {used.size!r}; it must be a whole number of pixels above 0")
    if used.interpolation not in get_args(Interpolation):
        raise Failed(
            f"its interpolation is {used.interpolation!r}; it must be one of {listed(get_args(Interpolation))}"
        )


@check("backbone", "can be pickled", needs=[BUILT, STEADY])
def can_be_pickled(subject: Subject) -> None:
    """A model that was pickled and read again gives the same outputs."""
    backbone: Backbone = subject.made()
    side = taken_size(subject)
    module, images = built(backbone, FEW, side), images_for(backbone, side, 2)
    try:
        copied = pickle.loads(pickle.dumps(module))
    except Exception as error:
        raise Failed(
            f"its model can't be pickled ({type(error).__name__}: {_first_line(error)}); use no lambdas in it"
        ) from error
    if not torch.equal(outputs_of(module, images), outputs_of(copied, images)):
        raise Failed("its model gives other outputs when it was pickled and read again; they must be the same")


@check("backbone", "can be cut where it is frozen", needs=[BUILT, STEADY])
def can_be_cut(subject: Subject) -> None:
    """With the head alone to be trained, the frozen part is computed apart and gives the same outputs."""
    model = model_of(subject)
    model.train_only(model.head)
    images = images_for(subject.made(), taken_size(subject))
    try:
        pieces = cut(model.module, images)
    except NotCuttable as reason:
        raise NotApplicable(f"it can't be cut, which costs speed and not results: {reason}") from reason
    with torch.no_grad():
        whole, pieced = model.module(images), pieces.suffix(pieces.prefix(images))
    if (far := apart(whole, pieced)) > EQUAL:
        raise Failed(f"cut at {pieces.at}, its outputs differ by {far:.2g} of the largest; they must be the same")


@check("backbone", "takes images of other channels, as it states", needs=[BUILT])
def takes_other_channels(subject: Subject) -> None:
    """With `any_channels`, it is built for 1 and for 5 channels, and takes such images."""
    backbone: Backbone = subject.made()
    if not backbone.any_channels:
        raise NotApplicable("it does not state any_channels")
    side = taken_size(subject)
    for channels in (1, 5):
        changed = with_channels(backbone, channels)
        try:
            outputs = outputs_of(built(changed, FEW, side), images_for(changed, side))
        except Exception as error:
            said = f"{type(error).__name__}: {_first_line(error)}"
            raise Failed(f"it states any_channels, and with {counted(channels, 'channel')} it raises {said}") from error
        _check_outputs(outputs, FEW, f"{IMAGES} images of {counted(channels, 'channel')}")
