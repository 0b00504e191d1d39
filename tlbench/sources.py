"""Which tensors a backbone starts from: the weights policy, carried out before anything runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from tlbench.contracts import Backbone
from tlbench.errors import UserError, WeightsUnavailable
from tlbench.plan import Request, WeightsPlan


def choose_weights(ref: str, backbone: Backbone, request: Request, tell: Callable[[str], object]) -> WeightsPlan:
    """What a strategy that wants pretrained weights gets, by the weights policy."""
    if request.weights == "random":
        return WeightsPlan(kind="random", reason="requested")
    if request.weights not in ("auto", "pretrained"):
        file = Path(request.weights)
        sha = hashlib.sha256(file.read_bytes()).hexdigest()
        return WeightsPlan(kind="file", name=f"{file.name}@{sha[:16]}", url=str(file.absolute()))
    published = backbone.weights
    if published is None:
        if request.weights == "pretrained":
            raise UserError(
                f"backbone {ref} has no published weights; leave it out, or use --weights auto or --weights FILE"
            )
        return WeightsPlan(kind="random", reason="none-published")
    identity = {"name": published.name, "url": published.url, "licence": published.licence}
    try:
        tell(f"weights of {ref}: {published.name}")
        published.fetch()
    except WeightsUnavailable as error:
        if request.weights == "pretrained":
            raise UserError(
                f"the pretrained weights of {ref} are not available: {error}. Remedies: run once with network, put the "
                f"file where its library keeps downloads, give one with --weights FILE, or allow --weights auto"
            ) from error
        return WeightsPlan(kind="random", reason="unavailable", detail=str(error), **identity)
    return WeightsPlan(kind="pretrained", **identity)
