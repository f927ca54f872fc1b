"""Which constraint a run trains, by ``constraint.network``: the paper's network S5, or one that reads descriptors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ccdcgan.crystals.structures import read_set
from ccdcgan.models.constraint.descriptor_network import draw_lessons, train_informed_constraint
from ccdcgan.models.constraint.image_network import train_constraint
from ccdcgan.representation.autoencoders import load_autoencoder
from ccdcgan.representation.crystal_graph import CrystalGraphs
from ccdcgan.utils.files import exclusive


def train_chosen_constraint(
    known: CrystalGraphs,
    values: np.ndarray,
    held_out: np.ndarray,
    settings: Mapping[str, Any],
    seed: int,
    *,
    checkpoint: str | Path,
    crystals: str | Path | None = None,
    lattice: str | Path | None = None,
    sites: str | Path | None = None,
    precision: str = "float32",
    xla: bool = False,
    quantity: str = "",
) -> tuple[keras.Model, str]:
    """Return the trained constraint, crystal graphs to values, and its learning curve as the text of a CSV.

    known: crystal graphs of n crystals; values: (n,), formation energies in eV/atom or the ``quantity``; held_out:
    (n,) of bool; settings: those of the network chosen (``network``); checkpoint: .npz, beside which the learning
    curve grows, since Snakemake deletes the outputs of a killed job; crystals, lattice, sites: files of the database's
    crystals and the two autoencoders, which ``network: descriptors`` needs.
    """
    history = Path(checkpoint).with_suffix(".csv")
    common = {"checkpoint": checkpoint, "history": history, "precision": precision, "xla": xla}
    with exclusive(f"{checkpoint}.lock"):
        if settings["network"] == "descriptors":
            autoencoders, ids = (load_autoencoder(lattice), load_autoencoder(sites)), known.ids[~held_out]
            lessons = draw_lessons(known, read_set(crystals), ids, autoencoders, int(settings["crystals"]), seed)
            model = train_informed_constraint(known, values, held_out, lessons, settings, seed, **common)
        else:
            model = train_constraint(known.graphs, values, held_out, settings, seed, quantity=quantity, **common)
    return model, history.read_text()
