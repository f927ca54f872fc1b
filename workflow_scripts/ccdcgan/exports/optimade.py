"""All candidates as OPTIMADE JSON lines, the input of ``optimake serve`` and of the server of optimade-python-tools.

The first line is a header. The second one describes the entry type ``structures``. Each further line is one structure.
Properties that OPTIMADE does not define have the prefix ``_ccdcgan_`` and a unit of the Unified Code for Units of
Measure (UCUM). Source: OPTIMADE specification 1.2, and https://github.com/Materials-Consortia/OPTIMADE/issues/471.
"""

import json
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
from optimade import __api_version__
from optimade.adapters import Structure as OptimadeStructure
from optimade.adapters.structures.pymatgen import from_pymatgen
from optimade.models import EntryInfoResource
from optimade.server.schemas import ENTRY_INFO_SCHEMAS, retrieve_queryable_properties

from ccdcgan.columns import COLUMNS, title
from ccdcgan.crystals.read_back import check_atoms, difference, not_written
from ccdcgan.crystals.structures import Crystal
from ccdcgan.utils.files import atomic_path

PREFIX = "_ccdcgan_"
UNITS = {"": None, "eV/atom": "eV/{atom}", "eV/angstrom": "eV/Ao", "angstrom": "Ao", "angstrom^3/atom": "Ao3/{atom}"}
"""Unit of a column -> its UCUM code; other units are written without change."""
_STANDARD = ("id", "formula", "n_atoms")


def write_optimade(path: str | Path, table: pd.DataFrame, crystals: Sequence[Crystal]) -> None:
    """Write the crystals with the columns of the table as properties.

    Args:
        path: The file.
        table: Table from :func:`ccdcgan.exports.tables.export_table`.
        crystals: Crystals from :func:`ccdcgan.exports.structure_files.in_table_order`.

    Raises:
        InputError: A crystal does not round-trip.
    """
    own = [name for name in table if name not in _STANDARD]
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as lines:
        for line in (
            {"x-optimade": {"meta": {"api_version": __api_version__}}},
            _description(table, own),
            *(_entry(crystal, own) for crystal in crystals),
        ):
            lines.write(json.dumps(line, allow_nan=False, sort_keys=True) + "\n")
        lines.flush()
        _check(temporary, Path(path).name, crystals)


def _check(path: Path, file: str, crystals: Sequence[Crystal]) -> None:
    """Check that OPTIMADE's own converters to pymatgen and ASE read the crystals from a file."""
    with open(path, encoding="utf-8") as lines:
        entries = [json.loads(line) for line in islice(lines, 2, None)]
    for crystal, entry in zip(crystals, entries, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of properties that OPTIMADE recommends
            read = OptimadeStructure({**entry, "relationships": None})
            wrong = difference(crystal.structure, read.as_pymatgen)
        if wrong:
            raise not_written(file, crystal.id, f"pymatgen {wrong}")
        check_atoms(file, crystal.id, crystal.structure, read.as_ase)


def _description(table: pd.DataFrame, own: Sequence[str]) -> dict[str, Any]:
    """Return the description of the entry type ``structures``: properties of OPTIMADE, and the columns ``own``."""
    properties = dict(retrieve_queryable_properties(ENTRY_INFO_SCHEMAS["structures"], {"id", "type", "attributes"}))
    for name in own:
        column = COLUMNS.get(name)
        properties[PREFIX + name] = {
            "description": column.meaning if column else title(name),
            "unit": UNITS.get(column.unit, column.unit) if column else None,
            "type": _type(table[name]),
        }
    info = EntryInfoResource(
        id="structures",
        type="info",
        formats=["json"],
        description="Crystals designed by a generative model and relaxed.",
        properties=properties,
        output_fields_by_format={"json": list(properties)},
    )
    return info.model_dump(mode="json")


def _type(values: pd.Series) -> str:
    """Return the OPTIMADE type of a column."""
    if pd.api.types.is_bool_dtype(values):
        return "boolean"
    if pd.api.types.is_integer_dtype(values):
        return "integer"
    return "float" if pd.api.types.is_float_dtype(values) else "string"


def _entry(crystal: Crystal, own: Sequence[str]) -> dict[str, Any]:
    """Return the line of one crystal, with the columns ``own`` as properties."""
    attributes = from_pymatgen(crystal.structure).model_dump(mode="json", exclude_unset=True)
    attributes["species"].sort(key=lambda species: species["name"])
    attributes |= {PREFIX + name: crystal.info.get(name) for name in own}
    return {"id": crystal.id, "type": "structures", "attributes": attributes}
