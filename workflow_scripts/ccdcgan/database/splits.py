"""Which crystals are held out of training: by prototype, at random, and whole compositions (Long et al., Fig. 3D)."""

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
    """Return which crystals are held out, (n,) of bool.

    prototypes: name of every crystal's prototype, or its kind; fraction: share of crystals to hold out; mode:
    ``prototype`` keeps all crystals of one name on one side, ``random`` draws crystals. In prototype mode a name's
    turn depends on the name and the seed alone. Raises InputError for another mode.
    """
    n, wanted = len(prototypes), round(fraction * len(prototypes))
    held_out = np.zeros(n, dtype=bool)
    if mode == "random":
        held_out[np.random.default_rng(seed).permutation(n)[:wanted]] = True
        return held_out
    if mode != "prototype":
        raise InputError(f"representation.split is {mode!r}; allowed are prototype, random.")
    names = np.asarray(prototypes, dtype=str)
    for name in sorted(set(names), key=lambda name: (derive_seed(seed, name), name)):
        members = names == name
        if held_out.sum() + members.sum() <= wanted:
            held_out |= members
    return held_out


def kinds_of_prototypes(substituted: pd.DataFrame) -> dict[str, str]:
    """Return prototype -> its kind; prototypes that made the same crystal are of one kind, named after one of them.

    substituted: the table of ``substitution.substitute``, whose repeats say which crystal they are the same as.
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


def relaxed_for_training(crystals: Iterable[Crystal], holdout: Collection[str]) -> list[Crystal]:
    """Return the relaxed crystals whose composition is not held out.

    holdout: reduced formulas. Crystal graphs are made of these crystals alone, so that nothing that learns from
    crystal graphs, nor their scale, sees the others.
    """
    return [crystal for crystal in crystals if crystal.info["status"] == "ok" and crystal.formula not in holdout]


def split_training(
    crystals: Sequence[Crystal],
    prototypes: Sequence[Crystal],
    kinds: Mapping[str, str],
    fraction: float,
    mode: str,
    seed: int,
    holdout: Collection[str] = (),
) -> pd.DataFrame:
    """Split the database's crystals and, in the same way, the prototypes that autoencoders train on too.

    kinds: of :func:`kinds_of_prototypes`; a prototype that is not in it is a kind of its own. Returns one row per
    crystal: set (database, prototypes), id, prototype, split (train, held_out). With ``prototype`` mode all
    prototypes of a kind are held out with its crystals, so that none of them is seen in training.
    holdout: reduced formulas of compositions held out whole; so are all prototypes with the same ratio of elements
    (A2B3 for Bi2Se3), since a crystal of that composition is one of them with other elements.
    """
    names = [crystal.info["prototype"] for crystal in crystals]
    own_kinds = [kinds.get(name, name) for name in names]
    barred = np.array([crystal.formula in holdout for crystal in crystals], dtype=bool)
    drawn = [kind for kind, out in zip(own_kinds, barred, strict=True) if not out]
    held_out = barred.copy()
    held_out[~barred] = split_held_out(drawn, fraction, mode, derive_seed(seed, "split"))
    ratios = {Composition(formula).anonymized_formula for formula in holdout}
    kept_away = {crystal.id for crystal in prototypes if crystal.structure.composition.anonymized_formula in ratios}
    if mode == "prototype":
        away = {kind for kind, out in zip(own_kinds, held_out, strict=True) if out}
        kept_away |= {crystal.id for crystal in prototypes if kinds.get(crystal.id, crystal.id) in away}
    rows = [
        {"set": "database", "id": crystal.id, "prototype": name, "split": "held_out" if out else "train"}
        for crystal, name, out in zip(crystals, names, held_out, strict=True)
    ]
    rows += [
        {
            "set": "prototypes",
            "id": crystal.id,
            "prototype": crystal.id,
            "split": "held_out" if crystal.id in kept_away else "train",
        }
        for crystal in prototypes
    ]
    return pd.DataFrame(rows, columns=["set", "id", "prototype", "split"])
