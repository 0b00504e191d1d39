"""Values on a grid as a field of bilinear finite elements, smoothed by the screened Poisson problem with cosines.

**The problem.** Pixels are nodes one apart, and x is the field that is bilinear between their values. The smoothed
field u minimises ∫ (u − x)² + λ ∫ |∇u|² over all fields of bilinear elements, which are rectangles of one size, with
nothing asked of it at the edge (natural boundary conditions: its slope across the edge tends to 0). With the elements'
hat functions φ and the pixels' ψ, the coefficients c of u solve (M + λK) c = Lx, where M is the mass matrix ∫ φ_i φ_j,
K the stiffness matrix ∫ ∇φ_i·∇φ_j, and L = ∫ φ_i ψ_j. Where elements are one pixel wide, φ is ψ, L is M, and c are the
values of u.

**One dimension at a time.** A bilinear hat is a product of two hats of one variable, so M = M₁⊗M₁, K = K₁⊗M₁ + M₁⊗K₁
and L = L₁⊗L₁. For n elements of width h, M₁ = h/6 · tridiag(1, 4, 1) and K₁ = 1/h · tridiag(−1, 2, −1), where the first
and the last node, which have an element on one side alone, have half of the diagonal entry.

**Cosines.** Let v_k(j) = cos(θ_k j) with θ_k = πk/n, for nodes j and k from 0 to n: the columns of the cosine transform
DCT-I. Since cos θ(j − 1) + cos θ(j + 1) = 2 cos θ cos θj, the rows of inner nodes give

    K₁ v_k = (2 − 2 cos θ_k)/h · W v_k        M₁ v_k = h (2 + cos θ_k)/3 · W v_k        W = diag(½, 1, …, 1, ½),

and so do the rows of the end nodes, where v_k at the one neighbour is cos θ_k times that at the node, and everything is
half, W too. The generalised eigenvalues of the pair are μ_k = (6/h²) (1 − cos θ_k)/(2 + cos θ_k): for slow waves nearly
(θ_k/h)², and 12/h² for the fastest. As VᵀWV is D = diag(n, n/2, …, n/2, n), W drops out of the solution:

    c = V [ (A x Aᵀ) / (1 + λ (μ_k + μ_l)) ] Vᵀ        A = D⁻¹ diag(h (2 + cos θ)/3)⁻¹ Vᵀ L₁.

Where elements are one pixel wide, A = V⁻¹ is the transform itself. Of wider elements there are fewer; then A projects,
and u is read at the pixels between their nodes. Both are constant matrices, so that smoothing is four products with
them, whatever λ is, and has a gradient wherever products have one. A product rather than a fast transform: the fast
DCT-I of N values is a real Fourier transform of 2(N − 1), which for 224 pixels is twice a prime; on a CPU, the product
is several times as fast at all sizes of images (benchmarks/smoothing.py).

**What it keeps.** A constant, as Kx is 0 for it; and the integral, as the rows of K sum up to 0: ∫u = ∫x, in which a
pixel at the edge counts half and one in a corner a quarter. It is linear, so it commutes with the normalisation of
channels. With λ = 0 and elements one pixel wide, u is x.

**How far it reaches.** By 1/(1 + λω²), waves of frequency ω with λω² = 1 lose half: √λ is a length in pixels. Inside of
the grid, the response to a single pixel has the variance 2λ along each axis, as a Gaussian of σ = √(2λ) has.

Sources: Bhat et al. 2008, Fourier Analysis of the 2D Screened Poisson Equation for Gradient Domain Problems, ECCV, on
the problem for images, solved wave by wave; Strang 1999, The Discrete Cosine Transform, SIAM Review 41(1), on DCT-I and
boundary conditions; Lynch, Rice & Thomas 1964, Direct solution of partial difference equations by tensor product
methods, Numerische Mathematik 6, on solving tensor products. The eigenvalues of bilinear elements are derived above.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import fx


class Axis(NamedTuple):
    """One axis of N pixels under n elements, in the basis of n + 1 cosines.

    `analysis` is A, (n + 1)×N, `synthesis` gives pixels of cosines, N×(n + 1), and `eigenvalues` are μ.
    """

    analysis: torch.Tensor
    synthesis: torch.Tensor
    eigenvalues: torch.Tensor


@fx.wrap  # a step of its own in a traced model: its matrices depend on the size
def smoothed(values: torch.Tensor, strength: float | torch.Tensor, element: float = 1.0) -> torch.Tensor:
    """The field nearest to N×C×H×W values whose slopes cost `strength` (λ, in squared pixels), read at the pixels.

    Elements are about `element` pixels wide, so that a whole number of them fits. Computed in float32 where values have
    less, under autocast, too; the result has the values' own type. With a strength of the number 0 and elements of one
    pixel, the values themselves are given back.
    """
    if element == 1 and not isinstance(strength, torch.Tensor) and strength == 0:
        return values
    dtype = torch.float64 if values.dtype == torch.float64 else torch.float32
    rows, columns = (axis(number, element, values.device, dtype) for number in values.shape[-2:])
    with torch.autocast(values.device.type, enabled=False):
        waves = rows.analysis @ (values.to(dtype) @ columns.analysis.mT)
        waves = waves / (1 + strength * (rows.eigenvalues[:, None] + columns.eigenvalues))
        found = rows.synthesis @ (waves @ columns.synthesis.mT)
    return as_given(found, values)


def as_given(found: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """What was found in the type and memory format of what was given."""
    last = given.is_contiguous(memory_format=torch.channels_last) and not given.is_contiguous()
    return found.to(given.dtype, memory_format=torch.channels_last if last else torch.contiguous_format)


KEPT: dict[tuple[int, float, str, torch.dtype], Axis] = {}
"""The axes that were met: a plain dictionary, which a compiled model reads, where it would make them in every step."""


def axis(pixels: int, element: float, device: torch.device, dtype: torch.dtype) -> Axis:
    """The matrices of one axis, computed once in float64; a single pixel is a constant, and has one cosine."""
    key = (pixels, element, str(device), dtype)
    if key not in KEPT:
        with torch.inference_mode(False):  # else they could not take part in a backward pass later
            KEPT[key] = Axis(*(torch.from_numpy(each).to(device, dtype) for each in matrices(pixels, element)))
    return KEPT[key]


def matrices(pixels: int, element: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Analysis, synthesis and eigenvalues of one axis."""
    if pixels == 1:
        return np.ones((1, 1)), np.ones((1, 1)), np.zeros(1)
    number = max(1, round((pixels - 1) / element))
    width = (pixels - 1) / number
    nodes = np.arange(number + 1)
    angles = np.pi * nodes / number
    cosines = np.cos(np.outer(angles, nodes)).T
    norms = np.where(nodes % number == 0, number, number / 2)
    mass = width * (2 + np.cos(angles)) / 3
    eigenvalues = 6 / width**2 * (1 - np.cos(angles)) / (2 + np.cos(angles))
    places = np.arange(pixels, dtype=np.float64)
    analysis = cosines.T @ load(places, width * nodes, width) / (norms * mass)[:, None]
    return analysis, hats(places, width * nodes, width) @ cosines, eigenvalues


def load(places: np.ndarray, nodes: np.ndarray, width: float) -> np.ndarray:
    """L₁, nodes × places: the integrals of products of the nodes' hats and those of pixels.

    Between the ends of hats of either kind a product is quadratic, and Simpson's rule exact.
    """
    ends = np.union1d(places, nodes)
    left, right = ends[:-1], ends[1:]
    points = np.concatenate([left, (left + right) / 2, right])
    weights = np.outer((1, 4, 1), (right - left) / 6).ravel()
    integrals: np.ndarray = (hats(points, nodes, width).T * weights) @ hats(points, places, 1.0)
    return integrals


def hats(points: np.ndarray, nodes: np.ndarray, width: float) -> np.ndarray:
    """The values at some points, points × nodes, of the functions that fall from 1 at a node to 0 at its neighbours."""
    values: np.ndarray = np.clip(1 - np.abs(points[:, None] - nodes) / width, 0, None)
    return values
