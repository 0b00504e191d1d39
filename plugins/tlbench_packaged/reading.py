"""Options of how image files are read."""

from __future__ import annotations

from pydantic import Field, field_validator

from tlbench.contracts import Options

Range = tuple[float, float] | None


class ReadingOptions(Options):
    """How image files are read."""

    range: Range = Field(
        None, description="values that become black and white in images of more than 8 bits, as 0+4095"
    )
    exif: bool = Field(True, description="turn images as their EXIF orientation says")
    channels: int = Field(3, description="read images as RGB (3) or grey (1)")

    @field_validator("range")
    @classmethod
    def _rises(cls, value: Range) -> Range:
        if value is not None and not value[0] < value[1]:
            raise ValueError("the value of black is below that of white, as in range=0+4095")
        return value

    @field_validator("channels")
    @classmethod
    def _grey_or_rgb(cls, value: int) -> int:
        if value not in (1, 3):
            raise ValueError("image files are read as RGB (3) or grey (1)")
        return value
