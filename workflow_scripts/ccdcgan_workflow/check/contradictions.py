"""Rules that a schema cannot express: keys that contradict each other."""

import math
from collections.abc import Mapping
from typing import Any

from ase.data import atomic_numbers

from ccdcgan.schemes import SCHEMES, generating
from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check.errors import KeyProblem, Path, both_ways, dotted, in_file, problem
from ccdcgan_workflow.check.sentences import nearest

Settings = Mapping[str, Any]

MOST_JOBS, MOST_SHARDS = 1000, 10_000
"""Maximum numbers of jobs that share the crystals of a cheap engine, and that generate the samples of a scheme."""

SLOW_ENGINES = ("vasp", "gpaw")
"""Engines of which one crystal can be worth a job of its own."""

SHARPEST = 1 / 3
"""Minimum width of the Gaussians of a sites voxel, in units of the distance between voxels: below it an atom between
the voxels has a value of less than 0.04 in all of them."""

TAGS = ((("relaxation", "vasp", "encut"), "ENCUT", 1), (("relaxation", "fmax"), "EDIFFG", -1))
"""Key, the INCAR tag that it sets, and the sign of the tag."""

LARGER = 2
"""Maximum number of atoms of a candidate, in units of that of the crystals that the generators are trained on."""


def check_relations(config: Settings) -> None:
    """Raise KeyProblem if two keys contradict each other.

    Args:
        config: Complete configuration, valid by the schema.
    """
    guards, evaluation = config["relaxation"]["guards"], config["evaluation"]
    pairs = [
        (
            "relaxation.guards.min_volume",
            guards["min_volume"],
            "relaxation.guards.max_volume",
            guards["max_volume"],
        ),
        (
            "relaxation.guards.min_angle",
            guards["min_angle"],
            "relaxation.guards.max_angle",
            guards["max_angle"],
        ),
        (
            "relaxation.guards.min_distance",
            guards["min_distance"],
            "relaxation.guards.max_neighbour",
            guards["max_neighbour"],
        ),
        ("evaluation.stable", evaluation["stable"], "evaluation.meta_stable", evaluation["meta_stable"]),
    ]
    for low_key, low, high_key, high in pairs:
        if "auto" not in (low, high) and low > high:
            text = f"config key {low_key} is {low:g}; it must not exceed {high_key}, which is {high:g}."
            raise KeyProblem(tuple(low_key.split(".")), text)
    _check_scheme(config["relaxation"])
    _check_representation(config)
    _check_amounts(config)
    _check_campaign(config)
    _check_options(config["relaxation"]["mlip"])
    _check_potcars(config["relaxation"]["vasp"]["potcar"])


def check_tags(given: Settings, config: Settings, defaults: Settings) -> None:
    """Raise KeyProblem if a key of VASP and a different value of its INCAR tag are both set.

    A file that repeats the default, such as a copy of it, sets nothing.

    Args:
        given: What was given above the default values.
        config: Complete configuration.
        defaults: Default values of all keys.
    """
    tags = {str(tag).upper(): value for tag, value in config["relaxation"]["vasp"]["incar"].items()}
    for path, tag, sign in TAGS:
        own, value, usual = _value(given, path), _value(config, path), _value(defaults, path)
        if own is None or value == usual or tag not in tags or tags[tag] in (None, sign * value):
            continue
        name = dotted(path)
        raise KeyProblem(
            path,
            f"config key {name} is {value:g}, but relaxation.vasp.incar sets {tag} to {tags[tag]}, which overrides it; "
            f"delete {tag} from relaxation.vasp.incar, or {name}.",
        )


def _value(config: Any, path: Path) -> Any:
    """Return the value at a path of keys; None if there is none."""
    for key in path:
        config = config.get(key) if isinstance(config, Mapping) else None
    return config


def _check_scheme(relaxation: Settings) -> None:
    """Refuse corrections that do not fit the energies of the engine."""
    if relaxation["energy_scheme"] != "mp2020" or relaxation["engine"] not in ("mlip", "classical"):
        return
    from ccdcgan.database.energy_scheme import scheme_of  # here, since the import takes seconds

    models = relaxation["mlip"]["models"]
    if relaxation["engine"] == "classical":
        models = [relaxation["classical"]["calculator"]]
    try:
        scheme_of(models[-1], relaxation["energy_scheme"])
    except InputError as error:
        raise KeyProblem(("relaxation", "energy_scheme"), str(error)) from None


def _check_representation(config: Settings) -> None:
    representation, prototypes = config["representation"], config["prototypes"]
    box, sites = representation["box"], representation["sites"]
    if prototypes["max_length"] > box:
        raise KeyProblem(
            ("prototypes", "max_length"),
            f"config key prototypes.max_length is {prototypes['max_length']:g} angstrom; it must not "
            f"exceed representation.box, which is {box:g}.",
        )
    for source in config["hull"]["known"]:
        if source != "oqmd" and source not in prototypes["sources"]:
            raise KeyProblem(
                ("hull", "known"),
                f"config key hull.known names {source}, but prototypes.sources does not; name it there, too, or choose "
                "oqmd, which is shipped with the workflow.",
            )
    for network in ("sites", "lattice"):
        latent = representation[network]["latent"]
        if latent > sites["latent"]:
            raise KeyProblem(
                ("representation", network, "latent"),
                f"config key representation.{network}.latent is {latent}; it must not exceed "
                f"representation.sites.latent, which is {sites['latent']}.",
            )
    spacing = box / sites["grid"]
    path: Path = ("representation", "sites", "sigma")
    if sites["sigma"] < SHARPEST * spacing:
        least = math.ceil(SHARPEST * spacing * 100) / 100
        raise problem(
            path,
            sites["sigma"],
            f"atoms would disappear between the voxels, which are {spacing:.2f} angstrom apart (box / grid); it must "
            f"be at least {least:g}: {both_ways(path, max(least, round(spacing * 0.85, 2)))}.",
        )
    if sites["sigma"] > box / 4:
        text = f"it must be at most {box / 4:g}, a quarter of representation.box, or the atoms fill the whole box."
        raise problem(path, sites["sigma"], text)


def _check_amounts(config: Settings) -> None:
    """Refuse numbers of jobs and of atoms that cannot be meant."""
    engine = config["relaxation"]["engine"]
    for section in ("relaxation", "evaluation", "hull", "campaign"):
        jobs, path = config[section]["jobs"], (section, "jobs")
        if jobs > MOST_JOBS and engine not in SLOW_ENGINES:
            raise problem(
                path,
                jobs,
                f"a crystal takes the engine {engine} seconds, and a job longer to start; it must be at most "
                f"{MOST_JOBS}: {both_ways(path, 32)}.",
            )
    samples, size = config["generation"]["samples"], config["generation"]["shard_size"]
    if samples / size > MOST_SHARDS:
        path = ("generation", "shard_size")
        least = math.ceil(samples / MOST_SHARDS)
        raise problem(
            path,
            size,
            f"generation.samples: {samples} would be {math.ceil(samples / size)} jobs for each scheme; it must be at "
            f"least {least}: {both_ways(path, least)}.",
        )
    most, trained = config["generation"]["max_atoms"], max(config["prototypes"]["max_atoms"], 10)
    if most > LARGER * trained:
        raise problem(
            ("generation", "max_atoms"),
            most,
            f"the generators are trained on crystals of at most prototypes.max_atoms = "
            f"{config['prototypes']['max_atoms']} atoms, so it must be at most {LARGER * trained}; for larger "
            f"candidates raise both: write prototypes: {{max_atoms: {min(most, 200)}}}.",
        )


def _check_campaign(config: Settings) -> None:
    """Refuse a campaign without proposals."""
    proposals, names = config["campaign"]["proposals"], generating(SCHEMES)
    if "campaign" not in config["schemes"] or set(proposals) - {"generated", "prototype"}:
        return
    path: Path = ("campaign", "proposals")
    if "generated" not in proposals:
        raise KeyProblem(
            path,
            "config key campaign.proposals is [prototype], which proposes crystals only at compositions that the "
            f"database lacks; add another proposer: write {in_file(path, ['mutation', 'prototype'])}.",
        )
    if not set(names) & set(config["schemes"]):
        raise KeyProblem(
            path,
            f"config key campaign.proposals is [{', '.join(proposals)}], but schemes names none with a generator, so "
            f"that nothing is proposed; name one of {', '.join(names)} in schemes, or write "
            f"{in_file(path, ['mutation', *proposals])}.",
        )


def _check_options(mlip: Settings) -> None:
    """Refuse keywords of a model that is not used."""
    for model in mlip["options"]:
        if model not in mlip["models"]:
            raise KeyProblem(
                ("relaxation", "mlip", "options", model),
                f"config key relaxation.mlip.options names {model}, which has no effect, since relaxation.mlip.models "
                f"is [{', '.join(mlip['models'])}]; name one of these, or delete it.",
            )


def _check_potcars(potcars: Settings) -> None:
    for element in potcars:
        if element not in atomic_numbers or element == "X":
            near = nearest(str(element), [symbol for symbol in atomic_numbers if symbol != "X"])
            hint = f"did you mean {near}?" if near else "write element symbols, e.g. {Bi: Bi_d}."
            path = ("relaxation", "vasp", "potcar", element)
            raise KeyProblem(path, f"config key relaxation.vasp.potcar names {element!r}, which is no element; {hint}")
