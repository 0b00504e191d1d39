"""A suite: datasets that cells are compared over together, all cut by one rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Suite:
    """Datasets that are run and compared together.

    `members` are datasets as `--datasets` names them; each is given the options of `split`, so that all are cut alike
    (`{"train": 800, "val": 200}`, as in VTAB-1k). Raises ValueError where a member has one of these options already,
    and with fewer than two members.
    """

    members: tuple[str, ...]
    split: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.members)) < 2:
            raise ValueError(f"a suite has two members or more, and this one has {len(set(self.members))}")
        for member in self.members:
            given = {option.partition("=")[0] for option in member.split(":")[1:]}
            if both := given & self.split.keys():
                raise ValueError(f"{member} states {', '.join(sorted(both))}, which the suite's split does for all")

    @property
    def datasets(self) -> list[str]:
        """The members with the suite's split."""
        options = "".join(f":{name}={value:g}" for name, value in self.split.items())
        return [f"{member}{options}" for member in self.members]
