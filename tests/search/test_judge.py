"""The judge of a campaign: what it expects of crystals that it was taught, and of others."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from ccdcgan.crystals.structures import Crystal, standard_cell  # noqa: E402
from ccdcgan.search.judge import Judge, compress, expand  # noqa: E402
from tests.support.campaigns import BINARY, end, experience, fluorite, start  # noqa: E402
from tests.support.crystals import rock_salt  # noqa: E402


def test_the_judge_knows_the_crystals_it_was_taught_and_its_ignorance_of_others():
    learned = experience()
    judge = Judge(learned, BINARY, 1)
    known = [attempt.end for attempt in learned.database]
    judged = judge.judge(judge.describe(known), known)
    truth = [crystal.info["formation_energy"] for crystal in known]
    assert np.abs(judged.energy - truth).max() < 0.1
    assert judged.meta_stable[0] > 0.8 and judged.meta_stable[3] < 0.2
    assert np.all(judged.stable <= judged.meta_stable + 1e-9)
    far = [Crystal("far", standard_cell(rock_salt(9.5)))]
    assert judge.judge(judge.describe(far), far).deviation[0] > judged.deviation.max()


def test_distances_are_compressed_above_the_limit_of_meta_stable_crystals_only():
    distances = np.array([0.0, 0.08, 0.149, 0.151, 0.4, 2.5])
    compressed = compress(distances)
    assert np.array_equal(compressed[:3], distances[:3])
    assert np.all(np.diff(compressed) > 0) and compressed[-1] < 0.6
    again, slope = expand(compressed)
    assert again == pytest.approx(distances)
    step = 1e-6
    assert slope == pytest.approx((expand(compressed + step)[0] - again) / step, rel=1e-4)


def test_the_expected_depth_below_the_hull_is_that_of_a_normal_distribution():
    learned = experience()
    judge = Judge(learned, BINARY, 1)
    known = [attempt.end for attempt in learned.database]
    judged = judge.judge(judge.describe(known), known)
    rng = np.random.default_rng(1)
    heights = [learned.hull.get_hull_energy_per_atom(crystal.structure.composition) for crystal in known]
    for k, height in enumerate(heights):
        draws = np.maximum(0, min(0, height) - rng.normal(judged.energy[k], judged.deviation[k], 200_000))
        assert judged.depth[k] == pytest.approx(draws.mean(), abs=2e-3)
    assert judged.depth.max() > 0


def test_failed_relaxations_lower_the_chance_of_similar_crystals():
    crystal = start("x", fluorite(5.6, "Bi", "Se"))
    others = [start(f"x{n}", fluorite(5.6 + 0.02 * n, "Bi", "Se")) for n in range(3)]
    plain = Judge(experience(), BINARY, 1)
    warned = Judge(experience(rounds=[(others, [end(other, reason="not_converged") for other in others])]), BINARY, 1)
    chances = [judge.judge(judge.describe([crystal]), [crystal]).success[0] for judge in (plain, warned)]
    assert chances[1] < 0.7 * chances[0]


def test_a_crystal_near_a_known_one_is_less_likely_to_be_new():
    judge = Judge(experience(), BINARY, 1)
    near, far = judge.describe([Crystal("n", rock_salt(6.05)), Crystal("f", rock_salt(8.5))])
    assert judge.novelty("BiSe", near) < judge.novelty("BiSe", far)
    assert judge.novelty("Bi7Se", near) == 1  # nothing is known of this composition
    judge.neighbours.add("Bi7Se", near)
    assert judge.novelty("Bi7Se", near) < 0.5
