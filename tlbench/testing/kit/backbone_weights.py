"""Checks of backbones' tensors: named, drawn from the seed, published, read from a file."""

from __future__ import annotations

import torch

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.structure import lies_in
from tlbench.engine.weights import digest, load_body
from tlbench.testing.kit.checks import Failed, NotApplicable, check
from tlbench.testing.kit.models import (
    BUILT,
    FEW,
    NAMED,
    built,
    by,
    images_for,
    model_of,
    outputs_of,
    pretrained,
    taken_size,
    weights_here,
)
from tlbench.testing.kit.subject import Subject
from tlbench.words import listed


@check("backbone", "names the parameters that are not decayed", needs=[BUILT])
def names_what_is_not_decayed(subject: Subject) -> None:
    """Every name that `no_decay` gives is one of a parameter."""
    backbone: Backbone = subject.made()
    if backbone.no_decay is None:
        raise NotApplicable("it states no no_decay")
    module = built(backbone, FEW, taken_size(subject))
    known = {name for name, _ in module.named_parameters()}
    if unknown := sorted(set(backbone.no_decay(module)) - known):
        raise Failed(f"no_decay names {listed(unknown, NAMED)}, which is no parameter of its model")


@check("backbone", "is the same under one seed", needs=[BUILT])
def same_under_one_seed(subject: Subject) -> None:
    """Two builds under one seed have the same tensors: weights are drawn from torch's generator alone."""
    one, other = (model_of(subject, FEW, 0).module.state_dict() for _ in range(2))
    differ = [name for name in one if name not in other or not torch.equal(one[name], other[name])]
    if differ or len(one) != len(other):
        raise Failed(f"two builds under one seed differ in {listed(differ, NAMED)}; draw from torch's generator alone")


@check("backbone", "draws new weights under another seed", needs=[BUILT])
def draws_under_another_seed(subject: Subject) -> None:
    """With pretrained=False, a build under another seed has other weights than one under the first."""
    one, other = (dict(model_of(subject, FEW, seed).module.named_parameters()) for seed in (0, 1))
    matrices = [name for name in one if one[name].ndim > 1]
    if matrices and all(torch.equal(one[name], other[name]) for name in matrices):
        raise Failed("with pretrained=False, builds under two seeds have the same weights; draw them at random")


@check("backbone", "has published weights that stay the same", needs=[BUILT])
def has_stable_weights(subject: Subject) -> None:
    """With pretrained=True, the tensors but the head's are the same in every build, and others than random ones."""
    weights_here(subject)
    backbone: Backbone = subject.made()
    first, second = pretrained(subject, FEW, 0), pretrained(subject, 3, 1)
    one, other = first.state_dict(), second.state_dict()
    body = [name for name in one if not lies_in(name, backbone.head_paths)]
    if digest(first, backbone.head_paths) != digest(second, backbone.head_paths):
        differ = [name for name in body if name not in other or not torch.equal(one[name], other[name])]
        raise Failed(
            f"two builds with pretrained=True differ in {listed(differ, NAMED)} of the body; only the head is new"
        )
    random = built(backbone, FEW, taken_size(subject), 0)
    if digest(random, backbone.head_paths) == digest(first, backbone.head_paths):
        raise Failed(
            "builds with pretrained=True and pretrained=False have the same tensors; one must load the weights"
        )
    again = pretrained(subject, FEW, 1).state_dict()
    heads = [name for name in one if name not in body and one[name].ndim > 1]
    if heads and all(torch.equal(one[name], again[name]) for name in heads):
        raise Failed("with pretrained=True, builds under two seeds have the same head; the head must be new")


@check("backbone", "builds the model as it was published", needs=[BUILT])
def builds_as_published(subject: Subject) -> None:
    """`published` has the body of a build with pretrained=True, and its outputs are finite."""
    backbone: Backbone = subject.made()
    if backbone.published is None:
        raise NotApplicable("it states no published")
    weights_here(subject)
    side = taken_size(subject)
    whole, fresh = backbone.published(side), pretrained(subject, FEW, 0)
    if digest(whole, backbone.head_paths) != digest(fresh, backbone.head_paths):
        raise Failed("published has other tensors in its body than a build with pretrained=True; they must be the same")
    outputs = outputs_of(whole, images_for(backbone, side, 2))
    if outputs.ndim != 2 or not bool(torch.isfinite(outputs).all()):
        raise Failed(f"published gives outputs of shape {by(outputs)}; finite numbers, images × classes, are expected")


@check("backbone", "takes its own tensors from a file", needs=[BUILT])
def takes_its_own_tensors(subject: Subject) -> None:
    """`converted` makes of a model's own tensors those tensors, so that saved weights can be loaded."""
    backbone: Backbone = subject.made()
    if backbone.converted is None:
        raise NotApplicable("it states no converted")
    side = taken_size(subject)
    module, other = built(backbone, FEW, side, 0), built(backbone, FEW, side, 1)
    state = {name: each.clone() for name, each in module.state_dict().items()}
    try:
        load_body(other, backbone.converted(state, side), backbone.head_paths, "converted")
    except Exception as error:
        raise Failed(f"converted does not give back the model's own tensors: {error}") from error
    if digest(module, backbone.head_paths) != digest(other, backbone.head_paths):
        raise Failed("converted changes the model's own tensors; of a file that fits already, it must change nothing")
