"""Schemes of candidate generation: names, labels and families, in the order of all tables.

The first three are those of Long et al. A scheme of a trained family has its own generator. The others use the
candidates or the generator of another scheme, or are controls.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

PAPER = ("dcgan", "dcgan+constraint", "ccdcgan")
"""The schemes of Long et al., in the order of their table."""


@dataclass(frozen=True)
class Scheme:
    """One scheme.

    Attributes:
        name: Name in configuration, paths and tables.
        label: Label in figures and tables.
        family: ``gan``, ``flow`` or ``vae``: trained; ``guided``: the generator of another scheme, guided by the
            constraint; ``control``: without a generator; ``campaign``: chooses in rounds among proposals of
            other kinds; ``screen``: those candidates of another scheme that pass the constraint's screen, evaluated
            together with that scheme.
        constrained: Whether the scheme uses the constraint.
        start: Scheme whose candidates or generator it uses, or "".
        meaning: One sentence.
    """

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
                "The candidates of DCGAN with a predicted formation energy below the screen.",
            ),
            Scheme("ccdcgan", "CCDCGAN", "gan", True, "", "DCGAN with the constraint in the loss of its generator."),
            Scheme("flow", "flow", "flow", False, "", "A flow from noise to crystal graphs (flow matching)."),
            Scheme(
                "optimised-flow",
                "optimised flow",
                "guided",
                True,
                "flow",
                "The flow with gradient descent of its noise on the predicted formation energy.",
            ),
            Scheme(
                "campaign",
                "campaign",
                "campaign",
                False,
                "",
                "Rounds of relaxations; a model that learns from each of them chooses among proposals of all kinds.",
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
                "mutation",
                "mutations",
                "control",
                False,
                "",
                "Control: mutations of relaxed crystals of the database, those near the hull more often.",
            ),
            Scheme(
                "database", "database itself", "control", False, "", "Control: the substituted crystals, unrelaxed."
            ),
        )
    }
)
"""Name -> scheme; those of Long et al. come first."""

TRAINED = ("gan", "flow", "vae")
"""Families of schemes with a trained generator of their own."""


def can_be_chosen() -> list[str]:
    """Return the schemes that the key ``schemes`` of the configuration may name."""
    return [name for name, scheme in SCHEMES.items() if scheme.family != "screen"]


def trained(schemes: Iterable[str]) -> list[str]:
    """Return the schemes with a trained generator of their own, in the given order."""
    return [name for name in schemes if SCHEMES[name].family in TRAINED]


def guided(schemes: Iterable[str]) -> list[str]:
    """Return the schemes that guide the generator of another one by the constraint, in the given order."""
    return [name for name in schemes if SCHEMES[name].family == "guided"]


def controls(schemes: Iterable[str]) -> list[str]:
    """Return the schemes without a generator, in the given order."""
    return [name for name in schemes if SCHEMES[name].family == "control"]


def generating(schemes: Iterable[str]) -> list[str]:
    """Return the schemes whose crystals come from a generator, in the given order."""
    return [name for name in schemes if SCHEMES[name].family in (*TRAINED, "guided")]


def can_be_new(scheme: str) -> bool:
    """Tell whether candidates of the scheme can be crystals that are not in the database."""
    return scheme != "database"


def draws_in_rounds(scheme: str) -> bool:
    """Tell whether a scheme draws proposals until it has enough, so that their number follows from no key."""
    return scheme in SCHEMES and SCHEMES[scheme].family == "campaign"


def is_screen(scheme: str) -> bool:
    """Tell whether a scheme screens the candidates of another one."""
    return scheme in SCHEMES and SCHEMES[scheme].family == "screen"


def screening(scheme: str) -> str | None:
    """Return the scheme that screens the candidates of this one with the constraint, if there is one."""
    return next((name for name, other in SCHEMES.items() if other.family == "screen" and other.start == scheme), None)


def screened(scheme: str) -> str | None:
    """Return the scheme whose candidates a screening scheme screens; None for other schemes."""
    return SCHEMES[scheme].start if is_screen(scheme) else None
