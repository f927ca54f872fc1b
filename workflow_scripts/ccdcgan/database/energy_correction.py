"""Errors of an engine's formation energies relative to density functional theory, and their correction.

Reference points are crystals whose formation energy (eV/atom) is known from both. The error is fitted in one of two
forms. ``offset`` is proportional to x_i x_j for every pair of elements and vanishes for the elements (Redlich and
Kister, Ind. Eng. Chem. 40, 345 (1948), first term). ``similarity`` is a Gaussian process over the structures of the
points (:mod:`ccdcgan.crystals.gaussian_process`). The form is chosen by its leave-one-out error.
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
from ccdcgan.database.energy_scheme import RAW, RAW_SCHEME, EnergyScheme
from ccdcgan.utils.errors import InputError
from ccdcgan.utils.files import read_csv

log = logging.getLogger(__name__)

DFT = "pbe"
"""Column of the DFT formation energies at the engine's geometry. The column of the engine has the name of its last
model."""
RELAXED = "pbe_relaxed"
"""Column of the DFT formation energies after a relaxation with DFT from there; empty without such a relaxation."""
SCHEME = "energy_scheme"
"""Column of the energy scheme of both formation energies; points without it are raw."""
NONE, OFFSET, SIMILARITY = "none", "offset", "similarity"
FORMS = (NONE, OFFSET, SIMILARITY)
"""Forms of the correction."""
FEWEST = 5
"""Smallest number of compounds for which an error is stated."""
FEWEST_SIMILAR = 20
"""Smallest number of compounds for which a Gaussian process is fitted."""


@dataclass(frozen=True)
class Points:
    """Reference points of a system.

    Args:
        table: Formula and formation energies (eV/atom), one row per crystal.
        structures: Geometries of the engine in the same order; None if unknown.
    """

    table: pd.DataFrame
    structures: tuple[Structure, ...] | None = None

    def of(self, rows: Sequence[bool]) -> "Points":
        """Return the points of some rows, given as booleans, shape (n,)."""
        structures = None
        if self.structures is not None:
            structures = tuple(s for s, selected in zip(self.structures, rows, strict=True) if selected)
        return Points(self.table[list(rows)].reset_index(drop=True), structures)

    @property
    def compounds(self) -> list[bool]:
        """Whether each crystal is a compound. The error of an element is zero by definition."""
        return [len(Composition(formula)) > 1 for formula in self.table["formula"]]

    @property
    def truth(self) -> np.ndarray:
        """Lowest known DFT formation energy of each crystal, shape (n,), eV/atom.

        It is the energy after a relaxation with DFT where there is one. Otherwise it is the energy at the engine's
        geometry, which is an upper bound.
        """
        return self.table[[name for name in (DFT, RELAXED) if name in self.table]].min(axis=1).to_numpy()

    def errors(self, model: str) -> np.ndarray:
        """Return the formation energies of a model minus :attr:`truth`, shape (n,), eV/atom."""
        return self.table[model].to_numpy() - self.truth


def read_points(path: str | Path) -> Points:
    """Read reference points from a table (.csv) or a structure set (.extxyz)."""
    if Path(path).suffix != ".extxyz":
        return Points(read_csv(path))
    crystals = read_set(path)
    rows = [{"id": crystal.id, "formula": crystal.formula} | crystal.info for crystal in crystals]
    return Points(pd.DataFrame(rows), tuple(crystal.structure for crystal in crystals))


@dataclass(frozen=True)
class Correction:
    """Correction of an engine's formation energies, with the remaining uncertainty (both eV/atom).

    Args:
        form: One of FORMS.
        coefficients: Coefficients of ``offset``, one per pair of elements, in order.
        process: Regression of the error, of ``similarity``.
        uncertainty: Root mean square of the leave-one-out errors; NaN if unknown.
        n_points: Number of compounds fitted.
        elements: Elements of the system.
    """

    form: str = NONE
    coefficients: tuple[float, ...] = ()
    process: CrystalRegression | None = None
    uncertainty: float = float("nan")
    n_points: int = 0
    elements: tuple[str, ...] = ()

    def of(self, structure: Structure) -> tuple[float, float]:
        """Return what is added to the formation energy of a crystal, and the uncertainty of the sum (eV/atom)."""
        if self.process is not None and len(structure.composition) > 1:
            error, deviation = self.process.predict([structure])
            return -float(error[0]), float(deviation[0])
        if not self.coefficients:
            return 0.0, self.uncertainty
        return float(_offset_terms(structure.composition, self.elements) @ self.coefficients), self.uncertainty


UNCORRECTED = Correction()
"""No correction, of an engine or system without reference points."""


def correction_of(
    engine: str, elements: Sequence[str], chosen: str | Path | None = None, scheme: EnergyScheme = RAW_SCHEME
) -> Correction:
    """Return the correction and uncertainty of an engine's formation energies.

    Args:
        engine: Label of the engine, e.g. "7net-0+7net-l3i5"; the last model counts.
        elements: Elements of the system.
        chosen: ``relaxation.energy_correction``. MEASURED: the points of this project, if there are any for the system
            and the model. A path: a file of points, see :func:`read_points`. None: no correction; the uncertainty is
            that of the points of this project.
        scheme: Energy scheme of the formation energies to which the correction is added.

    Raises:
        InputError: For a file that lacks a column, has too few points, has elements outside the system or has energies
            of another scheme.
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
            f"relaxation.energy_correction: {own} has no column {missing[0]}; "
            f"it needs formula, {DFT} or {RELAXED}, and {model}."
        )
    if missing:
        return UNCORRECTED
    points = points.of(~np.isnan(points.errors(model)))
    foreign = sorted({e.symbol for f in points.table["formula"] for e in Composition(f)} - set(elements))
    if foreign and own:
        raise InputError(
            f"relaxation.energy_correction: {own} has crystals with {foreign[0]}, which is not in the system."
        )
    if own:
        _check_scheme(points, scheme, elements, str(own))
    n_points = sum(points.compounds)
    if n_points < FEWEST:
        if own:
            raise InputError(
                f"relaxation.energy_correction: {own} has {n_points} points of {model}; give {FEWEST} or more."
            )
        return UNCORRECTED
    fits = fit_forms(points, model, elements)
    form = best_form(fits) if chosen else NONE
    for name, fit in fits.items():
        log.info("%s, %d points, correction %s: error %.4f eV/atom (rms)", model, n_points, name, rms(fit.left_out))
    log.info("%s: correction %s chosen", model, form)
    return fits[form].correction


def _check_scheme(points: Points, scheme: EnergyScheme, elements: Sequence[str], path: str) -> None:
    """Refuse points whose energies cannot be compared with those of the scheme.

    The scheme adds the same energy to the engine and to DFT, so that their difference is the same with and without it.
    This does not hold where it mixes energies with and without a Hubbard U: DFT points without U are then compared with
    a potential that learned energies with U.

    Raises:
        InputError: If the points have another scheme.
    """
    found = set(points.table[SCHEME].dropna()) if SCHEME in points.table else {RAW}
    used = scheme.label(elements)
    if found <= {used} or (found <= {RAW} and not scheme.has_mixing(elements)):
        return
    stated = ", ".join(sorted(map(str, found)))
    raise InputError(
        f"relaxation.energy_correction: {path} has energies of the scheme {stated}, but the energies of this system "
        f"are {used}; set relaxation.energy_correction to null, or give points with these energies and the column "
        f"{SCHEME} = {used}."
    )


@dataclass(frozen=True)
class Fit:
    """One form of the correction, fitted to all points.

    Args:
        correction: The fitted correction.
        left_out: Error that remains at each compound when the form is fitted to the others, shape (n,), eV/atom.
    """

    correction: Correction
    left_out: np.ndarray


def fit_forms(points: Points, model: str, elements: Sequence[str]) -> dict[str, Fit]:
    """Fit every form to all points.

    ``offset`` is fitted if it has at most half as many coefficients as there are compounds. ``similarity`` is fitted to
    points with structures and at least FEWEST_SIMILAR compounds.

    Args:
        points: Reference points.
        model: Model of the engine, a column of the points.
        elements: Elements of the system.

    Returns:
        Form -> fit.
    """
    compounds = points.of(points.compounds)
    raw = compounds.errors(model)
    fits: dict[str, Fit] = {}

    def add(
        form: str,
        left_out: np.ndarray,
        coefficients: tuple[float, ...] = (),
        process: CrystalRegression | None = None,
    ) -> None:
        correction = Correction(form, coefficients, process, rms(left_out), len(raw), tuple(elements))
        fits[form] = Fit(correction, left_out)

    add(NONE, raw)
    terms = np.array([_offset_terms(Composition(formula), elements) for formula in compounds.table["formula"]])
    if 0 < terms.shape[1] <= len(raw) // 2:
        others = [np.delete(np.arange(len(raw)), number) for number in range(len(raw))]
        without = np.array([_least_squares(terms[other], raw[other]) for other in others])
        left_out = raw + np.einsum("ij,ij->i", terms, without)
        add(OFFSET, left_out, coefficients=tuple(_least_squares(terms, raw).tolist()))
    if points.structures is not None and len(raw) >= FEWEST_SIMILAR:
        process = CrystalRegression.fit(points.structures, points.errors(model), elements)
        add(SIMILARITY, process.left_out()[points.compounds], process=process)
    return fits


def _least_squares(terms: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the coefficients, shape (k,), of terms, shape (n, k), whose sum best cancels errors, shape (n,)."""
    return np.linalg.lstsq(terms, -errors, rcond=None)[0]


def best_form(fits: Mapping[str, Fit]) -> str:
    """Return the form with the smallest leave-one-out error, or "none" if its gain is not significant.

    The mean gain in squared error over "none" has to exceed its own standard error.
    """
    form = min(fits, key=lambda name: rms(fits[name].left_out))
    gain = fits[NONE].left_out ** 2 - fits[form].left_out ** 2
    return form if gain.mean() > gain.std() / np.sqrt(len(gain)) else NONE


def rms(errors: np.ndarray) -> float:
    """Return the root mean square."""
    return float(np.sqrt((errors**2).mean()))


def _offset_terms(composition: Composition, elements: Sequence[str]) -> np.ndarray:
    """Return x_i x_j of every pair of elements, from the atomic fractions x of a composition."""
    fractions = [composition.get_atomic_fraction(element) for element in elements]
    return np.array([a * b for a, b in combinations(fractions, 2)])
