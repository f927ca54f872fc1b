"""Speed and accuracy of encoding and decoding, compared with the published method, and training speed.

    python benchmarks/representation.py --crystals 20
    python benchmarks/representation.py --training --grid 16

Both methods encode the same crystals (AFLOW prototypes of pymatgen, in their standard cell) as voxels of the size of
Long et al. (64^3 and 32^3) and decode them, in one run on one core. The published method computes the distance of every
grid point from every atom by minimum image. It places atoms on the voxel centres selected by a 19-voxel maximum filter,
and determines the cell from the faintest voxels along axes and face diagonals. ``--training`` measures the samples per
second of the sites autoencoder for each precision and batch size instead.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import numpy as np  # noqa: E402
from pymatgen.core import Lattice, Structure  # noqa: E402
from scipy.ndimage import gaussian_filter, maximum_filter  # noqa: E402

from ccdcgan.crystals.structures import compact_positions, lattice_from_parameters  # noqa: E402
from ccdcgan.database.prototypes.collection import collect_prototypes  # noqa: E402
from ccdcgan.representation.voxel_decoding import decode_lattice, decode_sites, largest_displacement  # noqa: E402
from ccdcgan.representation.voxels import Geometry, encode_batch, voxel_centres  # noqa: E402

GEOMETRY = Geometry(15.0, 64, 0.26, 32, 0.26)
FLOOR = 0.02
"""Value below which the published method sets voxels to zero."""


def elements_of(structure: Structure) -> list[str]:
    """Return the elements of a crystal in alphabetical order."""
    return sorted({site.specie.symbol for site in structure})


def published_encode(structures: list[Structure]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Encode crystals as in the published method: distances by minimum image, values below :data:`FLOOR` set to zero.

    Args:
        structures: Crystals in their standard cell.

    Returns:
        For each crystal the lattice voxel, shape (32, 32, 32), and the sites voxels, shape (n_elements, 64, 64, 64).
    """
    axis = np.arange(32) / 32
    fractions = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    centres = voxel_centres(64, 15.0)
    points = np.stack(np.meshgrid(centres, centres, centres, indexing="ij"), axis=-1).reshape(-1, 3)
    box, encoded = Lattice.cubic(15.0), []
    for structure in structures:
        distances = structure.lattice.get_all_distances(fractions, [[0.5, 0.5, 0.5]])[:, 0]
        lattice = np.exp(-(distances**2) / (2 * 0.26**2)).reshape(32, 32, 32)
        positions, species = compact_positions(structure), np.array([site.specie.symbol for site in structure])
        sites = []
        for element in elements_of(structure):
            distances = box.get_all_distances(points / 15.0, positions[species == element] / 15.0)
            gaussians = np.exp(-(distances**2) / (2 * 0.26**2))
            sites.append(np.where(gaussians > FLOOR, gaussians, 0.0).sum(axis=1).reshape(64, 64, 64))
        encoded.append((np.where(lattice > FLOOR, lattice, 0.0), np.array(sites)))
    return encoded


def published_decode(lattice: np.ndarray, sites: np.ndarray) -> tuple[Lattice | None, list[np.ndarray]]:
    """Decode voxels as in the published method.

    Args:
        lattice: Lattice voxel, shape (32, 32, 32).
        sites: Sites voxels, shape (n_elements, 64, 64, 64).

    Returns:
        The cell from the faintest voxels, None if they are inconsistent. The centres of the highest voxels of each
        element, shape (n, 3), angstrom.
    """
    found = []
    for voxel in sites:
        smooth = gaussian_filter(voxel, 0.15)
        top = (smooth == maximum_filter(smooth, size=19)) & (smooth > FLOOR)
        found.append(voxel_centres(64, 15.0)[np.argwhere(top)])
    lengths = []
    for direction in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
        steps = np.arange(1, 16)
        values = lattice[tuple(16 + steps * part for part in direction)]
        faintest = steps[values > FLOOR].max(initial=0)
        if not faintest:
            return None, found
        value = lattice[tuple(16 + faintest * part for part in direction)]
        lengths.append(np.sqrt(-2 * 0.26**2 * np.log(value)) * 32 / faintest)
    a, b, c, bc, ac, ab = lengths
    cosines = [(bc**2 - b**2 - c**2) / (2 * b * c), (ac**2 - a**2 - c**2) / (2 * a * c)]
    cosines.append((ab**2 - a**2 - b**2) / (2 * a * b))
    if not np.all(np.abs(cosines) < 1):  # noise in the faintest voxels
        return None, found
    return lattice_from_parameters(a, b, c, *np.degrees(np.arccos(np.clip(cosines, -1, 1)))), found


def own_encode(structures: list[Structure]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Encode crystals with this workflow; returns the same as :func:`published_encode`."""
    encoded = []
    for start in range(0, len(structures), 16):
        part = structures[start : start + 16]
        groups: dict[tuple[str, ...], list[int]] = {}
        for index, structure in enumerate(part):
            groups.setdefault(tuple(elements_of(structure)), []).append(index)
        voxels = {}
        for elements, members in groups.items():
            lattices, sites, _ = encode_batch([part[index] for index in members], elements, GEOMETRY)
            voxels |= dict(zip(members, zip(lattices, sites, strict=True), strict=True))
        encoded += [voxels[index] for index in range(len(part))]
    return encoded


def own_decode(lattice: np.ndarray, sites: np.ndarray) -> tuple[Lattice | None, list[np.ndarray]]:
    """Decode voxels with this workflow; returns the same as :func:`published_decode`."""
    return decode_lattice(lattice, 0.26), [decode_sites(voxel, 15.0, 0.26) for voxel in sites]


def compare(structures: list[Structure]) -> None:
    """Print the times and the accuracy of both methods."""
    times, text = {}, {}
    rng = np.random.default_rng(1)
    for way, encode, decode in (
        ("published", published_encode, published_decode),
        ("here", own_encode, own_decode),
    ):
        start = time.process_time()
        voxels = encode(structures)
        encoding = time.process_time() - start
        start = time.process_time()
        decoded = [decode(*pair) for pair in voxels]
        times[way] = np.array([encoding, time.process_time() - start]) / len(structures) * 1e3
        noisy = [decode(lattice + rng.normal(0, 1e-2, lattice.shape), sites)[0] for lattice, sites in voxels]
        text[way] = f"{sites_accuracy(structures, decoded)}; voxel noise 1e-2: {lattice_accuracy(structures, noisy)}"
    print(f"{len(structures)} crystals, 64^3 and 32^3 voxels, one core, CPU time")
    for way, (encoding, decoding) in times.items():
        print(f"{way:10s} encode {encoding:8.2f} ms, decode {decoding:7.2f} ms per structure; {text[way]}")
    ratio = times["published"] / times["here"]
    print(f"ratio      encode {ratio[0]:8.0f}, decode {ratio[1]:.1f}")


def sites_accuracy(structures: list[Structure], decoded: list) -> str:
    """Return the number of crystals with all atoms decoded, and the largest position error in these, as text."""
    errors = []
    for structure, (_, found) in zip(structures, decoded, strict=True):
        positions, species = compact_positions(structure), np.array([site.specie.symbol for site in structure])
        parts = zip(elements_of(structure), found, strict=True)
        errors.append(max(largest_displacement(positions[species == element], own) for element, own in parts))
    right = np.isfinite(errors)
    return f"all atoms in {right.sum()} of {len(errors)}, largest error {np.max(np.array(errors)[right]):.4f} angstrom"


def lattice_accuracy(structures: list[Structure], lattices: list[Lattice | None]) -> str:
    """Return the median errors of the cells, and the number of cells that were not decoded, as text."""
    pairs = [(s.lattice.parameters, x.parameters) for s, x in zip(structures, lattices, strict=True) if x is not None]
    errors = np.array([np.abs(np.subtract(*pair)) for pair in pairs])
    return (
        f"median error {np.median(errors[:, :3].max(1)):.3f} angstrom, {np.median(errors[:, 3:].max(1)):.2f} degree, "
        f"{len(structures) - len(pairs)} without a cell"
    )


def training_speed(grid: int, batches: list[int], steps: int) -> None:
    """Print the training speed of the sites autoencoder, samples per CPU second, for each precision and batch size.

    Args:
        grid: Number of voxels along each axis.
        batches: Batch sizes.
        steps: Number of timed steps.
    """
    import keras
    import tensorflow as tf

    from ccdcgan.representation.autoencoders import build_autoencoder, reconstruction_loss

    loss_of = reconstruction_loss("weighted")

    def speed(policy: str, batch: int) -> float:
        model = build_autoencoder(grid, 64, 200, "linear", policy).model
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(model.trainable_variables)
        voxels = tf.random.stateless_uniform([batch, grid, grid, grid, 1], [1, 2])

        @tf.function
        def step() -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss = loss_of(voxels, model(voxels, training=True))
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            return loss

        step()
        return batch * steps / seconds_of(lambda: [float(step()) for _ in range(steps)])

    print(f"sites autoencoder, {grid}^3, one core: samples per CPU second")
    for policy in ("float32", "mixed_bfloat16"):
        for batch in batches:
            print(f"{policy:15s} batch {batch:3d}: {speed(policy, batch):8.1f}", flush=True)


def seconds_of(work: Callable[[], object]) -> float:
    """Return the CPU time of a call, s."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crystals", type=int, default=20)
    parser.add_argument("--training", action="store_true", help="measure the training speed instead")
    parser.add_argument("--grid", type=int, default=16)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.training:
        training_speed(arguments.grid, arguments.batches, arguments.steps)
        return
    crystals, _ = collect_prototypes({"sources": ["aflow"], "max_atoms": 20, "limit": None}, 5)
    fitting = [x.structure for x in crystals if max(x.structure.lattice.abc) <= 10]
    chosen = np.linspace(0, len(fitting) - 1, min(arguments.crystals, len(fitting))).astype(int)
    compare([fitting[index] for index in chosen])


if __name__ == "__main__":
    main()
