"""Crystals of CIF files, each compared with the chemical formula that its data block states.

pymatgen reads cell, sites and species of one data block. The symmetry operations are determined here, because pymatgen
reads a block without operations and with an unusual space-group name as P1.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.io.cif import CifBlock, CifParser, str2float

from ccdcgan.database.prototypes.checks import MOST_SITES, checked
from ccdcgan.database.prototypes.readers import symmetry
from ccdcgan.database.prototypes.source import Refusal

MOST_IMAGES = 20_000
"""Largest number of atoms times operations of a data block; more would take minutes."""
LONGEST_LINE = 20_000
"""Longest line of a CIF; the standard allows 2,048 characters."""
SITE_TOLERANCES = (1e-4, 1e-3, 5e-3, 1e-2)
"""Differences of fractional coordinates below which two images of an atom are one, tried in turn until the atoms agree
with the formula: coordinates with few digits give images that do not coincide exactly."""
FRACTIONS = [n / d for d in (3, 6, 12) for n in range(1, d) if np.gcd(n, d) == 1]
COORDINATES = tuple(f"_atom_site_fract_{axis}" for axis in "xyz")
CELL = tuple(f"_cell_length_{axis}" for axis in "abc") + tuple(f"_cell_angle_{x}" for x in ("alpha", "beta", "gamma"))
SITES = ("_atom_site_label", "_atom_site_type_symbol", *COORDINATES, "_atom_site_occupancy")
ONCE = re.compile(r"(_cell_|_atom_site_|_symmetry_|_space_group_|_chemical_formula_sum)", re.IGNORECASE)
"""Tags that may occur only once in a data block."""


def read_cif(text: str) -> Iterator[Callable[[], Structure]]:
    """Yield one function for each data block of a CIF; it returns the crystal or raises an error.

    Args:
        text: Content of the file.
    """
    for block in _blocks(text):
        yield lambda block=block: _read_block(block)


def _blocks(text: str) -> list[str]:
    """Return the data blocks; ``data_`` inside a text field does not begin one.

    A text field that is never closed would hide all later blocks, and is not taken as one.
    """
    blocks: list[list[str]] = []
    inside = False
    lines = text.split("\n")
    last = max((n for n, line in enumerate(lines) if line.startswith(";")), default=-1)
    for number, line in enumerate(lines):
        if line.startswith(";"):
            inside = not inside and number < last
        elif not inside and re.match(r"\s*data_", line, re.IGNORECASE):
            blocks.append([])
            line = re.sub(r"^\s*data_", "data_", line, flags=re.IGNORECASE)
        elif inside:
            line = line.replace("data_", "data-")  # pymatgen would begin a block
        elif re.match(r"\s*loop_", line, re.IGNORECASE):
            line = re.sub(r"^\s*loop_", "loop_", line, flags=re.IGNORECASE)
        if blocks:
            blocks[-1].append(line)
    return ["\n".join(lines) for lines in blocks]


def _read_block(text: str) -> Structure:
    """Return the crystal of one data block.

    Raises:
        Refusal: If the block has no crystal, is incomplete, or contradicts its own formula or symmetry.
    """
    if max(map(len, text.split("\n"))) > LONGEST_LINE:
        raise Refusal("unreadable", f"a line has more than {LONGEST_LINE} characters")
    name, _, body = re.fullmatch(r"data_(\S*)(\s?)(.*)", text, re.DOTALL).groups()
    if not re.search(r"^\s*_(cell_|atom_site_)", body, re.MULTILINE | re.IGNORECASE):
        raise Refusal("no_crystal", f"the data block {name!r} has neither a cell nor atoms")
    _check_repeated_tags(body)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of pymatgen about what is checked here
        block = CifBlock.from_str(f"data_block\n{body}").data
        tags = {tag.lower(): value for tag, value in block.items()}
        _check_sites(block)
        choices = _choices(tags, block)
        found = [_try_tolerances(block, tags, operations) for operations in choices]
    right = [structure for structure in found if isinstance(structure, Structure)]
    if not right:
        raise found[0]
    if any(len(other) != len(right[0]) or not StructureMatcher().fit(right[0], other) for other in right[1:]):
        raise Refusal("unknown_symmetry", "the origin of the space group is not given, and both give a crystal")
    return right[0]


def _check_repeated_tags(body: str) -> None:
    """Refuse a block that gives a cell, a list of atoms or a space group twice."""
    outside = re.sub(r"^;.*?^;", "", body, flags=re.MULTILINE | re.DOTALL)
    counts = Counter(tag.lower() for tag in re.findall(r"^\s*(_\S+)", outside, re.MULTILINE))
    twice = [tag for tag, n in counts.items() if n > 1 and ONCE.match(tag)]
    if twice:
        raise Refusal("unreadable", f"{twice[0]} is given {counts[twice[0]]} times in one data block")


def _check_sites(block: Mapping[str, Any]) -> None:
    """Refuse atoms that pymatgen would leave out, place at the origin, or count as complete."""
    missing = [tag for tag in (*CELL, *COORDINATES, "_atom_site_label") if tag not in block]
    if missing == ["_atom_site_label"] and "_atom_site_type_symbol" in block:
        missing = []
    if missing:
        raise Refusal("unreadable", f"{missing[0]} is missing")
    numbers = [block[tag] for tag in CELL]
    columns = [block[tag] if isinstance(block[tag], list) else [block[tag]] for tag in COORDINATES]
    for value in [*numbers, *(value for column in columns for value in column)]:
        if not isinstance(value, str) or not np.isfinite(_number(value)):
            raise Refusal("not_finite_numbers", f"the cell or a coordinate is {value!r}")
    if len(columns[0]) > MOST_SITES:
        raise Refusal("too_many_atoms", f"{len(columns[0])} atoms are listed, at most {MOST_SITES}")
    occupancies = block.get("_atom_site_occupancy", [])
    for value in occupancies if isinstance(occupancies, list) else [occupancies]:
        if value.strip() not in ("?", ".") and not _number(value) >= 0:
            raise Refusal("unreadable", f"the occupancy {value!r} is not a number of at least 0")
    kinds = block.get("_atom_site_type_symbol", block.get("_atom_site_label"))
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if re.match(r"OH|[Ww]at|O-H|NO3", kind) or not kind[:1].isalpha():
            raise Refusal("not_an_element", f"the atom {kind!r} stands for no element or for several atoms")
    hydrogens = block.get("_atom_site_attached_hydrogens", [])
    if any(value.strip() not in ("?", ".", "0") for value in hydrogens):
        raise Refusal("formula_mismatch", "hydrogen atoms are attached to others and have no positions")


def _number(text: str) -> float:
    """Return a number of a CIF without its uncertainty, or nan for anything else."""
    try:
        return np.nan if text.strip() in (".", "?", "") else float(str2float(text))
    except (ValueError, TypeError, OverflowError):
        return np.nan


def _choices(tags: Mapping[str, Any], block: Mapping[str, Any]) -> list[list[symmetry.Operation]]:
    """Return the lists of operations that a block can mean.

    Raises:
        Refusal: If the symmetry is unknown, or contradicts the cell.
    """
    listed = symmetry.listed_operations(tags)
    if listed is not None:
        return [listed]
    halls = symmetry.named_groups(tags)
    if halls is None:
        return [symmetry.operations_of(1)]
    lattice = Lattice.from_parameters(*(_number(block[tag]) for tag in CELL))
    halls = symmetry.fitting(halls, lattice.metric_tensor)
    if not halls:
        raise Refusal("unknown_symmetry", "the cell has other lengths or angles than its space group needs")
    return [symmetry.operations_of(hall) for hall in symmetry.alternatives(halls)]


def _try_tolerances(
    block: Mapping[str, Any], tags: Mapping[str, Any], operations: list[symmetry.Operation]
) -> Structure | Exception:
    """Return the crystal for the first tolerance that gives the right atoms; else the error for the first one."""
    if len(operations) * len(block[COORDINATES[0]]) > MOST_IMAGES:
        return Refusal("too_many_atoms", f"more than {MOST_IMAGES} images of the listed atoms")
    text = _minimal(block, operations)
    errors: list[Exception] = []
    for tolerance in SITE_TOLERANCES:
        try:
            parser = CifParser.from_str(text, site_tolerance=tolerance)
            (structure,) = parser.parse_structures(primitive=False, on_error="raise")
            if structure.is_ordered:
                structure = checked(structure)
                _check_formula(structure, tags)
            return structure
        except Exception as error:  # pymatgen raises many types of errors
            errors.append(error)
    return errors[0]


def _minimal(block: Mapping[str, Any], operations: list[symmetry.Operation]) -> str:
    """Return a CIF with the cell, the operations and the sites of a block; coordinates such as 0.333 become exact."""
    sites = {tag: block[tag] for tag in SITES if tag in block}
    sites = {tag: value if isinstance(value, list) else [value] for tag, value in sites.items()}
    for tag in COORDINATES:
        sites[tag] = [_exact(value) for value in sites[tag]]
    sites.setdefault("_atom_site_label", sites.get("_atom_site_type_symbol", []))
    listed = {"_symmetry_equiv_pos_as_xyz": [symmetry.as_text(operation) for operation in operations]}
    data = {tag: block[tag] for tag in CELL} | listed | sites
    return str(CifBlock(data, [list(listed), list(sites)], "block"))


def _exact(text: str) -> str:
    """Return a coordinate; a third, sixth or twelfth that was rounded or cut to 2 to 7 digits becomes exact."""
    value, match = _number(text), re.fullmatch(r"-?\d*\.(\d{2,7})(\(.*)?", text.strip())
    if match:
        unit = 10.0 ** -len(match[1])
        whole = np.floor(value)
        for fraction in FRACTIONS:
            if abs(value - whole - fraction) < unit * (1 - 1e-6):
                return f"{whole + fraction:.10f}"
    return text


def _check_formula(structure: Structure, tags: Mapping[str, Any]) -> None:
    """Refuse a crystal that has other atoms than the formula and the number of formula units in its data block."""
    text = tags.get("_chemical_formula_sum")
    amounts = _amounts(text) if isinstance(text, str) else None
    if not amounts:
        return
    found, stated = structure.composition, Composition(amounts)
    ratio = found.num_atoms / stated.num_atoms
    if set(found) != set(stated) or any(abs(found[el] - ratio * stated[el]) > 0.02 * found[el] for el in found):
        raise Refusal(
            "formula_mismatch", f"the atoms are {found.reduced_formula}, _chemical_formula_sum is {text.strip()}"
        )
    units = _number(str(tags.get("_cell_formula_units_z", "?")))
    if not np.isfinite(units) or units < 1:
        return
    _, factor = stated.get_integer_formula_and_factor()
    # pymatgen and others write the formula of the whole cell beside the number of reduced formulas in it
    allowed = {stated.num_atoms * units} | ({stated.num_atoms} if abs(factor - units) < 1e-6 else set())
    if not any(abs(found.num_atoms - number) < 0.02 * number for number in allowed):
        raise Refusal(
            "formula_mismatch",
            f"{found.num_atoms:g} atoms in the cell, {' or '.join(f'{number:g}' for number in sorted(allowed))} by "
            f"_chemical_formula_sum {text.strip()} and _cell_formula_units_Z {units:g}",
        )


def _amounts(text: str) -> dict[str, float] | None:
    """Return element -> amount of a formula such as ``Bi2 Se3``; None if it is not of this form."""
    amounts: Counter[str] = Counter()
    rest = re.sub(r"[\s'\"]", "", text)
    if not re.fullmatch(r"([A-Z][a-z]?(\d+\.?\d*|\.\d+)?)+", rest):
        return None
    for symbol, number in re.findall(r"([A-Z][a-z]?)(\d*\.?\d*)", rest):
        amounts["H" if symbol in ("D", "T") else symbol] += float(number or 1)
    return dict(amounts)
