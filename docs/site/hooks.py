"""Pages of the site that are made while it is built: one of the API for every module of the library."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
PACKAGES = {"Library": "ccdcgan", "Workflow": "ccdcgan_workflow"}


def modules(package: str) -> list[str]:
    """Return the dotted names of all modules of a package."""
    paths = sorted((SCRIPTS / package).rglob("*.py"))
    dotted = (".".join(path.relative_to(SCRIPTS).with_suffix("").parts) for path in paths)
    return [name.removesuffix(".__init__") for name in dotted if not name.endswith("__main__")]


def listed(entry: object) -> set[str]:
    """Return the files that a part of the navigation names."""
    if isinstance(entry, str):
        return {entry}
    parts = entry.values() if isinstance(entry, dict) else entry
    return set().union(*map(listed, parts))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Hang the pages of all modules under the entry "API"; pages that mkdocs.yml does not place are how-to pages."""
    unplaced = {path.name for path in Path(config.docs_dir).glob("*.md")} - listed(config.nav)
    how_to = next(entry["How to"] for entry in config.nav if "How to" in entry)
    how_to.extend(sorted(unplaced))
    pages = [{title: [{name: f"api/{name}.md"} for name in modules(package)]} for title, package in PACKAGES.items()]
    config.nav.append({"API": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each module; its text comes from the module's docstrings."""
    for package in PACKAGES.values():
        for name in modules(package):
            content = f"# {name}\n\n::: {name}\n"
            files.append(File.generated(config, f"api/{name}.md", content=content))
    return files
