"""How far an engine's formation energies are from density functional theory, and a correction learned from that.

Measured points are crystals whose formation energy is known from both (eV/atom). Four forms of the error are tried,
polynomials in the composition that vanish for the elements (Redlich and Kister, Ind. Eng. Chem. 40, 345 (1948)) and a
share of the formation energy itself. They are judged on points left out of the fit, one at a time.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Composition

from ccdcgan.errors import InputError
from ccdcgan.files import read_csv
from ccdcgan.measured import measured_points

log = logging.getLogger(__name__)

DFT = "pbe"
"""Column of the formation energies of density functional theory; an engine's has the name of its last model."""
FORMS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "offset": ("mixing",),
    "linear": ("mixing", "asymmetry"),
    "share": ("share",),
    "offset and share": ("mixing", "share"),
}
"""Form of the correction -> its terms; see :func:`_terms`."""
FEWEST = 5
"""Points below which no error is stated."""


@dataclass(frozen=True)
class Correction:
    """What is added to formation energies, and how uncertain they are with it (both eV/atom).

    form: one of FORMS; coefficients: of its terms, in order; uncertainty: root mean square error on points left out
    of the fit, NaN if never measured; n_points: how many; elements: of the system.
    """

    form: str = "none"
    coefficients: tuple[float, ...] = ()
    uncertainty: float = float("nan")
    n_points: int = 0
    elements: tuple[str, ...] = ()

    def shift(self, composition: Composition, formation_energy: float) -> float:
        """Return what is added to the engine's formation energy (eV/atom) of a crystal."""
        if not self.coefficients:
            return 0.0
        return float(_terms(self.form, composition, formation_energy, self.elements) @ self.coefficients)


UNCORRECTED = Correction()
"""Of an engine or system that was never measured."""


def correction_of(engine: str, elements: Sequence[str], own: str | Path | None = None) -> Correction:
    """Return the correction and uncertainty of an engine's formation energies.

    engine: its label, e.g. "7net-0+7net-l3i5"; the last model counts. own: a table of points from which a correction
    is learned; without one nothing is corrected, and the uncertainty is that of the library's points, if it has any of
    this system and model. Raises InputError for a table that cannot be used.
    """
    path, model = own or measured_points(elements), engine.split("+")[-1]
    if path is None:
        return UNCORRECTED
    points = read_csv(path)
    missing = [name for name in ("formula", DFT, model) if name not in points]
    if missing and own:
        raise InputError(
            f"relaxation.correction: {own} has no column {missing[0]}; it needs formula, {DFT} and {model}."
        )
    if missing:
        return UNCORRECTED
    points = points.dropna(subset=[DFT, model])
    strange = sorted({e.symbol for f in points["formula"] for e in Composition(f)} - set(elements))
    if strange and own:
        raise InputError(f"relaxation.correction: {own} has crystals with {strange[0]}, which is not in the system.")
    if len(points) < FEWEST:
        if own:
            raise InputError(
                f"relaxation.correction: {own} has {len(points)} points of {model}; give {FEWEST} or more."
            )
        return UNCORRECTED
    errors = left_out_errors(points, model, elements)
    form = best_form(errors) if own else "none"
    for name, values in errors.items():
        log.info("%s, %d points, correction %s: off by %.4f eV/atom (rms)", model, len(points), name, rms(values))
    log.info("%s: the correction %s is taken", model, form)
    coefficients = ()
    if FORMS[form]:
        terms = _matrix(form, points, model, elements)
        coefficients = tuple(np.linalg.lstsq(terms, (points[DFT] - points[model]).to_numpy(), rcond=None)[0].tolist())
    return Correction(form, coefficients, rms(errors[form]), len(points), tuple(elements))


def left_out_errors(points: pd.DataFrame, model: str, elements: Sequence[str]) -> dict[str, np.ndarray]:
    """Return every form's error (eV/atom) at each point when it is fitted to the others.

    A form with more coefficients than half as many as there are points is not tried.
    """
    raw = (points[model] - points[DFT]).to_numpy()
    errors = {"none": raw}
    for form in FORMS:
        terms = _matrix(form, points, model, elements)
        if 0 < terms.shape[1] <= len(points) // 2:
            others = [np.delete(np.arange(len(points)), number) for number in range(len(points))]
            fits = [np.linalg.lstsq(terms[rest], -raw[rest], rcond=None)[0] for rest in others]
            errors[form] = raw + np.einsum("ij,ij->i", terms, np.array(fits))
    return errors


def best_form(errors: Mapping[str, np.ndarray]) -> str:
    """Return the form with the smallest error left out, "none" unless it gains more than chance would.

    The mean gain in squared error has to exceed its own standard error.
    """
    form = min(errors, key=lambda name: rms(errors[name]))
    gain = errors["none"] ** 2 - errors[form] ** 2
    return form if gain.mean() > gain.std() / np.sqrt(len(gain)) else "none"


def rms(errors: np.ndarray) -> float:
    """Return the root mean square."""
    return float(np.sqrt((errors**2).mean()))


def _matrix(form: str, points: pd.DataFrame, model: str, elements: Sequence[str]) -> np.ndarray:
    rows = zip(points["formula"], points[model], strict=True)
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
    return np.array([value for term in FORMS[form] for value in values[term]])
