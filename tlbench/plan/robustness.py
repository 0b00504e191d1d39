"""What a trained model is measured on besides its test set, as it is asked for."""

from __future__ import annotations

from pydantic import field_validator

from tlbench.errors import nearest
from tlbench.plan.choices import Frozen
from tlbench.plan.corruptions import ALL, CORRUPTIONS
from tlbench.plan.option import Names, option


class Robustness(Frozen):
    """What a trained model is measured on besides its test set. Nothing of it changes how the model is trained."""

    corruptions: Names = option(
        (),
        f"Test under corruptions, too, at five severities: {', '.join(CORRUPTIONS)}, or {ALL} (extra: augment).",
        metavar="NAMES",
        shown="none",
    )

    test_on: Names = option(
        (),
        "Test on other datasets of the same classes, too: on their test split.",
        metavar="NAMES",
        shown="none",
    )

    @field_validator("corruptions")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in (*CORRUPTIONS, ALL):
                raise ValueError(
                    f"there is no corruption {name!r}{nearest(name, CORRUPTIONS)}; there are {', '.join(CORRUPTIONS)}, "
                    f"and {ALL}"
                )
        return tuple(name for name in CORRUPTIONS if name in value or ALL in value)
