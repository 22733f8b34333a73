"""Explorers: what their JavaScript computes equals the Python that it mirrors, and faults are said."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import JSEvalException, MiniRacer
from scipy.special import softmax

import assets
import book_explorers  # book/_ext
import labutils
from engine import ALT, Engine
from labutils import explorers
from labutils.information import cross_entropy, entropy, kl_divergence
from labutils.models.ngram import NGramModel
from labutils.text import Vocabulary
from places import ROOT

START = "labutils.explorers"
SVG = "{http://www.w3.org/2000/svg}"
LETTERS = Vocabulary(tuple(" abcdefghijklmnopqrstuvwxyz"))
TEXT = (
    "there was a time when the old man and the sea and the boat were one thing in the mind of the boy "
    "who had been told by the others that the man was now definitely and finally unlucky "
) * 2 + "a quiet zebra jumped over six lazy oxen by the quay "


DATA = {
    "attention_scores": {
        name: np.random.default_rng(seed).normal(size=(8, 256)).round(2).tolist()
        for seed, name in enumerate("qk")
    }
    | {"tokens": list("abcdefgh")},
    "decoding": {"tokens": list("abcdefghijklmnopqrst"), "p": [0.3, *[0.7 / 2047] * 2047]},
    "encodings": {
        "rates": {
            name: [[0.7 - 0.1 * n, 0.1 + 0.05 * n] for n in range(6)]
            for name in ("leet", "reversed", "rot13", "greek", "braille", "digits")
        }
    },
    "gaussian_fit": {"x": [-2.0, 0.0, 2.0], "p": [0.5, 0.2, 0.3]},
    "heat": {"tokens": list("abcdefghijklmno"), "p": [0.3, *[0.05] * 14]},
    "next_character": {"text": TEXT},
    "reliability": {
        "z": np.random.default_rng(3).normal(size=(1500, 3)).round(2).tolist(),
        "y": [i % 3 for i in range(1500)],
    },
    "small_net": {"points": [[0, 0, 1], [1.3, -1.1, 0], [-1.2, 1.2, 0], [-1, -0.9, 1], [0.9, 1.4, 1]]},
    "objectives": {"tokens": list("abcdefghijkl"), "draws": [[list(range(11, -1, -1))] * 3] * 6},
}


# --- the numbers


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [60, len(TEXT)])  # so short that a count of counts is zero, and longer
def test_next_character_equals_the_ngram_model(engine: Engine, order: int, size: int) -> None:
    model = NGramModel(order, len(LETTERS)).fit(LETTERS.encode(TEXT[:size]))
    for typed in ("", "t", "the ", "the old man and th", "zebra", "xyzzy", "q"):
        found = engine.compute(
            "next_character", {"typed": typed, "order": order, "size": size}, DATA["next_character"]
        )
        p = {row["letter"]: row["p"] for row in found["ranked"]}
        expected = model.probs(LETTERS.encode(typed))
        np.testing.assert_allclose([p[letter] for letter in LETTERS.tokens], expected, atol=1e-12)
        assert found["entropy"] == pytest.approx(entropy(expected))
        assert [row["p"] for row in found["ranked"]] == sorted(p.values(), reverse=True)


@pytest.mark.parametrize(
    ("typed", "as_if"), [("The OLD", "the old"), ("one,  two", "one two"), (" 9 x", "x")]
)
def test_next_character_reads_any_text(engine: Engine, typed: str, as_if: str) -> None:
    rest = {"order": 3, "size": len(TEXT)}
    given_, plain = (
        engine.compute("next_character", {"typed": text, **rest}, DATA["next_character"])
        for text in (typed, as_if)
    )
    assert given_ == plain


@settings(max_examples=60, deadline=None)
@given(base=st.floats(0.001, 0.9), caught=st.floats(0, 1), alarm=st.floats(0.0005, 1))
def test_bayes_equals_bayes_rule(engine: Engine, base: float, caught: float, alarm: float) -> None:
    found = engine.compute("bayes", {"base": 100 * base, "caught": 100 * caught, "alarm": 100 * alarm})
    joint = np.array([[base * caught, base * (1 - caught)], [(1 - base) * alarm, (1 - base) * (1 - alarm)]])
    cases = [[found["hit"], found["miss"]], [found["falseAlarm"], found["pass"]]]
    np.testing.assert_allclose(cases, joint, atol=1e-12)
    assert found["posterior"] == pytest.approx(joint[0, 0] / joint[:, 0].sum())


@settings(max_examples=30, deadline=None)
@given(base=st.floats(0.1, 90), caught=st.integers(0, 100), alarm=st.floats(0.05, 100))
def test_bayes_draws_a_thousand_cases(engine: Engine, base: float, caught: int, alarm: float) -> None:
    drawn = engine.markup("bayes", base=base, caught=caught, alarm=alarm).find("svg")
    assert drawn is not None
    assert sum(str(path["d"]).count("z") for path in drawn.find_all("path")) == 1000
    assert len(drawn.find_all("rect")) == 4  # the keys
    assert sum(int(text.get_text().split()[0]) for text in drawn.find_all("text")) == 1000


@settings(max_examples=60, deadline=None)
@given(
    weights=st.lists(st.integers(1, 20), min_size=4, max_size=4),
    beliefs=st.lists(st.integers(1, 20), min_size=4, max_size=4),
)
def test_divergence_equals_the_measures(engine: Engine, weights: list[int], beliefs: list[int]) -> None:
    found = engine.compute("divergence", {"p": weights, "q": beliefs})
    p, q = np.array(weights) / sum(weights), np.array(beliefs) / sum(beliefs)
    assert found["entropy"] == pytest.approx(entropy(p))
    assert found["crossEntropy"] == pytest.approx(cross_entropy(p, q))
    assert found["forward"] == pytest.approx(kl_divergence(p, q), abs=1e-12)
    assert found["backward"] == pytest.approx(kl_divergence(q, p), abs=1e-12)


def test_divergence_of_what_was_thought_impossible(engine: Engine) -> None:
    say = f"{START}.divergence.say({START}.divergence.compute({{ p: [1, 1, 0, 0], q: [1, 1, 2, 0] }}))"
    assert "D(p‖q) = 1.00 bits" in engine.run(say)
    assert "D(q‖p) = ∞" in engine.run(say)
    drawn = engine.markup("divergence", p=[1, 1, 1, 1], q=[1, 1, 1, 0])
    assert "∞" in drawn.get_text()
    assert "NaN" not in str(drawn)
    assert "NaN" not in str(engine.markup("divergence", p=[0, 0, 0, 0], q=[0, 0, 0, 0]))


# --- the figure


@pytest.mark.parametrize("name", explorers.names())
def test_figure_is_complete(engine: Engine, name: str) -> None:
    figure = engine.markup(name, DATA.get(name))
    drawing = figure.find("svg")
    assert drawing is not None
    assert (drawing["role"], drawing["aria-label"]) == ("img", ALT)
    assert not re.search(r"NaN|undefined|Infinity", str(figure))
    assert len(figure.select_one(".labutils-say").get_text().split()) >= 8  # type: ignore[union-attr]
    for control in figure.select("input, select"):
        assert control.get("aria-label") or control.find_parent("label").get_text().strip()  # type: ignore[union-attr]
    for rect in drawing.find_all("rect"):
        assert float(rect["x"]) >= 0
        assert float(rect["x"]) + float(rect["width"]) <= float(drawing["width"]) + 0.1


@pytest.mark.parametrize("name", explorers.names())
def test_figure_fits_a_phone(engine: Engine, name: str) -> None:
    spec = json.dumps({"name": name, "alt": ALT, "data": DATA.get(name), "values": {}})
    drawing = BeautifulSoup(str(engine.racer.eval(f"labutils.markup({spec}, 290)")), "html.parser").find(
        "svg"
    )
    assert drawing is not None
    for rect in drawing.find_all("rect"):
        assert float(rect["x"]) + float(rect["width"]) <= 290.1


def test_text_is_text_and_never_markup(engine: Engine) -> None:
    figure = engine.markup(
        "next_character", DATA["next_character"], alt='"<img src=x> & more', typed='a"><b>'
    )
    assert figure.find("img") is None
    assert figure.find("b") is None
    assert figure.find("svg")["aria-label"] == '"<img src=x> & more'  # type: ignore[index]
    assert figure.find("input", type="text")["value"] == 'a"><b>'  # type: ignore[index]


@pytest.mark.parametrize("name", explorers.names())
def test_a_sliders_first_value_is_one_of_its_places(engine: Engine, name: str) -> None:
    """Else the browser shows another value than the drawing that came with the page."""
    figure = engine.markup(name, DATA.get(name))
    for control in engine.run(f"{START}.{name}.controls"):
        if control.get("kind", "range") != "range":
            continue
        slider = figure.find("input", attrs={"data-name": control["name"]})
        assert slider is not None
        places = (float(slider["value"]) - float(slider["min"])) / float(slider["step"])
        assert places == pytest.approx(round(places)), control
        assert 0 <= places <= (float(slider["max"]) - float(slider["min"])) / float(slider["step"])
        if control.get("log"):
            tried = engine.markup(name, DATA.get(name), **{control["name"]: control["value"] * 1.0001})
            assert tried.find("input", attrs={"data-name": control["name"]})["value"] == slider["value"]  # type: ignore[index]


def test_unknown_control_is_named(engine: Engine) -> None:
    with pytest.raises(JSEvalException, match="no control is called prior; there are base, caught, alarm"):
        engine.markup("bayes", prior=3)


def test_each_explorer_is_short_and_alone() -> None:
    for name in explorers.names():
        text = (explorers.FOLDER / f"{name}.js").read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 125, name
        assert not re.search(r"https?://|\beval\b|\bfetch\b|import\b|innerHTML", text), name
        assert "Mirrors" in text, f"{name} does not say which Python it mirrors"


def test_each_explorer_stands_on_a_page() -> None:
    stored = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").rglob("*.ipynb"))
    unused = [name for name in explorers.names() if f'data-explorer=\\"{name}\\"' not in stored]
    assert unused == []


# --- from Python


Shown = Callable[..., dict[str, Any]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Call show_explorer and return what it displays."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: calls.append(data))

    def call(*arguments: Any, **options: Any) -> dict[str, Any]:
        labutils.show_explorer(*arguments, **options)
        return calls.pop()

    return call


def test_output_has_a_widget_a_drawing_and_words(shown: Shown) -> None:
    data = shown("bayes", ALT, base=1)
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/svg+xml", "text/plain"}
    assert data["text/plain"] == ALT
    assert set(data["application/vnd.jupyter.widget-view+json"]) >= {"model_id"}
    spec = json.loads(explorers.spec_in(data["image/svg+xml"]) or "")
    assert spec == {"name": "bayes", "alt": ALT, "data": None, "values": {"base": 1}}


@pytest.mark.parametrize("name", explorers.names())
def test_the_drawing_stands_alone(shown: Shown, name: str) -> None:
    """In JupyterLab and on GitHub it is a picture: no style sheet reaches it, and the ground may be dark."""
    drawing = ElementTree.fromstring(shown(name, ALT, data=DATA.get(name))["image/svg+xml"])
    assert (drawing.get("role"), drawing.get("aria-label")) == ("img", ALT)
    assert drawing.findtext(f"{SVG}title") == ALT
    ground = next(iter(drawing.iter(f"{SVG}rect")))
    assert (ground.get("fill"), ground.get("width")) == ("#ffffff", drawing.get("width"))
    for part in drawing.iter():
        kind = part.tag.removeprefix(SVG)
        if kind not in ("svg", "title", "metadata"):
            assert re.fullmatch(r"#[0-9a-f]{6}|none", part.get("fill", "")), ElementTree.tostring(part)
            assert part.get("class") is None
        if kind == "text":
            assert float(part.get("font-size", 0)) >= 13
    assert "run the notebook" in "".join(drawing.itertext())


def stored_drawings() -> dict[str, str]:
    """The drawings of explorers in all notebooks, by notebook and cell."""
    found = {}
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", ()):
                drawing = output.get("data", {}).get("image/svg+xml", "")
                if explorers.spec_in(drawing):
                    found[f"{path.stem}#{cell.id}"] = drawing
    return found


@pytest.mark.parametrize(("place", "drawing"), stored_drawings().items())
def test_a_stored_drawing_is_what_would_be_drawn_today(place: str, drawing: str) -> None:
    spec = explorers.spec_in(drawing)
    assert spec
    carried = re.compile(r"<metadata.*?</metadata>", re.DOTALL)
    assert carried.sub("", drawing) == explorers.call("still", spec), f"{place}: make execute"


def test_widget_carries_its_own_front_end() -> None:
    kind = explorers._widget_class("bayes")
    widget = kind(spec={"name": "bayes"})
    assert 'define("bayes"' in widget._esm
    assert "export default { render: globalThis.labutils.render }" in widget._esm
    assert ".labutils-explorer" in widget._css
    assert explorers._widget_class("bayes") is kind


def test_what_is_carried_cannot_end_its_place(shown: Shown) -> None:
    hostile = "</metadata></title></script> & <b> \u2028 \\u003c &lt;"
    drawing = shown("next_character", f"{ALT} {hostile}", data={"text": hostile})["image/svg+xml"]
    found = ElementTree.fromstring(drawing)
    assert [part for part in found.iter() if part.tag.endswith("b")] == []
    spec = explorers.spec_in(drawing)
    assert spec == found.findtext(f"{SVG}metadata")
    assert json.loads(spec or "")["data"] == {"text": hostile}
    page = BeautifulSoup(book_explorers.figure(spec or ""), "html.parser")
    assert page.find("b") is None
    assert json.loads(page.select("figure > script")[0].get_text()) == json.loads(spec or "")


@pytest.mark.parametrize(
    ("arguments", "options", "complaint"),
    [
        (("bayess", ALT), {}, "no explorer is called 'bayess'; there are "),
        (("kit", ALT), {}, "no explorer is called 'kit'"),
        (("bayes", "short"), {}, "say in a sentence what is seen"),
        (("bayes", ALT), {"data": np.zeros(3)}, "array.tolist()"),
        (("bayes", ALT), {"base": float("nan")}, "finite numbers"),
        (("bayes", ALT), {"prior": 1}, "no control is called prior; there are base, caught, alarm"),
    ],
)
def test_faults_are_said(arguments: Any, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        labutils.show_explorer(*arguments, **options)


def test_without_anywidget_the_drawing_remains(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    explorers._widget_class.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    assert set(shown("bayes", ALT)) == {"image/svg+xml", "text/plain"}
    assert "anywidget is not installed" in caplog.text


def test_without_an_engine_the_widget_remains(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in Colab: no still, and no complaint."""
    monkeypatch.setitem(sys.modules, "py_mini_racer", None)
    assert set(shown("bayes", ALT)) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    assert caplog.text == ""


# --- on the site


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('<div class="labutils-explorer">x</div>', "does not say from which notebook and cell it comes"),
        (
            '<div class="labutils-explorer" data-from="lost.ipynb#cell"></div>',
            "there is no notebook lost.ipynb",
        ),
        (
            '<div class="labutils-explorer" data-from="notebooks/foundations/probability.ipynb#bayes"></div>',
            "has no cell bayes that shows an explorer",
        ),
    ],
)
def test_site_complains_of_a_faulty_explorer(text: str, complaint: str) -> None:
    def look() -> str:
        file, cell = book_explorers.taken(text)
        return book_explorers.stored_in(ROOT / file, cell)

    with pytest.raises(ValueError, match=re.escape(complaint)):
        look()


def test_site_complains_of_a_faulty_description() -> None:
    with pytest.raises(ValueError, match="no control is called prior"):
        book_explorers.figure(json.dumps({"name": "bayes", "alt": ALT, "data": None, "values": {"prior": 1}}))


def test_a_picture_that_is_no_explorer_is_left_alone() -> None:
    assert explorers.spec_in('<svg><metadata>{"name": "bayes"}</metadata></svg>') is None


def test_pages_hold_the_drawing_and_load_only_their_explorers(site: Path) -> None:
    pages = {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in site.rglob("*.html")
    }
    with_explorers = 0
    for path, page in pages.items():
        figures = page.select("figure.labutils-explorer")
        wanted = {str(figure["data-explorer"]) for figure in figures}
        asked = " ".join(assets.asked(site, path.relative_to(site).as_posix(), "script[src]"))
        loaded = re.findall(r"explorers/(\w+)\.js", asked)
        assert set(loaded) == (wanted | {"kit"} if wanted else set()), path
        assert loaded[:1] in ([], ["kit"]), "the kit comes first"
        for figure in figures:
            with_explorers += 1
            assert figure.select_one("svg[role=img][aria-label]"), path
    assert with_explorers >= len(explorers.names())


def test_the_example_for_authors_works() -> None:
    page = (ROOT / "book/authors.md").read_text(encoding="utf-8")
    script = re.findall(r"```javascript\n(.*?)```", page, re.DOTALL)[0]
    call = re.findall(r"show_explorer\((.*?)\)\n```", page, re.DOTALL)[0]
    given = eval(f"dict(name={call})")
    with MiniRacer() as racer:
        racer.eval((explorers.FOLDER / "kit.js").read_text(encoding="utf-8") + script)
        spec = json.dumps({"values": {}, **given})
        figure = BeautifulSoup(str(racer.eval(f"labutils.markup({spec})")), "html.parser")
        found = json.loads(
            str(racer.eval(f"JSON.stringify({START}.temperature.compute({{temperature: 0.5}}, {spec}.data))"))
        )
    expected = softmax(np.array(given["data"]["logits"]) / 0.5)
    np.testing.assert_allclose(found["p"], expected)
    assert found["entropy"] == pytest.approx(entropy(expected))
    for bar in ("0.67", "0.24", "0.09"):  # as its alternative text says
        assert figure.find("text", string=bar), figure
    assert len(script.splitlines()) < 60
