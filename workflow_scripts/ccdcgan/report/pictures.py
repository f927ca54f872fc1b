"""The still pictures of the report: their captions, their texts for those who do not see them, how they are put in.

A caption stands in one file, ``templates/captions/{figure}.rst``, which Snakemake's own report reads too.
"""

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ccdcgan.figures.style import DPI
from ccdcgan.utils.errors import InputError

CAPTIONS = Path(__file__).parent / "templates/captions"
CSS_DPI = 112
"""Pixels of a page for an inch of a figure."""
_PNG_START = b"\x89PNG\r\n\x1a\n"

ALTERNATIVES: Mapping[str, str] = {
    "formation_energies": (
        "Scatter plots, one a scheme: formation energy of database and candidates, with the convex hull."
    ),
    "energy_histograms": (
        "Histograms of formation energies, one for the database and one for each scheme, with their means."
    ),
    "losses_by_reason": (
        "Bars: number of crystals left at each stage, and number lost for each reason, for each scheme."
    ),
    "learning_curves": (
        "Curves of reconstruction loss against training step for the lattice and the sites autoencoder."
    ),
    "example_crystals": "Drawings of up to four crystals, each beside a square picture of its latent values.",
    "reconstruction_examples": (
        "Drawings of up to four crystals and pictures of their voxels, each above what came back from its graph."
    ),
    "latent_map": "Scatter plots, one a scheme: first two principal components of database and candidates.",
    "constraint_parity": (
        "Scatter plot of predicted against computed formation energy for training and held-out crystals."
    ),
    "generator_curves": (
        "Curves against training step for each scheme: losses, discriminator accuracy, constraint term, probes."
    ),
    "phonon_bands": "Curves of phonon frequencies along a path through the Brillouin zone, one panel a candidate.",
}
"""Figure, named as the function that draws it -> its text for those who do not see it."""


@dataclass(frozen=True)
class Picture:
    """source: a data URI; width, height on a page (pixel); alt: text for those who do not see it; caption."""

    source: str
    width: int
    height: int
    alt: str
    caption: str


def caption(name: str) -> str:
    """Return the caption of a figure."""
    return (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8").strip()


def picture(name: str, image: str | Path | bytes) -> Picture:
    """Return a figure, a PNG's path or its bytes, as it is put into the page.

    Raises KeyError for a figure that is not listed here, InputError for one that is no PNG.
    """
    alt = ALTERNATIVES[name]
    content = image if isinstance(image, bytes) else Path(image).read_bytes()
    if content[:8] != _PNG_START:
        raise InputError(f"figure {name} is no PNG image; draw it again.")
    # all figures are shown at one scale, so that their letters have one size
    width, height = (round(n * CSS_DPI / DPI) for n in struct.unpack(">II", content[16:24]))
    source = "data:image/png;base64," + base64.b64encode(content).decode()
    return Picture(source, width, height, alt, caption(name))
