"""How far an engine's formation energies are from density functional theory, and a correction learned from that.

Measured points are crystals whose formation energy is known from both (eV/atom). Forms of the error are polynomials in
the composition that vanish for the elements (Redlich and Kister, Ind. Eng. Chem. 40, 345 (1948)), a share of the
formation energy itself, and, where the points' structures are known, a Gaussian process
(:mod:`ccdcgan.crystals.gaussian_process`). They are judged on points left out of the fit, one at a time.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Composition, Structure

from ccdcgan.crystals.gaussian_process import CrystalRegression
from ccdcgan.crystals.structures import read_set
from ccdcgan.database.dft_points import MEASURED, measured_points
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import read_csv

log = logging.getLogger(__name__)

DFT = "pbe"
"""Column of the formation energies of density functional theory at the geometry of the engine, whose own column has the
name of its last model."""
RELAXED = "pbe_relaxed"
"""Column of those after density functional theory's own relaxation from there, empty where none was made."""
POLYNOMIALS: Mapping[str, tuple[str, ...]] = {
    "offset": ("mixing",),
    "linear": ("mixing", "asymmetry"),
    "share": ("share",),
    "offset and share": ("mixing", "share"),
}
"""Form of the correction -> its terms; see :func:`_terms`."""
SIMILARITY = "similarity"
"""Form of the correction by a Gaussian process."""
FORMS = ("none", *POLYNOMIALS, SIMILARITY)
FEWEST = 5
"""Points below which no error is stated."""
FEWEST_SIMILAR = 20
"""Compounds below which no Gaussian process is tried."""


@dataclass(frozen=True)
class Points:
    """Measured crystals of a system. table: formula and formation energies (eV/atom), a row each; structures: the
    engine's geometries in the same order, None if unknown."""

    table: pd.DataFrame
    structures: tuple[Structure, ...] | None = None

    def of(self, rows: Sequence[bool]) -> "Points":
        """Return the points of some rows."""
        kept = (
            None if self.structures is None else tuple(s for s, keep in zip(self.structures, rows, strict=True) if keep)
        )
        return Points(self.table[list(rows)].reset_index(drop=True), kept)

    @property
    def compounds(self) -> list[bool]:
        """Whether each is a compound; an element is there to say that its error is zero by definition."""
        return [len(Composition(formula)) > 1 for formula in self.table["formula"]]

    @property
    def truth(self) -> np.ndarray:
        """The lowest formation energy known of each from density functional theory (n,), eV/atom: relaxed with it, if
        that was done, else at the engine's geometry, which is an upper bound."""
        return self.table[[name for name in (DFT, RELAXED) if name in self.table]].min(axis=1).to_numpy()

    def errors(self, model: str) -> np.ndarray:
        """Return the engine's formation energies less the truth (n,), eV/atom."""
        return self.table[model].to_numpy() - self.truth


def read_points(path: str | Path) -> Points:
    """Read a table (.csv) or a structure set (.extxyz) of measured crystals."""
    if Path(path).suffix != ".extxyz":
        return Points(read_csv(path))
    crystals = read_set(path)
    rows = [{"id": c.id, "formula": c.formula} | c.info for c in crystals]
    return Points(pd.DataFrame(rows), tuple(crystal.structure for crystal in crystals))


@dataclass(frozen=True)
class Correction:
    """What is added to formation energies, and how uncertain they are with it (both eV/atom).

    form: one of FORMS; coefficients: of a polynomial's terms, in order; process: of SIMILARITY; uncertainty: root
    mean square error on points left out of the fit, NaN if never measured; n_points: how many; elements: of the system.
    """

    form: str = "none"
    coefficients: tuple[float, ...] = ()
    process: CrystalRegression | None = None
    uncertainty: float = float("nan")
    n_points: int = 0
    elements: tuple[str, ...] = ()

    def of(self, structure: Structure, formation_energy: float) -> tuple[float, float]:
        """Return what is added to the engine's formation energy of a crystal, and its uncertainty then (eV/atom)."""
        if self.process is not None and len(structure.composition) > 1:
            error, deviation = self.process.predict([structure])
            return -float(error[0]), float(deviation[0])
        if not self.coefficients:
            return 0.0, self.uncertainty
        terms = _terms(self.form, structure.composition, formation_energy, self.elements)
        return float(terms @ self.coefficients), self.uncertainty


UNCORRECTED = Correction()
"""Of an engine or system that was never measured."""


def correction_of(engine: str, elements: Sequence[str], chosen: str | Path | None = None) -> Correction:
    """Return the correction and uncertainty of an engine's formation energies.

    engine: its label, e.g. "7net-0+7net-l3i5"; the last model counts. chosen: ``relaxation.correction``, that is
    :data:`MEASURED` for the library's points, if it has any of this system and model, or a file of points (see
    :func:`read_points`); None: nothing is corrected, and the uncertainty is that of the library's points. Raises
    InputError for a file that cannot be used.
    """
    own = None if chosen is None or str(chosen) == MEASURED else chosen
    path, model = own or measured_points(elements), engine.split("+")[-1]
    if path is None:
        return UNCORRECTED
    points = read_points(path)
    missing = [name for name in ("formula", model) if name not in points.table]
    missing += [] if {DFT, RELAXED} & set(points.table) else [DFT]
    if missing and own:
        raise InputError(
            f"relaxation.correction: {own} has no column {missing[0]}; "
            f"it needs formula, {DFT} or {RELAXED}, and {model}."
        )
    if missing:
        return UNCORRECTED
    points = points.of(~np.isnan(points.errors(model)))
    strange = sorted({e.symbol for f in points.table["formula"] for e in Composition(f)} - set(elements))
    if strange and own:
        raise InputError(f"relaxation.correction: {own} has crystals with {strange[0]}, which is not in the system.")
    n_points = sum(points.compounds)
    if n_points < FEWEST:
        if own:
            raise InputError(f"relaxation.correction: {own} has {n_points} points of {model}; give {FEWEST} or more.")
        return UNCORRECTED
    fits = fit_forms(points, model, elements)
    form = best_form(fits) if chosen else "none"
    for name, fit in fits.items():
        log.info("%s, %d points, correction %s: off by %.4f eV/atom (rms)", model, n_points, name, rms(fit.left_out))
    log.info("%s: the correction %s is taken", model, form)
    return fits[form].correction


@dataclass(frozen=True)
class Fit:
    """correction: one form fitted to all points; left_out: its error (eV/atom) at each compound when it is fitted to
    the others."""

    correction: Correction
    left_out: np.ndarray


def fit_forms(points: Points, model: str, elements: Sequence[str]) -> dict[str, Fit]:
    """Fit every form to all points.

    A polynomial with more coefficients than half as many as there are compounds is not tried, nor a Gaussian process of
    fewer than FEWEST_SIMILAR compounds or of points without structures.
    """
    compounds = points.of(points.compounds)
    raw, fits = compounds.errors(model), {}

    def add(form: str, left_out: np.ndarray, **learned) -> None:
        fits[form] = Fit(Correction(form, **learned, uncertainty=rms(left_out), **common), left_out)

    common = {"n_points": len(raw), "elements": tuple(elements)}
    add("none", raw)
    for form in POLYNOMIALS:
        terms = _matrix(form, compounds, model, elements)
        if 0 < terms.shape[1] <= len(raw) // 2:
            others = [np.delete(np.arange(len(raw)), number) for number in range(len(raw))]
            rest = np.array([_least_squares(terms[other], raw[other]) for other in others])
            left_out = raw + np.einsum("ij,ij->i", terms, rest)
            add(form, left_out, coefficients=tuple(_least_squares(terms, raw).tolist()))
    if points.structures is not None and len(raw) >= FEWEST_SIMILAR:
        process = CrystalRegression.fit(points.structures, points.errors(model), elements)
        add(SIMILARITY, process.left_out()[points.compounds], process=process)
    return fits


def _least_squares(terms: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the coefficients (k,) of terms (n, k) that take most away from errors (n,)."""
    return np.linalg.lstsq(terms, -errors, rcond=None)[0]


def best_form(fits: Mapping[str, Fit]) -> str:
    """Return the form with the smallest error left out, "none" unless it gains more than chance would.

    The mean gain in squared error has to exceed its own standard error.
    """
    form = min(fits, key=lambda name: rms(fits[name].left_out))
    gain = fits["none"].left_out ** 2 - fits[form].left_out ** 2
    return form if gain.mean() > gain.std() / np.sqrt(len(gain)) else "none"


def rms(errors: np.ndarray) -> float:
    """Return the root mean square."""
    return float(np.sqrt((errors**2).mean()))


def _matrix(form: str, points: Points, model: str, elements: Sequence[str]) -> np.ndarray:
    rows = zip(points.table["formula"], points.table[model], strict=True)
    return np.array([_terms(form, Composition(formula), energy, elements) for formula, energy in rows])


def _terms(form: str, composition: Composition, formation_energy: float, elements: Sequence[str]) -> np.ndarray:
    """Return the terms of a form: x_i x_j and x_i x_j (x_i - x_j) of every pair of elements, and the energy itself."""
    fractions = [composition.get_atomic_fraction(element) for element in elements]
    pairs = list(combinations(fractions, 2))
    values = {
        "mixing": [a * b for a, b in pairs],
        "asymmetry": [a * b * (a - b) for a, b in pairs],
        "share": [formation_energy],
    }
    return np.array([value for term in POLYNOMIALS[form] for value in values[term]])
