"""Keywords of `tlbench.run` as mypy sees them: an ignore that is not needed is an error of its own."""

from __future__ import annotations

import tlbench


def right() -> tlbench.Results:
    """Options by their names and kinds."""
    return tlbench.run(
        backbones=["timm/resnet18"], strategies="freeze,full", epochs=2, tune="lr=1e-3,3e-3", jobs="auto"
    )


def past() -> tlbench.History:
    """Names by themselves, or several."""
    return tlbench.history("resnet18 × full", runs="nightly", columns=["accuracy", "step_ms"], last=9)


def wrong() -> None:
    """A name that there is not, a wrong kind, a wrong choice."""
    tlbench.run(epoch=2)  # type: ignore[call-arg]
    tlbench.run(epochs="many")  # type: ignore[arg-type]
    tlbench.run(precision="fp64")  # type: ignore[arg-type]
