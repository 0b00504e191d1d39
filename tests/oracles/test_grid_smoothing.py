"""Finite-element smoothing against SciPy's sparse solver on matrices that are assembled element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import scipy.ndimage
import torch
from scipy.interpolate import RegularGridInterpolator
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import spsolve

from tlbench.contracts.backbone import Preprocessing
from tlbench_gridsmooth.elements import KEPT, matrices, smoothed
from tlbench_gridsmooth.gaussian import blurred, radius_of

CPU = torch.device("cpu")
MASS = np.array([[4, 2, 1, 2], [2, 4, 2, 1], [1, 2, 4, 2], [2, 1, 2, 4]]) / 36
"""Of the bilinear unit square, its corners in turn."""
ALONG_COLUMNS = np.array([[2, -2, -1, 1], [-2, 2, 1, -1], [-1, 1, 2, -2], [1, -1, -2, 2]]) / 6
ALONG_ROWS = np.array([[2, 1, -1, -2], [1, 2, -2, -1], [-1, -2, 2, 1], [-2, -1, 1, 2]]) / 6
"""Integrals of products of slopes, the first with two corners in a row."""


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def assembled(rows: np.ndarray, columns: np.ndarray) -> tuple[csc_array, csc_array]:
    """The mass and stiffness matrices of the elements between some nodes, which are numbered row by row."""
    height, width = float(rows[1] - rows[0]), float(columns[1] - columns[0])
    numbers = np.arange(len(rows) * len(columns)).reshape(len(rows), len(columns))
    corners = np.stack([numbers[:-1, :-1], numbers[:-1, 1:], numbers[1:, 1:], numbers[1:, :-1]], -1).reshape(-1, 4)
    places = np.repeat(corners, 4, 1).ravel(), np.tile(corners, 4).ravel()

    def summed(element: np.ndarray) -> csc_array:
        values = np.tile(element.ravel(), len(corners))
        return coo_array((values, places), (numbers.size, numbers.size)).tocsc()

    return summed(height * width * MASS), summed(height / width * ALONG_COLUMNS + width / height * ALONG_ROWS)


def solved(image: np.ndarray, strength: float, element: float = 1.0) -> np.ndarray:
    """The screened Poisson problem of an image by a sparse factorisation; wider elements have their load by Gauss."""
    pixels = [np.arange(number, dtype=float) for number in image.shape]
    nodes = [np.linspace(0, each[-1], 1 + max(1, round(each[-1] / element))) for each in pixels]
    mass, stiffness = assembled(*nodes)
    points, weights = zip(*(gauss(np.union1d(*each)) for each in zip(pixels, nodes, strict=True)), strict=True)
    where = np.stack(np.meshgrid(*points, indexing="ij"), -1)
    field = RegularGridInterpolator(pixels, image)(where) * np.outer(*weights)
    shape = [len(each) for each in nodes]
    hats = np.eye(mass.shape[0]).reshape(*shape, -1)
    load = np.einsum("yx,yxi->i", field, RegularGridInterpolator(nodes, hats)(where))
    found = spsolve(mass + strength * stiffness, load).reshape(shape)
    return RegularGridInterpolator(nodes, found)(np.stack(np.meshgrid(*pixels, indexing="ij"), -1))


def gauss(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of a quadrature between some ends."""
    points, weights = np.polynomial.legendre.leggauss(3)
    half = np.diff(ends)[:, None] / 2
    return (ends[:-1, None] + half * (1 + points)).ravel(), (half * weights).ravel()


@pytest.mark.parametrize("strength", [0.1, 2.0, 50.0])
@pytest.mark.parametrize(("height", "width"), [(2, 2), (5, 5), (8, 13), (20, 11), (2, 9)])
def test_it_is_what_the_sparse_solver_finds(height: int, width: int, strength: float) -> None:
    images = noise(2, 3, height, width)
    mass, stiffness = assembled(np.arange(height), np.arange(width))
    columns = images.reshape(6, -1).numpy().T
    expected = spsolve(mass + strength * stiffness, mass @ columns).T.reshape(images.shape)
    np.testing.assert_allclose(smoothed(images, strength).numpy(), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", [32, 48, 96])
def test_it_is_so_at_the_sizes_of_images_too(size: int) -> None:
    image = noise(size, size)
    mass, stiffness = assembled(np.arange(size), np.arange(size))
    expected = spsolve(mass + 4 * stiffness, mass @ image.numpy().ravel()).reshape(size, size)
    np.testing.assert_allclose(smoothed(image[None, None], 4.0)[0, 0].numpy(), expected, atol=1e-12, rtol=0)
    in_float32 = smoothed(image[None, None].float(), 4.0)[0, 0]
    np.testing.assert_allclose(in_float32.numpy(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("strength", [0.0, 0.5, 10.0])
@pytest.mark.parametrize(("height", "width", "element"), [(9, 13, 2.0), (10, 16, 3.0), (7, 11, 1.7), (6, 9, 99.0)])
def test_wider_elements_are_the_sparse_solve_on_fewer_nodes(
    height: int, width: int, element: float, strength: float
) -> None:
    images = noise(1, 2, height, width)
    expected = np.stack([solved(each, strength, element) for each in images[0].numpy()])
    np.testing.assert_allclose(smoothed(images, strength, element)[0].numpy(), expected, atol=1e-12, rtol=0)


def test_the_assembly_knows_the_problem_it_is_the_oracle_of() -> None:
    """∫1 = the area, ∫|∇(3x + 2y)|² = 13 · the area."""
    rows, columns = np.linspace(0, 4, 6), np.linspace(0, 7, 4)
    mass, stiffness = assembled(rows, columns)
    plane = (2 * rows[:, None] + 3 * columns).ravel()
    assert np.ones(24) @ mass @ np.ones(24) == pytest.approx(28)
    assert plane @ stiffness @ plane == pytest.approx(13 * 28)


@pytest.mark.parametrize("pixels", [2, 7, 32])
def test_cosines_solve_the_generalised_eigenproblem(pixels: int) -> None:
    mass, stiffness = np.zeros((2, pixels, pixels))
    for place in range(pixels - 1):
        both = np.ix_([place, place + 1], [place, place + 1])
        mass[both] += np.array([[2, 1], [1, 2]]) / 6
        stiffness[both] += np.array([[1, -1], [-1, 1]])
    analysis, synthesis, eigenvalues = matrices(pixels, 1.0)
    np.testing.assert_allclose(eigenvalues, scipy.linalg.eigh(stiffness, mass, eigvals_only=True), atol=1e-10)
    np.testing.assert_allclose(stiffness @ synthesis, mass @ synthesis * eigenvalues, atol=1e-12)
    np.testing.assert_allclose(analysis @ synthesis, np.eye(pixels), atol=1e-12)
    ends = np.where(np.arange(pixels) % (pixels - 1), 1, 2)
    transform = scipy.fft.dct(np.eye(pixels), type=1, axis=0) / (pixels - 1) / ends[:, None]
    np.testing.assert_allclose(analysis, transform, atol=1e-12)


def test_without_strength_it_is_the_identity_and_nothing_is_computed() -> None:
    images = noise(1, 3, 6, 7).float()
    KEPT.clear()
    assert smoothed(images, 0.0) is images and smoothed(images, 0) is images
    assert not KEPT
    torch.testing.assert_close(smoothed(images, torch.tensor(0.0)), images)


@pytest.mark.parametrize("element", [1.0, 2.0])
def test_gradients_flow_through_it(element: float) -> None:
    images = noise(2, 1, 4, 5).requires_grad_()
    strength = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *given: smoothed(*given, element), (images, strength))


def test_gradients_flow_after_the_matrices_were_first_used_where_none_are_recorded() -> None:
    KEPT.clear()
    with torch.inference_mode():
        smoothed(torch.ones(1, 1, 3, 3), 1.0)
    images = torch.ones(1, 1, 3, 3, requires_grad=True)
    smoothed(images, 1.0).sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None and float(images.grad.sum()) == pytest.approx(9)


@pytest.mark.parametrize("element", [1.0, 2.0, 3.3])
def test_constants_stay(element: float) -> None:
    images = torch.full((1, 2, 8, 11), 3.5, dtype=torch.float64)
    torch.testing.assert_close(smoothed(images, 20.0, element), images)


@pytest.mark.parametrize("element", [1.0, 2.0])
def test_the_integral_of_the_field_stays(element: float) -> None:
    """Pixels at the edge have half an element; with nodes at every second pixel, the field is read without loss."""
    images = noise(2, 3, 9, 13)
    weights = [torch.ones(number, dtype=torch.float64) for number in images.shape[-2:]]
    for each in weights:
        each[[0, -1]] = 0.5
    before, after = (torch.einsum("nchw,h,w->nc", each, *weights) for each in (images, smoothed(images, 5.0, element)))
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize("turn", [(2,), (3,), (2, 3)])
def test_mirrored_images_are_smoothed_to_mirrored_ones(turn: tuple[int, ...]) -> None:
    images = noise(1, 1, 8, 13)
    torch.testing.assert_close(smoothed(images.flip(turn), 3.0, 1.7), smoothed(images, 3.0, 1.7).flip(turn))


def test_it_commutes_with_the_normalisation_of_channels() -> None:
    preprocessing = Preprocessing()
    mean, std = (
        torch.tensor(each, dtype=torch.float64)[:, None, None] for each in (preprocessing.mean, preprocessing.std)
    )
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(smoothed((images - mean) / std, 2.0), (smoothed(images, 2.0) - mean) / std)


def spread(response: torch.Tensor) -> float:
    """The variance along one axis of what became of a single pixel in the middle."""
    profile = response[0, 0].sum(0)
    places = torch.arange(len(profile)) - len(profile) // 2
    return float((profile * places**2).sum() / profile.sum())


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_it_reaches_as_far_as_a_gaussian_of_twice_the_strength_as_variance(strength: float) -> None:
    image = torch.zeros(1, 1, 101, 101, dtype=torch.float64)
    image[..., 50, 50] = 1
    assert spread(smoothed(image, strength)) == pytest.approx(2 * strength, rel=1e-9)
    sigma = (2 * strength) ** 0.5
    assert spread(blurred(image, sigma, radius_of(sigma))) == pytest.approx(2 * strength, rel=3e-3)


def test_a_single_pixel_along_an_axis_is_constant_there() -> None:
    columns = noise(1, 1, 7, 1)
    torch.testing.assert_close(smoothed(columns.expand(1, 1, 7, 5), 2.0)[..., :1], smoothed(columns, 2.0))
    assert torch.equal(smoothed(noise(2, 3, 1, 1), 9.0), noise(2, 3, 1, 1))


METHODS: list[Any] = [
    pytest.param(lambda values: smoothed(values, 2.0), id="elements"),
    pytest.param(lambda values: blurred(values, 2.0, 8), id="gaussian"),
]


@pytest.mark.parametrize("smooth", METHODS)
def test_under_autocast_it_computes_in_float32_and_gives_the_type_that_it_was_given(smooth: Any) -> None:
    images = noise(2, 3, 9, 9).float()
    with torch.autocast("cpu", torch.bfloat16):
        within = smooth(images)
        halved = smooth(images.bfloat16())
    assert torch.equal(within, smooth(images))
    assert halved.dtype == torch.bfloat16
    assert torch.equal(halved, smooth(images.bfloat16().float()).bfloat16())


@pytest.mark.parametrize("smooth", METHODS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_memory_format_stays(smooth: Any, layout: torch.memory_format) -> None:
    images = noise(2, 3, 9, 12).contiguous(memory_format=layout)
    found = smooth(images)
    assert found.is_contiguous(memory_format=layout)
    torch.testing.assert_close(found, smooth(images.contiguous()))


@pytest.mark.parametrize(("height", "width", "sigma"), [(9, 12, 0.6), (9, 12, 2.3), (3, 5, 4.0), (1, 6, 1.0)])
def test_the_rival_is_scipys_gaussian_filter(height: int, width: int, sigma: float) -> None:
    images = noise(2, 3, height, width)
    expected = scipy.ndimage.gaussian_filter(images.numpy(), (0, 0, sigma, sigma), mode="mirror")
    np.testing.assert_allclose(blurred(images, sigma, radius_of(sigma)).numpy(), expected, atol=1e-12)


def test_the_rival_has_gradients_and_without_sigma_is_the_identity() -> None:
    images = noise(1, 2, 4, 5).requires_grad_()
    sigma = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *given: blurred(*given, 3), (images, sigma))
    assert blurred(images, 0.0, 0) is images
