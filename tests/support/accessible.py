"""What is asked of a page so that everybody can use it: faults in its HTML, and faults that a browser sees.

`markup_faults` reads HTML and needs no browser. `Checker` runs axe-core, the accessibility checker, in a page
and computes the contrast of what axe leaves open.
"""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import pairwise
from typing import Any

from bs4 import BeautifulSoup, NavigableString, Tag
from playwright.sync_api import Page

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
# Rules that axe leaves off by itself: of WCAG 2.2, and experimental ones that find nothing false here. One
# that does, focus-order-semantics, forbids what scrollable-region-focusable demands: a table with the focus.
MORE_RULES = [
    "label-content-name-mismatch",
    "p-as-heading",
    "table-fake-caption",
    "target-size",
    "td-has-header",
]
COLOUR_RULES = ["color-contrast", "link-in-text-block"]  # all that light and dark can change


def words(element: Tag) -> str:
    """Return what a screen reader says of an element, roughly: its label, its text, its pictures."""
    parts = [str(element.get("aria-label") or ""), str(element.get("title") or ""), element.get_text(" ")]
    parts += [str(image.get("alt") or "") for image in element.find_all("img")]
    return " ".join(" ".join(parts).split())


def is_labelled(control: Tag, page: BeautifulSoup) -> bool:
    """Whether a form control says what it is for."""
    if control.get("aria-label") or control.get("aria-labelledby") or control.find_parent("label"):
        return True
    return bool(control.get("id") and page.find("label", attrs={"for": control["id"]}))


def heading_faults(page: BeautifulSoup) -> list[str]:
    """Headings of the main part: one h1, first, and no level left out on the way down."""
    main = page.find("main") or page
    assert isinstance(main, Tag)
    levels = [int(heading.name[1]) for heading in main.find_all(re.compile("^h[1-6]$"))]
    faults = (
        [] if levels.count(1) == 1 and levels[0] == 1 else [f"headings begin with {levels[:3]}, not one h1"]
    )
    return faults + [f"h{high} is followed by h{low}" for high, low in pairwise(levels) if low > high + 1]


def table_faults(page: BeautifulSoup) -> list[str]:
    """Tables with data have head cells, and each of these says what it heads."""
    faults = []
    for table in page.find_all("table"):
        if table.get("role") not in ("presentation", "none"):
            start = table.get_text(" ", strip=True)[:40]
            heads = table.find_all("th")
            faults += [] if heads else [f"table without head cells: {start}"]
            faults += [f"head cell without scope in: {start}" for head in heads if not head.get("scope")][:1]
            faults += [f"empty head cell in: {start}" for head in heads if not head.get_text(strip=True)]
    return faults


def language_faults(page: BeautifulSoup) -> list[str]:
    """The page says its language; Chinese in its prose is marked as such."""
    html = page.find("html")
    faults = [] if isinstance(html, Tag) and html.get("lang") else ["page without a language"]
    for text in (page.find("article") or page).find_all(string=HAN):  # type: ignore[union-attr]
        assert isinstance(text, NavigableString)
        inside = list(text.parents)
        if any(parent.name in ("pre", "code", "script", "svg", "mjx-container", "math") for parent in inside):
            continue
        if not any(str(parent.get("lang", "")).startswith("zh") for parent in inside):
            faults.append(f"Chinese that is not marked: {text.strip()[:40]}")
    return faults


def markup_faults(html: str) -> list[str]:
    """Return what is wrong with a page for readers who do not see it or do not use a mouse."""
    page = BeautifulSoup(html, "html.parser")
    faults = heading_faults(page) + table_faults(page) + language_faults(page)
    faults += [
        f"picture without alt: {image.get('src')}"
        for image in page.find_all("img")
        if not image.has_attr("alt")
    ]
    for control in page.find_all(["input", "select", "textarea"]):
        hidden = control.get("type") in ("hidden", "submit", "button") or "sidebar-toggle" in (
            control.get("class") or []
        )
        if not hidden and not is_labelled(control, page):
            faults.append(f"form control without a label: {str(control)[:80]}")
    for element in page.find_all(["a", "button", "summary"]):
        if (element.name != "a" or element.get("href")) and not words(element):
            faults.append(f"{element.name} without words: {str(element)[:80]}")
    identities = [element["id"] for element in page.find_all(id=True)]
    faults += [
        f"id given twice: {name}" for name in sorted({x for x in identities if identities.count(x) > 1})
    ]
    if not page.find("a", href="#main-content"):
        faults.append("no link that skips to the main part")
    return faults


# Contrast by WCAG's formula, of the text of elements against the colour behind them. For code, where each
# word is an element and axe is slow, and for what axe leaves open: text in charts, by generated content.
CONTRAST = """
(elements) => {
  const parse = (text) => [...text.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const part = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = (c) => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour[3]) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  // What is behind a word that stands on a picture, as in a heat map, cannot be asked.
  const onPicture = (word) => {
    const box = word.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    return [...(word.closest("svg")?.querySelectorAll("image") ?? [])].some((picture) => {
      const place = picture.getBoundingClientRect();
      return place.left <= x && x <= place.right && place.top <= y && y <= place.bottom;
    });
  };
  const faults = new Map();
  for (const element of elements) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    if (!/^rgb/.test(ink)) continue;
    if (onPicture(element)) continue;
    const ground = behind(element);
    const [a, b] = [light(over(parse(ink), ground)), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const text = element.textContent.trim().slice(0, 40);
    if (ratio < 4.5) faults.set(`${ink} on ${ground.slice(0, 3)}`, [ratio.toFixed(2), text]);
  }
  return [...faults].map(([colours, [ratio, text]]) => `color-contrast: ${ratio} (${colours}): ${text}`);
}
"""


class Checker:
    """Runs the accessibility checks in an open page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def run(self, options: dict[str, Any], leave_out: str = "") -> list[str]:
        """Return axe's violations, each as rule, place and reason."""
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(AXE)
        context = {"include": [["html"]], "exclude": [[leave_out]] if leave_out else []}
        options = {"resultTypes": ["violations", "incomplete"], **options}
        found = self.page.evaluate("([context, options]) => axe.run(context, options)", [context, options])
        faults = [
            f"{rule['id']}: {node['target']}: {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
        open_ = [
            node["target"]
            for rule in found["incomplete"]
            if rule["id"] == "color-contrast"
            for node in rule["nodes"]
        ]
        selectors = [target[-1] for target in open_ if len(target) == 1]
        return faults + self.contrast(selectors)

    def contrast(self, selectors: list[str]) -> list[str]:
        """Return which of some elements' texts are hard to tell from what is behind them."""
        find = f"(selectors) => ({CONTRAST})(selectors.flatMap((s) => [...document.querySelectorAll(s)]))"
        return list(self.page.evaluate(find, selectors))

    def everything_but_colours(self) -> list[str]:
        """Check what does not depend on the theme."""
        rules = {rule: {"enabled": True} for rule in MORE_RULES} | {
            rule: {"enabled": False} for rule in COLOUR_RULES
        }
        return self.run({"rules": rules})

    def colours(self) -> list[str]:
        """Check what does. In code each word is an element, too many for axe: see CONTRAST."""
        return self.run({"runOnly": COLOUR_RULES}, leave_out="pre") + self.contrast(["pre", "pre *"])
