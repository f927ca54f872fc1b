"""Every plot of a run. Each function takes tables or arrays and returns a matplotlib Figure, no file.

Colours are those of Okabe and Ito, told apart by colour-blind readers, and every set has its own marker too.
An empty input gives a figure that says so.
"""

from ccdcgan.figures.crystals import choose_examples, example_crystals
from ccdcgan.figures.energies import energy_histograms, formation_energies, hull_vertices
from ccdcgan.figures.latent import latent_map, principal_axes
from ccdcgan.figures.losses import losses_by_reason, stage_counts
from ccdcgan.figures.phonons import phonon_bands
from ccdcgan.figures.reconstruction import reconstruction_examples
from ccdcgan.figures.style import save_figure
from ccdcgan.figures.training import constraint_parity, generator_curves, learning_curves

__all__ = [
    "choose_examples",
    "constraint_parity",
    "energy_histograms",
    "example_crystals",
    "formation_energies",
    "generator_curves",
    "hull_vertices",
    "latent_map",
    "learning_curves",
    "losses_by_reason",
    "phonon_bands",
    "principal_axes",
    "reconstruction_examples",
    "save_figure",
    "stage_counts",
]
