"""Which tensors a backbone starts from: the weights policy, carried out before anything runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlbench.contracts.backbone import Backbone, Weights
from tlbench.errors import UserError, WeightsUnavailable
from tlbench.plan.cell import WeightsPlan
from tlbench.registry.facts import presence

Tell = Callable[[str], object]
Get = Callable[[Weights, Tell], object]
POLICIES = ("auto", "pretrained", "random")


def weights_policies(text: str, backbones: Sequence[str], resolve: Callable[[str], str]) -> dict[str, str]:
    """By backbone, `auto`, `pretrained`, `random` or a file: one for all, or `NAME=POLICY,NAME=FILE`, the rest auto.

    `resolve` makes a name the qualified one. Raises UserError where a file is missing or a name is none of these.
    """
    if text in POLICIES or Path(text).is_file():
        return dict.fromkeys(backbones, text)
    if "=" not in text:
        raise UserError(f"weights {text!r} is none of {', '.join(POLICIES)}, and there is no such file")
    found = dict.fromkeys(backbones, "auto")
    for part in text.split(","):
        name, _, value = part.strip().rpartition("=")
        ref = resolve(name)
        if ref not in found:
            raise UserError(
                f"--weights {part.strip()!r}: {name} is not among the backbones of this run: {', '.join(backbones)}"
            )
        if value not in POLICIES and not Path(value).is_file():
            raise UserError(
                f"--weights {part.strip()!r}: {value!r} is none of {', '.join(POLICIES)}, and there is no such file"
            )
        found[ref] = value
    return found


def check_file(ref: str, backbone: Backbone, plan: WeightsPlan, image_size: int) -> tuple[str, ...]:
    """What of a weights file is taken, in words; raises UserError where it does not fit the backbone."""
    from tlbench.engine.weights import conversion, load_file_into

    if plan.kind != "file" or plan.url is None:
        return ()
    module = backbone.build(2, image_size=image_size, pretrained=False)
    try:
        return load_file_into(module, Path(plan.url), backbone.head_paths, conversion(backbone, image_size)).taken
    except UserError as error:
        raise UserError(f"backbone {ref}: {error}") from error


def fetch(weights: Weights, _tell: Tell) -> None:
    """Make weights lie on this machine; raises WeightsUnavailable."""
    weights.fetch()


def look_for(weights: Weights, tell: Tell) -> None:
    """Say which weights would be downloaded, and download none; raises WeightsUnavailable where they can't be."""
    if presence(weights.places) == "to-download":
        tell(f"to be downloaded: weights {weights.name} from {weights.url}")
    else:
        weights.fetch()


@dataclass(frozen=True)
class Means:
    """How what a run needs is got: published weights, and how many images of each split are decoded at most.

    Where that is not None, datasets are not downloaded, and those that would be are left out with a word.
    """

    weights: Get = fetch
    most_images: int | None = None


SAMPLE = 256
IN_FULL = Means()
LOOKED_FOR = Means(look_for, SAMPLE)
"""For a dry run: nothing is downloaded, and as many images are decoded as a few training steps take."""


def choose_weights(ref: str, backbone: Backbone, policy: str, tell: Tell, get: Get = fetch) -> WeightsPlan:
    """What a strategy that wants pretrained weights gets, by the weights policy: one of POLICIES, or a file."""
    if policy == "random":
        return WeightsPlan(kind="random", reason="requested")
    if policy not in POLICIES:
        file = Path(policy)
        sha = hashlib.sha256(file.read_bytes()).hexdigest()
        return WeightsPlan(kind="file", name=f"{file.name}@{sha[:16]}", url=str(file.absolute()))
    published = backbone.weights
    if published is None:
        if policy == "pretrained":
            raise UserError(
                f"backbone {ref} has no published weights; leave it out, or use --weights auto or --weights FILE"
            )
        return WeightsPlan(kind="random", reason="none-published")
    identity = {"name": published.name, "url": published.url, "licence": published.licence}
    try:
        tell(f"weights of {ref}: {published.name}")
        get(published, tell)
    except WeightsUnavailable as error:
        if policy == "pretrained":
            raise UserError(
                f"the pretrained weights of {ref} are not available: {error}. Remedies: run once with network, put the "
                f"file where its library keeps downloads, give one with --weights FILE, or allow --weights auto"
            ) from error
        return WeightsPlan(kind="random", reason="unavailable", detail=str(error), **identity)
    return WeightsPlan(kind="pretrained", **identity)
