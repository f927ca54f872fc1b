"""The campaign: what it learns from relaxations, how it shares its proposals, and what it chooses."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn")

from pymatgen.analysis.structure_matcher import StructureMatcher  # noqa: E402
from pymatgen.core import Composition, Lattice, Structure  # noqa: E402

from ccdcgan.crystals.structures import Crystal, standard_cell  # noqa: E402
from ccdcgan.crystals.symmetry import is_p1
from ccdcgan.search.acquisition import Budget, choose, trust  # noqa: E402
from ccdcgan.search.campaign import count_table, proposal_table, propose_round  # noqa: E402
from ccdcgan.search.crossover import inversion_centre  # noqa: E402
from ccdcgan.search.experience import is_find  # noqa: E402
from ccdcgan.search.judge import Judge  # noqa: E402
from ccdcgan.search.proposals import Wanted, draw_pool, kind_of, make_proposers, pool_sizes, shares  # noqa: E402
from tests.support.campaigns import (  # noqa: E402
    BINARY,
    LIMITS,
    MATCHER,
    PLAN,
    SHAPES,
    TERNARY,
    database,
    end,
    experience,
    fluorite,
    start,
)
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt  # noqa: E402


def test_an_end_is_new_once_and_not_if_it_is_known():
    starts = [
        start("a", fluorite(6.0, "Se", "Bi")),
        start("b", rock_salt()),
        start("c", bi2se3().get_primitive_structure()),
    ]
    new = Structure.from_spacegroup(
        "P6_3/mmc", Lattice.hexagonal(4.2, 5.5), ["Bi", "Se"], [[0, 0, 0], [1 / 3, 2 / 3, 0.25]]
    )
    starts += [start("d", new), start("e", new)]
    ends = [end(starts[0], reason="not_converged"), end(starts[1], -0.16), end(starts[2], -0.38)]
    ends += [end(starts[3], -0.2), end(starts[4], -0.2)]
    learned = experience(rounds=[(starts, ends)])
    assert [attempt.is_new for attempt in learned.campaign] == [False, False, False, True, False]
    assert [is_find(attempt) for attempt in learned.campaign] == [False, False, False, True, False]
    assert learned.finds_by_proposer() == {"mutation": (1, 5)}
    assert learned.relaxations_by_formula() == {"Bi2Se": 1, "BiSe": 3, "Bi2Se3": 1}


def test_held_out_compositions_are_unknown_to_the_campaign():
    phase = database({"phase": (bi2se3(), -0.39)}, BINARY)
    hidden = experience(holdout=["Bi2Se3"], phases=phase)
    assert "Bi2Se3" not in {crystal.formula for crystal in hidden.known}
    assert not hidden.phases
    assert hidden.hull.get_hull_energy_per_atom(Composition("Bi2Se3")) > -0.2  # -0.39 with the held-out crystals
    parents = propose_round(PLAN, hidden, {}, LIMITS, MATCHER)[0]
    assert all("bi2se3" not in crystal.info["parent"] for crystal in parents)


def test_what_a_campaign_found_lowers_its_hull():
    starts = [start("low", fluorite(5.6, "Se", "Bi")), start("high", cesium_chloride())]
    learned = experience(rounds=[(starts, [end(starts[0], -0.35), end(starts[1], -0.2)])])
    heights = [learned.hull.get_hull_energy_per_atom(Composition(name)) for name in ("Bi2Se", "Bi3Se", "Bi2Se3")]
    assert heights == pytest.approx([-0.35, -0.35 * 0.75, -0.38])
    before_it = -0.38 / 0.6 / 3  # between Bi and Bi2Se3
    assert learned.campaign[0].end.info["e_above_hull"] == pytest.approx(-0.35 - before_it)  # as in the tables
    assert learned.formulas_below_hull() == {"Bi2Se"}  # BiSe at -0.2 is above -0.38 / 0.6 / 2
    crystal = Crystal("x", standard_cell(fluorite(5.7, "Se", "Bi")))
    plain, judge = (Judge(one, BINARY, 1) for one in (experience(), learned))
    energies = [one.judge(one.describe([crystal]), [crystal]).energy[0] for one in (plain, judge)]
    assert energies[1] < energies[0] - 0.05


def test_distances_of_the_database_are_without_what_is_held_out():
    shown, hidden = experience(), experience(holdout=["Bi2Se3"])
    distances = [
        {attempt.end.id: attempt.end.info["e_above_hull"] for attempt in one.database} for one in (shown, hidden)
    ]
    assert distances[0]["rock salt"] == pytest.approx(-0.16 + 0.38 / 0.6 / 2 * 1.0, abs=1e-6)
    assert distances[1]["rock salt"] == pytest.approx(0)


def test_known_phases_are_known_but_no_parents():
    phase = database({"phase": (fluorite(5.6, "Bi", "Se"), -0.3)}, BINARY)
    learned = experience(phases=phase)
    assert "phase" in {crystal.id for crystal in learned.known}
    chosen, _ = propose_round(PLAN, learned, {}, LIMITS, MATCHER)
    assert all("phase" not in crystal.info["parent"] for crystal in chosen)


def test_exchanges_are_proposed_once_whatever_the_energy_of_their_parent():
    drawn, _ = draw_pool(
        make_proposers(["exchange"], parents(), [], {}, Wanted()),
        {"exchange": 400},
        LIMITS,
        {"exchange": np.random.default_rng(1)},
    )
    named = [crystal.info["parent"] for crystal in drawn]
    assert len(named) == len(set(named)) and {"bi2se3", "antifluorite"} <= set(named) <= set(SHAPES)
    assert kind_of("exchange") == kind_of("mutation") == "mutation"  # without a floor of its own
    assert pool_sizes({"mutation": 0.5, "exchange": 0.5}, 4000) == {"mutation": 3600, "exchange": 400}


def test_prototypes_of_the_database_are_proposed_where_it_has_no_crystal_of_a_composition(caplog):
    caplog.set_level("INFO")
    plan = replace(PLAN, proposals=("mutation", "prototype"))
    exchanged = bi2se3()
    exchanged.replace_species({"Bi": "Se", "Se": "Bi"})
    chosen, _ = propose_round(plan, experience({**SHAPES, "bi3se2": (exchanged, 0.2)}), {}, LIMITS, MATCHER)
    assert len(chosen) == 4
    assert "prototype" not in caplog.text  # no composition lacks
    hidden = experience(holdout=["BiSe2"])
    starts = [attempt.start for attempt in hidden.database]
    proposers = make_proposers(["prototype"], parents(), starts, {}, Wanted(), hidden.explored_formulas())
    drawn, _ = draw_pool(proposers, {"prototype": 400}, LIMITS, {"prototype": np.random.default_rng(1)})
    found = {crystal.formula: crystal for crystal in drawn}
    assert len(found) == len(drawn) == 2
    assert {formula: crystal.info["parent"] for formula, crystal in found.items()} == {
        "Bi3Se2": "bi2se3",
        "BiSe2": "antifluorite",
    }
    assert StructureMatcher(scale=True).fit(found["BiSe2"].structure, fluorite(6.6, "Bi", "Se"))


def test_compositions_of_the_database_and_of_known_phases_are_explored():
    phases = database({"phase": (fluorite(6.6, "Bi", "Se"), -0.3)}, BINARY)
    without = {name: shape for name, shape in SHAPES.items() if name != "fluorite"}
    assert experience(without).explored_formulas() == {"Bi2Se3", "BiSe", "Bi2Se"}
    assert experience(without, phases=phases).explored_formulas() == {"Bi2Se3", "BiSe", "Bi2Se", "BiSe2"}


@pytest.mark.parametrize(("chance", "number"), [(0.9, 2), (0.4, 0)])
def test_a_quarter_of_the_relaxations_are_of_prototypes_that_may_be_meta_stable(monkeypatch, chance, number):
    learned = experience()
    mixed = pool(40, 1) + pool(10, 2, "prototype")
    judge = Judge(learned, BINARY, 1)
    judged = replace(judge.judge(judge.describe(mixed), mixed), meta_stable=np.full(len(mixed), chance))
    monkeypatch.setattr(judge, "judge", lambda described, crystals: judged)
    chosen = choose(mixed, learned, judge, MATCHER, Budget(8, 3, 0.05), {"prototype": 1e-6})
    assert Counter(crystal.info["proposed_by"] for crystal in chosen)["prototype"] == number


def test_half_of_the_crossovers_keep_the_inversion_centre_of_their_parents():
    proposers = make_proposers(["crossover"], parents(), [], {}, Wanted())
    drawn, _ = draw_pool(proposers, {"crossover": 60}, LIMITS, {"crossover": np.random.default_rng(1)})
    kept = [crystal for crystal in drawn if inversion_centre(crystal.structure) is not None]
    assert 15 < len(kept) < 45
    assert "zinc blende" not in " ".join(crystal.info["parent"] for crystal in kept)  # it has none


def test_shares_follow_what_was_earned_with_a_floor():
    equal = shares({}, ["a", "b", "c"], 0.05)
    assert equal == pytest.approx(dict.fromkeys("abc", 1 / 3))
    earned = shares({"a": (9, 10), "b": (0, 18)}, ["a", "b", "c"], 0.05)
    assert sum(earned.values()) == pytest.approx(1)
    assert earned["a"] > earned["c"] > earned["b"] > 0.05
    assert shares({"a": (9, 10)}, ["a", "b"], 0.9) == pytest.approx({"a": 0.5, "b": 0.5})
    assert shares({}, [], 0.05) == {}


def test_random_crystals_which_are_slow_to_make_leave_their_excess_to_others():
    assert pool_sizes({"mutation": 0.25, "crossover": 0.25, "random": 0.5}, 1500) == {
        "mutation": 725,
        "crossover": 725,
        "random": 50,
    }
    assert pool_sizes({"mutation": 0.75, "random": 0.25}, 100) == {"mutation": 75, "random": 25}
    assert pool_sizes({"random": 1.0}, 1500) == {"random": 50}


def test_trust_falls_with_promises_that_were_not_kept():
    starts = [start(f"x{n}", fluorite(5.6 + 0.1 * n, "Bi", "Se"), "flow", 0.9) for n in range(5)]
    learned = experience(rounds=[(starts, [end(crystal, 0.4) for crystal in starts])])
    assert trust(learned)["flow"] < 0.4


def pool(number: int, seed: int, proposer: str = "mutation") -> list[Crystal]:
    proposers = make_proposers(["mutation"], parents(), [], {}, Wanted())
    drawn, _ = draw_pool(proposers, {"mutation": number}, LIMITS, {"mutation": np.random.default_rng(seed)})
    return [crystal.updated(proposed_by=proposer) for crystal in drawn]


def parents():
    from ccdcgan.search.parents import Parents

    return Parents.of(database(SHAPES, BINARY), BINARY, MATCHER)


def test_a_round_takes_few_of_a_composition_and_none_twice():
    learned = experience()
    judge = Judge(learned, BINARY, 1)
    chosen = choose(pool(60, 1), learned, judge, MATCHER, Budget(10, 4, 0.0), {})
    assert len(chosen) == 10
    assert max(Counter(crystal.formula for crystal in chosen).values()) == 2  # half of 4
    repeats = MATCHER.first_of_kind(
        [crystal.structure for crystal in chosen], [crystal.structure for crystal in learned.known]
    )
    assert repeats == [None] * 10
    assert {"expected_formation_energy", "expected_uncertainty", "probability"} <= set(chosen[0].info)


def test_strained_copies_of_known_and_of_chosen_crystals_are_not_relaxed():
    learned = experience()
    sheared = np.eye(3) + np.array([[0.0, 0.0, 0.0], [0.15, 0.0, 0.0], [0.0, 0.0, 0.0]])
    known, other = (
        bi2se3(),
        Structure.from_spacegroup("P4/nmm", Lattice.tetragonal(4.0, 6.5), ["Bi", "Se"], [[0, 0.5, 0.22], [0, 0, 0.5]]),
    )
    copies = [
        Structure(Lattice(shape.lattice.matrix @ sheared), shape.species, shape.frac_coords) for shape in (known, other)
    ]
    for shape, copy in zip((known, other), copies, strict=True):
        assert not MATCHER.equal(standard_cell(shape), standard_cell(copy))  # StructureMatcher alone lets them pass
    proposals = [start(f"x{n}", shape) for n, shape in enumerate((copies[0], other, copies[1]))]
    chosen = choose(proposals, learned, Judge(learned, BINARY, 1), MATCHER, Budget(3, 6, 0.0), {})
    assert len(chosen) == 1 and chosen[0].id in ("x1", "x2")


def test_compositions_relaxed_in_earlier_rounds_count():
    done = [start(f"x{n}", fluorite(5.6 + 0.3 * n, "Bi", "Se")) for n in range(2)]
    learned = experience(rounds=[(done, [end(crystal, 0.4) for crystal in done])])
    chosen, _ = propose_round(PLAN, learned, {}, LIMITS, MATCHER)
    assert chosen and all(crystal.formula != "BiSe2" for crystal in chosen)


@pytest.mark.parametrize(("energy", "more"), [(-0.6, True), (-0.15, False)])
def test_a_composition_whose_hull_was_lowered_stays_open_for_lower_crystals(energy, more):
    done = [start(f"x{n}", fluorite(5.6 + 0.3 * n, "Bi", "Se")) for n in range(2)]
    learned = experience(rounds=[(done, [end(crystal, energy + 0.01 * n) for n, crystal in enumerate(done)])])
    judge, budget = Judge(learned, BINARY, 1), Budget(1, 2, 0.0)
    sites = [[0, 0, 0], [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]
    layers = [Structure(Lattice.hexagonal(4.0, c), ["Bi", "Se", "Se"], sites) for c in (5.5, 9.0)]
    again = [Crystal(f"y{n}", standard_cell(layer), {"proposed_by": "a"}) for n, layer in enumerate(layers)]
    judged = judge.judge(judge.describe(again), again)
    judge.judge = lambda described, crystals: replace(judged, below_hull=np.array([0.9, 0.2]))
    chosen = choose(again, learned, judge, MATCHER, budget, {})
    assert [crystal.id for crystal in chosen] == (["y0"] if more else [])  # y1 is not expected below the hull
    full = [start(f"z{n}", fluorite(5.6 + 0.1 * n, "Bi", "Se")) for n in range(4)]
    learned = experience(rounds=[(full, [end(crystal, energy) for crystal in full])])
    assert choose(again, learned, judge, MATCHER, budget, {}) == []  # twice as many at most


def test_every_kind_of_proposer_gets_its_floor():
    learned = experience()
    judge = Judge(learned, BINARY, 1)
    mixed = pool(40, 1) + pool(10, 2, "flow")
    with_floor = choose(mixed, learned, judge, MATCHER, Budget(8, 3, 0.25), {"flow": 1e-6})
    assert Counter(crystal.info["proposed_by"] for crystal in with_floor)["flow"] == 2
    two = pool(40, 1) + pool(10, 2, "flow") + pool(10, 3, "ccdcgan")
    together = choose(
        two, learned, Judge(learned, BINARY, 1), MATCHER, Budget(8, 3, 0.25), {"flow": 1e-6, "ccdcgan": 1e-6}
    )
    counts = Counter(crystal.info["proposed_by"] for crystal in together)
    assert counts["flow"] + counts["ccdcgan"] == 2  # schemes with a generator are one kind
    judge = Judge(learned, BINARY, 1)
    without = choose(mixed, learned, judge, MATCHER, Budget(8, 3, 0.0), {"flow": 1e-6})
    assert Counter(crystal.info["proposed_by"] for crystal in without)["flow"] == 0


def test_a_proposal_without_symmetry_counts_less():
    learned = experience()
    mixed = pool(60, 1)
    p1 = [is_p1(crystal.structure, 0.1) for crystal in mixed]
    assert 0 < sum(p1) < len(p1)
    shares = []
    for weight in (1.0, 0.0):
        chosen = choose(mixed, learned, Judge(learned, BINARY, 1), MATCHER, Budget(6, 3, 0.0, weight), {})
        shares.append(np.mean([is_p1(crystal.structure, 0.1) for crystal in chosen]))
    assert shares[1] < shares[0]


def test_the_same_seed_gives_the_same_round_and_another_one_another():
    learned = experience()
    first, again, other = (
        proposal_table(propose_round(replace(PLAN, seed=seed), learned, {}, LIMITS, MATCHER)[0]) for seed in (7, 7, 8)
    )
    assert first.equals(again) and not first.equals(other)
    assert first["id"].tolist() == [f"campaign-01-{rank:03d}" for rank in range(4)]


def test_a_round_of_one_composition_relaxes_that_composition_only():
    plan = replace(PLAN, compositions=["Bi2Se3"], per_composition=4, relaxations=3)
    chosen, counts = propose_round(plan, experience(), {}, LIMITS, MATCHER)
    assert {crystal.formula for crystal in chosen} == {"Bi2Se3"}
    table = count_table(counts)
    assert list(table.columns) == ["reason", "count", "within_selection"] and table["count"].sum() == counts.total()


def test_generated_candidates_are_proposed_under_the_name_of_their_scheme():
    cells = [Lattice.hexagonal(4.2, 5.5 + n) for n in range(3)]
    sites = [[0, 0, 0], [1 / 3, 2 / 3, 0.25]]
    shapes = [Structure.from_spacegroup("P6_3/mmc", cell, ["Bi", "Se"], sites) for cell in cells]
    candidates = [Crystal(f"flow-{n}", standard_cell(shape)) for n, shape in enumerate(shapes)]
    plan = replace(PLAN, proposals=("generated",), relaxations=2)
    chosen, counts = propose_round(plan, experience(), {"flow": candidates}, LIMITS, MATCHER)
    assert {crystal.info["proposed_by"] for crystal in chosen} == {"flow"}
    assert {crystal.info["parent"] for crystal in chosen} <= {crystal.id for crystal in candidates}
    assert counts[""] <= 3


def test_a_ternary_system_with_few_crystals():
    shapes = {
        "mgo": (Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.25), ["Mg", "O"], [[0] * 3, [0.5] * 3]), -2.9),
        "mno": (Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.5), ["Mn", "O"], [[0] * 3, [0.5] * 3]), -1.9),
    }
    chosen, _ = propose_round(
        replace(PLAN, pool=80), experience(shapes, TERNARY), {}, replace(LIMITS, min_distance=1.5), MATCHER
    )
    assert len(chosen) == 4
    assert all(len(crystal.structure.composition) > 1 for crystal in chosen)
