"""Keys that have no effect with the chosen options.

A key that contradicts an option is refused. A section of an engine or a scheme that is not in use is not: files that
several runs share may have it. It is named in one remark.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ccdcgan.schemes import trained
from ccdcgan_workflow.check.errors import KeyProblem, Path, dotted, in_file
from ccdcgan_workflow.keys.layers import Layer
from ccdcgan_workflow.keys.sections import MISSING, flat, value_at

Settings = Mapping[str, Any]

SOURCES = ("files", "oqmd", "materials_project", "optimade")
"""Sources of prototypes with a section of their own."""


def check_unused(layers: Sequence[Layer], config: Settings, defaults: Settings) -> None:
    """Raise KeyProblem if the user set a key that has no effect to a value other than its default.

    Values of presets do not count: they are given for several combinations of options.

    Args:
        layers: Settings above the default values.
        config: Complete configuration, valid by the schema.
        defaults: Default values of all keys.
    """
    for path, reason, remedy in _without_effect(config):
        if _is_set(path, layers, config, defaults):
            raise KeyProblem(
                path,
                f"config key {dotted(path)} has no effect, since {reason}; write {remedy}, or delete {dotted(path)}.",
            )


def unused_sections(layers: Sequence[Layer], config: Settings, defaults: Settings) -> str:
    """Return a sentence that names the sections that the user set and that are not in use; "" if there are none.

    Args:
        layers: Settings above the default values.
        config: Complete configuration.
        defaults: Default values of all keys.
    """
    named = [
        f"{dotted(path)} ({reason})"
        for path, reason in _sections(config)
        if any(
            _is_set((*path, *key.split(".")), layers, config, defaults)
            for key in flat(value_at(defaults, path))
            if (*path, key) != ("phonons", "top")  # the switch
        )
    ]
    return f"Without effect in this run: {', '.join(named)}." if named else ""


def _without_effect(config: Settings) -> Iterator[tuple[Path, str, str]]:
    """Yield each key without effect, the reason, and what to write for it to have one."""
    schemes, relaxation, verify = config["schemes"], config["relaxation"], config["verify"]
    if "dcgan" not in schemes:
        yield (
            ("generation", "screen"),
            "schemes does not name dcgan, whose candidates it selects",
            _with("dcgan", schemes),
        )
    elif "ccdcgan" not in schemes:
        for key in ("constraint_weight", "constraint_term"):
            yield ("gan", key), "schemes does not name ccdcgan", _with("ccdcgan", schemes)
    if "flow" in schemes and "optimised-flow" not in schemes:
        for key in ("optimisation_steps", "optimisation_length", "trust_radius"):
            yield ("flow", key), "schemes does not name optimised-flow", _with("optimised-flow", schemes)
    assignments = config["substitution"]["assignments"]
    if assignments != "probability":
        reason = f"substitution.assignments is {assignments}"
        yield ("substitution", "threshold"), reason, in_file(("substitution", "assignments"), "probability")
    for source in SOURCES:
        if source not in config["prototypes"]["sources"]:
            example = in_file(("prototypes", "sources"), [*config["prototypes"]["sources"], source])
            for key in config["prototypes"][source]:
                reason = f"prototypes.sources does not name {source}"
                yield ("prototypes", source, key), reason, f"{example} or [{source}]"
    if relaxation["optimizer"] == "FIRE":
        path: Path = ("relaxation", "initial_hessian")
        yield path, "the optimizer FIRE has no Hessian", in_file(("relaxation", "optimizer"), "BFGS")
    if relaxation["engine"] in ("vasp", "gpaw") and verify["engine"] != "classical":
        reason = f"relaxation.engine is {relaxation['engine']}, for which atoms are not displaced"
        yield ("relaxation", "displacement"), reason, in_file(("relaxation", "engine"), "mlip")
    if relaxation["vasp"]["kpoints"] is not None:
        path = ("relaxation", "vasp", "k_length")
        yield path, "relaxation.vasp.kpoints sets the mesh", in_file(("relaxation", "vasp", "kpoints"), None)
    if not config["hull"]["known"]:
        yield ("hull", "max_atoms"), "hull.known is empty", in_file(("hull", "known"), ["oqmd"])
    for section, switch, key in (
        ("generators", "probe_every", "probe_samples"),
        ("evaluation", "variant_distance", "variant_energy"),
        ("phonons", "follow", "follow_atoms"),
    ):
        if not config[section][switch]:
            yield (section, key), f"{section}.{switch} is 0", f"{section}: {{{switch}: NUMBER}}"


def _sections(config: Settings) -> Iterator[tuple[Path, str]]:
    """Yield each section that is not in use, and the reason."""
    schemes = set(config["schemes"])
    for section, users in (
        ("gan", ("dcgan", "ccdcgan")),
        ("flow", ("flow", "optimised-flow")),
        ("vae", ("vae",)),
        ("campaign", ("campaign",)),
    ):
        if not schemes & set(users):
            yield (section,), f"schemes does not name {' or '.join(users)}"
    if not trained(config["schemes"]) and "optimised-flow" not in schemes:
        yield ("generators",), "schemes names no scheme with a generator"
    relaxing, verifying = config["relaxation"]["engine"], config["verify"]["engine"]
    if verifying is None:
        yield ("verify",), "verify.engine is null"
    for engine in ("gpaw", "classical"):  # the target vasp_inputs uses the section of VASP with any engine
        if engine not in (relaxing, verifying):
            yield ("relaxation", engine), f"relaxation.engine is {relaxing}"
    network = config["constraint"]["network"]
    other = "descriptors" if network == "image" else "image"
    yield ("constraint", other), f"constraint.network is {network}"
    if not config["phonons"]["top"]:
        yield ("phonons",), "phonons.top is 0"


def _is_set(path: Path, layers: Sequence[Layer], config: Settings, defaults: Settings) -> bool:
    """Tell whether the value in force is the user's own and differs from the default."""
    top = next((layer for layer in reversed(layers) if value_at(layer.content, path) is not MISSING), None)
    return top is not None and top.is_own and value_at(config, path) != value_at(defaults, path)


def _with(scheme: str, schemes: Sequence[str]) -> str:
    """Return how to add a scheme."""
    return in_file(("schemes",), [*schemes, scheme])
