"""Static figures of the report, with captions and alternative texts, embedded as data URIs.

The caption of a figure is in ``templates/captions/{figure}.rst``, which the report of Snakemake uses as well.
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
"""Pixels on the page per inch of a figure."""
_PNG_START = b"\x89PNG\r\n\x1a\n"

ALTERNATIVES: Mapping[str, str] = {
    "formation_energies": (
        "Scatter plots, one per scheme: formation energies of database, known phases and candidates, with the hull."
    ),
    "energy_histograms": ("Histograms of formation energies of the database and of each scheme, with their means."),
    "discovery_curves": (
        "Curves, one per scheme: number of distinct meta-stable crystals found versus number of relaxations."
    ),
    "losses_by_reason": (
        "Bar charts, one per scheme: number of crystals at each stage, and number rejected for each reason."
    ),
    "learning_curves": ("Reconstruction loss versus training step of the lattice and the sites autoencoder."),
    "example_crystals": "Up to four crystals, each with an image of its latent values.",
    "reconstruction_examples": (
        "Up to four crystals and their voxels, each above the crystal and voxels decoded from its crystal graph."
    ),
    "latent_map": "Scatter plots, one per scheme: first two principal components of the crystal graphs.",
    "constraint_parity": (
        "Scatter plot: predicted versus computed formation energies of training and held-out crystals."
    ),
    "generator_curves": (
        "Curves versus training step for each scheme: losses, discriminator accuracy, constraint term, probes."
    ),
    "phonon_bands": "Phonon frequencies along a path through the Brillouin zone, one panel per candidate.",
}
"""Figure, named as the function that draws it -> alternative text."""


@dataclass(frozen=True)
class Picture:
    """A figure as it is embedded in the page.

    Attributes:
        source: Data URI.
        width: Width on the page, pixel.
        height: Height on the page, pixel.
        alt: Alternative text.
        caption: Caption.
    """

    source: str
    width: int
    height: int
    alt: str
    caption: str


def caption(name: str) -> str:
    """Return the caption of a figure."""
    return (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8").strip()


def picture(name: str, image: str | Path | bytes) -> Picture:
    """Return a figure as it is embedded in the page.

    Args:
        name: Name of the figure, a key of ALTERNATIVES.
        image: PNG image, as a path or its bytes.

    Raises:
        KeyError: If the figure is not in ALTERNATIVES.
        InputError: If the image is not a PNG.
    """
    alt = ALTERNATIVES[name]
    content = image if isinstance(image, bytes) else Path(image).read_bytes()
    if content[:8] != _PNG_START:
        raise InputError(f"figure {name} is not a PNG image; draw it again.")
    # all figures have the same scale, so that their fonts have the same size
    width, height = (round(n * CSS_DPI / DPI) for n in struct.unpack(">II", content[16:24]))
    source = "data:image/png;base64," + base64.b64encode(content).decode()
    return Picture(source, width, height, alt, caption(name))
