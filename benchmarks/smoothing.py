"""The cosine transform as a product and by torch.fft, on batches of images: python benchmarks/smoothing.py.

Writes benchmarks/results/smoothing.json: milliseconds of smoothing 32 images of each size on one thread of the CPU. The
Fourier transform is that of the image mirrored at its right and lower edge, whose real part is the DCT-I.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from tlbench_gridsmooth.elements import matrices, smoothed

RESULTS = Path(__file__).parent / "results" / "smoothing.json"
SIZES = (32, 48, 64, 96, 128, 160, 224)
IMAGES, STRENGTH, REPEATS = 32, 2.0, 15


def by_fourier(size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same smoothing, by real Fourier transforms of 2(size − 1)."""
    length = 2 * (size - 1)
    _, _, eigenvalues = (torch.from_numpy(each).float() for each in matrices(size, 1.0))
    gain = 1 / (1 + STRENGTH * (eigenvalues[:, None] + eigenvalues))
    mirrored = torch.cat([gain, gain[1:-1].flip(0)])

    def smooth(images: torch.Tensor) -> torch.Tensor:
        wide = torch.cat([images, images[..., 1:-1].flip(-1)], -1)
        wide = torch.cat([wide, wide[..., 1:-1, :].flip(-2)], -2)
        waves = torch.fft.rfft2(wide) * mirrored
        return torch.fft.irfft2(waves, (length, length))[..., :size, :size]

    return smooth


def milliseconds(smooth: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> float:
    """The median of some repeats."""
    times = []
    for _ in range(1 + REPEATS):
        begun = time.perf_counter()
        smooth(images)
        times.append(1e3 * (time.perf_counter() - begun))
    return float(np.median(times[1:]))


def main() -> None:
    """Compare, measure and write."""
    torch.set_num_threads(1)
    rows = []
    for size in SIZES:
        images = torch.randn(IMAGES, 3, size, size)
        fourier = by_fourier(size)
        torch.testing.assert_close(fourier(images), smoothed(images, STRENGTH), rtol=0, atol=1e-4)
        product_ms = milliseconds(lambda images: smoothed(images, STRENGTH), images)
        rows.append(
            {"size": size, "product_ms": round(product_ms, 2), "fft_ms": round(milliseconds(fourier, images), 2)}
        )
        print(rows[-1])
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    RESULTS.write_text(f'{{"torch": "{version("torch")}", "images": {IMAGES},\n "rows": [\n  {lines}\n]}}\n', "utf-8")


if __name__ == "__main__":
    main()
