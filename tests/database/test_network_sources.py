"""Sources on a network, queried over loopback: paging, resumption, and one sentence for every failure."""

import json
from contextlib import ExitStack

import pytest
from pymatgen.core import Lattice, Structure

from ccdcgan.database.prototypes.collection import collect_prototypes
from ccdcgan.database.prototypes.provenance import check_kept
from ccdcgan.utils.errors import InputError
from tests.support.crystals import bi2se3, cesium_chloride, rock_salt
from tests.support.servers import serving

pytest.importorskip("mp_api")
pytest.importorskip("optimade")

from ccdcgan.database.prototypes import materials_project  # noqa: E402
from ccdcgan.database.prototypes.materials_project import fetch_materials_project  # noqa: E402
from ccdcgan.database.prototypes.optimade import fetch_optimade  # noqa: E402

KEY = "0123456789abcdef0123456789ABCDEF"
PRIMITIVES = {
    "mp-1": rock_salt().get_primitive_structure(),
    "mp-2": bi2se3().get_primitive_structure(),
    "mp-3": cesium_chloride(),
    "mp-4": cesium_chloride(3.8),
}


class MaterialsProject:
    """The two endpoints of the API that a search needs; records the searches."""

    def __init__(self) -> None:
        self.searches: list[dict] = []
        self.broken = False

    def __call__(self, path: str, query: dict, headers: dict):
        if path == "/heartbeat":
            return 200, {"version": "0.87.3", "db_version": "2026.1.1", "access_controlled_batch_ids": []}
        if path != "/materials/summary/":
            return 404, {"detail": "not found"}
        if headers.get("x-api-key") != KEY:
            return 401, {"detail": "Invalid authentication credentials"}
        self.searches.append(query)
        if self.broken and query["nsites_min"] == "5":
            return 500, {"detail": "Internal server error"}
        chosen = [
            {"material_id": name, "structure": structure.as_dict()}
            for name, structure in PRIMITIVES.items()
            if int(query["nelements_min"]) <= len(structure.composition) <= int(query["nelements_max"])
            and int(query["nsites_min"]) <= len(structure) <= int(query["nsites_max"])
        ]
        first = int(query.get("_skip", 0))
        return 200, {"data": chosen[first : first + int(query["_limit"])], "meta": {"total_doc": len(chosen)}}


@pytest.fixture
def api(monkeypatch):
    """A Materials Project on loopback, and its address."""
    monkeypatch.setenv("MP_API_KEY", KEY)
    service = MaterialsProject()
    with serving(service) as address:
        yield service, address


def fetch(folder, endpoint, **settings):
    paths = folder / "kept/crystals.jsonl.gz", folder / "kept/provenance.json"
    fetch_materials_project(*paths, {"endpoint": endpoint, "max_hull_distance": None} | settings, 2, 6)
    return paths


def test_materials_project_is_paged_kept_and_read(tmp_path, api, monkeypatch):
    service, address = api
    monkeypatch.setattr(materials_project, "PAGE", 2)
    crystals, provenance = fetch(tmp_path, address)
    check_kept(crystals, provenance)
    assert any(query.get("_skip") == "2" for query in service.searches)  # three cells of two atoms, two a page
    config = {"sources": ["materials_project"], "max_atoms": 20, "limit": None}
    prototypes, _ = collect_prototypes(config, 2, {"materials_project": crystals})
    assert {crystal.id for crystal in prototypes} == {f"materials_project-{name}" for name in PRIMITIVES}
    assert json.loads(provenance.read_text())["version"] == "2026.1.1"
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_an_interrupted_download_resumes(tmp_path, api):
    service, address = api
    service.broken = True
    with pytest.raises(InputError, match="gave no crystals .*500.*the parts downloaded so far are kept") as caught:
        fetch(tmp_path, address)
    assert KEY not in str(caught.value) and "\n" not in str(caught.value)
    service.broken, service.searches = False, []
    crystals, _ = fetch(tmp_path, address)
    assert crystals.exists()
    asked = {(query["nelements_min"], query["nsites_min"]) for query in service.searches}
    assert ("1", "5") in asked and ("1", "4") not in asked


def test_a_damaged_part_is_downloaded_again_and_a_damaged_response_is_refused(tmp_path, api):
    service, address = api
    crystals, provenance = fetch(tmp_path, address)
    whole = crystals.read_bytes()
    part = next((tmp_path / "kept/parts").glob("02-elements-002-*"))
    part.write_bytes(part.read_bytes()[:-9])
    service.searches = []
    fetch(tmp_path, address)
    assert crystals.read_bytes() == whole
    assert {(query["nelements_min"], query["nsites_min"]) for query in service.searches} == {("2", "2")}
    crystals.write_bytes(whole[:-1])
    with pytest.raises(InputError, match="was changed after it was fetched; rename it"):
        check_kept(crystals, provenance)
    provenance.write_text("{")
    with pytest.raises(InputError, match="is damaged; rename the folder"):
        check_kept(crystals, provenance)


def test_an_empty_answer_is_reported(tmp_path, api, monkeypatch):
    monkeypatch.setitem(globals(), "PRIMITIVES", {})
    crystals, _ = fetch(tmp_path, api[1])
    config = {"sources": ["materials_project"], "max_atoms": 20, "limit": None}
    with pytest.raises(InputError, match="gave no usable prototype .nothing found.; add a source"):
        collect_prototypes(config, 2, {"materials_project": crystals})


def test_a_missing_key_gives_a_message_with_the_place_to_obtain_one(tmp_path, api, monkeypatch):
    monkeypatch.delenv("MP_API_KEY")
    monkeypatch.setitem(materials_project.SETTINGS, "PMG_MAPI_KEY", "")
    with pytest.raises(InputError, match="needs an API key, but neither"):
        fetch(tmp_path, api[1])


@pytest.mark.parametrize("key", ["too short", "x" * 32])
def test_a_wrong_key_is_reported_and_not_shown(tmp_path, api, monkeypatch, key):
    monkeypatch.setenv("MP_API_KEY", key)
    with pytest.raises(InputError, match="refuses the API key") as caught:
        fetch(tmp_path, api[1])
    assert key not in str(caught.value)


def test_an_unreachable_service_is_reported(tmp_path, api):
    with serving(lambda *_: (200, {})) as gone:
        pass
    with pytest.raises(InputError, match="the Materials Project cannot be reached"):
        fetch(tmp_path, gone)
    with pytest.raises(InputError, match="gave no crystals"):
        fetch_optimade(tmp_path / "a/x.gz", tmp_path / "a/p.json", {"urls": [gone], "filter": None}, 1, 1)


def entry(name: str, structure) -> dict:
    """Return a structure as an OPTIMADE entry."""
    symbols = [site.specie.symbol for site in structure]
    elements = sorted(set(symbols))
    ratios = [symbols.count(element) / len(symbols) for element in elements]
    attributes = {
        "lattice_vectors": structure.lattice.matrix.tolist(),
        "cartesian_site_positions": structure.cart_coords.tolist(),
        "species": [{"name": e, "chemical_symbols": [e], "concentration": [1.0]} for e in elements],
        "species_at_sites": symbols,
        "structure_features": [],
        "nelements": len(elements),
        "elements": elements,
        "elements_ratios": ratios,
        "nsites": len(symbols),
        "dimension_types": [1, 1, 1],
        "nperiodic_dimensions": 3,
        "chemical_formula_reduced": "".join(structure.composition.reduced_formula.split()),
        "chemical_formula_descriptive": structure.composition.formula.replace(" ", ""),
        "chemical_formula_anonymous": structure.composition.anonymized_formula,
        "last_modified": "2026-01-01T00:00:00Z",
    }
    return {"type": "structures", "id": name, "attributes": attributes}


def test_optimade_entries_become_prototypes_and_errors_sentences(tmp_path):
    asked = []
    broken = {"type": "structures", "id": "broken", "attributes": {"nelements": 2}}

    def provider(path, query, headers):
        if not path.endswith("/structures"):
            return 404, {"errors": [{"status": "404", "detail": "no such endpoint"}]}
        asked.append(query["filter"])
        if "spacegroup" in query["filter"]:
            return 501, {"errors": [{"status": "501", "detail": "unknown property spacegroup"}]}
        data = [entry("a/1", rock_salt().get_primitive_structure()), broken] if "nsites=2" in query["filter"] else []
        meta = {"data_returned": len(data), "more_data_available": False, "query": {"representation": ""}}
        return 200, {"data": data, "meta": meta, "links": {"next": None}, "errors": []}

    with serving(provider) as address:
        paths = tmp_path / "kept/crystals.jsonl.gz", tmp_path / "kept/provenance.json"
        fetch_optimade(*paths, {"urls": [address], "filter": 'elements HAS "Se"'}, 2, 2)
        config = {"sources": ["optimade"], "max_atoms": 20, "limit": None}
        prototypes, table = collect_prototypes(config, 2, {"optimade": paths[0]})
        assert [crystal.formula for crystal in prototypes] == ["BiSe", "BiSe"][: len(prototypes)]
        assert (table["reason"] == "unreadable").any()
        assert all('(elements HAS "Se")' in text for text in asked)
        other = tmp_path / "other/crystals.jsonl.gz", tmp_path / "other/provenance.json"
        with pytest.raises(InputError, match="gave no crystals for the filter .*unknown property") as caught:
            fetch_optimade(*other, {"urls": [address], "filter": "spacegroup=1"}, 1, 1)
    assert "\n" not in str(caught.value)


def page(data, more=False, following=None, **meta) -> dict:
    """Return a page of an OPTIMADE answer."""
    return {"data": data, "meta": {"more_data_available": more} | meta, "links": {"next": following}}


def optimade(folder, *providers, n_elements=1, max_atoms=1, **settings):
    """Download from providers, functions of (path, query) that return status and body; return crystals and table."""
    paths = folder / "kept/crystals.jsonl.gz", folder / "kept/provenance.json"
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(lambda p, q, h, f=f: f(p, q))) for f in providers]
        fetch_optimade(*paths, {"urls": urls, "filter": None} | settings, n_elements, max_atoms)
    config = {"sources": ["optimade"], "max_atoms": 20, "limit": None}
    return collect_prototypes(config, 2, {"optimade": paths[0]})


ONE, TWO = entry("1", cesium_chloride()), entry("2", rock_salt().get_primitive_structure())

CONTRADICTIONS = {
    "more without a link": [page([ONE], more=True)],
    "an empty page with a link": [page([], more=True, following="?page=1")],
    "the same page again": [page([ONE], more=True, following="?page=0"), page([ONE])],
    "a loop": [page([ONE], more=True, following="?page=1"), page([TWO], more=True, following="?page=1")],
    "an id twice on two pages": [page([ONE], more=True, following="?page=1"), page([ONE | {"attributes": {}}])],
    "an id twice on one page": [page([ONE, ONE])],
    "fewer than stated": [page([ONE], data_returned=2)],
    "more than stated": [page([ONE, TWO], data_returned=1)],
    "two statements": [page([ONE], True, "?page=1", data_returned=2), page([TWO], data_returned=3)],
    "data after the end": [page([ONE], more=False, following="?page=1"), page([TWO])],
    "a page of errors": [page([ONE], True, "?page=1"), page([]) | {"errors": [{"status": "500", "detail": "no"}]}],
    "data of another type": [page({"1": ONE})],
    "a list": [[ONE]],
    "more of another type": [page([ONE], more="yes")],
    "a link of another type": [page([ONE], more=True, following=7)],
    "meta of another type": [page([ONE]) | {"meta": "none"}],
}


@pytest.mark.parametrize("kind", CONTRADICTIONS)
def test_an_incomplete_or_contradictory_answer_is_an_error_and_nothing_is_kept(tmp_path, kind):
    pages = CONTRADICTIONS[kind]
    with pytest.raises(InputError, match=r"prototypes\.optimade: http.* gave no crystals for the filter") as caught:
        optimade(tmp_path, lambda path, query: (200, pages[int(query.get("page", 0))]))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.gz"))


def test_several_pages_are_one_answer(tmp_path):
    pages = [
        page([ONE], True, {"href": "?page=1"}, data_returned=2),
        page([TWO], data_returned=2) | {"links": {}},
    ]
    prototypes, _ = optimade(tmp_path, lambda path, query: (200, pages[int(query.get("page", 0))]))
    assert [len(crystal.structure) for crystal in prototypes] == [2, 2]


def test_a_busy_provider_is_asked_again(tmp_path):
    answers = iter([(429, {}), (502, {}), (200, page([ONE]))])
    assert len(optimade(tmp_path, lambda path, query: next(answers))[0]) == 1
    with pytest.raises(InputError, match="status 429"):
        optimade(tmp_path / "other", lambda path, query: (429, {}))


def test_providers_may_use_the_same_ids(tmp_path):
    other = entry("1", rock_salt().get_primitive_structure())
    prototypes, table = optimade(
        tmp_path, lambda path, query: (200, page([ONE])), lambda path, query: (200, page([other]))
    )
    assert len(prototypes) == 2 and table["id"].is_unique and all(name.endswith("/1") for name in table["id"])


def test_one_bad_entry_does_not_hide_the_others(tmp_path):
    slab = Structure(Lattice.tetragonal(3.6, 25.0), ["Bi", "Se"], [[0, 0, 0], [0.5, 0.5, 0.07]])
    entries = [entry(str(n), cesium_chloride()) for n in range(5)] + [entry("5", slab), entry("6", slab), 17]
    attributes = [item["attributes"] for item in entries[:7]]
    attributes[0] |= {"dimension_types": None, "nperiodic_dimensions": None}
    attributes[1]["dimension_types"] = [1, 1, 0]
    attributes[2]["cartesian_site_positions"][0] = [float("nan"), 0, 0]
    attributes[3]["species_at_sites"] = ["Bi", "Unknown"]
    del entries[4]["id"]
    attributes[6] |= {"dimension_types": None, "nperiodic_dimensions": None}
    _, table = optimade(tmp_path, lambda path, query: (200, page(entries)))
    reasons = dict(zip(range(8), table["reason"], strict=True))
    assert reasons[0] == "" and reasons[4] == "unreadable"
    assert reasons[1] == reasons[5] == reasons[6] == "not_three_dimensional"
    assert reasons[2] in ("not_finite_numbers", "unreadable") and reasons[3] == reasons[7] == "unreadable"


def test_an_incomplete_answer_of_the_materials_project_is_an_error(tmp_path, api, monkeypatch):
    service, address = api
    answer = MaterialsProject.__call__

    def less(self, *arguments):
        status, body = answer(self, *arguments)
        if "meta" in body:
            body["meta"]["total_doc"] += change
        return status, body

    monkeypatch.setattr(MaterialsProject, "__call__", less)
    for change in (1, -1):
        with pytest.raises(InputError, match="the Materials Project gave no crystals .*stated"):
            fetch(tmp_path / str(change), address)
        assert not (tmp_path / str(change) / "kept/crystals.jsonl.gz").exists()


def test_two_crystals_of_one_id_are_an_error(tmp_path, api, monkeypatch):
    other = MaterialsProject.__call__

    def renamed(self, *arguments):
        status, body = other(self, *arguments)
        for document in body.get("data", []):
            document["material_id"] = "mp-1"
        return status, body

    monkeypatch.setattr(MaterialsProject, "__call__", renamed)
    with pytest.raises(InputError, match="two different crystals with the id 'mp-1'"):
        fetch(tmp_path, api[1])
    assert not (tmp_path / "kept/crystals.jsonl.gz").exists()
