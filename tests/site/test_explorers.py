"""Explorers in a real browser: every control moves its figure, by keyboard, served and from disk."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page

from browser import BROWSER_TESTS, Visit, chapters, wait_until
from labutils import explorers
from places import NOTEBOOKS, ROOT

pytestmark = BROWSER_TESTS


def state(figure: Locator) -> str:
    return figure.locator(".labutils-picture").inner_html() + figure.locator(".labutils-say").inner_text()


def moved(figure: Locator, before: str) -> str:
    """Wait until the figure differs from `before` and return what it is now."""
    handle = figure.element_handle()
    wait_until(
        figure.page,
        "([f, b]) => f.querySelector('.labutils-picture').innerHTML + "
        "f.querySelector('.labutils-say').innerText !== b",
        arg=[handle, before],
    )
    return state(figure)


def operate(control: Locator) -> None:
    """Change a control with the keyboard alone."""
    control.focus()
    kind = control.get_attribute("type") or control.evaluate("node => node.tagName")
    if kind == "range":
        control.press("PageUp" if control.input_value() != control.get_attribute("max") else "PageDown")
    elif kind == "text":
        control.press("End")
        control.press_sequentially(" +the")  # letters, or a sign on a tape
    elif kind == "SELECT":
        control.press("Home" if control.evaluate("n => n.selectedIndex === n.length - 1") else "End")
    else:
        control.press("Enter")


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")


def try_all(page: Page) -> int:
    tried = 0
    unfold(page)
    for figure in page.locator("figure.labutils-explorer").all():
        figure.scroll_into_view_if_needed()
        now = state(figure)
        for control in figure.locator("input, select, button").all():
            operate(control)
            now = moved(figure, now)
            tried += 1
        assert "NaN" not in now
    return tried


@pytest.mark.parametrize("name", chapters())
def test_every_control_moves_its_figure(visit: Visit, address: str, name: str) -> None:
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    if visit.page.locator("figure.labutils-explorer").count():
        assert try_all(visit.page) >= 3
    assert visit.faults == []


def test_explorers_live_on_a_page_from_disk(visit: Visit, site: Path) -> None:
    visit.page.goto((site / "notebooks/foundations/probability.html").as_uri(), wait_until="load")
    assert try_all(visit.page) >= 3


def test_buttons_write_into_the_text(visit: Visit, address: str) -> None:
    visit.page.goto(f"{address}/notebooks/foundations/language_models.html", wait_until="load")
    figure = visit.page.locator('figure[data-explorer="next_character"]')
    field = figure.locator("input[type=text]")
    field.fill("the unite")
    assert "d with probability" in moved(figure, "")
    figure.locator("button", has_text="first choice").press("Enter")
    wait_until(visit.page, "document.querySelector('[data-name=typed]').value === 'the united'")
    before = state(figure)
    figure.locator("button", has_text="draw").press("Space")
    moved(figure, before)
    assert len(field.input_value()) == len("the united") + 1


def test_a_phone_gets_a_drawing_of_its_own(browser: Browser, address: str) -> None:
    visit = Visit(browser, viewport={"width": 360, "height": 740})
    visit.page.goto(f"{address}/notebooks/foundations/information_theory.html", wait_until="load")
    wait_until(visit.page, "document.querySelector('.labutils-picture svg').width.baseVal.value < 340")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert visit.faults == []
    visit.page.context.close()


def test_drawing_stands_without_javascript_and_in_print(browser: Browser, address: str) -> None:
    url = f"{address}/notebooks/foundations/probability.html"
    plain = Visit(browser, java_script_enabled=False)
    plain.page.goto(url)
    assert plain.page.locator(".labutils-explorer svg").first.is_visible()
    assert not plain.page.locator(".labutils-explorer .labutils-controls").first.is_visible()
    plain.page.context.close()
    printed = Visit(browser)
    printed.page.goto(url, wait_until="load")
    figure = printed.page.locator(".labutils-explorer").first
    before = state(figure)
    operate(figure.locator("input").first)
    moved(figure, before)
    words = figure.locator(".labutils-say").inner_text()
    printed.page.emulate_media(media="print")
    assert figure.locator("svg").is_visible()
    assert not figure.locator(".labutils-controls").is_visible()
    assert figure.locator(".labutils-say").inner_text() == words  # printed as the reader has set it
    printed.page.context.close()


# --- sliders answer to every key


WATCH = ROOT / "tests/support/explorers.js"
KEYS = ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End")


@pytest.fixture
def watched(visit: Visit) -> Visit:
    visit.page.add_init_script(path=WATCH)
    return visit


def put(slider: Locator, tenth: int) -> float:
    return float(slider.evaluate("(slider, tenth) => explorer.put(slider, tenth)", tenth))


def now(slider: Locator) -> tuple[float, str]:
    place, words = slider.evaluate("slider => explorer.now(slider)")
    return float(place), str(words)


def faults(figure: Locator) -> list[str]:
    return list(figure.evaluate("figure => explorer.faults(figure)"))


def stuck(page: Page, slider: Locator) -> list[str]:
    """Press every key from every tenth of a slider's range; return where it did not move as it should."""
    found = []
    name, (low, high) = (
        slider.get_attribute("data-name"),
        slider.evaluate("slider => [Number(slider.min), Number(slider.max)]"),
    )
    slider.focus()
    for tenth in range(11):
        for key in KEYS:
            before = put(slider, tenth)
            words = now(slider)[1]
            page.keyboard.press(key)
            after, said = now(slider)
            # At an end of the range an arrow key may point out of it; which one depends on the writing mode.
            if key == "Home":
                right = after == low
            elif key == "End":
                right = after == high
            elif key == "PageUp":
                right = after > before or before == high
            elif key == "PageDown":
                right = after < before or before == low
            else:
                right = after != before or before in (low, high)
            if not right or (said == words) != (after == before):
                found.append(f"{name} at {words}: {key} leads to {said}")
    return found


@pytest.mark.parametrize("name", chapters())
def test_every_key_moves_every_slider_from_everywhere(watched: Visit, address: str, name: str) -> None:
    page = watched.page
    # Only the handles matter here, and drawings take long: they wait for a frame that does not come.
    page.add_init_script("window.requestAnimationFrame = () => 0")
    page.goto(f"{address}/{name}.html", wait_until="load")
    unfold(page)
    sliders = page.locator("figure.labutils-explorer input[type=range]").all()
    assert [fault for slider in sliders for fault in stuck(page, slider)] == []
    for first in sliders:  # at the end of its range two of the arrow keys still move it
        for tenth in (0, 10):
            moves = 0
            for key in KEYS[:4]:
                before = put(first, tenth)
                first.focus()
                page.keyboard.press(key)
                moves += now(first)[0] != before
            assert moves == 2, first.get_attribute("data-name")


# --- what is drawn can be read, on a phone and in the dark


# Waits until what was asked for is drawn.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def seen_faults(figure: Locator) -> list[str]:
    """Look at a figure as it starts, and with each of its sliders at either end."""
    page = figure.page
    found = [f"at first: {fault}" for fault in faults(figure)]
    for slider in figure.locator("input[type=range]").all():
        name, start = slider.get_attribute("data-name"), slider.input_value()
        for tenth in (0, 10):
            put(slider, tenth)
            page.evaluate(DRAWN)
            found += [f"{name} at {tenth}/10: {fault}" for fault in faults(figure)]
        slider.evaluate(
            "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", start
        )
    return found


@pytest.mark.parametrize("name", chapters())
def test_everything_can_be_read_at_any_width_in_light_and_dark(
    browser: Browser, address: str, name: str
) -> None:
    visit = Visit(browser, viewport={"width": 1440, "height": 900})
    visit.page.add_init_script(path=WATCH)
    visit.page.goto(f"{address}/{name}.html", wait_until="load")
    unfold(visit.page)
    found = {}
    for figure in visit.page.locator("figure.labutils-explorer").all():
        for width in (1440, 768, 360, 320):
            visit.page.set_viewport_size({"width": width, "height": 900})
            visit.page.evaluate(DRAWN)
            wait_until(
                visit.page,
                "f => f.querySelector('svg').getBoundingClientRect().right <= innerWidth",
                arg=figure.element_handle(),
            )
            visit.page.evaluate(DRAWN)
            place = f"{figure.get_attribute('data-explorer')} at {width}"
            visit.page.evaluate("document.documentElement.dataset.theme = 'light'")
            found[place] = seen_faults(figure) if width in (1440, 320) else faults(figure)
            visit.page.evaluate("document.documentElement.dataset.theme = 'dark'")
            found[f"{place}, dark"] = faults(figure)
    visit.page.context.close()
    assert {place: faults for place, faults in found.items() if faults} == {}


def test_dark_without_javascript(browser: Browser, address: str) -> None:
    visit = Visit(browser, java_script_enabled=False, color_scheme="dark")
    visit.page.goto(f"{address}/notebooks/foundations/probability.html")
    figure = visit.page.locator("figure.labutils-explorer").first
    ground, ink = (
        figure.evaluate("f => getComputedStyle(f).backgroundColor"),
        figure.locator("svg text").first.evaluate("text => getComputedStyle(text).fill"),
    )
    visit.page.context.close()
    assert (ground, ink) == ("rgb(17, 22, 29)", "rgb(211, 219, 227)")


STORED = {
    json.loads(spec)["name"]: spec
    for path in NOTEBOOKS
    for cell in nbformat.read(path, as_version=4).cells
    for output in cell.get("outputs", ())
    if (spec := explorers.spec_in(output.get("data", {}).get("image/svg+xml", "")))
}


def test_a_drawing_alone_looks_as_on_the_page(watched: Visit, address: str) -> None:
    """What kit.js writes into stored drawings are the colours and sizes of explorers.css in light mode."""
    watched.page.goto(f"{address}/notebooks/foundations/probability.html", wait_until="load")
    for name, spec in STORED.items():
        differ = watched.page.evaluate(
            "(two) => explorer.differences(two)",
            [explorers.call("markup", spec), explorers.call("still", spec)],
        )
        assert differ == [], name


def test_a_widget_keeps_its_keys_to_itself(watched: Visit, address: str) -> None:
    """JupyterLab takes arrow keys pressed outside of a text field, unless the element itself forbids it."""
    page = watched.page
    page.goto(f"{address}/notebooks/foundations/probability.html", wait_until="load")
    page.evaluate(
        """(spec) => {
            const el = document.createElement("div");
            document.querySelector("article").prepend(el);
            labutils.render({ model: { get: () => JSON.parse(spec) }, el });
        }""",
        STORED["bayes"],
    )
    widget = page.locator("div.labutils-explorer")
    assert widget.locator("[data-name]:not([data-lm-suppress-shortcuts])").count() == 0
    words = widget.locator(".labutils-say").inner_text()
    widget.locator("input").first.press("ArrowRight")
    assert widget.locator("output").first.inner_text() == "2.1 %"
    wait_until(page, "(words) => document.querySelector('.labutils-say').innerText !== words", arg=words)
