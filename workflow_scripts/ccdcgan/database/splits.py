"""Split of the crystals into training and held-out sets: by prototype, at random, and by composition.

Holding out whole compositions reproduces Fig. 3D of Long et al.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from pymatgen.core import Composition
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ccdcgan.columns import SAME_AS
from ccdcgan.crystals.structures import Crystal
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.seeds import derive_seed


def split_held_out(prototypes: Sequence[str], fraction: float, mode: str, seed: int) -> np.ndarray:
    """Return which crystals are held out, as booleans, shape (n,).

    In prototype mode the order in which names are considered depends on the names and the seed only.

    Args:
        prototypes: Name of every crystal's prototype, or of its kind.
        fraction: Fraction of the crystals to hold out.
        mode: ``prototype`` assigns all crystals of one name to the same set; ``random`` selects single crystals.
        seed: Seed of the selection.

    Raises:
        InputError: For another mode.
    """
    n, n_held_out = len(prototypes), round(fraction * len(prototypes))
    held_out = np.zeros(n, dtype=bool)
    if mode == "random":
        held_out[np.random.default_rng(seed).permutation(n)[:n_held_out]] = True
        return held_out
    if mode != "prototype":
        raise InputError(f"representation.split is {mode!r}; allowed are prototype, random.")
    names = np.asarray(prototypes, dtype=str)
    for name in sorted(set(names), key=lambda name: (derive_seed(seed, name), name)):
        members = names == name
        if held_out.sum() + members.sum() <= n_held_out:
            held_out |= members
    return held_out


def kinds_of_prototypes(substituted: pd.DataFrame) -> dict[str, str]:
    """Group prototypes that gave the same substituted crystal into kinds.

    Args:
        substituted: Table of :func:`~ccdcgan.database.substitution.substitute`, whose duplicates name the crystal that
            they repeat.

    Returns:
        Prototype -> its kind, which has the name of one of its prototypes.
    """
    owner = dict(zip(substituted["id"], substituted["prototype"], strict=True))
    names = sorted(set(owner.values()))
    number = {name: index for index, name in enumerate(names)}
    repeats = substituted[substituted["reason"] == "duplicate"]
    same_as = [owner[text.removeprefix(SAME_AS)] for text in repeats["detail"]]
    rows, columns = ([number[name] for name in part] for part in (repeats["prototype"], same_as))
    edges = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    labels = connected_components(edges, directed=False)[1] if names else []
    first: dict[int, str] = {}
    return {name: first.setdefault(label, name) for name, label in zip(names, labels, strict=True)}


def split_training(
    crystals: Sequence[Crystal],
    prototypes: Sequence[Crystal],
    kinds: Mapping[str, str],
    fraction: float,
    mode: str,
    seed: int,
    holdout: Collection[str] = (),
) -> pd.DataFrame:
    """Split the crystals of the database and, consistently, the prototypes that autoencoders are trained on.

    In ``prototype`` mode all prototypes of a kind are held out with its crystals. All prototypes with the element ratio
    of a held-out composition (A2B3 for Bi2Se3) are held out too, since a crystal of that composition is one of them
    with other elements.

    Args:
        crystals: Crystals of the database.
        prototypes: Prototypes.
        kinds: Result of :func:`kinds_of_prototypes`; a prototype that is not in it is its own kind.
        fraction: Fraction of the crystals to hold out, in addition to ``holdout``.
        mode: ``prototype`` or ``random``, see :func:`split_held_out`.
        seed: Seed of the run.
        holdout: Reduced formulas of compositions that are held out completely.

    Returns:
        Table with one row per crystal: set (database, prototypes), id, prototype, split (train, held_out).
    """
    names = [crystal.info["prototype"] for crystal in crystals]
    own_kinds = [kinds.get(name, name) for name in names]
    barred = np.array([crystal.formula in holdout for crystal in crystals], dtype=bool)
    eligible = [kind for kind, out in zip(own_kinds, barred, strict=True) if not out]
    held_out = barred.copy()
    held_out[~barred] = split_held_out(eligible, fraction, mode, derive_seed(seed, "split"))
    ratios = {Composition(formula).anonymized_formula for formula in holdout}
    excluded = {crystal.id for crystal in prototypes if crystal.structure.composition.anonymized_formula in ratios}
    if mode == "prototype":
        held_out_kinds = {kind for kind, out in zip(own_kinds, held_out, strict=True) if out}
        excluded |= {crystal.id for crystal in prototypes if kinds.get(crystal.id, crystal.id) in held_out_kinds}
    return _split_table(crystals, prototypes, held_out, excluded)


def split_as_pretrained(
    crystals: Sequence[Crystal],
    prototypes: Sequence[Crystal],
    kinds: Mapping[str, str],
    unseen: Collection[str],
) -> pd.DataFrame:
    """Split the crystals of the database and the prototypes as the pre-training of the autoencoders did.

    Args:
        crystals: Crystals of the database.
        prototypes: Prototypes.
        kinds: Result of :func:`kinds_of_prototypes`; a prototype that is not in it is its own kind.
        unseen: Prototypes that resemble none that the autoencoders were trained on.

    Returns:
        Table as of :func:`split_training`. A crystal is held out if all prototypes of its kind are unseen.
    """
    names = {crystal.info["prototype"] for crystal in crystals} | {crystal.id for crystal in prototypes}
    seen_kinds = {kinds.get(name, name) for name in names if name not in unseen}
    held_out = [
        kinds.get(crystal.info["prototype"], crystal.info["prototype"]) not in seen_kinds for crystal in crystals
    ]
    excluded = {crystal.id for crystal in prototypes if kinds.get(crystal.id, crystal.id) not in seen_kinds}
    return _split_table(crystals, prototypes, held_out, excluded)


def _split_table(
    crystals: Sequence[Crystal], prototypes: Sequence[Crystal], held_out: Iterable[bool], excluded: Collection[str]
) -> pd.DataFrame:
    """Return the table of a split.

    Args:
        crystals: Crystals of the database.
        prototypes: Prototypes.
        held_out: Which crystals are held out.
        excluded: Ids of the prototypes that are held out.
    """
    names = [crystal.info["prototype"] for crystal in crystals]
    rows = [
        {"set": "database", "id": crystal.id, "prototype": name, "split": "held_out" if out else "train"}
        for crystal, name, out in zip(crystals, names, held_out, strict=True)
    ]
    rows += [
        {
            "set": "prototypes",
            "id": crystal.id,
            "prototype": crystal.id,
            "split": "held_out" if crystal.id in excluded else "train",
        }
        for crystal in prototypes
    ]
    return pd.DataFrame(rows, columns=["set", "id", "prototype", "split"])
