"""What pages state about defaults, schemes, targets, presets and durations is what the workflow has."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ccdcgan.schemes import SCHEMES, screening, trained
from ccdcgan.utils.errors import InputError
from ccdcgan_workflow.check.__main__ import check_files
from ccdcgan_workflow.configuration import KNOWN_ELEMENTS
from ccdcgan_workflow.keys.layers import default_configuration
from tests.conftest import ROOT

DOCS = ROOT / "docs"
HISTORY = {DOCS / "changelog.md", ROOT / "CHANGELOG.md", DOCS / "configuration.md", DOCS / "tables.md"}
"""The record of changes, which names former keys and defaults, and pages that are generated."""
PAGES = sorted({ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")} - HISTORY)
GUIDANCE = [page for page in PAGES if page.parent.name != "validation"]
"""All pages but those of dated measurements, whose settings are of their date."""
FILES = ("csv", "png", "pdf", "extxyz", "py", "yaml", "keras", "json", "npz", "smk", "md")
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


DEFAULTS = default_configuration(ROOT)


def flat(path: Path) -> str:
    """Return a page in one line, without blocks of code."""
    return " ".join(re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL).split())


def value_of(key: str) -> Any:
    """Return the default of a key, section.key; raises KeyError for an unknown key."""
    value: Any = DEFAULTS
    for part in key.split("."):
        if value == {}:  # keywords of a program, which the workflow passes on
            return value
        value = value[part]
    return value


def number(text: str) -> float:
    """Return a number that is written in digits, with separators of thousands, or as a word."""
    return float(WORDS.index(text) if text in WORDS else text.replace(",", ""))


def first_column(text: str) -> set[str]:
    """Return what the first column of tables has between backticks."""
    cells = re.findall(r"^\| (`[^|]+)\|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def statements(pattern: str, pages: list[Path]) -> list[tuple[str, str]]:
    """Return each page that contains the pattern with what its first group is there."""
    return [(page.name, match[1]) for page in pages for match in re.finditer(pattern, flat(page))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_key_that_a_page_names_exists(page: Path):
    sections = [name for name, value in DEFAULTS.items() if isinstance(value, dict)]
    unknown = []
    for key in re.findall(r"`([a-z_]+(?:\.[a-z_0-9]+)+)(?:`|: )", page.read_text(encoding="utf-8")):
        if key.split(".")[0] in sections and key.rsplit(".")[-1] not in FILES:
            try:
                value_of(key)
            except (KeyError, TypeError):
                unknown.append(key)
    assert unknown == []


def stated_defaults() -> Iterator[tuple[str, str, str]]:
    """Yield page, key and value wherever a page states the default of a key."""
    forms = (
        r"`([a-z_.]+): ([^`]+)`(?:, | \(|: )the default\b",
        r"`([a-z_.]+)`, ([\d.,]+) by default",
        r"`([a-z_.]+)` \(default:? ([^),;]+)",
        r"`([a-z_]+(?:\.[a-z_]+)+)` \(([\d.,]+)(?: eV/atom| angstrom| THz| s)?[),;]",
    )
    for page in GUIDANCE:
        for form in forms:
            for key, value in re.findall(form, flat(page)):
                yield page.name, key, value.strip("`")
        table = re.search(r"\| key \| default \|.*?\n\|[-| ]+\n((?:\|.*\n)+)", page.read_text(encoding="utf-8"))
        for row in table[1].splitlines() if table else ():
            keys, value = row.split("|")[1:3]
            for key in re.findall(r"`([^`]+)`", keys):
                yield page.name, key, re.sub(r" (eV|angstrom|s|THz)$", "", value.strip().strip("`"))


def test_stated_defaults_are_those_of_the_configuration():
    stated = list(stated_defaults())
    assert len(stated) >= 5
    wrong = []
    for page, key, value in stated:
        default = value_of(key)
        expected = {"true": True, "false": False}.get(value, yaml.safe_load(value.replace(",", "")))
        if expected != default and value != "OQMD":
            wrong.append(f"{page}: {key} is {default}, not {value}")
    assert wrong == []


@pytest.mark.parametrize(
    ("page", "key"),
    [
        ("representation.md", "representation.start"),
        ("systems.md", "relaxation.energy_scheme"),
        ("sources.md", "substitution.assignments"),
        ("sources.md", "substitution.volume"),
        ("sources.md", "prototypes.sources"),
        ("engines.md", "relaxation.engine"),
        ("models.md", "evaluation.choose"),
        ("models.md", "constraint.network"),
        ("discovery.md", "campaign.proposals"),
    ],
)
def test_a_page_describes_all_values_of_its_key(page: str, key: str):
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text(encoding="utf-8"))
    for part in key.split("."):
        schema = schema["properties"][part]
    values = set(schema.get("enum") or schema["items"]["enum"])
    text = (DOCS / page).read_text(encoding="utf-8")
    assert values <= set(re.findall(r"`([^`]+)`", flat(DOCS / page)))
    tables = [first_column(block) for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    assert all(table <= values for table in tables if len(table & values) > 1)


def test_pages_state_the_schemes_of_the_default_run():
    schemes = set(DEFAULTS["schemes"])
    named = statements(r"[Tt]he default run (?:contains|uses|has) ((?:[^.]*?`[a-z-]+`)+)", GUIDANCE)
    lists = [(page, set(re.findall(r"`([a-z-]+)`", text))) for page, text in named]
    assert any(page == "models.md" and found == schemes for page, found in lists)
    assert [(page, found - schemes) for page, found in lists if found - schemes] == []
    table = (DOCS / "method.md").read_text().partition("The schemes of the default run are:")[2].partition("\n\n`")[0]
    assert first_column(table) == schemes | {screening(name) for name in schemes} - {None}
    described = set(re.findall(r"`([a-z-]+)`", (DOCS / "models.md").read_text().partition("\n\n`dcgan+constraint`")[0]))
    assert {name for name, scheme in SCHEMES.items() if scheme.family != "screen"} <= described


def test_the_changelog_says_which_schemes_run_by_default_once():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "The default schemes are" not in text
    (named,) = re.findall(r"The default run also contains ([^;]*);", text)
    assert set(re.findall(r"`([a-z]+)`", named)) <= set(DEFAULTS["schemes"])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(?:For|Of) each scheme, ([\d,]+) candidates|relaxes ([\d,]+) candidates of each", "relax_at_most"),
        (r"([\d,]+) samples of each", "samples"),
        (r"\b(\w+) rounds, each chosen|crystals in (\w+) rounds", "rounds"),
        (r"[Pp]honons are computed (?:with the potential )?for the best (\w+)", "phonons"),
        (r"the constraint, (\w+) GANs", "gans"),
        (r"the (\d+) elements that the default potential", "elements"),
        (r"(\w+) schemes and controls", "schemes"),
        (r"training of the GAN \| 1,000,000 steps \| ([\d,]+) steps", "gan_steps"),
        (r"at most (\w+) iterations", "refinements"),
        (r"more than (\d+) atoms in the cell|\((\d+) atoms, \d+ angstrom by default\)", "max_atoms"),
    ],
)
def test_counts_of_the_default_run(pattern: str, expected: str):
    counts = {
        "relax_at_most": DEFAULTS["evaluation"]["relax_at_most"],
        "samples": DEFAULTS["generation"]["samples"],
        "rounds": DEFAULTS["campaign"]["rounds"],
        "phonons": DEFAULTS["phonons"]["top"],
        "gan_steps": DEFAULTS["gan"]["steps"],
        "refinements": DEFAULTS["representation"]["refinement_steps"],
        "max_atoms": DEFAULTS["generation"]["max_atoms"],
        "gans": sum(SCHEMES[name].family == "gan" for name in trained(DEFAULTS["schemes"])),
        "elements": len(KNOWN_ELEMENTS["mlip"]),
        "schemes": len(DEFAULTS["schemes"]),
    }
    wrong, tried = [], 0
    for page in GUIDANCE:
        for match in re.finditer(pattern, flat(page)):
            text = next(filter(None, match.groups()))
            if text in WORDS or text[0].isdigit():
                tried += 1
                wrong += [f"{page.name}: {match[0]}"] if number(text) != counts[expected] else []
    assert tried and wrong == [], f"the number is {counts[expected]}"


@pytest.mark.parametrize(
    ("subject", "pattern"),
    [
        ("quick", r"([a-z]+) minutes of two cores"),
        ("the default run", r"(\d+) minutes of two cores"),
        ("toy", r"toy[^.|]*\| (\w+ to \w+ minutes)|Minimal complete run for tests: (\w+ to \w+ minutes)"),
        ("disk", r"(\d to \d GB) of disk"),
        ("the tests", r"all tests: about (\d+) minutes|tests \((\d+) minutes on two cores"),
    ],
)
def test_durations_agree_wherever_they_are_stated(subject: str, pattern: str):
    paths = [*GUIDANCE, ROOT / "Makefile", ROOT / "presets/toy.yaml"]
    hits = {path.name: re.findall(pattern, " ".join(path.read_text(encoding="utf-8").split())) for path in paths}
    stated = {"".join(hit) for found in hits.values() for hit in found}
    assert len(stated) == 1 and sum(map(bool, hits.values())) > 1, f"{subject}: {hits}"


def test_the_changelog_begins_with_the_version_of_the_project():
    version = re.search(r"^version = \"(.+)\"$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == version


def test_every_preset_and_target_is_listed():
    assert first_column((DOCS / "reference/presets.md").read_text()) == {
        path.stem for path in (ROOT / "presets").glob("*.yaml")
    }
    rules = (ROOT / "Snakefile").read_text()
    without_output = set(re.findall(r"^rule (\w+):(?:\n    default_target: True)?\n    input:", rules, re.MULTILINE))
    monitoring = set(re.findall(r"^rule (\w+):", (ROOT / "rules/monitoring.smk").read_text(), re.MULTILINE))
    targets = (DOCS / "reference/targets.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", targets, re.MULTILINE)) == without_output | monitoring
    names = re.search(r"^TARGETS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert {name for name in names if f"`{name}`" in targets} == set(names) - {"help"}


def test_every_page_is_in_the_navigation_and_reachable_from_the_index():
    navigation = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    notebooks = {path.relative_to(DOCS).with_suffix(".md").as_posix() for path in DOCS.rglob("*.ipynb")}
    assert navigation == pages | notebooks
    reached, left = set(), ["index.md"]
    while left:
        page = left.pop()
        if page not in reached and (DOCS / page).exists():
            links = re.findall(r"\]\(([^)#\s]+\.md)", (DOCS / page).read_text())
            left += [(Path("/") / page).parent.joinpath(link).resolve().relative_to("/").as_posix() for link in links]
        reached.add(page)
    assert pages - reached == set()


def configurations() -> Iterator[tuple[str, str]]:
    """Yield page and text of every configuration file that a page shows."""
    for page in GUIDANCE:
        for block in re.findall(r"^[ ]*```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            content = yaml.safe_load(block)
            if isinstance(content, dict) and set(content) <= set(DEFAULTS):
                yield page.name, block


def test_configurations_in_pages_are_accepted(tmp_path: Path):
    blocks, wrong = list(configurations()), []
    for number, (page, block) in enumerate(blocks):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block, encoding="utf-8")
        try:
            said = check_files([str(file)])
        except InputError as error:
            said = str(error)
        if "nothing is wrong" not in said or "please rename" in said:
            wrong.append(f"{page}: {said}")
    assert len(blocks) >= 10 and wrong == []
