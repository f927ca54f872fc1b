"""Energy schemes: which energies are corrected, by how much, and that the corrections have no jumps."""

import numpy as np
import pytest
from pymatgen.core import Composition, Lattice, Structure

from ccdcgan.database.energy_correction import SCHEME, correction_of
from ccdcgan.database.energy_scheme import ANIONS, AUTO, ENERGIES, MP2020, RAW, EnergyScheme, scheme_of
from ccdcgan.database.typical_errors import class_of, typical_error
from ccdcgan.relaxation.force_fields import PACKAGES
from ccdcgan.utils.errors import InputError

DEFAULT = "7net-0+7net-l3i5"


def loose(formula: str, spacing: float = 2.6) -> Structure:
    """Return a crystal with the atoms of a formula on a line of points, no two of them bonded as in O2."""
    species = [element.symbol for element, n in Composition(formula).items() for _ in range(int(n))]
    places = [[(i + 0.5) / len(species), 0.5, 0.5] for i in range(len(species))]
    return Structure(Lattice.orthorhombic(spacing * len(species), 4, 4), species, places)


@pytest.mark.parametrize(
    ("formula", "per_atom"),
    [
        ("MgO", -0.687 / 2),
        ("V2O3", (2 * -1.7 + 3 * -0.687) / 5),
        ("FeF2", (-2.256 + 2 * -0.462) / 3),
        ("NaCl", -0.614 / 2),
        ("KBr", -0.534 / 2),
        ("BiOCl", (-0.687 - 0.614) / 3),
        ("MgSO4", 4 * -0.687 / 6),
        ("Bi2Se3", 0.0),
        ("ZnS", 0.0),
        ("TiN", 0.0),
        ("KI", 0.0),
        ("MgH2", 0.0),
        ("FeS", 0.0),
        # Of metals with U at most 1.5 for each atom of oxygen or fluorine, and 2 for each that ionic metals leave:
        ("Mg2MnO", -0.687 / 4),
        ("MgMnO", -0.687 / 3),
        ("NaFeO2", (2 * -0.687 - 2.256) / 4),
        ("KMnF3", (3 * -0.462 - 1.668) / 5),
        ("K3CoO2", (2 * -0.687 - 1.638) / 6),
        ("KCoO", (-0.687 - 1.638) / 3),
        ("K3Co2O2", (2 * -0.687 - 1.638) / 7),
        ("Ti4Ni2O", (-0.687 - 1.5 * 2.541) / 7),  # titanium leaves it all
        ("V", 0.0),
    ],
)
def test_auto_corrects_the_anions_of_the_benchmark_and_metals_with_u(formula: str, per_atom: float) -> None:
    assert scheme_of(DEFAULT).of(loose(formula)) == pytest.approx(per_atom, abs=1e-9)


def test_mp2020_is_pymatgen_s_own_correction_for_selenides_too() -> None:
    assert scheme_of(DEFAULT, MP2020).of(loose("Bi2Se3")) == pytest.approx(3 * -0.472 / 5)
    assert scheme_of(DEFAULT, RAW).of(loose("V2O3")) == 0


@pytest.mark.parametrize(("distance", "energy"), [(1.45, -0.465), (1.33, -0.161), (2.5, -0.687)])
def test_peroxides_and_superoxides_are_told_from_oxides_by_their_bonds(distance: float, energy: float) -> None:
    cell = Lattice.orthorhombic(4, 4, 8)
    pair = [[0, 0, 0], [0, 0, distance], [2, 2, 4], [2, 2, 6]]
    structure = Structure(cell, ["O", "O", "Mg", "Mg"], pair, coords_are_cartesian=True)
    assert scheme_of(DEFAULT).of(structure) == pytest.approx(2 * energy / 4)


@pytest.mark.parametrize("pure", ["V", "O", "Cl"])
def test_the_correction_vanishes_continuously_towards_a_pure_element(pure: str) -> None:
    """MP2020 itself has a jump: in VO99 it corrects 99 oxygen atoms, in V99O 99 vanadium atoms."""
    other = {"V": "O", "O": "V", "Cl": "Na"}[pure]
    sizes = (2, 5, 12, 30, 80)
    auto, jump = (
        np.array([abs(scheme_of(DEFAULT, name).of(loose(f"{other}{pure}{n}"))) * (n + 1) for n in sizes])
        for name in (AUTO, MP2020)
    )
    assert auto.max() < 10 and np.allclose(auto[2:], auto[-1], atol=1.5)  # bounded for one foreign atom
    assert jump[-1] > 45


def test_every_model_states_what_its_energies_are_or_is_left_raw_with_a_reason() -> None:
    for model in PACKAGES:
        scheme = scheme_of(model)
        assert scheme.name == (AUTO if ENERGIES.get(model) == "Materials Project" else RAW)
        assert model in scheme.reason
    assert "not known" in scheme_of("SevenNet").reason
    assert scheme_of("vasp-PBE").name == RAW and scheme_of("vasp-PBE", MP2020).name == MP2020


@pytest.mark.parametrize("model", ["CHGNet", "MatPES-r2SCAN", "emt"])
def test_mp2020_is_refused_for_energies_that_it_does_not_fit(model: str) -> None:
    with pytest.raises(InputError, match=r"energy_scheme is mp2020.*set relaxation\.energy_scheme to auto or raw"):
        scheme_of(model, MP2020)


def test_the_label_names_the_corrected_elements_of_the_system() -> None:
    assert scheme_of(DEFAULT).label(["V", "O"]) == "MP2020 (V, O)"
    assert scheme_of(DEFAULT).label(["Bi", "Se"]) == RAW
    assert scheme_of(DEFAULT).label(["Fe", "S"]) == RAW
    assert scheme_of(DEFAULT, MP2020).label(["Bi", "Se"]) == "MP2020 (Se)"
    assert set(ANIONS) == {"O", "F", "Cl", "Br"}


def points(path, elements: str, **columns: str):
    """Write six DFT points of a system and return the file."""
    one, other = elements.split("-")
    rows = [f"{one}{n}{other},{-1.0 - 0.1 * n},{-0.9 - 0.1 * n}" for n in range(1, 7)]
    names = ["formula", "pbe", "7net-l3i5", *columns]
    lines = [",".join(names), *(",".join([row, *columns.values()]) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_raw_points_correct_a_scheme_without_a_hubbard_u(tmp_path) -> None:
    """The scheme adds the same energy on both sides, so that it cancels in their difference."""
    path = points(tmp_path / "points.csv", "Mg-O")
    plain = correction_of(DEFAULT, ["Mg", "O"], path)
    assert correction_of(DEFAULT, ["Mg", "O"], path, scheme_of(DEFAULT)) == plain


@pytest.mark.parametrize("columns", [{}, {SCHEME: "raw"}])
def test_raw_points_are_refused_where_energies_with_and_without_u_are_mixed(tmp_path, columns) -> None:
    path = points(tmp_path / "points.csv", "V-O", **columns)
    with pytest.raises(InputError, match=r"has energies of the scheme raw, but .* MP2020 \(V, O\)"):
        correction_of(DEFAULT, ["V", "O"], path, scheme_of(DEFAULT))
    assert correction_of(DEFAULT, ["V", "O"], path, EnergyScheme(RAW)).n_points == 6


def test_points_with_the_scheme_of_the_system_are_accepted_and_others_refused(tmp_path) -> None:
    path = points(tmp_path / "points.csv", "V-O", **{SCHEME: "MP2020 (V_ O)".replace("_", ";")})
    with pytest.raises(InputError, match="has energies of the scheme"):
        correction_of(DEFAULT, ["V", "O"], path, scheme_of(DEFAULT))
    path = points(tmp_path / "good.csv", "V-O", **{SCHEME: '"MP2020 (V, O)"'})
    assert correction_of(DEFAULT, ["V", "O"], path, scheme_of(DEFAULT)).n_points == 6


@pytest.mark.parametrize(
    ("system", "kind"),
    [
        ("V-O", "oxides of metals with U"),
        ("Mg-O", "oxides"),
        ("Fe-F", "fluorides of metals with U"),
        ("Fe-S", "sulfides"),
        ("Bi-Te-Se", "selenides"),
        ("Al-Ni", "intermetallic compounds"),
    ],
)
def test_systems_are_classed_by_their_most_electronegative_element(system: str, kind: str) -> None:
    assert class_of(system.split("-")) == kind


def test_the_typical_error_of_a_class_is_stated_for_the_benchmarked_model_and_scheme_only() -> None:
    oxide = ["V", "O"]
    error = typical_error(DEFAULT, scheme_of(DEFAULT), oxide)
    assert 0.01 < error.value < 0.15 and error.source == "benchmark: oxides of metals with U"
    assert np.isnan(typical_error(DEFAULT, scheme_of(DEFAULT, RAW), oxide).value)
    assert np.isnan(typical_error("CHGNet", scheme_of("CHGNet"), ["Al", "Ni"]).value)
    assert typical_error(DEFAULT, scheme_of(DEFAULT, RAW), ["Al", "Ni"]).value < 0.05  # nothing to correct: the same
    few = typical_error(DEFAULT, scheme_of(DEFAULT), ["Ga", "As"])
    assert few.source == "benchmark: all systems without corrections" and few.value > 0.01
