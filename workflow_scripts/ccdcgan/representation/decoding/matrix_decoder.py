"""The decoder of an autoencoder on a processor, as products of large matrices.

TensorFlow's transposed convolution with 4^3 weights and stride 2 takes three times as long as its convolution. Here it
is computed as a product of polynomials (Toom and Cook). Along one axis the outputs of even and of odd index are

    even[i] = x[i] K[1] + x[i-1] K[3],    odd[i] = x[i] K[2] + x[i+1] K[0],

which are coefficients of the polynomial x(z) multiplied by K[1] + K[3] z and by K[0] + K[2] z. A product of degree g is
determined by its values at g + 1 points (one of them infinity), where only the values of x and of K are multiplied:
with g = 4 in three dimensions 125 products of matrices in place of 512. Values of x, products and coefficients are each
one product of large matrices. The last layer, which has one channel, is one product, whose overlapping parts are added.

Arrays have the order (position, voxel, channel), so that no step has to rearrange them.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import product

import numpy as np

POINTS = (0.0, 0.75, -0.75, -1.5)
"""Points at which polynomials are evaluated, beside infinity; these give the smallest rounding errors."""
TAPS = 4
BLOCK = 64
"""Number of latents that are decoded together: their arrays fit in the processor's cache."""
SLOPE = np.float32(0.2)
"""Slope of LeakyReLU for negative values."""


class MatrixDecoder:
    """A decoder with three layers: to a grid of g^3, 2g and 4g, with g = 3 or 4.

    Args:
        weights: Weights of the three layers: (g, g, g, filters, latent), (4, 4, 4, filters, filters) and
            (4, 4, 4, 1, filters).
    """

    def __init__(self, weights: Sequence[np.ndarray]) -> None:
        first, second, last = (np.asarray(weight, dtype=float) for weight in weights)
        self._core, self._filters = core, filters = first.shape[0], first.shape[3]
        at_points, coefficients, of_kernel = _polynomials(core)
        parities = list(product((0, 1), repeat=3))
        self._first = np.ascontiguousarray(first.reshape(core**3, filters, -1).transpose(0, 2, 1), np.float32)
        self._at_points = _in_three_dimensions([at_points] * 3)
        self._coefficients = [_in_three_dimensions([coefficients[p] for p in parity]) for parity in parities]
        kernel = second.reshape(TAPS**3, filters, filters).transpose(0, 2, 1).reshape(TAPS**3, -1)
        self._second = [
            (_in_three_dimensions([of_kernel[p] for p in parity], float) @ kernel)
            .reshape(-1, filters, filters)
            .astype(np.float32)
            for parity in parities
        ]
        self._last = np.ascontiguousarray(last.reshape(TAPS**3, filters), np.float32)
        self._scratch: dict[str, np.ndarray] = {}

    @staticmethod
    def suits(shapes: Sequence[tuple[int, ...]]) -> bool:
        """Return whether a decoder with weights of these shapes can be computed here."""
        if len(shapes) != 3 or shapes[0][0] not in (3, 4):
            return False
        core, filters, latent = shapes[0][0], *shapes[0][-2:]
        wanted = [(core, core, core, filters, latent), (TAPS,) * 3 + (filters, filters), (TAPS,) * 3 + (1, filters)]
        return [tuple(shape) for shape in shapes] == wanted

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Return voxels (n, 4g, 4g, 4g), float32, before the activation of the output, of latents (n, latent)."""
        latents = np.ascontiguousarray(latents, np.float32)
        voxels = np.empty((len(latents), *(TAPS * self._core,) * 3), np.float32)
        for start in range(0, len(latents), BLOCK):
            self._decode(latents[start : start + BLOCK], voxels[start : start + BLOCK])
        return voxels

    def _decode(self, latents: np.ndarray, out: np.ndarray) -> None:
        n, core, filters = len(latents), self._core, self._filters
        places, points = core**3, (core + 1) ** 3
        small = self._array("small", (places, n, filters))
        np.matmul(latents[None], self._first, out=small)
        _leaky(small, self._array("scratch", small.shape))
        values = self._array("values", (points, n * filters))
        np.matmul(self._at_points, small.reshape(places, -1), out=values)
        products = self._array("products", (points, n, filters))
        middle = self._array("middle", (places, n * filters))
        parts = self._array("parts", (8, TAPS**3, places * n))
        for kernel, coefficients, part in zip(self._second, self._coefficients, parts, strict=True):
            np.matmul(values.reshape(products.shape), kernel, out=products)
            np.matmul(coefficients, products.reshape(points, -1), out=middle)
            _leaky(middle, self._array("scratch", middle.shape))
            np.matmul(self._last, middle.reshape(-1, filters).T, out=part)
        out[...] = _added(parts.reshape(*(2,) * 3, *(TAPS,) * 3, *(core,) * 3, n)).reshape(out.shape)

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Return an array for intermediate values, whose memory is used again."""
        size = int(np.prod(shape))
        if name not in self._scratch or self._scratch[name].size < size:
            self._scratch[name] = np.empty(size, np.float32)
        return self._scratch[name][:size].reshape(shape)


def _polynomials(core: int) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Return what evaluates, interpolates and evaluates the weights along one axis.

    Returns:
        Matrix of ``core`` inputs to values at the points; for even and odd outputs, matrix of values to ``core``
        outputs; for even and odd outputs, matrix of the four weights to values.
    """
    points = np.array(POINTS[:core])
    at_points = np.vstack([points[:, None] ** np.arange(core), np.eye(core)[-1]])
    interpolation = np.linalg.inv(np.vstack([points[:, None] ** np.arange(core + 1), np.eye(core + 1)[-1]]))
    of_kernel = []
    for constant, linear in ((1, 3), (0, 2)):
        values = np.zeros((core + 1, TAPS))
        values[:core, constant], values[:core, linear], values[core, linear] = 1, points, 1
        of_kernel.append(values)
    return at_points, [interpolation[:core], interpolation[1:]], of_kernel


def _in_three_dimensions(matrices: Sequence[np.ndarray], dtype: type = np.float32) -> np.ndarray:
    """Return the matrix that applies one matrix along each of three axes."""
    return np.ascontiguousarray(reduce(np.kron, matrices), dtype)


def _leaky(values: np.ndarray, scratch: np.ndarray) -> None:
    """Apply LeakyReLU in place."""
    np.maximum(values, np.multiply(values, SLOPE, out=scratch), out=values)


def _added(parts: np.ndarray) -> np.ndarray:
    """Add the overlapping parts of the last layer's output in place.

    Args:
        parts: Shape (parity x, y, z, tap x, y, z, position x, y, z, voxel). Input i of a grid, which is parity + 2
            position, contributes with tap t to output 2 i + t - 1.

    Returns:
        View with shape (voxel, position x, parity x, parity of the output x, the same for y, the same for z).
    """
    for axis in range(3):
        view = np.moveaxis(parts, (3 + axis, axis, 6 + axis), (0, 1, 2))
        view[1, 1] += view[3, 0]
        view[1, 0, 1:] += view[3, 1, :-1]
        view[2, 0] += view[0, 1]
        view[2, 1, :-1] += view[0, 0, 1:]
        parts = parts[(slice(None),) * (3 + axis) + (slice(1, 3),)]
    return parts.transpose(9, 6, 0, 3, 7, 1, 4, 8, 2, 5)
