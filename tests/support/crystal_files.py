"""Texts of files of crystals, and what is read from a folder with them."""

from ccdcgan.database.prototypes.collection import collect_prototypes

POSCAR = """{comment}
{scale}
{a} 0 0
0 {b} 0
0 0 {c}
{elements}
{counts}
Direct
{atoms}
"""


def poscar(atoms=("0 0 0", "0.5 0.5 0.5"), **changes) -> str:
    values = {"comment": "CsCl", "scale": "1.0", "a": "3.6", "b": "3.6", "c": "3.6", "elements": "Bi Se"}
    values |= {"counts": "1 1"} | changes
    return POSCAR.format(atoms="\n".join(atoms), **values)


def cif(symmetry: str, cell: str, atoms: str, formula: str = "", name: str = "x") -> str:
    """Return a CIF without operations unless they are in ``symmetry``."""
    lengths = dict(zip(("a", "b", "c"), cell.split()[:3], strict=True))
    angles = dict(zip(("alpha", "beta", "gamma"), cell.split()[3:], strict=True))
    lines = [f"data_{name}", symmetry, formula]
    lines += [f"_cell_length_{axis} {value}" for axis, value in lengths.items()]
    lines += [f"_cell_angle_{angle} {value}" for angle, value in angles.items()]
    lines += ["loop_", "_atom_site_label", "_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z", atoms]
    return "\n".join(lines) + "\n"


def read(folder, **files) -> tuple[dict, dict]:
    """Write files beside a good one; return id -> structure and id -> (reason, detail) of all except the good one."""
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    good = folder / "zz-good.vasp"
    good.write_text(poscar())
    config = {"sources": ["files"], "files": {"folder": str(folder)}, "max_atoms": 60, "limit": None}
    prototypes, table = collect_prototypes(config, 2)
    crystals = {crystal.id: crystal.structure for crystal in prototypes}
    crystals.pop("file-zz-good.vasp")  # a bad file does not hide the others
    table = table[table["id"] != "file-zz-good.vasp"]
    assert set(crystals) == set(table.loc[table["status"] == "ok", "id"])
    for row in table[table["status"] != "ok"].itertuples():
        assert row.reason and row.detail and "Traceback" not in row.detail
    return crystals, {row.id: (row.reason, row.detail) for row in table.itertuples()}


def frame(cell="3.6 0 0 0 3.6 0 0 0 3.6", atoms=("Bi 0 0 0", "Se 1.8 1.8 1.8"), number=None, info="") -> str:
    lines = [str(len(atoms) if number is None else number), f'Lattice="{cell}" {info}'.strip(), *atoms]
    return "\n".join(lines) + "\n"


CSCL = cif("_symmetry_space_group_name_H-M 'P 1'", "3.6 3.6 3.6 90 90 90", "Bi1 0 0 0\nSe1 0.5 0.5 0.5")
"""Caesium chloride without symmetry."""
