"""Quantities of the summary of a run, ``summary.csv``: their names, also in the summaries of earlier versions."""

from collections.abc import Mapping
from types import MappingProxyType

SUCCESS_RATE = "candidates per crystal graph (success rate)"
ASKED = "of the requested compositions per candidate"
RELAXED = "relaxed per candidate sent to relaxation"
NEGATIVE = "formation energy < 0 per relaxed"
META_STABLE = "meta-stable per relaxed"
STABLE = "stable per relaxed"
DISTINCT = "distinct per relaxed"
DISTINCT_META_STABLE_PER_GRAPH = "distinct meta-stable per crystal graph"
DISTINCT_STABLE_PER_GRAPH = "distinct stable per crystal graph"
DISTINCT_META_STABLE = "distinct meta-stable per relaxation"
DISTINCT_STABLE = "distinct stable per relaxation"
MEAN_ENERGY = "mean formation energy"
SUN_PER_GRAPH = "S.U.N. per crystal graph"
SUN = "S.U.N. per relaxation"
DISTINCT_META_STABLE_BY_MATCHER = "distinct meta-stable by StructureMatcher alone per relaxation"
DISTINCT_STABLE_BY_MATCHER = "distinct stable by StructureMatcher alone per relaxation"
VARIANTS = "variants per relaxed"
UNKNOWN = "unknown to the sources per distinct meta-stable"
P1 = "space group P1 per relaxed"
P1_BEST = "space group P1 per distinct meta-stable"
COMPOSITIONS = "compositions per relaxed"
REPAIRED = "repaired per candidate sent to relaxation"
MSUN = "mSUN per relaxation"
ENHANCEMENT = "enhancement factor over random crystals"
ACCELERATION = "acceleration factor over random crystals"
AREA = "area under the discovery curve"
RMSD = "median RMSD from generated to relaxed"
RMSD_MATCHED = "mean matched RMSD from generated to relaxed"
SYMMETRISED = "symmetrised per meta-stable"
"""Quantities of the summary."""
GUESSES = MappingProxyType(
    {
        "mean absolute error of the constraint's prediction": "predicted_formation_energy",
        "mean absolute error of the mean of similar crystals": "expected_formation_energy",
    }
)
"""Further quantities of the summary: mean absolute error of a prediction before relaxation -> column predicted."""
EARLIER_QUANTITIES: Mapping[str, str] = MappingProxyType(
    {
        "of the compositions asked for per candidate": ASKED,
        "mean absolute error of what similar crystals let expect": list(GUESSES)[1],
        "candidates per image (success rate)": SUCCESS_RATE,
        "distinct meta-stable per image": DISTINCT_META_STABLE_PER_GRAPH,
        "distinct stable per image": DISTINCT_STABLE_PER_GRAPH,
        "S.U.N. per image": SUN_PER_GRAPH,
    }
)
"""Name of a quantity in the summaries of earlier versions -> present name."""
