"""Several target properties: sources of their values, and their combination into one objective."""

import numpy as np
import pandas as pd
import pytest

from ccdcgan.utils.errors import InputError
from tests.conftest import Workflow

keras = pytest.importorskip("keras")

from ccdcgan.models.constraint.objective import build_objective, property_values  # noqa: E402
from ccdcgan.models.convolutional_networks import build_constraint, in_precision  # noqa: E402

TABLE = pd.DataFrame(
    {
        "id": ["a", "b", "c", "d"],
        "formula": ["Bi2Se3", "BiSe", "Bi", "BiSe"],
        "volume_per_atom": [28.4, 27.0, 36.0, 0.0],
        "formation_energy": [-0.4, -0.1, 0.0, np.nan],
        "status": ["ok", "ok", "ok", "failed"],
    }
)


def test_values_come_from_the_database():
    assert property_values(TABLE, "formation_energy").to_dict() == {"a": -0.4, "b": -0.1, "c": 0.0}
    density = property_values(TABLE, "density")
    assert density["a"] == pytest.approx(7.66, abs=0.05)  # measured: 7.7 g/cm^3
    assert density["c"] == pytest.approx(9.64, abs=0.05)


def test_values_come_from_the_users_own_file(tmp_path):
    file = tmp_path / "gaps.csv"
    file.write_text("id,band_gap\nc,0.5\na,1.25\nd,3\nelsewhere,2\nb,NaN\n")
    assert property_values(TABLE, "band_gap", file).to_dict() == {"a": 1.25, "c": 0.5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "does not exist"),
        ("id,gap\na,1\n", "it must have id and band_gap"),
        ("id,band_gap\na,1\na,2\n", "names a twice"),
        ("", "is not a CSV with the columns id and band_gap"),
        ("id,band_gap\na,1\n,2\n", "has 1 rows without an id"),
        ("id,band_gap\na,1\nb,inf\n", "'inf' in its column band_gap; numbers are needed"),
        ("id,band_gap\na,wide\nb,1\n", "'wide' in its column band_gap; numbers are needed"),
        ("id,band_gap\na,1\nx,1\n", "for 1 of 3 relaxed crystals; at least 2 are needed"),
    ],
)
def test_a_faulty_file_gets_one_sentence(tmp_path, text, expected):
    file = tmp_path / "gaps.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=expected):
        property_values(TABLE, "band_gap", file)


def test_the_objective_is_the_weighted_sum_of_its_terms():
    rng = np.random.default_rng(0)
    graphs = rng.uniform(-1, 1, (6, 8, 8, 1)).astype(np.float32)
    networks = {
        "formation_energy": build_constraint(8, 1, mean=-0.2, std=0.1),
        "density": build_constraint(8, 2, mean=7.0, std=0.5),
        "band_gap": build_constraint(8, 3, mean=1.0, std=0.3),
    }
    targets = [
        {"name": "formation_energy", "goal": "minimise", "weight": 2.0},
        {"name": "density", "goal": "maximise", "weight": 0.5},
        {"name": "band_gap", "goal": 1.3, "weight": 4.0},
    ]
    scales = {"formation_energy": 0.1, "density": 0.5, "band_gap": 0.3}
    objective = build_objective(networks, targets, scales)
    energy, density, gap = (
        np.asarray(networks[name](graphs, training=False))[:, 0] for name in ("formation_energy", "density", "band_gap")
    )
    expected = 2 * energy / 0.1 - 0.5 * density / 0.5 + 4 * ((gap - 1.3) / 0.3) ** 2
    np.testing.assert_allclose(np.asarray(objective(graphs, training=False))[:, 0], expected, rtol=1e-4)
    assert objective.output_shape == (None, 1)
    copy = in_precision(objective, "float32")  # what every generator makes of its constraint
    np.testing.assert_allclose(np.asarray(copy(graphs, training=False))[:, 0], expected, rtol=1e-4)


def test_the_objective_is_one_saved_model(tmp_path):
    network = build_constraint(8, 1, mean=7.0, std=0.5)
    objective = build_objective({"density": network}, [{"name": "density", "goal": 8, "weight": 1}], {"density": 0.5})
    objective.save(tmp_path / "objective.keras")
    loaded = keras.models.load_model(tmp_path / "objective.keras", compile=False)
    graphs = np.zeros((2, 8, 8, 1), np.float32)
    np.testing.assert_allclose(loaded(graphs, training=False), objective(graphs, training=False), rtol=1e-6)


def test_several_properties_are_planned_and_one_is_the_papers_way(workflow: Workflow, tmp_path):
    several = tmp_path / "several.yaml"
    several.write_text(
        "properties:\n"
        "- {name: formation_energy, goal: minimise, weight: 1}\n"
        "- {name: density, goal: maximise, weight: 0.5}\n"
    )
    jobs = workflow.planned("--configfile", several)
    assert (jobs["train_property"], jobs["build_objective"]) == (2, 1)
    assert not {"train_property", "build_objective"} & set(workflow.planned())
    several.write_text("properties: [{name: band_gap, goal: 1.3, weight: 1}]")
    done = workflow.run("--dry-run", "--configfile", several, check=False)
    assert "properties names 'band_gap'; give it a file" in done.stdout
