"""Symmetry operations of a CIF, from its list of operations or from the name of its space group.

Names are looked up in the table of spglib, which has all 530 settings of the International Tables: unique axes and cell
choices of monoclinic groups, both origins, hexagonal and rhombohedral axes.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
import spglib
from pymatgen.core.operations import SymmOp

from ccdcgan.database.prototypes.source import Refusal

OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz", "_space_group_symop.operation_xyz")
NAMES = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_full",
    "_space_group.name_h-m_alt",
    "_space_group.name_h-m_full",
)
HALL_NAMES = ("_space_group_name_hall", "_symmetry_space_group_name_hall", "_space_group.name_hall")
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number", "_space_group.it_number")
MAGNETIC_OPERATIONS = {
    "_space_group_symop_magn_operation.xyz": "_space_group_symop_magn_centering.xyz",
    "_space_group_symop_magn_operation_xyz": "_space_group_symop_magn_centering_xyz",
    "_space_group_symop.magn_operation_xyz": "_space_group_symop.magn_centering_xyz",
}
"""Tags of a CIF, in lower case. The last field of a magnetic operation, time reversal, does not move atoms."""

SETTINGS = {"s": "1", "z": "2", "hs": "h", "rs": "r"}
"""Letters of the ICSD after a name -> setting."""
STANDARD = ("", "b", "b1", "1", "2", "H", "R")
"""Settings that a number of a space group can mean."""
EARLIER = {"cmca": "cmce", "abm2": "aem2", "aba2": "aea2", "cmma": "cmme", "ccca": "ccce"}
"""Names of space groups before 1992 -> present names."""

MOST_OPERATIONS = 192
"""Number of operations of the largest space groups."""

Operation = tuple[np.ndarray, np.ndarray]
"""Rotation, shape (3, 3), and translation, shape (3,), for fractional coordinates."""


def listed_operations(tags: Mapping[str, Any]) -> list[Operation] | None:
    """Return the operations that a CIF lists; None if it lists none.

    Args:
        tags: Tag in lower case -> its value or values.

    Raises:
        Refusal: If an operation cannot be read, or if the list is not a complete group.
    """
    for tag in OPERATIONS:
        if texts := _texts(tags, tag):
            operations = [_read_operation(text) for text in texts]
            _check_group(operations, tag)
            return operations
    for tag, centring in MAGNETIC_OPERATIONS.items():
        if texts := _texts(tags, tag):
            operations = [_read_operation(re.sub(r",[^,]*$", "", text)) for text in texts]
            shifts = [_read_operation(re.sub(r",[^,]*$", "", text)) for text in _texts(tags, centring) or ["x,y,z,+1"]]
            operations = _different([(r @ shift, r @ t + s) for r, s in operations for shift, t in shifts])
            _check_group(operations, tag)
            return operations
    return None


def _texts(tags: Mapping[str, Any], tag: str) -> list[str]:
    """Return the values of a tag; no value if all of them are unknown."""
    texts = [tags[tag]] if isinstance(tags.get(tag), str) else tags.get(tag, [])
    return [] if all(text.strip() in ("", "?", ".") for text in texts) else texts


def _different(operations: list[Operation]) -> list[Operation]:
    """Return the operations without those that differ from an earlier one by a translation of the lattice."""
    kept: list[Operation] = []
    for rotation, translation in operations:
        apart = [translation - other for same, other in kept if np.allclose(rotation, same)]
        if not any(np.allclose(shift, np.round(shift), atol=0.02) for shift in apart):
            kept.append((rotation, translation))
    return kept


def _read_operation(text: str) -> Operation:
    """Return the operation of a text such as ``-y, x-y, z+1/3``."""
    plain = re.sub(r"\s", "", text).lower()
    if not re.fullmatch(r"[-+xyz0-9./*]+(,[-+xyz0-9./*]+){2}", plain):
        raise Refusal("unknown_symmetry", f"the operation {text!r} cannot be read")
    try:
        operation = SymmOp.from_xyz_str(plain)
    except (ValueError, IndexError, ZeroDivisionError):
        raise Refusal("unknown_symmetry", f"the operation {text!r} cannot be read") from None
    translation = operation.translation_vector
    twelfths = np.round(translation * 24) / 24  # 0.3333 for 1/3
    return operation.rotation_matrix, np.where(np.abs(twelfths - translation) < 0.002, twelfths, translation)


def _check_group(operations: list[Operation], tag: str) -> None:
    """Refuse a list in which an operation is missing, repeated or wrong: every product must be there exactly once."""
    if len(operations) > MOST_OPERATIONS:
        raise Refusal("unknown_symmetry", f"{tag} lists {len(operations)} operations, at most {MOST_OPERATIONS}")
    rotations = np.array([rotation for rotation, _ in operations])
    translations = np.array([translation for _, translation in operations])
    codes = _codes(rotations)
    groups = {code: translations[codes == code] for code in np.unique(codes)}
    for rotation, translation in operations:
        products, shifts = _codes(rotation @ rotations), translations @ rotation.T + translation
        for code in np.unique(products):
            apart = shifts[products == code][:, None] - groups.get(code, np.empty((0, 3)))[None]
            same = (np.abs(apart - np.round(apart)) < 0.02).all(axis=2)
            if not (same.sum(axis=1) == 1).all():
                raise Refusal(
                    "unknown_symmetry", f"{tag} is no complete list: an operation is missing, repeated or wrong"
                )


def _codes(rotations: np.ndarray) -> np.ndarray:
    """Return one integer for each rotation, shape (n, 3, 3) -> (n,), the same for the same rotation."""
    return np.round(rotations.reshape(-1, 9) + 9).astype(int) @ 19 ** np.arange(9)


def named_groups(tags: Mapping[str, Any]) -> list[int] | None:
    """Return the numbers of the settings (Hall numbers of spglib) that the names in a CIF can mean.

    Args:
        tags: Tag in lower case -> its value.

    Returns:
        The settings, the most common one first; None if the CIF names no space group.

    Raises:
        Refusal: If a name is unknown, or if the names contradict one another.
    """
    meanings = []
    for kind, names, look_up in (("Hall symbol", HALL_NAMES, _by_hall), ("space group", NAMES, _by_name)):
        for text in _values(tags, names):
            found = look_up(text)
            if not found:
                raise Refusal("unknown_symmetry", f"the {kind} {text!r} is not known, and no operations are listed")
            meanings.append(found)
    for text in _values(tags, NUMBERS):
        found = [hall for hall, group in enumerate(_groups(), 1) if str(group.number) == text]
        if not found:
            raise Refusal("unknown_symmetry", f"there is no space group of the number {text!r}")
        meanings.append(found if meanings else [hall for hall in found if _groups()[hall - 1].choice in STANDARD])
    if not meanings:
        return None
    common = [hall for hall in meanings[0] if all(hall in others for others in meanings[1:])]
    if not common:
        raise Refusal("unknown_symmetry", "the names and the number of the space group contradict one another")
    return common


def _values(tags: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    found = (str(tags[name]).strip().strip("'\"").strip() for name in names if isinstance(tags.get(name), str))
    return [text for text in found if text not in ("", "?", ".")]


@cache
def _groups() -> list[Any]:
    """Return the 530 settings in the order of their Hall numbers."""
    return [spglib.get_spacegroup_type(hall) for hall in range(1, 531)]


def _by_hall(text: str) -> list[int]:
    """Return the setting of a Hall symbol."""
    wanted = re.sub(r"[\s_]+", " ", text.lower()).strip()
    return [n for n, group in enumerate(_groups(), 1) if group.hall_symbol.lower() == wanted]


@cache
def _names() -> dict[str, list[int]]:
    """Return name of a space group without spaces, in lower case -> its settings."""
    names: dict[str, list[int]] = defaultdict(list)
    for hall, group in enumerate(_groups(), 1):
        spellings = [*group.international.split("="), group.international_full, group.international_short]
        if 3 <= group.number <= 15:  # P 1 21/n 1 is written P 21/n, too
            parts = group.international_full.split()
            spellings.append(" ".join([parts[0], *(part for part in parts[1:] if part != "1")]))
        for name in dict.fromkeys(map(_plain, spellings)):
            names[name].append(hall)
            if 195 <= group.number <= 230:  # F m 3 m for F m -3 m
                names[name.replace("-3", "3")].append(hall)
    return {name: list(dict.fromkeys(halls)) for name, halls in names.items()}


def _plain(name: str) -> str:
    return re.sub(r"[\s_()]", "", name.lower())


def _by_name(text: str) -> list[int]:
    """Return the settings of a Hermann-Mauguin symbol, with or without a setting after it."""
    text = re.sub(r"\(?\s*origin (choice )?([12])\)?$", r":\2", text.strip(), flags=re.IGNORECASE)
    match = re.fullmatch(r"(.+?)\s*(?::\s*|\s)([12hrsz]|hs|rs|-?[abc]+[123]?)\s*", text, flags=re.IGNORECASE)
    tries = [(text, "")] + ([(match[1], match[2].lower())] if match else [])
    if re.fullmatch(r".+[hrsz]", text, flags=re.IGNORECASE):
        tries.append((text[:-1], text[-1].lower()))
    for name, setting in tries:
        plain = _plain(name)
        found = _names().get(EARLIER.get(plain, plain), [])
        if setting:
            wanted = SETTINGS.get(setting, setting)
            exact = [hall for hall in found if _groups()[hall - 1].choice.lower() == wanted]
            single = len({_groups()[hall - 1].choice for hall in found}) == 1
            found = exact or (found if single and setting in SETTINGS else [])
        if found:
            return found
    return []


def fitting(halls: Iterable[int], metric: np.ndarray) -> list[int]:
    """Return the settings that a cell can have: their rotations leave the lengths and angles as they are.

    Args:
        halls: Settings, Hall numbers of spglib.
        metric: Metric tensor of the cell, shape (3, 3), angstrom squared.
    """
    tolerance = 0.01 * np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    fits = []
    for hall in halls:
        rotations = spglib.get_symmetry_from_database(hall)["rotations"]
        if all((np.abs(r.T @ metric @ r - metric) <= tolerance).all() for r in rotations):
            fits.append(hall)
    return fits


def alternatives(halls: list[int]) -> list[int]:
    """Return the settings that must be told apart by the crystal: both origins; of other settings the first."""
    first = _groups()[halls[0] - 1]
    if first.choice[:1] not in ("1", "2"):
        return halls[:1]
    axes = first.choice[1:]
    return [hall for hall in halls if _groups()[hall - 1].choice[1:] == axes]


def operations_of(hall: int) -> list[Operation]:
    """Return the operations of a setting."""
    found = spglib.get_symmetry_from_database(hall)
    return list(zip(found["rotations"].astype(float), found["translations"], strict=True))


def as_text(operation: Operation) -> str:
    """Return an operation in the notation of CIF."""
    return SymmOp.from_rotation_and_translation(*operation).as_xyz_str()
