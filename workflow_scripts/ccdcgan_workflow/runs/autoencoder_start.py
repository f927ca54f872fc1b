"""Whether a run uses the pre-trained autoencoders or trains its own (``representation.start``), and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccdcgan.representation.pretraining.shipped import FOLDER, NETWORK_KEYS, NETWORKS, first_difference, shipped_record
from ccdcgan_workflow.check.errors import KeyProblem

Settings = Mapping[str, Any]

SCRIPTS = Path(__file__).resolve().parents[2]

SPLIT_KEYS = ("validation_fraction", "split")
"""Keys that decide which crystals a training holds out."""


@dataclass(frozen=True)
class Start:
    """How the autoencoders of a run start.

    Attributes:
        pretrained: Whether the pre-trained weights are used.
        reason: Why, as the end of a sentence.
    """

    pretrained: bool
    reason: str

    def in_words(self) -> str:
        """Return which autoencoders the run uses, and why, as a sentence."""
        return f"{'pre-trained' if self.pretrained else 'trained in this run'}, since {self.reason}"

    def for_report(self) -> str:
        """Return which autoencoders the run uses, and what held out means, for the report."""
        if not self.pretrained:
            return f"The autoencoders were trained in this run, since {self.reason}."
        record = shipped_record()
        data, networks = record["data"], record["networks"]
        figures = " and ".join(
            f"{networks[name]['held_out']['rebuilt_share']:.1%} of {networks[name]['held_out']['n']:,} {name} voxels"
            for name in NETWORKS
        )
        return (
            f"The autoencoders are pre-trained, since {self.reason}: their weights were trained on "
            f"{data['prototypes'] - data['prototypes_held_out']:,} prototypes of AFLOW and OQMD, not on crystals of "
            f"this run. Of {data['kinds_held_out']:,} kinds of prototypes that the pre-training held out, {figures} "
            "are reconstructed without refinement. In this run, held out are the crystals whose kind of prototype "
            "the pre-training did not see; the kinds of the others (training) it did."
        )


def autoencoder_start(config: Settings, defaults: Settings) -> Start:
    """Return how the autoencoders of a run start.

    With ``auto`` the pre-trained weights are used if they fit and nothing asks for a training: neither the key
    ``held_out_compositions`` nor a setting of the training that differs from its default.

    Args:
        config: Complete configuration, valid by the schema.
        defaults: Complete default configuration.
    """
    representation = config["representation"]
    match representation["start"]:
        case "scratch":
            return Start(False, "config key representation.start is scratch")
        case "pretrained":
            return Start(True, "config key representation.start is pretrained")
    obstacle = misfit(config) or next(
        (f"config key {key} is {value}, not the default" for key, value in changed_training(config, defaults)), ""
    )
    return Start(not obstacle, obstacle or "these fit the voxels and networks of this run")


def check_start(config: Settings, defaults: Settings) -> None:
    """Raise KeyProblem if the pre-trained autoencoders are asked for and do not fit the run.

    Args:
        config: Complete configuration, valid by the schema.
        defaults: Complete default configuration.
    """
    if config["representation"]["start"] != "pretrained":
        return
    path = ("representation", "start")
    if reason := misfit(config):
        raise KeyProblem(
            path,
            f"config key representation.start is pretrained, but {reason}; write representation: {{start: scratch}} "
            "to train the autoencoders in this run, or change that key.",
        )
    for key, _ in changed_training(config, defaults):
        raise KeyProblem(
            tuple(key.split(".")),
            f"config key {key} has no effect, since representation.start is pretrained; write representation: "
            "{start: scratch} to train the autoencoders in this run, or delete the key.",
        )


def misfit(config: Settings) -> str:
    """Return why the pre-trained autoencoders cannot be used for a run; "" if they can."""
    try:
        record, difference = shipped_record(), first_difference(config["representation"])
    except (OSError, ValueError, KeyError):
        return f"{FOLDER.relative_to(SCRIPTS)} does not hold the pre-trained weights (restore it with git checkout)"
    if config["held_out_compositions"]:
        formulas = ", ".join(map(str, config["held_out_compositions"]))
        return f"config key held_out_compositions names {formulas}, whose prototypes the pre-trained weights have seen"
    if difference:
        key, value, needed = difference
        return f"config key representation.{key} is {value}, and the pre-trained weights need {needed}"
    most, limit = config["prototypes"]["max_atoms"], record["max_atoms"]
    if most > limit:
        return f"config key prototypes.max_atoms is {most}, and the pre-training had crystals of at most {limit} atoms"
    return ""


def changed_training(config: Settings, defaults: Settings) -> list[tuple[str, Any]]:
    """Return the settings of the training of autoencoders that differ from the defaults, with their values."""
    own, usual = config["representation"], defaults.get("representation", {})
    changed = [(f"representation.{key}", own[key]) for key in SPLIT_KEYS if own[key] != usual.get(key, own[key])]
    for network in NETWORKS:
        default = usual.get(network, {})
        changed += [
            (f"representation.{network}.{key}", value)
            for key, value in own[network].items()
            if key not in NETWORK_KEYS and value != default.get(key, value)
        ]
    return changed
