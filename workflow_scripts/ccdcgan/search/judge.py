"""The judge of a campaign: what it expects of a relaxation, learned from all relaxations so far.

The distance to the hull after relaxation is predicted by a Gaussian process on the descriptors of the crystal, with
its uncertainty (:mod:`ccdcgan.crystals.gaussian_process`). It is trained on every crystal before relaxation, with the
distance of its end, and by every end. The formation energy follows from the hull. Predicting it directly is less exact:
far from all known crystals the prediction is the mean, which as a formation energy is too low near the elements and too
high between them (Bi-Se, compositions left out: mean absolute error 0.059 in place of 0.048 eV/atom). Distances above
the limit of meta-stable crystals are compressed: it matters that a crystal is far from the hull, not how far, and
without this the farthest ones, 2 eV/atom above the hull in an oxide, decide how smooth the process is.

Two probabilities are learned from the same relaxations: that one succeeds, and that it ends in a crystal that was not
known. The latter depends on the distance, in the space of the descriptors, to the nearest known crystal of the same
composition: a start that resembles a known crystal usually relaxes into it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from pymatgen.core import Composition
from scipy.special import ndtr

from ccdcgan.crystals.gaussian_process import (
    MOST_POINTS,
    PREDICTED_TOGETHER,
    REGRESSION_KERNEL,
    features,
    fit_gaussian_process,
    subsample,
)
from ccdcgan.crystals.structures import Crystal
from ccdcgan.search.experience import TARGETS, Attempt, Experience

REACH = 0.3
"""Distance at which a relaxation says something of the success of another one, in units of sqrt(number of features)."""
PRIOR_WEIGHT = 2.0
"""Weight of the mean rate of success, in relaxations."""
CLOSEST = 1e-3
"""Smallest distance in units of sqrt(number of features), which keeps its logarithm finite."""
FEWEST = 8
"""Smallest number of relaxations to new and to known crystals from which the chance of a new end is fitted."""
FALLBACK_DISTANCE, FALLBACK_SLOPE = 0.3, 2.0
"""Distance (units of sqrt(d)) at which the chance is one half, and slope over its logarithm, where it is not fitted."""


def compress(distances: np.ndarray) -> np.ndarray:
    """Compress distances to the hull (eV/atom), any shape: linear up to the meta-stable limit, logarithmic above."""
    limit = TARGETS["meta_stable"]
    return np.where(distances < limit, distances, limit + limit * np.log1p(np.maximum(distances - limit, 0) / limit))


def expand(compressed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances to the hull (eV/atom) of compressed ones, and the slope of this inverse, of equal shape."""
    limit = TARGETS["meta_stable"]
    slope = np.exp(np.maximum(compressed - limit, 0) / limit)
    return np.where(compressed < limit, compressed, limit * slope), slope


@dataclass(frozen=True)
class Judgement:
    """What is expected of proposals, arrays of shape (n,).

    Attributes:
        energy: Formation energy after relaxation, eV/atom; the median, where its distribution is not symmetric.
        deviation: Its standard deviation, eV/atom, to first order.
        meta_stable: Probability that the relaxed crystal is meta-stable, if the relaxation succeeds.
        stable: Probability that it is stable.
        below_hull: Probability that it lies below the hull of everything relaxed so far.
        depth: Expected depth below that hull, eV/atom: the mean of max(0, hull - energy).
        success: Probability that the relaxation succeeds.
    """

    energy: np.ndarray
    deviation: np.ndarray
    meta_stable: np.ndarray
    stable: np.ndarray
    below_hull: np.ndarray
    depth: np.ndarray
    success: np.ndarray


@dataclass
class Neighbours:
    """Crystals before and after their relaxations, by composition, to which proposals are compared.

    Attributes:
        known: Reduced formula -> features of its crystals, each of shape (d,).
    """

    known: dict[str, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))

    def add(self, formula: str, *described: np.ndarray) -> None:
        """Add crystals of one composition, each of shape (d,)."""
        self.known[formula].extend(described)

    def measures(self, formula: str, described: np.ndarray) -> tuple[float, float] | None:
        """Return the logarithms of the distance to the nearest crystal of the composition, and of their number.

        Args:
            formula: Reduced formula.
            described: Features of a crystal, shape (d,).

        Returns:
            Logarithms of the distance in units of sqrt(d) and of the number; None: the composition has no crystal.
        """
        if not self.known.get(formula):
            return None
        apart = np.array(self.known[formula]) - described
        distance = np.sqrt((apart**2).mean(axis=1).min())
        return float(np.log(max(distance, CLOSEST))), float(np.log(len(apart)))


class Judge:
    """Expectations learned from all relaxations so far.

    Args:
        experience: The relaxations.
        elements: Elements of the system.
        seed: Decides which relaxations of the database are used if there are too many.
    """

    def __init__(self, experience: Experience, elements: Sequence[str], seed: int) -> None:
        self._elements, self._hull = elements, experience.hull
        database = [experience.database[i] for i in subsample(len(experience.database), seed)[: MOST_POINTS // 2]]
        attempts = [*database, *experience.campaign]
        ends = [attempt.end if attempt.relaxed else attempt.start for attempt in attempts]
        described = features([crystal.structure for crystal in (*(a.start for a in attempts), *ends)], elements)
        self._mean, self._spread = described.mean(0), np.maximum(described.std(0), 1e-9)
        self._starts, described_ends = np.split(self.describe_features(described), 2)
        self._relaxed = np.array([attempt.relaxed for attempt in attempts], dtype=bool)
        self._fit_energies(attempts, described_ends, seed)
        self.neighbours = Neighbours()
        self._fit_novelty(attempts, described_ends, experience)

    def describe_features(self, described: np.ndarray) -> np.ndarray:
        """Return features, shape (n, d), shifted and scaled to a mean of 0 and a standard deviation of 1."""
        return (described - self._mean) / self._spread

    def describe(self, crystals: Sequence[Crystal]) -> np.ndarray:
        """Return the scaled features of crystals, shape (n, d)."""
        structures = [crystal.structure for crystal in crystals]
        return self.describe_features(features(structures, self._elements)) if structures else np.empty((0, 0))

    def _fit_energies(self, attempts: Sequence[Attempt], ends: np.ndarray, seed: int) -> None:
        """Fit the Gaussian process of the compressed distances to the hull after relaxation."""
        chosen = np.flatnonzero(self._relaxed)
        energies = np.array([attempts[i].end.info["formation_energy"] for i in chosen], dtype=float)
        values = compress(energies - self._heights([attempts[i].end for i in chosen]))
        self._centre, self._scale = float(values.mean()), max(float(values.std()), 1e-6)
        both, targets = np.concatenate([self._starts[chosen], ends[chosen]]), np.tile(values, 2)
        self._process = fit_gaussian_process(both, (targets - self._centre) / self._scale, REGRESSION_KERNEL, seed)

    def _fit_novelty(self, attempts: Sequence[Attempt], ends: np.ndarray, experience: Experience) -> None:
        """Fit the chance that a relaxation ends in a new crystal, and fill the neighbours with all known crystals."""
        n_database = len(attempts) - len(experience.campaign)
        by_formula: dict[str, list[int]] = defaultdict(list)
        for i, attempt in enumerate(attempts[:n_database]):
            by_formula[attempt.start.formula].append(i)
        seen, new = [], []
        for formula, members in by_formula.items():
            for i in members:
                others = Neighbours()
                for j in members:
                    if j != i:
                        others.add(formula, self._starts[j], ends[j])
                self._learn(attempts[i], others.measures(formula, self._starts[i]), seen, new)
            self.neighbours.add(formula, *self._starts[members], *ends[members])
        for phase, described in zip(experience.phases, self.describe(experience.phases), strict=True):
            self.neighbours.add(phase.formula, described)
        for i, attempt in enumerate(attempts[n_database:], start=n_database):
            self._learn(attempt, self.neighbours.measures(attempt.start.formula, self._starts[i]), seen, new)
            self.neighbours.add(attempt.start.formula, self._starts[i], ends[i])
        self._novelty = _logistic(np.array(seen), np.array(new))

    @staticmethod
    def _learn(
        attempt: Attempt, measured: tuple[float, float] | None, seen: list[tuple[float, float]], new: list[bool]
    ) -> None:
        """Add a relaxation to the examples of new and of known ends, if its composition has other crystals."""
        if measured is not None and attempt.relaxed:
            seen.append(measured)
            new.append(attempt.is_new)

    def judge(self, described: np.ndarray, crystals: Sequence[Crystal]) -> Judgement:
        """Judge proposals.

        Args:
            described: Their features from :meth:`describe`, shape (n, d).
            crystals: The proposals, n.
        """
        predicted, deviation = np.empty(len(crystals)), np.empty(len(crystals))
        for start in range(0, len(crystals), PREDICTED_TOGETHER):
            part = slice(start, start + PREDICTED_TOGETHER)
            predicted[part], deviation[part] = self._process.predict(described[part], return_std=True)
        height = self._heights(crystals)
        compressed = self._centre + self._scale * predicted
        deviation = self._scale * np.maximum(deviation, 1e-9)
        limits = (TARGETS["meta_stable"], TARGETS["stable"], 0.0)
        gaps = [np.minimum(limit, -height) - compressed for limit in limits]  # the limits themselves stay as they are
        below = [ndtr(gap / deviation) for gap in gaps]
        gap = gaps[-1]  # to the hull itself
        depth = gap * below[-1] + deviation * np.exp(-((gap / deviation) ** 2) / 2) / np.sqrt(2 * np.pi)
        distance, slope = expand(compressed)
        return Judgement(height + distance, slope * deviation, *below, depth, self._success(described))

    def _heights(self, crystals: Sequence[Crystal]) -> np.ndarray:
        """Return the formation energy of the hull at the compositions of crystals, shape (n,), eV/atom."""
        names = [crystal.formula for crystal in crystals]
        heights = {name: self._hull.get_hull_energy_per_atom(Composition(name)) for name in set(names)}
        return np.array([heights[name] for name in names], dtype=float)

    def _success(self, described: np.ndarray) -> np.ndarray:
        """Return the probability that relaxations succeed, shape (n,): the rate among those of similar crystals."""
        chances = np.empty(len(described))
        for i, own in enumerate(described):
            apart = ((self._starts - own) ** 2).mean(axis=1)
            weights = np.exp(-apart / (2 * REACH**2))
            chances[i] = (weights[self._relaxed].sum() + PRIOR_WEIGHT * self._relaxed.mean()) / (
                weights.sum() + PRIOR_WEIGHT
            )
        return chances

    def novelty(self, formula: str, described: np.ndarray) -> float:
        """Return the probability that a proposal relaxes to a crystal that is not among the neighbours.

        Args:
            formula: Its reduced formula.
            described: Its features, shape (d,).
        """
        measured = self.neighbours.measures(formula, described)
        if measured is None:
            return 1.0
        weights, offset = self._novelty
        return float(1 / (1 + np.exp(-(np.dot(weights, measured) + offset))))


def _logistic(seen: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights and offset of a logistic regression; a fixed one if there are too few examples."""
    if min(new.sum(), len(new) - new.sum()) < FEWEST:
        return np.array([FALLBACK_SLOPE, 0.0]), -FALLBACK_SLOPE * np.log(FALLBACK_DISTANCE)
    # Imported here: code that only reads judgements does not need scikit-learn.
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(seen, new)
    return fitted.coef_[0], float(fitted.intercept_[0])
