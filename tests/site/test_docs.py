"""Documentation: it builds, its links have targets, its commands are accepted, its reference is current."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from configuration_page import PAGE, configuration_page, current_page
from tests.conftest import ROOT, Workflow

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
UNTESTED = "<!-- untested:"
"""Stands before a block whose commands are not tried here, with the reason."""


def commands(program: str) -> list[str]:
    """Return the commands of one program in all code blocks, each once, without comments."""
    found = set()
    for page in PAGES:
        text = page.read_text()
        for block in re.finditer(r"(?P<before>[^\n]*)\n+[ ]*```[^\n]*\n(?P<body>.*?)\n[ ]*```", text, re.DOTALL):
            if not block["before"].lstrip().startswith(UNTESTED):
                lines = [line.strip() for line in block["body"].splitlines()]
                found |= {shlex.join(shlex.split(x, comments=True)) for x in lines if x.startswith(f"{program} ")}
    return sorted(found)


def test_there_are_commands_to_try():
    assert "snakemake status" in commands("snakemake")
    assert "make run" in commands("make")


@pytest.mark.parametrize("command", commands("snakemake"))
def test_snakemake_accepts_the_command(workflow: Workflow, command: str):
    _, *arguments = shlex.split(command)
    arguments = [str(ROOT / part) if part.startswith("presets/") else part for part in arguments]
    done = subprocess.run(
        [*workflow.command("--dry-run", "--quiet=all"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]


@pytest.mark.parametrize("command", commands("make"))
def test_make_knows_the_target(command: str):
    done = subprocess.run(["make", "--dry-run", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_links_outside_the_site_lead_somewhere():
    """The site's own links are checked when it is built; those of README and the like are not part of it."""
    dead = []
    for page in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if not re.match(r"https?://|#", target) and not (ROOT / target.partition("#")[0]).exists():
                dead.append(f"{page.name}: {target}")
    assert dead == []


def test_configuration_page_is_current():
    assert PAGE.read_text() == current_page(), "docs/configuration.md is not that of the schema: run make docs"


def test_configuration_page_names_every_key_and_default():
    schema = {
        "properties": {
            "a": {"type": ["integer", "null"], "minimum": 1, "description": "steps"},
            "b": {
                "description": "A section",
                "properties": {"c": {"type": "array", "items": {"enum": ["x", "y"]}, "description": "a | b"}},
            },
        }
    }
    page = configuration_page(schema, {"a": 5, "b": {"c": ["x"]}})
    assert "| `a` | `5` | integer or null, at least 1 | steps |" in page
    assert "## b\n\nA section.\n" in page
    assert '| `b.c` | `["x"]` | list of `x`, `y` | a \\| b |' in page
    page = configuration_page(
        schema, {"a": 5, "b": {"c": ["x"]}}, {"b": {"c": ["x"]}}, {"keys": {"d": "a"}, "values": {}}
    )
    assert page.index("`b.c`") < page.index("## All other keys") < page.index("| `a` |") < page.index("| `d` | `a` |")
    assert page.count("`b.c`") == 1


def test_the_site_builds_strictly_and_needs_no_network(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]  # quiet counts nothing
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = list(tmp_path.rglob("*.html"))
    assert (tmp_path / "api/ccdcgan.database.thermodynamics.html") in pages
    assert "formation" in (tmp_path / "api/ccdcgan.database.thermodynamics.html").read_text()
    fetched = r"<(?:script|img|iframe)[^>]+src=\"https?:|<link[^>]+rel=\"(?:stylesheet|preconnect)\"[^>]+href=\"https?:"
    assert [page.name for page in pages if re.search(fetched, page.read_text())] == []


def test_the_catalog_file_describes_the_catalog():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert usage["software-stack-deployment"]["conda"] is True
