"""Crystal graphs: the latents of a crystal's voxels, arranged as one small square array (Long et al., Fig. 1).

A crystal graph is not a graph in the sense of CGCNN: it has no nodes and edges. Flattened, it is the lattice latent
padded with zeros to ``latent_sites``, followed by one sites latent for each element of the system in a fixed order and
by zeros. A binary system with latents of 25 and 200 has 28 x 28 pixels. Every pixel is divided by its largest absolute
value over the database, so that all values lie in [-1, 1] and fill this range; raw latents use a small part of it, from
which a generator learns poorly.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ccdcgan.crystals.distances import DistanceRule
from ccdcgan.crystals.structures import Crystal
from ccdcgan.representation.autoencoders import Autoencoder, load_autoencoder
from ccdcgan.representation.decoding.inference import uses_gpu
from ccdcgan.representation.latent_decoding import decode_lattice_latents, decode_sites_latents
from ccdcgan.representation.voxel_decoding import BAD_LATTICE, MISSING, Decoded, assemble_crystal
from ccdcgan.representation.voxels import Geometry, encode_batch
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path

log = logging.getLogger(__name__)

CHUNK = 64
"""Number of crystals that are encoded together, and of crystal graphs whose voxels are decoded together."""
ON_PROCESSOR, ON_GPU = (2**26, 1000), (2**29, 8000)
"""Memory (bytes) of the sites voxels of the crystal graphs that are decoded together, and their maximum number."""
FAINT_ATOMS = "faint"
"""Label of a crystal with an element whose atoms were found at the fallback peak threshold only."""


@dataclass(frozen=True)
class CandidateRules:
    """Rules by which a crystal graph becomes a candidate.

    Attributes:
        max_atoms: Maximum number of atoms in the cell.
        min_distance: Minimum distance between two atoms, periodic images included, angstrom; one for all or by pair.
        expansion: Maximum factor by which the cell's lengths are scaled to satisfy ``min_distance``; 1: not scaled.
        faint: Fallback peak threshold as a fraction of the voxel's maximum, used for an element without atoms; None: no
            second attempt.
    """

    max_atoms: int = 20
    min_distance: DistanceRule = 0.0
    expansion: float = 1.0
    faint: float | None = None


@dataclass(frozen=True)
class CrystalGraphs:
    """Crystal graphs of a set of crystals.

    Attributes:
        ids: Ids of the crystals, (n,).
        graphs: Crystal graphs, (n, side, side, 1), float32, in [-1, 1].
    """

    ids: np.ndarray
    graphs: np.ndarray


@dataclass(frozen=True)
class CrystalCodec:
    """Encodes crystals as crystal graphs and decodes crystal graphs to crystals.

    Attributes:
        lattice: Autoencoder of lattice voxels.
        sites: Autoencoder of sites voxels.
        elements: Elements in the order of the crystal graph's rows.
        geometry: Grids, widths and box of the voxels.
        scale: Divisor of every pixel, (side, side, 1), float32.
    """

    lattice: Autoencoder
    sites: Autoencoder
    elements: tuple[str, ...]
    geometry: Geometry
    scale: np.ndarray

    def encode(self, crystals: Sequence[Crystal]) -> CrystalGraphs:
        """Return the crystal graphs of crystals in their standard cell; values beyond the scale are clipped.

        Crystals outside the voxel limits (:func:`ccdcgan.representation.voxels.refusal`) have no crystal graph and are
        omitted, with a line in the log.
        """
        ids, latents = _encode_latents(crystals, self)
        # Divided by their own largest values and multiplied again: the rounding of version 0.1, whose trained models
        # and candidates are thereby reproduced to the last bit.
        largest = _largest(latents)
        return CrystalGraphs(ids, np.clip(latents / largest * largest / self.scale, -1, 1).astype(np.float32))

    def decode(self, graphs: np.ndarray, rules: CandidateRules | None = None) -> Iterator[Decoded]:
        """Yield the crystal of each crystal graph (n, side, side, 1), or the reason why there is none.

        Args:
            graphs: Crystal graphs in [-1, 1].
            rules: All but ``expansion`` are applied here; None: the defaults, without a minimum distance.
        """
        return self.decode_latents(graphs * self.scale, rules)

    def decode_latents(self, latents: np.ndarray, rules: CandidateRules | None = None) -> Iterator[Decoded]:
        """Decode latents (n, side, side, 1), crystal graphs multiplied by ``scale``, as :meth:`decode` does."""
        rules = rules or CandidateRules()
        for start in range(0, len(latents), self.chunk):
            yield from self._decode_chunk(latents[start : start + self.chunk], rules)

    @property
    def chunk(self) -> int:
        """Number of crystal graphs that are decoded together."""
        memory, most = ON_GPU if uses_gpu() else ON_PROCESSOR
        return int(np.clip(memory // (4 * self.geometry.sites_grid**3 * len(self.elements)), 16, most))

    def _decode_chunk(self, latents: np.ndarray, rules: CandidateRules) -> list[Decoded]:
        """Decode latents in few calls of the networks. Sites are not decoded where there is no valid cell."""
        lattice_latents, sites_latents = self.split(latents)
        cells = decode_lattice_latents(lattice_latents, self.lattice, self.geometry)
        valid = [number for number, cell in enumerate(cells) if cell is not None]

        def crystals(numbers: list[int], positions: list[np.ndarray]) -> list[Decoded]:
            width = len(self.elements)
            return [
                assemble_crystal(
                    cells[number],
                    positions[width * place : width * (place + 1)],
                    self.elements,
                    rules.max_atoms,
                    rules.min_distance,
                )
                for place, number in enumerate(numbers)
            ]

        def sites(flat: np.ndarray, faint: float | None = None) -> list[np.ndarray]:
            return decode_sites_latents(flat, self.sites, self.geometry, faint)

        results = [Decoded(None, BAD_LATTICE)] * len(cells)
        flat = sites_latents[valid].reshape(-1, self.sites.latent)
        positions = sites(flat)
        for number, decoded in zip(valid, crystals(valid, positions), strict=True):
            results[number] = decoded
        if not rules.faint:
            return results
        width, places = len(self.elements), {number: place for place, number in enumerate(valid)}
        without = [number for number in valid if results[number].reason == MISSING]
        rows = [width * places[number] + column for number in without for column in range(width)]
        empty = [row for row in rows if not len(positions[row])]
        for row, atoms in zip(empty, sites(flat[empty], rules.faint), strict=True):
            positions[row] = atoms
        for number, decoded in zip(without, crystals(without, [positions[row] for row in rows]), strict=True):
            results[number] = replace(decoded, repaired=FAINT_ATOMS)
        return results

    def decode_voxels(self, graphs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the lattice voxel and the sites voxels (n_elements, grid, grid, grid) of each crystal graph."""
        for start in range(0, len(graphs), CHUNK):
            lattice_latents, sites_latents = self.split(graphs[start : start + CHUNK] * self.scale)
            lattices = self.lattice.decode(lattice_latents)
            sites = self.sites.decode(sites_latents.reshape(-1, self.sites.latent))
            yield from zip(lattices, sites.reshape(len(lattices), -1, *sites.shape[1:]), strict=True)

    def split(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return lattice latents (n, latent_lattice) and sites latents (n, n_elements, latent_sites) of latents
        (n, side, side, 1)."""
        return split_latents(latents, len(self.elements), self.sites.latent, self.lattice.latent)


def fit_codec(
    crystals: Sequence[Crystal], elements: Sequence[str], lattice: Autoencoder, sites: Autoencoder, geometry: Geometry
) -> tuple[CrystalCodec, CrystalGraphs]:
    """Return a codec whose scale is the largest absolute value of every pixel over ``crystals``, and their graphs.

    Args:
        crystals: Crystals of the database, in their standard cell.
        elements: Elements in the order of the crystal graph's rows.
        lattice: Autoencoder of lattice voxels.
        sites: Autoencoder of sites voxels.
        geometry: Grids, widths and box of the voxels.
    """
    side = graph_side(len(elements), sites.latent)
    codec = CrystalCodec(lattice, sites, tuple(elements), geometry, np.ones((side, side, 1), np.float32))
    ids, latents = _encode_latents(crystals, codec)
    codec = replace(codec, scale=_largest(latents))
    return codec, CrystalGraphs(ids, latents / codec.scale)


def _encode_latents(crystals: Sequence[Crystal], codec: CrystalCodec) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids (n,) and latents (n, side, side, 1) of those crystals that are within the voxel limits."""
    side = graph_side(len(codec.elements), codec.sites.latent)
    ids, latents = [], [np.empty((0, side, side, 1), np.float32)]
    for start in range(0, len(crystals), CHUNK):
        part = crystals[start : start + CHUNK]
        structures = [crystal.structure for crystal in part]
        lattices, sites, refusals = encode_batch(structures, codec.elements, codec.geometry)
        for crystal, reason in zip(part, refusals, strict=True):
            if reason:
                log.warning("%s has no crystal graph: %s", crystal.id, reason)
            else:
                ids.append(crystal.id)
        if len(lattices):
            sites_latents = codec.sites.encode(sites.reshape(-1, *sites.shape[2:]))
            sites_latents = sites_latents.reshape(len(lattices), len(codec.elements), -1)
            latents.append(join_latents(codec.lattice.encode(lattices), sites_latents))
    return np.array(ids, dtype=str), np.concatenate(latents)


def _largest(latents: np.ndarray) -> np.ndarray:
    """Return the largest absolute value of every pixel (side, side, 1), 1 where all are zero."""
    largest = np.abs(latents).max(axis=0, initial=0.0)
    return np.where(largest > 0, largest, 1.0).astype(np.float32)


def graph_side(n_elements: int, latent_sites: int) -> int:
    """Return the side of a crystal graph: the smallest multiple of 4 that holds all latents, at least 28."""
    needed = int(np.ceil(np.sqrt((1 + n_elements) * latent_sites)))
    return max(28, 4 * -(-needed // 4))


def join_latents(lattice_latents: np.ndarray, sites_latents: np.ndarray) -> np.ndarray:
    """Arrange latents as square arrays (n, side, side, 1).

    Args:
        lattice_latents: Shape (n, latent_lattice).
        sites_latents: Shape (n, n_elements, latent_sites).

    Raises:
        InputError: The lattice latent is longer than the sites latent.
    """
    n, n_elements, latent_sites = sites_latents.shape
    latent_lattice = lattice_latents.shape[1]
    if latent_lattice > latent_sites:
        raise InputError(
            f"config key representation.lattice.latent is {latent_lattice}; it must not exceed "
            f"representation.sites.latent, which is {latent_sites}."
        )
    side = graph_side(n_elements, latent_sites)
    flat = np.zeros((n, side * side), np.float32)
    flat[:, :latent_lattice] = lattice_latents
    flat[:, latent_sites : (1 + n_elements) * latent_sites] = sites_latents.reshape(n, -1)
    return flat.reshape(n, side, side, 1)


def split_latents(
    latents: np.ndarray, n_elements: int, latent_sites: int, latent_lattice: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split latents into those of the lattice and of the sites: the inverse of :func:`join_latents`.

    Args:
        latents: Joined latents, (n, ...).
        n_elements: Number of elements.
        latent_sites: Length of a sites latent.
        latent_lattice: Length of a lattice latent.

    Returns:
        Lattice latents, (n, latent_lattice), and sites latents, (n, n_elements, latent_sites).
    """
    flat = np.asarray(latents, np.float32).reshape(len(latents), -1)
    sites = flat[:, latent_sites : (1 + n_elements) * latent_sites]
    return flat[:, :latent_lattice], sites.reshape(len(latents), n_elements, latent_sites)


def save_graphs(path: str | Path, graphs: CrystalGraphs, codec: CrystalCodec) -> None:
    """Write crystal graphs and the codec without its networks.

    Args:
        path: File (.npz).
        graphs: The crystal graphs.
        codec: Codec that encoded them.
    """
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary,
            ids=np.asarray(graphs.ids, dtype=str),
            graphs=graphs.graphs,
            scale=codec.scale,
            elements=np.array(codec.elements, dtype=str),
            latent_sites=np.int64(codec.sites.latent),
            latent_lattice=np.int64(codec.lattice.latent),
            geometry=np.str_(json.dumps(asdict(codec.geometry))),
        )


def load_graphs(path: str | Path) -> CrystalGraphs:
    """Read the crystal graphs of a file written by :func:`save_graphs`.

    Raises:
        InputError: A part is missing.
    """
    with np.load(path, allow_pickle=False) as stored:
        try:
            return CrystalGraphs(stored["ids"], stored["graphs"])
        except KeyError as error:
            raise _incomplete(path, error) from error


def load_codec(path: str | Path, lattice: str | Path, sites: str | Path) -> CrystalCodec:
    """Read a codec.

    Args:
        path: File of crystal graphs, written by :func:`save_graphs`.
        lattice: File of the lattice autoencoder.
        sites: File of the sites autoencoder.

    Raises:
        InputError: A file is incomplete, or the autoencoders do not belong to the crystal graphs.
    """
    networks = load_autoencoder(lattice), load_autoencoder(sites)
    with np.load(path, allow_pickle=False) as stored:
        try:
            latents = int(stored["latent_lattice"]), int(stored["latent_sites"])
            elements = tuple(str(element) for element in stored["elements"])
            geometry, scale = Geometry(**json.loads(str(stored["geometry"]))), stored["scale"]
        except KeyError as error:
            raise _incomplete(path, error) from error
    for file, network, latent in zip((lattice, sites), networks, latents, strict=True):
        if network.latent != latent:
            raise InputError(
                f"{file} has a latent of {network.latent}, but the crystal graphs of {path} were made with {latent}; "
                f"rename {path} and run again."
            )
    return CrystalCodec(*networks, elements, geometry, scale)


def _incomplete(path: str | Path, error: KeyError) -> InputError:
    return InputError(f"{path} does not hold crystal graphs ({error}); rename it and run again.")
