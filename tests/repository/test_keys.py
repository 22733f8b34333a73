"""The keys: what a chapter reaches makes it due when it changes, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

import costs
import keys
from places import NOTEBOOKS, ROOT

CELLS = (
    "import labutils\nlabutils.start()",
    "from labutils import data\nfrom labutils.models.ngram import NGramModel\ntext = data.load_text('tiny')\n"
    "from labutils.models.pretrained import load\nmodel, tokenizer = load('pocket-gpt')",
    "%matplotlib inline\nfrom labutils import check, show_explorer\ncheck('thrown.away', NGramModel)",
    "show_explorer('moved', 'what is seen here, said in a sentence')",
)
CATALOGUE = (
    "from labutils.data import parse\nclass Entry: ...\n"
    "_ENTRIES = [\n    Entry(name='tiny', size=1),\n    Entry(name='other', size=2),\n]\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository: one chapter, a package with what it reaches and with what it does not."""
    files = {
        "labutils/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    import labutils.unreached\n"
        "_HOME = {'start': 'labutils.runtime', 'check': 'labutils.checks', "
        "'show_explorer': 'labutils.explorers'}\n",
        "labutils/runtime.py": "def start():\n    from labutils import figures\n",
        "labutils/figures.py": "STYLE = 1\n",
        "labutils/unreached.py": "A = 1\n",
        "labutils/text.py": "B = 1\ndef f():\n    import used.part\n",
        "labutils/data/__init__.py": "from labutils.data.catalogue import Entry\n"
        "from labutils.data.parse import KINDS\n__all__ = ['load_text', 'load_other']\n"
        "class Texts:\n    n = 1\n"
        "def load_text(name):\n    'Says so.'\n    return Texts(), KINDS\ndef load_other():\n    return 1\n",
        "labutils/data/catalogue.py": CATALOGUE,
        "labutils/data/parse.py": "KINDS = 1\nOTHERS = 1\ndef read(member):\n    return 1\n",
        "labutils/models/__init__.py": "",
        "labutils/models/ngram.py": "from labutils.text import B\nclass NGramModel: ...\n",
        "labutils/models/recurrent.py": "D = 1\n",
        "labutils/models/pretrained.py": "SHELF = ('pocket-gpt', 'pocket-bert', 'other')\n",
        "labutils/pocket/gpt/model.safetensors": "weights\n",
        "labutils/pocket/gpt/tokenizer.json": "{}\n",
        "labutils/pocket/bert/model.safetensors": "weights\n",
        "labutils/checks/__init__.py": "from labutils.checks.core import check\n",
        "labutils/checks/core.py": "E = 1\n",
        "labutils/checks/part/thrown.py": "F = 1\n",
        "labutils/checks/part/other.py": "G = 1\n",
        "labutils/explorers/__init__.py": "H = 1\n",
        "labutils/explorers/moved.js": "// moved\n",
        "labutils/explorers/kit.js": "// kit\n",
        "labutils/explorers/still.js": "// still\n",
        "requirements.txt": f"# --- the site\nsphinx==1.0\n{keys.PINS}: make lab\nnumpy==2.0 # why\n"
        f"{keys.SINGLE}: oracles\nused==1.0\nunused==1.0\n"
        "# --- tests\npytest==9\n",
        "tests/support/colab.py": "INSTALLED = ()\n",
        "tests/chapters/part/test_thrown.py": "I = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(CELLS)]
    cells.append(nbformat.v4.new_markdown_cell("Words.", id="words"))
    (tmp_path / "notebooks/part").mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks/part/thrown.ipynb")
    return tmp_path


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert old in text
        (root / name).write_text(text.replace(old, new), encoding="utf-8")

    return change


def cell(number: int, **fields: object) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / "notebooks/part/thrown.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[number].update(fields)
        nbformat.write(notebook, path)

    return change


def printed(text: str) -> object:
    return [nbformat.v4.new_output("stream", name="stdout", text=text)]


def picture(data: str) -> object:
    return [nbformat.v4.new_output("display_data", data={"image/png": data, "text/plain": "A curve."})]


REACHED = {
    "a module that a cell imports": replace("labutils/models/ngram.py", "...", "x = 1"),
    "a module that this one imports": replace("labutils/text.py", "1", "2"),
    "a module imported within a function": replace("labutils/figures.py", "1", "2"),
    "a module behind a name of the package": replace("labutils/runtime.py", "start", "start "),
    "the package's own file": replace(
        "labutils/__init__.py", "import labutils.unreached", "import labutils.x"
    ),
    "what runs checks": replace("labutils/checks/core.py", "1", "2"),
    "the chapter's checks": replace("labutils/checks/part/thrown.py", "1", "2"),
    "the explorer that it shows": replace("labutils/explorers/moved.js", "moved", "moves"),
    "what draws explorers": replace("labutils/explorers/kit.js", "kit", "kits"),
    "the data set that it loads": replace("labutils/data/catalogue.py", "size=1", "size=3"),
    "the trained model that it loads": lambda root: (
        (root / "labutils/pocket/gpt/model.safetensors").write_bytes(b"\xff\xfe") and None
    ),
    "this model's tokenizer": replace("labutils/pocket/gpt/tokenizer.json", "{}", "{ }"),
    "what loads models": replace("labutils/models/pretrained.py", "SHELF", "MODELS"),
    "the function that loads its data": replace(
        "labutils/data/__init__.py", "return Texts()", "return Texts"
    ),
    "a class that this function names": replace("labutils/data/__init__.py", "n = 1", "n = 2"),
    "a constant that it names": replace("labutils/data/parse.py", "KINDS = 1", "KINDS = 2"),
    "the catalogue's own code": replace("labutils/data/catalogue.py", "class Entry", "class Entry "),
    "a pin of the notebooks": replace("requirements.txt", "numpy==2.0", "numpy==2.1"),
    "a single chapter's pin that it imports": replace("requirements.txt", "\nused==1.0", "\nused==1.1"),
    "a cell": cell(1, source="from labutils.models.ngram import NGramModel"),
}
NOT_REACHED = {
    "a model that it does not use": replace("labutils/models/recurrent.py", "1", "2"),
    "what only a type checker sees": replace("labutils/unreached.py", "1", "2"),
    "another chapter's checks": replace("labutils/checks/part/other.py", "1", "2"),
    "another explorer": replace("labutils/explorers/still.js", "still", "stands"),
    "another trained model": replace("labutils/pocket/bert/model.safetensors", "weights", "others"),
    "a function for other data": replace(
        "labutils/data/__init__.py", "other():\n    return 1", "other(): ..."
    ),
    "one more such function": replace("labutils/data/__init__.py", "'load_other']", "'load_other', 'new']"),
    "what a function says of itself": replace("labutils/data/__init__.py", "Says so.", "Says more."),
    "a parser, whose result has a sum": replace("labutils/data/parse.py", "return 1", "return 2"),
    "a constant that it does not name": replace("labutils/data/parse.py", "OTHERS = 1", "OTHERS = 2"),
    "another data set": replace("labutils/data/catalogue.py", "size=2", "size=3"),
    "one more data set": replace(
        "labutils/data/catalogue.py", "    Entry(name='o", "    Entry(name='new'),\n    Entry(name='o"
    ),
    "a pin of the site": replace("requirements.txt", "sphinx==1.0", "sphinx==1.1"),
    "a single chapter's pin that it does not import": replace(
        "requirements.txt", "unused==1.0", "unused==1.1"
    ),
    "a pin of the tests": replace("requirements.txt", "pytest==9", "pytest==10"),
    "a comment at a pin": replace("requirements.txt", "# why", "# because"),
    "its words": cell(4, source="Other words."),
}


@pytest.mark.parametrize("what", REACHED)
def test_what_a_chapter_reaches_makes_it_due(root: Path, what: str) -> None:
    path = root / "notebooks/part/thrown.ipynb"
    before = keys.code_key(path, root)
    REACHED[what](root)
    assert keys.code_key(path, root) != before


@pytest.mark.parametrize("what", NOT_REACHED)
def test_what_it_does_not_reach_leaves_it_alone(root: Path, what: str) -> None:
    path = root / "notebooks/part/thrown.ipynb"
    before = keys.key(path, root)
    NOT_REACHED[what](root)
    assert keys.key(path, root) == before


def test_outputs_and_the_libraries_elsewhere_belong_to_the_second_run_only(root: Path) -> None:
    path = root / "notebooks/part/thrown.ipynb"
    code, whole = keys.code_key(path, root), [keys.key(path, root)]
    changes = (
        cell(0, outputs=printed("1.5")),
        cell(0, outputs=printed("1.6")),
        replace("tests/support/colab.py", "()", "('numpy==1.0',)"),
        replace("tests/chapters/part/test_thrown.py", "I = 1", "I = 2"),
    )
    for change in changes:
        change(root)
        whole.append(keys.key(path, root))
    assert len(set(whole)) == 5
    assert keys.code_key(path, root) == code


def test_a_picture_drawn_again_changes_nothing(root: Path) -> None:
    """No run compares pictures; the page that shows them is another matter."""
    path = root / "notebooks/part/thrown.ipynb"
    cell(0, outputs=picture("AAAA"))(root)
    before, page = keys.key(path, root), keys.page_key(path)
    cell(0, outputs=picture("BBBB"))(root)
    assert keys.key(path, root) == before
    assert keys.page_key(path) != page


def test_marks_in_a_notebooks_metadata_are_not_on_its_page(root: Path) -> None:
    path = root / "notebooks/part/thrown.ipynb"
    before, notebook = keys.page_key(path), nbformat.read(path, as_version=4)
    notebook.metadata["labutils"] = {"reached_sha256": "of yesterday"}
    nbformat.write(notebook, path)
    assert keys.page_key(path) == before


def test_the_books_own_chapters_reach_what_they_import() -> None:
    package = keys.Package(ROOT)
    reached = {
        path.stem: {
            file.relative_to(ROOT / "labutils").as_posix()
            for file in package.reached(keys.code(nbformat.read(path, as_version=4)))
        }
        for path in NOTEBOOKS
    }
    assert {"models/recurrent.py", "models/cells.py", "checks/sequences/lstm_gru.py"} <= reached["lstm_gru"]
    assert not {"models/recurrent.py", "checks/sequences/lstm_gru.py"} & reached["probability"]
    for chapter, files in reached.items():
        assert {"__init__.py", "runtime.py", "figures.py", "checks/core.py"} <= files, chapter
    assert {"wikipedia_en", "minilm"} <= set(package.entries)


def test_what_passed_is_written_down_and_a_sample_of_it_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "verified.json"
    current = {f"chapter_{n}": f"key {n}" for n in range(20)}
    assert keys.Verified(file).due("notebooks", current) == list(current)
    assert keys.Verified(file).sample("notebooks", current, "turn") == []
    keys.Verified(file).record("notebooks", current | {"gone": "key"}, current)
    assert set(json.loads(file.read_text())["notebooks"]) == set(current)
    assert keys.Verified(file).due("notebooks", current | {"chapter_3": "new"}) == ["chapter_3"]
    assert keys.Verified(file).due("pages", current) == list(current)  # kinds do not mix
    tried = [keys.Verified(file).sample("notebooks", current, f"turn {n}") for n in range(60)]
    assert {len(names) for names in tried} == {3}
    assert set().union(*tried) == set(current)  # the sample goes round
    assert tried[0] == keys.Verified(file).sample("notebooks", current, "turn 0")


def test_the_sample_is_never_empty_and_never_twice(tmp_path: Path) -> None:
    verified = keys.Verified(tmp_path / "verified.json")
    verified.record("notebooks", {"a": "1", "b": "2"}, ["a", "b"])
    assert len(verified.sample("notebooks", {"a": "1", "b": "2"}, "x")) == 1
    assert verified.sample("notebooks", {"a": "1", "b": "new"}, "x") == ["a"]


# --- costs and the prediction

REPORT = """<testsuites><testsuite>
<testcase classname="tests.chapters.part.test_alpha" name="test_page" time="4"/>
<testcase classname="tests.site.test_accessible" name="test_axe[notebooks/part/beta]" time="2"/>
<testcase classname="tests.labutils.test_text" name="test_words" time="6"><skipped/></testcase>
<testcase classname="tests.labutils.test_text" name="test_alphabet" time="0"><failure/></testcase>
</testsuite></testsuites>"""


def test_costs_belong_to_chapters_by_the_names_of_tests(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    cases = costs.read(tmp_path / "report.xml")
    assert [case.passed for case in cases] == [True, True, False, False]
    assert costs.by_chapter(cases, ["alpha", "beta"]) == {"alpha": 4, "beta": 2, None: 6}
    assert costs.read(tmp_path / "nothing.xml") == []


def test_prediction_grows_with_the_book_where_a_chapter_costs_and_not_elsewhere() -> None:
    of_alpha = costs.Case("notebooks.part.alpha::cell", 4, True)
    of_beta = costs.Case("notebooks.part.beta::cell", 2, True)
    of_none = costs.Case("tests.labutils.test_text::test_words", 6, True)
    cases = [of_alpha, of_beta, of_none]
    walls, names = {"lint": 3.0, "notebooks": 12.0}, ["alpha", "beta"]
    assert costs.predict(walls, {"notebooks": cases}, names) == pytest.approx(3 + 6 + 3 * costs.PLANNED)
    # two workers took half as long for the same tests
    half = costs.predict({"notebooks": 6.0}, {"notebooks": cases}, names)
    assert half == pytest.approx((6 + 3 * 41) / 2)
    assert costs.predict({"notebooks": 5.0}, {}, names) == 5  # no report: as long as it took


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("tests.repository.test_colab::test_notebook_alone_prints_what_is_stored[alpha]", True),
        ("tests.chapters.part.test_alpha::test_page", True),
        ("tests.site.test_accessible.TestInABrowser::test_axe_finds_nothing[notebooks/part/alpha]", True),
        ("tests.chapters.test_checks::test_right_answer_passes[alpha.exercise-0]", False),
        ("tests.repository.test_notebooks::test_chapter_keeps_rule[alpha-is_valid]", False),
        ("notebooks.part.alpha::cell", False),
    ],
)
def test_what_is_tried_for_a_sample_only_grows_less(name: str, again: bool) -> None:
    few = costs.sampled(costs.CHANGED, costs.PLANNED)
    assert few == 2 + 5
    cases = {
        "tests": [costs.Case(name, 4, True), costs.Case("tests.labutils.test_text::test_words", 6, True)]
    }
    expected = 6 + 4 * (few if again else costs.PLANNED)
    assert costs.predict({"tests": 10.0}, cases, ["alpha"]) == pytest.approx(expected)
