"""Pages of the site that are made while it is built: the API, notebooks, and the report of the default run.

Every module of the library has a page. A notebook in the documentation is a page of the same name. The report of
the default run, ``docs/example/report.html.gz``, is unpacked.
"""

import gzip
import json
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "workflow_scripts"
PACKAGES = {"Library": "ccdcgan", "Workflow": "ccdcgan_workflow"}
REPORT = ROOT / "docs/example/report.html.gz"
WITHOUT_REPORT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>An example report</title>
<p>This checkout has no example. <code>make run</code> makes a report of your own,
<code>results/Bi-Se/report/index.html</code>.</p></html>
"""


def modules(package: str) -> list[str]:
    """Return the dotted names of all modules of a package."""
    paths = sorted((SCRIPTS / package).rglob("*.py"))
    dotted = (".".join(path.relative_to(SCRIPTS).with_suffix("").parts) for path in paths)
    return [name.removesuffix(".__init__") for name in dotted if not name.endswith("__main__")]


def notebook_page(path: Path) -> str:
    """Return a notebook in Markdown: its text, and its code as code blocks."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = (("".join(cell["source"]), cell["cell_type"] == "code") for cell in cells)
    return "\n\n".join(f"```python\n{text}\n```" if is_code else text for text, is_code in texts) + "\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Hang the pages of all modules under the entry "API"."""
    pages = [{title: [{name: f"api/{name}.md"} for name in modules(package)]} for title, package in PACKAGES.items()]
    config.nav.append({"API": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each module, whose text comes from its docstrings, one for each notebook, and the report."""
    for package in PACKAGES.values():
        for name in modules(package):
            content = f"# {name}\n\n::: {name}\n"
            files.append(File.generated(config, f"api/{name}.md", content=content))
    docs = Path(config.docs_dir)
    for path in sorted(docs.rglob("*.ipynb")):
        name = path.relative_to(docs).with_suffix(".md").as_posix()
        files.append(File.generated(config, name, content=notebook_page(path)))
    report = gzip.decompress(REPORT.read_bytes()).decode("utf-8") if REPORT.is_file() else WITHOUT_REPORT
    files.append(File.generated(config, "example/report.html", content=report))
    return files
