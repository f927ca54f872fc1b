"""No configuration, however strange, ends in a traceback: it is valid, or one sentence says what is wrong."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check.commands import check_arguments
from ccdcgan_workflow.check.schema import all_keys, read_schema
from ccdcgan_workflow.configuration import check_configuration, load_configuration
from ccdcgan_workflow.keys.renamed import renamed_keys
from tests.conftest import ROOT
from tests.support.configurations import loaded

SCHEMA_FILE = ROOT / "schemas/config.schema.yaml"
SCHEMA = read_schema(SCHEMA_FILE)
KEYS = [*(path for path, _ in all_keys(SCHEMA)), *renamed_keys()]

TRAPS = [
    *("NO", "010", "0o10", "0x1f", "24:00:00", "1:30", "1,000", "1_000", "4e3", "1e-4", "1e999", "-.inf", ".nan", "~"),
    *(
        "null",
        "none",
        "",
        " ",
        "-",
        "[]",
        "{}",
        "{steps: 1}",
        "-flow -vae",
        "flow, vae",
        "=",
        "<<",
        "*a",
        "&a",
        "!!int",
    ),
    *("Bi–Se", "BISE", "co-o", "Bi2Se3", "Bi₂Se₃", "{Bi: 2}", "2026-11-28", "2026-11-28 10:00:00", "%", "50%", "1/0"),
    *("\t", "\u00a0", "é", "☃", "\x00", "x" * 300, "10^999", "1e999 eV", "9" * 40, "9" * 400, "-0", "+.5", "5.", "²"),
    *("!!int x", "12 h", "1/3", "٣", "Ⅷ"),
]

TEXTS = st.sampled_from(TRAPS) | st.text(max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=4)
    | TEXTS
    | st.sampled_from([10**400, -(10**30), 2**63])
)
NAMES = st.sampled_from(sorted({key for path in KEYS for key in path})) | TEXTS | SCALARS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=8
)


@st.composite
def configurations(draw: st.DrawFn) -> dict[Any, Any]:
    """Return settings of some keys, known or not, in their place or not, with any values."""
    config: dict[Any, Any] = {}
    for _ in range(draw(st.integers(1, 3))):
        path = list(draw(st.sampled_from(KEYS)))
        if draw(st.integers(0, 3)) == 0:
            path[draw(st.integers(0, len(path) - 1))] = draw(NAMES)
        section = config
        for key in path[:-1]:
            section = section.setdefault(key, {})
            if not isinstance(section, dict):
                break
        else:
            section[path[-1]] = draw(VALUES)
    return config


def check(config: dict[str, Any] | None, error: InputError | None) -> None:
    """Assert that a configuration is valid, or that its error is one sentence on one line."""
    if error is not None:
        message = str(error)
        assert message.strip() and "\n" not in message
        assert len(message) < 1500
        return
    check_configuration(config, SCHEMA_FILE)
    yaml.safe_dump(config)


def merged_and_loaded(given: dict[Any, Any]) -> None:
    """Load settings as Snakemake would hand them over."""
    try:
        config = load_configuration(ROOT, given=copy.deepcopy(given))
    except InputError as error:
        return check(None, error)
    check(config, None)


def text_loaded(text: str, folder: Path) -> None:
    """Load the text of a configuration file."""
    file = folder / "my.yaml"
    file.write_text(text, encoding="utf-8", errors="replace")
    try:
        check_arguments(["--configfile", str(file)], SCHEMA, ROOT / "presets", ())
        config = loaded([file])
    except InputError as error:
        return check(None, error)
    check(config, None)


LINES = st.builds(
    lambda indent, dash, key, colon, value: f"{indent}{dash}{key}{colon}{value}",
    st.sampled_from(["", "", "  ", "    ", "\t"]),
    st.sampled_from(["", "", "", "- ", "-"]),
    st.sampled_from(sorted({path[-1] for path in KEYS} | {path[0] for path in KEYS})) | TEXTS,
    st.sampled_from([": ", ": ", ": ", ":", "", " = "]),
    TEXTS | st.sampled_from(["", "", "[flow", "{a: 1}", "'x", "5", "true"]),
)

QUICK = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(given_settings=configurations())
def test_random_values_end_in_no_traceback(given_settings):
    merged_and_loaded(given_settings)


@QUICK
@given(text=st.lists(LINES, min_size=1, max_size=4).map("\n".join) | st.text(max_size=40))
def test_random_texts_end_in_no_traceback(tmp_path_factory, text):
    text_loaded(text, tmp_path_factory.getbasetemp())


@QUICK
@given(words=st.lists(TEXTS | st.builds("{}={}".format, TEXTS, TEXTS), max_size=3))
def test_random_commands_end_in_no_traceback(words):
    try:
        check_arguments(["-n", "--config", *words], SCHEMA, ROOT / "presets", ["status"])
    except InputError as error:
        check(None, error)


@pytest.mark.slow
@LONG
@given(given_settings=configurations())
def test_many_random_values_end_in_no_traceback(given_settings):
    merged_and_loaded(given_settings)


@pytest.mark.slow
@LONG
@given(text=st.lists(LINES, min_size=1, max_size=4).map("\n".join) | st.text(max_size=40))
def test_many_random_texts_end_in_no_traceback(tmp_path_factory, text):
    text_loaded(text, tmp_path_factory.getbasetemp())
