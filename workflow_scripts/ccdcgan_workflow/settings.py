"""Parts of the configuration as the rules need them: pure functions of a checked configuration.

What a rule gets here decides when its results are computed again. Each function therefore returns only the keys that
affect the results of its rule, under the names that the results of earlier runs have.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

from ccdcgan.schemes import SCHEMES, controls, generating, trained
from ccdcgan_workflow.configuration import elements_of
from ccdcgan_workflow.keys.renamed import earlier_names, earlier_path

Settings = Mapping[str, Any]

ENGINES = ("mlip", "classical", "vasp", "gpaw")
SOURCES_WITH_SETTINGS = ("files", "oqmd", "materials_project", "optimade")
RANKINGS = {"similar": "expected_formation_energy", "constraint": "predicted_formation_energy"}
"""Value of ``evaluation.choose`` that ranks candidates -> the column by which it does."""


def numbered(count: int) -> list[str]:
    """Return the names of the batches of ``count`` jobs, or of shards: 000, 001, ..."""
    return [f"{number:03d}" for number in range(count)]


def source_query(config: Settings, source: str) -> list:
    """Return the query to a source of prototypes: its settings, the number of elements, the maximum number of atoms."""
    section = config["prototypes"]
    return [section[source], len(elements_of(config["system"])), section["max_atoms"]]


def prototype_settings(config: Settings) -> dict[str, Any]:
    """Return the settings of the prototypes, without those of sources that are not used."""
    section = earlier_names({"prototypes": config["prototypes"]})["prototypes"]
    unused = set(SOURCES_WITH_SETTINGS) - set(section["sources"])
    return {key: value for key, value in section.items() if key not in unused}


def known_phase_settings(config: Settings) -> dict[str, Any]:
    """Return the settings that decide which known phases there are."""
    section = config["hull"]
    return {
        "known": section["known"],
        "max_atoms": section["max_atoms"],
        "sources": {name: config["prototypes"][name] for name in SOURCES_WITH_SETTINGS if name in section["known"]},
    }


def relaxation_settings(section: Settings) -> dict[str, Any]:
    """Return the settings that affect the result of a relaxation.

    Args:
        section: Section ``relaxation`` of the configuration. The number of jobs, the correction of the energies and the
            settings of unused engines are left out.
    """
    unused = {"jobs", "energy_correction", "energy_scheme", *ENGINES} - {section["engine"]}
    used = {key: value for key, value in section.items() if key not in unused}
    return earlier_names({"relaxation": used})["relaxation"]


def verification_settings(config: Settings) -> dict[str, Any]:
    """Return the settings of a relaxation with the second engine."""
    changes = {key: config["verify"][key] for key in ("engine", "fmax", "max_steps", "wall_clock")}
    return relaxation_settings(config["relaxation"] | changes)


def phonon_engine_settings(config: Settings) -> dict[str, Any]:
    """Return the settings of the engine that computes phonons: the engine of the run if it is cheap, else ``mlip``.

    Atoms are not displaced at random, since phonons are computed for the symmetric crystal.
    """
    section = config["relaxation"]
    engine = section["engine"] if section["engine"] in ("mlip", "classical") else "mlip"
    settings = relaxation_settings(section | {"engine": engine, "displacement": 0.0})
    if engine == "mlip":
        mlip = {key: value for key, value in section["mlip"].items() if key != "batched"}
        settings["mlip"] = mlip | {"models": section["mlip"]["models"][-1:]}
    return settings


def energy_model(config: Settings) -> str:
    """Return the name of the model or functional of the final energies, as in tables of DFT points."""
    section = config["relaxation"]
    names = {"mlip": section["mlip"]["models"][-1], "vasp": "vasp-PBE", "gpaw": f"gpaw-{section['gpaw']['xc']}"}
    return names.get(section["engine"], section["classical"]["calculator"])


def uses_vasp(config: Settings) -> bool:
    """Tell whether VASP relaxes or verifies."""
    return "vasp" in (config["relaxation"]["engine"], config["verify"]["engine"])


def needs_potcars(config: Settings) -> bool:
    """Tell whether any stage of the run needs POTCARs."""
    return uses_vasp(config) and not config["relaxation"]["vasp"]["potcar_spec"]


def constraint_settings(config: Settings) -> dict[str, Any]:
    """Return the settings of the network that is used as the constraint, without those of the other network."""
    section = earlier_names({"constraint": config["constraint"]})["constraint"]
    network, descriptors = section["network"], section.pop("descriptors")
    if network == "descriptors":
        return {"network": network, "held_out": section["held_out"], **descriptors}
    return section


def generator_settings(config: Settings, scheme: str) -> dict[str, Any]:
    """Return the settings of a scheme's family; constraint_* keys are dropped for unconstrained schemes."""
    family = SCHEMES[scheme].family
    settings = {**earlier_names({family: config[family]})[family], **config["generators"]}
    if not SCHEMES[scheme].constrained:
        settings = {key: value for key, value in settings.items() if not key.startswith("constraint_")}
    return settings


def optimisation_settings(config: Settings) -> dict[str, Any]:
    """Return the settings of the optimisation of the flow's noise."""
    section = earlier_names({"flow": config["flow"]})["flow"]
    return {key: section[key] for key in ("optimisation_steps", "optimisation_length", "trust")}


def candidate_rules(config: Settings, *names: str) -> dict[str, Any]:
    """Return these rules of a candidate, see ``ccdcgan.representation.crystal_graph.CandidateRules``."""
    return {earlier_path(("generation", name))[-1]: config["generation"][name] for name in names}


def representation_settings(config: Settings) -> dict[str, Any]:
    """Return the settings of the representation and of its two autoencoders."""
    return earlier_names({"representation": config["representation"]})["representation"]


def voxel_settings(config: Settings) -> dict[str, Any]:
    """Return the settings that decide which crystals have voxels, without those of the autoencoders."""
    section = representation_settings(config)
    grids = {name: {key: section[name][key] for key in ("grid", "sigma")} for name in ("sites", "lattice")}
    return {"box": section["box"], "corrections": section["corrections"], **grids}


def shard_sizes(config: Settings) -> list[int]:
    """Return the number of samples in each shard of a scheme; all are full but the last."""
    samples, size = config["generation"]["samples"], config["generation"]["shard_size"]
    full, rest = divmod(samples, size)
    return [size] * full + ([rest] if rest else [])


def ranks_candidates(config: Settings) -> bool:
    """Tell whether candidates are ranked by predicted energies before they are selected for relaxation."""
    return config["evaluation"]["choose"] in RANKINGS


def campaign_rounds(config: Settings) -> list[int]:
    """Return the number of relaxations of each round of the campaign; they differ by one at most, larger ones first.

    Rounds without any are left out.
    """
    section = config["campaign"]
    each, more = divmod(section["relaxations"], section["rounds"])
    return [size for number in range(section["rounds"]) if (size := each + (number < more))]


def campaign_plan(config: Settings, number: int, compositions: Collection[str] | None) -> dict[str, Any]:
    """Return the settings of one round of the campaign, see ``ccdcgan.search.campaign.Plan``.

    Those of a round do not depend on later rounds, so that a campaign can be prolonged.

    Args:
        config: The configuration.
        number: Number of the round, 1 for the first one.
        compositions: Reduced formulas to which the relaxations are restricted; None: any.
    """
    section = config["campaign"]
    most = section["per_composition"]
    if compositions is not None:  # a few compositions have to take all relaxations
        most = max(most, math.ceil(section["relaxations"] / max(len(compositions), 1)))
    return {
        "round": number,
        "relaxations": campaign_rounds(config)[number - 1],
        "proposals": section["proposals"],
        "pool": section["pool"],
        "per_composition": most,
        "floor": section["floor"],
        "p1_weight": section["p1_weight"],
        "seed": config["seed"],
        "compositions": compositions,
    }


def hull_thresholds(config: Settings) -> dict[str, float]:
    """Return the hull distances (eV/atom) below which a crystal counts as stable, and as meta-stable."""
    return {key: config["evaluation"][key] for key in ("stable", "meta_stable")}


def variant_limits(config: Settings) -> dict[str, float]:
    """Return the limits of variants, see ``ccdcgan.crystals.variants.VariantLimits``."""
    return {name: config["evaluation"][f"variant_{name}"] for name in ("distance", "energy")}


def units_of_work(config: Settings, pretrained: bool = False) -> list[tuple[str, str, int]]:
    """Return (rule, kind, number of units) for the work whose amount follows from the configuration.

    Args:
        config: Complete configuration.
        pretrained: Whether the autoencoders are pre-trained, so that their jobs take no steps.
    """
    schemes = config["schemes"]
    trained_here = () if pretrained else ("lattice", "sites")
    networks = [("train_autoencoder", name, config["representation"][name]["steps"]) for name in trained_here]
    generators = [("train_generator", name, config[SCHEMES[name].family]["steps"]) for name in trained(schemes)]
    each = min(config["generation"]["samples"], config["evaluation"]["relax_at_most"] or math.inf)
    makers = dict.fromkeys(controls(schemes), "draw_controls") | dict.fromkeys(
        generating(schemes), "generate_candidates"
    )
    samples = [(maker, name, config["generation"]["samples"]) for name, maker in makers.items()]
    relaxed = [("relax_candidates", name, each) for name in schemes if name in makers]
    if "campaign" in schemes:
        rounds = enumerate(campaign_rounds(config), start=1)
        relaxed += [("relax_round", f"round-{number}", size) for number, size in rounds]
    # the descriptor network is left out: making its synthetic crystals takes longer than its steps
    image = config["constraint"]["network"] == "image"
    constraint = [("train_constraint", "", constraint_settings(config)["steps"])] if image else []
    return [*networks, *constraint, *generators, *samples, *relaxed]


def optional_targets(config: Settings) -> dict[str, str]:
    """Return the targets that the default one does not need -> their first rule; the status shows the started ones."""
    targets = {"vasp_inputs": "write_vasp_inputs", "phonons": "compute_phonons"}
    return targets | ({"verified": "select_for_verification"} if config["verify"]["engine"] else {})


def describe_engine(config: Settings) -> str:
    """Return the engine of the energies in words, for the report."""
    section = config["relaxation"]
    match section["engine"]:
        case "mlip":
            return f"SevenNet {', then '.join(section['mlip']['models'])}"
        case "gpaw":
            return f"GPAW (DFT, {section['gpaw']['xc']}, {section['gpaw']['encut']:g} eV)"
        case "vasp":
            return f"VASP (DFT, PBE, {section['vasp']['encut']:g} eV)"
        case _:
            return f"the {section['classical']['calculator']} potential of ASE, which is for tests only"


def describe_choice(config: Settings) -> str:
    """Return in words which candidates are relaxed, and what follows for the ratios, for the report."""
    limit = config["evaluation"]["relax_at_most"]
    if limit is None:
        return "All candidates were relaxed."
    if not ranks_candidates(config):
        return (
            f"The first {limit} candidates of each scheme were relaxed. Ratios per crystal graph are relative to those "
            "generated up to the last of them."
        )
    predictions = {"similar": "from similar crystals of the database", "constraint": "by the constraint"}
    return (
        f"At most {limit} candidates of each scheme were relaxed: from every composition in turn the one with the "
        f"lowest energy relative to the hull, as predicted {predictions[config['evaluation']['choose']]}. Ratios per "
        "relaxation refer to this selection. Ratios per crystal graph are relative to all of these, although most "
        "candidates were not relaxed."
    )
