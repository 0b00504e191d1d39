"""The simple rival: values on a grid blurred by a Gaussian, mirrored at the edge as the elements' cosines are."""

from __future__ import annotations

import torch
from torch import fx

from tlbench_gridsmooth.elements import as_given

REACH = 4
"""The Gaussian is cut off at so many σ, as SciPy's `gaussian_filter` does."""


def radius_of(sigma: float) -> int:
    """How many pixels a Gaussian reaches."""
    return int(REACH * sigma + 0.5)


@fx.wrap  # a step of its own in a traced model: its matrices depend on the size
def blurred(values: torch.Tensor, sigma: float | torch.Tensor, radius: int) -> torch.Tensor:
    """N×C×H×W values convolved along both axes with exp(−t²/2σ²), t from −radius to radius, scaled to a sum of 1.

    Computed in float32 where values have less, under autocast, too; the result has the values' own type. With a `sigma`
    of the number 0, the values themselves are given back.
    """
    if not isinstance(sigma, torch.Tensor) and sigma == 0:
        return values
    dtype = torch.float64 if values.dtype == torch.float64 else torch.float32
    with torch.autocast(values.device.type, enabled=False):
        steps = torch.arange(-radius, radius + 1, device=values.device, dtype=dtype)
        taps = torch.exp(-0.5 * (steps / sigma).square())
        taps = taps / taps.sum()
        rows, columns = (
            torch.einsum("t,tij->ij", taps, shifts(number, radius, values.device, dtype))
            for number in values.shape[-2:]
        )
        found = rows @ (values.to(dtype) @ columns.mT)
    return as_given(found, values)


KEPT: dict[tuple[int, int, str, torch.dtype], torch.Tensor] = {}
"""The matrices that were met, as in elements.py."""


def shifts(pixels: int, radius: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Matrices (2·radius + 1)×N×N that shift N pixels by −radius to radius, mirrored at the middles of the end ones."""
    key = (pixels, radius, str(device), dtype)
    if key not in KEPT:
        period = max(1, 2 * (pixels - 1))
        with torch.inference_mode(False):  # else they could not take part in a backward pass later
            places = torch.arange(-radius, radius + 1)[:, None] + torch.arange(pixels)
            mirrored = torch.minimum(places % period, -places % period)
            KEPT[key] = torch.nn.functional.one_hot(mirrored, pixels).to(device, dtype)
    return KEPT[key]
