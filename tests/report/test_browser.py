"""The report in headless Chromium, opened from a file."""

import io
import json
import shutil

import ase.io
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from selenium.webdriver.support.ui import WebDriverWait

from ccdcgan import quantities
from ccdcgan.crystals.structures import Crystal
from ccdcgan.evaluation.best import best_candidates
from ccdcgan.evaluation.summary import summarise
from ccdcgan.report.candidates import views
from ccdcgan.report.data import ReportData, ReportMedia, RunInfo
from ccdcgan.report.page import render_report
from ccdcgan.report.plots import latent_plot

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs the packages chromium and chromium-driver")
FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update"),
    *("disable-sync", "no-first-run", "disable-quic", "use-angle=swiftshader", "enable-unsafe-swiftshader"),
    "force-prefers-reduced-motion",  # a page that still scrolls moves away from under a click
)
ELEMENTS = ("Bi", "Se")
ROCKSALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.9), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.5]])
CAESIUM_CHLORIDE = Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.7), ELEMENTS, [[0, 0, 0], [0.5, 0.5, 0.5]])


def tables() -> dict[str, pd.DataFrame]:
    names = ["id", "scheme", "formula", "fraction", "formation_energy", "e_above_hull", "distinct", "stability"]
    rows = [
        ("c-2", "dcgan", "BiSe", 0.5, -0.10, 0.10, True, "meta-stable"),
        ("c-1", "ccdcgan", "BiSe", 0.5, -0.18, 0.02, True, "stable"),
        ("c-3", "ccdcgan", "Bi2Se", 1 / 3, 0.20, 0.40, True, "unstable"),
    ]
    candidates = pd.DataFrame(rows, columns=names).assign(
        status="ok", reason="", space_group="Fm-3m", known="", repaired="", rmsd=0.2
    )
    candidates = candidates.assign(**dict.fromkeys(quantities.GUESSES.values(), 0.0))
    database = pd.DataFrame(
        {
            "id": ["known-1", "known-2", "known-3"],
            "formula": ["BiSe", "BiSe", "Bi2Se"],
            "fraction": [0.5, 0.5, 1 / 3],
            "formation_energy": [-0.2, -0.05, 0.05],
            "e_above_hull": [0.0, 0.15, 0.18],
            "space_group": "Pm-3m",
            "status": "ok",
            "reason": "",
        }
    )
    summary = []
    for scheme in ("dcgan", "ccdcgan"):
        sent = candidates[candidates["scheme"] == scheme]
        summary += [{"scheme": scheme, **row} for row in summarise(sent, 40, len(sent), 40, 0.1)]
    return {
        "candidates": candidates,
        "database": database,
        "summary": pd.DataFrame(summary),
        "losses": pd.DataFrame({"scheme": ["dcgan", "ccdcgan"], "reason": "too_close", "count": [39, 38]}),
        **dict.fromkeys(("references", "reconstruction", "latents", "latent_tests", "parity"), pd.DataFrame()),
    }


def page() -> str:
    data = tables()
    made = {name: Crystal(name, ROCKSALT, {"status": "ok"}) for name in ("c-1", "c-2")}
    known = [Crystal("known-1", CAESIUM_CHLORIDE, {"status": "ok", "space_group": "Pm-3m"})]
    graphs = np.random.default_rng(0).uniform(-1, 1, (5, 28, 28, 1))
    latent = latent_plot(
        {"ids": np.array(["known-1", "known-2", "known-3"]), "graphs": graphs[:3]},
        {"ccdcgan": (["c-1", "c-9"], graphs[3:])},
        data["database"],
        data["candidates"],
    )
    crystals = views(best_candidates(data["candidates"]), made, made, known, ELEMENTS)
    info = RunInfo("Bi-Se", ELEMENTS, "SevenNet", schemes=("dcgan", "ccdcgan"), provenance={"seed": 1})
    return render_report(info, ReportData(**data), ReportMedia(crystals=crystals, latent=latent))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(page(), encoding="utf-8")
    options = Options()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, "window-size=1280,1000"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(DRIVER))
    try:
        driver.get(path.as_uri())
        yield driver
    finally:
        driver.quit()


def wait(browser, script: str) -> object:
    return WebDriverWait(browser, 30).until(lambda driver: driver.execute_script(f"return {script}"))


def visible(browser) -> list[str]:
    rows = "[...document.querySelectorAll('#candidate-table tbody tr')]"
    script = f"{rows}.filter(row => !row.hidden).map(row => row.dataset.id)"
    return browser.execute_script(f"return {script}")


def picture(browser, selector: str) -> np.ndarray:
    found = browser.find_element("css selector", selector)
    return imread(io.BytesIO(found.screenshot_as_png), format="png")[..., :3]


def test_page_is_about_its_own_data_only(browser):
    wait(browser, "document.querySelector('[data-plot=hull]').dataset.ready")
    browser.execute_script("document.getElementById('models').open = true")
    wait(browser, "document.querySelectorAll('[data-ready]').length == 2")  # in a folded section: drawn when opened
    browser.execute_script("document.getElementById('models').open = false")
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in sent if e["method"] == "Network.requestWillBeSent"]
    assert urls and all(url.startswith(("file:", "data:", "blob:")) for url in urls)
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors


def test_points_of_the_hull_have_labels_and_show_their_crystal(browser):
    from selenium.webdriver import ActionChains

    wait(browser, "document.querySelector('[data-plot=hull]').dataset.ready")
    browser.execute_script(
        "document.querySelector('[data-plot=hull]').scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    point = next(
        point
        for point in browser.find_elements("css selector", "[data-plot=hull] .scatterlayer path.point")
        if browser.execute_script("return arguments[0].__data__.data", point)[0] == "c-2"
    )
    ActionChains(browser).move_to_element(point).perform()
    label = wait(browser, "document.querySelector('[data-plot=hull] .hoverlayer').textContent")
    for part in ("BiSe", "-0.100 eV/atom", "hull distance 0.100 eV/atom", "Fm-3m", "c-2"):
        assert part in label.replace("\u2212", "-")
    ActionChains(browser).click().perform()
    wait(browser, "document.getElementById('crystal').open")
    assert browser.execute_script("return document.getElementById('crystal-choice').value") == "c-2"
    browser.find_element("id", "close").click()
    assert not browser.execute_script("return document.getElementById('crystal').open")


def test_table_filters_and_sorts(browser):
    assert visible(browser) == ["c-1", "c-2"]
    centre = "document.getElementById('candidate-filters').scrollIntoView({block: 'center', behavior: 'instant'})"
    browser.execute_script(centre)  # else the menu that stays at the top may lie over it
    browser.find_element("name", "best").click()
    assert visible(browser) == ["c-1", "c-2", "c-3"]
    heads = browser.find_elements("css selector", "#candidate-table th button")
    energy = next(head for head in heads if head.text.startswith("hull distance"))
    energy.send_keys("\n")
    assert visible(browser) == ["c-1", "c-2", "c-3"]
    energy.send_keys("\n")
    assert visible(browser) == ["c-3", "c-2", "c-1"]
    browser.find_element("name", "words").send_keys("bi2se")
    assert visible(browser) == ["c-3"]
    browser.find_element("name", "words").clear()
    browser.execute_script("const s = document.querySelector('[name=scheme]'); s.value = 'DCGAN'; "
                           "s.dispatchEvent(new Event('input', {bubbles: true}))")  # fmt: skip
    assert visible(browser) == ["c-2"]
    assert browser.find_element("id", "shown").text == "1 of 3 shown"


def test_crystals_are_drawn_and_turn(browser):
    browser.find_element("css selector", ".card [data-show='c-1']").click()
    stages = browser.find_elements("css selector", "#views .stage")
    assert len(stages) == 3
    wait(browser, "document.querySelectorAll('#views canvas').length == 3")
    drawn = picture(browser, "#views .stage")
    middle = drawn[10:-10, 10:-10].reshape(-1, 3)
    assert len(np.unique(middle, axis=0)) > 50
    purple = np.abs(middle - np.array([0xCC, 0x79, 0xA7]) / 255).max(axis=1) < 0.2
    assert purple.sum() > 100
    stages[0].send_keys("\ue014")
    turned = picture(browser, "#views .stage")
    assert (np.abs(turned - drawn).max(axis=-1) > 0.1).sum() > 100


def test_cards_have_a_view_that_leaves_scrolling_to_the_page(browser):
    browser.execute_script("document.getElementById('crystal').close()")
    assert len(browser.find_elements("css selector", ".card .stage canvas")) == 2
    heard = "window.heard = 0; document.querySelector('.card canvas').addEventListener('wheel', () => heard++)"
    browser.execute_script(heard)
    wheel = "document.querySelector('.card canvas').dispatchEvent(new WheelEvent('wheel', {deltaY: 9, bubbles: true}))"
    browser.execute_script(wheel)
    assert browser.execute_script("return heard") == 0
    browser.execute_script("show('c-1')")


def test_files_are_downloaded_and_hold_the_crystal(browser, tmp_path):
    chosen = browser.execute_script("return document.getElementById('crystal-choice').value")
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    for name, kind in (("cif", "cif"), ("poscar", "vasp")):
        link = browser.find_element("id", name)
        assert link.is_displayed() and chosen in link.get_attribute("download")
        browser.execute_script("arguments[0].click()", link)
        path = tmp_path / link.get_attribute("download")
        WebDriverWait(browser, 30).until(lambda _, path=path: path.exists() and path.stat().st_size)
        atoms = ase.io.read(path, format=kind)
        assert atoms.get_chemical_formula() == "Bi4Se4"
        assert atoms.cell.lengths() == pytest.approx([5.9] * 3, abs=1e-6)
        assert StructureMatcher().fit(AseAtomsAdaptor.get_structure(atoms), ROCKSALT)


def test_a_file_that_would_hold_another_crystal_is_not_offered(browser):
    link = browser.find_element("id", "cif")
    browser.execute_script("download(arguments[0], 'cif', {id: 'c', formula: 'BiSe', cif: ''})", link)
    assert not link.is_displayed()
    browser.execute_script("download(arguments[0], 'cif', {id: 'c', formula: 'BiSe', cif: 'data_BiSe'})", link)
    assert link.is_displayed()


def resize(browser, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 640}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_script("document.getElementById('crystal').close(); scrollTo(0, 0)")


def bottom(browser, selector: str) -> float:
    return browser.execute_script(f"return document.querySelector('{selector}').getBoundingClientRect().bottom")


def test_a_phone_gets_the_page_without_sideways_scrolling(browser):
    resize(browser, 390)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert browser.execute_script("return document.documentElement.scrollHeight") < 6000
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_desktop_shows_hull_and_cards_first_and_every_column(browser):
    resize(browser, 1280)
    wait(browser, "document.querySelector('[data-plot=hull]').dataset.ready")
    assert max(bottom(browser, selector) for selector in (".numbers", "[data-plot=hull]", ".best")) <= 800
    for box in browser.find_elements("css selector", "section .scroll"):
        wide, there = (
            browser.execute_script(f"return arguments[0].{name}", box) for name in ("scrollWidth", "clientWidth")
        )
        assert wide <= there
    browser.execute_script("document.querySelector('#candidate-table details').open = true")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 1280
    plot, best = (browser.find_element("css selector", name).rect for name in ("[data-plot=hull]", ".best"))
    assert best["x"] > plot["x"] + plot["width"] and best["x"] + best["width"] > 1200  # beside each other, to the edge
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
