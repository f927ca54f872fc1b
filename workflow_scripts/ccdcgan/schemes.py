"""The schemes that make candidates: names, labels and what kind each is, in one place and in the order of all tables.

The first three are those of Long et al. A scheme of a family that trains has a generator of its own; the others
take the candidates or the generator of ``start``, or are controls that show what a trained generator is worth.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

PAPER = ("dcgan", "dcgan+constraint", "ccdcgan")
"""The schemes of Long et al., in the order of their table."""


@dataclass(frozen=True)
class Scheme:
    """name: in configuration, paths and tables; label: how it is written in a figure or table; family: what its
    generator is: ``gan``, ``flow`` or ``vae``, which are trained, ``guided``, another scheme's with a pull,
    ``control``, which has none, or ``screen``, which keeps some of another scheme's candidates and is not chosen but
    comes with it; constrained:
    whether the constraint has a part in it; start: the scheme it takes from, or ""; meaning: a sentence."""

    name: str
    label: str
    family: str
    constrained: bool
    start: str
    meaning: str


SCHEMES = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (
            Scheme("dcgan", "DCGAN", "gan", False, "", "A generator trained against a discriminator."),
            Scheme(
                "dcgan+constraint",
                "DCGAN + constraint",
                "screen",
                True,
                "dcgan",
                "The candidates of DCGAN that the constraint predicts to lie low.",
            ),
            Scheme("ccdcgan", "CCDCGAN", "gan", True, "", "DCGAN with the constraint in its generator's loss."),
            Scheme("flow", "flow", "flow", False, "", "A flow from noise to crystal graphs (flow matching)."),
            Scheme(
                "guided-flow",
                "guided flow",
                "guided",
                True,
                "flow",
                "The flow with every step pulled down the constraint's predicted formation energy.",
            ),
            Scheme(
                "optimised-flow",
                "optimised flow",
                "guided",
                True,
                "flow",
                "The flow from noise that was moved down the constraint's predicted formation energy.",
            ),
            Scheme("vae", "VAE", "vae", False, "", "Control: a variational autoencoder on the same crystal graphs."),
            Scheme(
                "random",
                "random crystals",
                "control",
                False,
                "",
                "Control: random symmetric crystals with the compositions and volumes of the database.",
            ),
            Scheme(
                "database", "database itself", "control", False, "", "Control: the substituted crystals, unrelaxed."
            ),
        )
    }
)
"""Name -> scheme, the paper's first."""

TRAINED = ("gan", "flow", "vae")
"""Families whose schemes train a generator of their own, ``models/{scheme}/generator.keras``."""


def can_be_chosen() -> list[str]:
    """Return the schemes that ``schemes`` in the configuration may name."""
    return [name for name, scheme in SCHEMES.items() if scheme.family != "screen"]


def trained(schemes: Iterable[str]) -> list[str]:
    """Return those schemes that train a generator of their own, in the given order."""
    return [name for name in schemes if SCHEMES[name].family in TRAINED]


def guided(schemes: Iterable[str]) -> list[str]:
    """Return those schemes whose generator is another one's, pulled by the constraint, in the given order."""
    return [name for name in schemes if SCHEMES[name].family == "guided"]


def controls(schemes: Iterable[str]) -> list[str]:
    """Return those schemes whose candidates no generator makes, in the given order."""
    return [name for name in schemes if SCHEMES[name].family == "control"]


def can_be_new(scheme: str) -> bool:
    """Tell whether the scheme's candidates can be others than the crystals of the database."""
    return scheme != "database"


def is_screen(scheme: str) -> bool:
    """Return whether a scheme only keeps some of another's candidates."""
    return scheme in SCHEMES and SCHEMES[scheme].family == "screen"


def screening(scheme: str) -> str | None:
    """Return the scheme that screens this one's candidates with the constraint, if there is one."""
    return next((name for name, other in SCHEMES.items() if other.family == "screen" and other.start == scheme), None)
