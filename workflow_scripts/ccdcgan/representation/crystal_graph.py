"""Crystals <-> crystal graphs: the latents of a crystal's voxels as one small square picture.

Flattened, a crystal graph is the lattice latent padded with zeros to ``latent_sites``, then one sites latent
per element of the system in a fixed order, then zeros (Long et al.: 28 x 28 for a binary with latents of 25
and 200). Every pixel is then divided by its largest absolute value over the database, so that all values lie in
[-1, 1] and fill it: latents by themselves use a small part of it, which a generator learns badly.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ccdcgan.crystals.structures import Crystal
from ccdcgan.representation.autoencoders import Autoencoder
from ccdcgan.representation.latent_decoding import read_lattices, read_sites
from ccdcgan.representation.voxel_decoding import MISSING, Decoded, assemble_crystal
from ccdcgan.representation.voxels import Geometry, encode_batch
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import atomic_path

log = logging.getLogger(__name__)

CHUNK = 64
"""Crystal graphs encoded or decoded at a time."""
FAINT_ATOMS = "faint"
"""Label of a crystal with an element whose atoms stand out less from its voxel than they should."""


@dataclass(frozen=True)
class CrystalGraphs:
    """Crystal graphs of a structure set, and what it takes to read them back.

    ids: (n,) of the crystals; graphs: (n, side, side, 1), float32, in [-1, 1]; scale: (side, side, 1), float32,
    what every pixel was divided by, so that ``graphs * scale`` are latents again; elements: in row order;
    latent_sites, latent_lattice: lengths of the latents; geometry: of the voxels.
    """

    ids: np.ndarray
    graphs: np.ndarray
    scale: np.ndarray
    elements: tuple[str, ...]
    latent_sites: int
    latent_lattice: int
    geometry: Geometry

    @property
    def latents(self) -> np.ndarray:
        """The crystal graphs (n, side, side, 1) before the division by ``scale``."""
        return self.graphs * self.scale


def image_side(n_elements: int, latent_sites: int) -> int:
    """Return the side of the crystal graph: the smallest multiple of 4 that holds all rows, at least 28."""
    needed = int(np.ceil(np.sqrt((1 + n_elements) * latent_sites)))
    return max(28, 4 * -(-needed // 4))


def assemble(lattice_latents: np.ndarray, sites_latents: np.ndarray) -> np.ndarray:
    """Return the crystal graphs (n, side, side, 1) of lattice latents (n, latent_lattice) and sites latents
    (n, n_elements, latent_sites). Raises InputError if the lattice latent is the longer one."""
    n, n_elements, latent_sites = sites_latents.shape
    latent_lattice = lattice_latents.shape[1]
    if latent_lattice > latent_sites:
        raise InputError(
            f"representation: lattice.latent is {latent_lattice}; it must not exceed sites.latent, {latent_sites}."
        )
    side = image_side(n_elements, latent_sites)
    flat = np.zeros((n, side * side), np.float32)
    flat[:, :latent_lattice] = lattice_latents
    flat[:, latent_sites : (1 + n_elements) * latent_sites] = sites_latents.reshape(n, -1)
    return flat.reshape(n, side, side, 1)


def disassemble(
    graphs: np.ndarray, n_elements: int, latent_sites: int, latent_lattice: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lattice latents (n, latent_lattice) and sites latents (n, n_elements, latent_sites)."""
    flat = np.asarray(graphs, np.float32).reshape(len(graphs), -1)
    sites = flat[:, latent_sites : (1 + n_elements) * latent_sites]
    return flat[:, :latent_lattice], sites.reshape(len(graphs), n_elements, latent_sites)


def encode_crystals(
    crystals: Sequence[Crystal],
    elements: Sequence[str],
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    geometry: Geometry,
    chunk: int = CHUNK,
) -> CrystalGraphs:
    """Return the crystal graphs of crystals in their standard cell.

    A crystal that the voxels cannot hold (``voxels.refusal``) has none and is left out, with a line in the log;
    compare ``ids``.
    """
    ids, graphs = [], []
    for start in range(0, len(crystals), chunk):
        part = crystals[start : start + chunk]
        lattices, sites, refusals = encode_batch([crystal.structure for crystal in part], elements, geometry)
        for crystal, reason in zip(part, refusals, strict=True):
            if reason:
                log.warning("%s has no crystal graph: %s", crystal.id, reason)
            else:
                ids.append(crystal.id)
        if not len(lattices):
            continue
        sites_latents = sites_autoencoder.encode(sites.reshape(-1, *sites.shape[2:]))
        graphs.append(
            assemble(
                lattice_autoencoder.encode(lattices),
                sites_latents.reshape(len(lattices), len(elements), -1),
            )
        )
    side = image_side(len(elements), sites_autoencoder.latent)
    latents = np.concatenate(graphs) if graphs else np.empty((0, side, side, 1), np.float32)
    largest = np.abs(latents).max(axis=0, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0).astype(np.float32)
    return CrystalGraphs(
        np.array(ids, dtype=str),
        latents / scale,
        scale,
        tuple(elements),
        sites_autoencoder.latent,
        lattice_autoencoder.latent,
        geometry,
    )


def decode_graphs(
    graphs: np.ndarray,
    n_elements: int,
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    chunk: int = CHUNK,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the lattice voxel and the sites voxels (n_elements, grid, grid, grid) of each crystal graph.

    graphs: (n, side, side, 1), undivided, as :attr:`CrystalGraphs.latents`.
    """
    for start in range(0, len(graphs), chunk):
        lattice_latents, sites_latents = disassemble(
            graphs[start : start + chunk], n_elements, sites_autoencoder.latent, lattice_autoencoder.latent
        )
        lattices = lattice_autoencoder.decode(lattice_latents)
        sites = sites_autoencoder.decode(sites_latents.reshape(-1, sites_autoencoder.latent))
        sites = sites.reshape(len(lattices), n_elements, *sites.shape[1:])
        yield from zip(lattices, sites, strict=True)


def decode_crystals(
    graphs: np.ndarray,
    elements: Sequence[str],
    lattice_autoencoder: Autoencoder,
    sites_autoencoder: Autoencoder,
    geometry: Geometry,
    max_atoms: int = 20,
    min_distance: float = 0.0,
    faint: float | None = None,
) -> Iterator[Decoded]:
    """Yield the crystal that each crystal graph describes, or the reason why there is none.

    graphs: (n, side, side, 1), undivided, as :attr:`CrystalGraphs.latents`. Cells and atoms are read, and corrected
    as often as the geometry says, by ``corrections``. faint: where an element has no atoms they are looked for again,
    see ``corrections.read_sites``; such a crystal is labelled as repaired, FAINT_ATOMS.
    """
    n_elements = len(elements)
    for start in range(0, len(graphs), CHUNK):
        lattice_latents, sites_latents = disassemble(
            graphs[start : start + CHUNK], n_elements, sites_autoencoder.latent, lattice_autoencoder.latent
        )
        cells = read_lattices(lattice_latents, lattice_autoencoder, geometry)
        found = read_sites(sites_latents.reshape(-1, sites_autoencoder.latent), sites_autoencoder, geometry)
        second = {}
        if faint:
            empty = [row for row, positions in enumerate(found) if not len(positions)]
            latents = sites_latents.reshape(-1, sites_autoencoder.latent)[empty]
            second = dict(zip(empty, read_sites(latents, sites_autoencoder, geometry, faint), strict=True))
        for number, cell in enumerate(cells):
            rows = range(number * n_elements, (number + 1) * n_elements)
            decoded = assemble_crystal(cell, [found[row] for row in rows], elements, max_atoms, min_distance)
            if decoded.reason == MISSING and second:
                own = [second.get(row, found[row]) for row in rows]
                decoded = replace(assemble_crystal(cell, own, elements, max_atoms, min_distance), repaired=FAINT_ATOMS)
            yield decoded


def save_graphs(path: str | Path, graphs: CrystalGraphs) -> None:
    """Write crystal graphs as .npz."""
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary,
            ids=np.asarray(graphs.ids, dtype=str),
            graphs=graphs.graphs,
            scale=graphs.scale,
            elements=np.array(graphs.elements, dtype=str),
            latent_sites=np.int64(graphs.latent_sites),
            latent_lattice=np.int64(graphs.latent_lattice),
            geometry=np.str_(json.dumps(asdict(graphs.geometry))),
        )


def load_graphs(path: str | Path) -> CrystalGraphs:
    """Read what :func:`save_graphs` wrote. Raises InputError if a part is missing."""
    with np.load(path, allow_pickle=False) as stored:
        try:
            return CrystalGraphs(
                stored["ids"],
                stored["graphs"],
                stored["scale"],
                tuple(str(element) for element in stored["elements"]),
                int(stored["latent_sites"]),
                int(stored["latent_lattice"]),
                Geometry(**json.loads(str(stored["geometry"]))),
            )
        except KeyError as error:
            raise InputError(f"{path} holds no crystal graphs ({error}); delete it and run again.") from error
