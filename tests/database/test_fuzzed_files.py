"""Damaged files: no error escapes, the interpreter survives, nothing hangs, and no crystal is lost without a row."""

import json
import time
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import ase.db
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from ccdcgan.database.prototypes.collection import collect_prototypes
from ccdcgan.utils.errors import InputError
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt

SECONDS_OF_ONE = 20
"""Limit (s) of one file: more is a hang."""
PIECES = [
    *(
        b"nan",
        b"-inf",
        b"1e308",
        b"1e-300",
        b"0",
        b"-1",
        b"9" * 20,
        b"999999999",
        b"1.5(2)",
        b"?",
        b".",
        b"*****",
        b"1e5",
    ),
    *(
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x00",
        b"\r",
        b"\n",
        b"\n\n",
        b";",
        b"\n;\n",
        b"'",
        b'"',
        b"#",
        b"{",
        b"[",
        b"\t",
        b",",
    ),
    *(
        b"X",
        b"D",
        b"Bi0.5Se",
        b"loop_",
        b"_cell_length_a",
        b"data_",
        b"data_x\n",
        b"x,y,z",
        b"P 21/n",
        b"F d -3 m",
        b" ",
    ),
    *(
        b"Lattice=",
        b"pbc=F",
        b"Properties=species:S:1:pos:R:3",
        b"Direct",
        b"Cartesian",
        b"Selective dynamics",
        b"null",
    ),
]
"""What is inserted: texts in place of numbers, absurd sizes, marks, and words of the formats."""


@st.composite
def damage(draw, data: bytes) -> bytes:
    """Return data after 1 to 5 damages: a piece inserted or written over, a part removed, repeated or moved."""
    for _ in range(draw(st.integers(1, 5))):
        first = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 1, 2, 5, 20, 200]))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=4))
        kind = draw(st.sampled_from(["insert", "replace", "remove", "repeat", "word", "cut"]))
        end = min(first + length, len(data))
        if kind == "word":  # a whole word, so that other text stays readable
            starts = [n for n in range(1, len(data)) if data[n - 1 : n].isspace() and not data[n : n + 1].isspace()]
            first = draw(st.sampled_from(starts or [0]))
            end = next((n for n in range(first, len(data)) if data[n : n + 1].isspace()), len(data))
        if kind == "cut":
            first, end, piece = max(first, len(data) - length), len(data), b""
        middle = {"insert": piece + data[first:end], "remove": b"", "repeat": data[first:end] * 3}.get(kind, piece)
        data = data[:first] + middle + data[end:]
    return data


@cache
def originals() -> dict[str, tuple[bytes, bytes, bytes]]:
    """Return name of a file -> what comes before, in and after the part that is damaged."""
    crystals = [cesium_chloride(), bi2se3().get_primitive_structure(), rock_salt()]
    blocks = [crystal.to(fmt="cif", symprec=0.01 if n == 1 else None) for n, crystal in enumerate(crystals)]
    blocks = [block.encode().split(b"\n", 2)[2] for block in blocks]  # without comment and name
    first, last = b"data_one\n" + blocks[0] + b"\ndata_two\n", b"\ndata_three\n" + blocks[2]
    named = b"_symmetry_space_group_name_H-M 'R -3 m :H'\n" + b"\n".join(
        line
        for line in bi2se3().to(fmt="cif", symprec=0.01).encode().split(b"\n")[2:]
        if b"x" not in line.split(b"'")[1:2] and b"_symmetry_" not in line and b", " not in line
    )
    frames = []
    for crystal in crystals:
        lines = [f"{site.specie} {site.x:.6f} {site.y:.6f} {site.z:.6f}" for site in crystal]
        cell = " ".join(f"{x:.6f}" for x in crystal.lattice.matrix.ravel())
        frames.append(f'{len(crystal)}\nLattice="{cell}" pbc="T T T"\n{chr(10).join(lines)}\n'.encode())
    document = json.dumps([crystal.as_dict(verbosity=0) for crystal in crystals]).encode()
    with TemporaryDirectory() as folder:
        with ase.db.connect(f"{folder}/x.db") as database:
            for crystal in crystals:
                database.write(crystal.to_ase_atoms())
        rows = Path(f"{folder}/x.db").read_bytes()
    return {
        "a.cif": (first, blocks[1], last),
        "named.cif": (first, named, last),
        "a.vasp": (b"", crystals[1].to(fmt="poscar").encode(), b""),
        "a.extxyz": (frames[0], frames[1].rstrip(), b"\n" + frames[2]),
        "a.json": (b"", document, b""),
        "a.db": (b"", rows, b""),
    }


def check(name: str, before: bytes, damaged: bytes, after: bytes) -> None:
    """Read a damaged file beside a good one, and check what must hold for every damage."""
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(before + damaged + after)
        (Path(folder) / "zz.vasp").write_text(cesium_chloride().to(fmt="poscar"))
        config = {"sources": ["files"], "files": {"folder": folder}, "max_atoms": 20, "limit": None}
        begun = time.monotonic()
        try:
            prototypes, table = collect_prototypes(config, 2)
        except InputError as error:  # the good file is always there
            raise AssertionError(f"the good file is lost: {error}") from error
        assert time.monotonic() - begun < SECONDS_OF_ONE
    found = {crystal.id: crystal.structure for crystal in prototypes}
    assert found.pop("file-zz.vasp") and len(table) >= 2 and table["id"].is_unique
    failed = table[table["status"] == "failed"]
    assert (failed["reason"] != "").all() and failed["detail"].str.contains(name, regex=False).all()
    for structure in found.values():
        assert np.isfinite(structure.cart_coords).all() and structure.volume > 0 and 0 < len(structure) <= 20
    if after:  # the crystals before and after the damaged one
        left = 4 if damaged.decode("latin-1").strip() else 3  # a frame that was removed as a whole is not missed
        assert len(table) >= left, "a block or frame is in no row"
        formulas = [structure.composition.reduced_formula for structure in found.values()]
        assert formulas and formulas[-1] == "BiSe" and formulas[0] == "BiSe"
        assert len([structure for structure in found.values() if len(structure) == 2]) >= 2


def fuzz(name: str, number: int, examples: int) -> None:
    before, middle, after = originals()[name]

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=timedelta(seconds=SECONDS_OF_ONE),
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(damage(middle))
    def run(damaged: bytes) -> None:
        check(name, before, damaged, after)

    run()


@pytest.mark.parametrize("name", ["a.cif", "named.cif", "a.vasp", "a.extxyz", "a.json", "a.db"])
def test_damaged_files_are_rows_and_nothing_else_happens(name):
    before, middle, after = originals()[name]
    check(name, before, middle, after)
    fuzz(name, 0, 10)


@pytest.mark.slow
def test_five_minutes_of_damaged_files():
    end, number = time.monotonic() + 300, 1
    while time.monotonic() < end:
        for name in originals():
            fuzz(name, number, 40)
        number += 1
