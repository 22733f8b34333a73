"""The icons that the site uses, and only those: a style sheet and two small fonts instead of 2.2 MB.

The theme ships all of Font Awesome as script, style sheet and fonts, and preloads the fonts in a way that
browsers refuse for pages opened from disk. Here the finished pages are searched for icons, the fonts are cut
down to those, and what no page asks for is deleted from the site.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

ASKED = re.compile(r"[ \t]*<(?:link|script)\b[^>]*/vendor/fontawesome/[^>]*>(?:</script>)?\n?")
LINK = re.compile(r'href="(?P<static>[^"]*_static)/vendor/fontawesome/[^"]*\.css')
CLASSES = re.compile(r'class="([^"]*\bfa[srb]?[ -][^"]*)"')
CODE = re.compile(r"\\(f[0-9a-f]{3})\b")
MODIFIERS = {"fa-lg": "font-size: 1.25em; line-height: 0.05em; vertical-align: -0.075em;"}
# class names, family, weight, file
STYLES = (
    (("fas", "fa-solid", "fa"), "Free", 900, "fa-solid-900"),
    (("far", "fa-regular"), "Free", 400, "fa-regular-400"),
    (("fab", "fa-brands"), "Brands", 400, "fa-brands-400"),
)
# Shipped by the theme for its own development, or for what this site does without.
UNUSED = ("vendor", "locales", "**/*.map", "**/.gitignore", "**/*.po", "**/*.mo")


def names_in(page: str) -> set[str]:
    """Return the classes of a page's icons."""
    words = {word for classes in CLASSES.findall(page) for word in classes.split()}
    return {word for word in words if re.fullmatch(r"fa[srb]?|fa-[\w-]+", word)}


def codes_of(style_sheet: str) -> dict[str, str]:
    """Return the character of each icon of Font Awesome, by class name."""
    rules = re.findall(r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}', style_sheet)
    return {name: code for names, code in rules for name in re.findall(r"\.(fa-[\w-]+):", names)}


def write_icons(source: Path, target: Path, names: set[str], extra: set[str]) -> None:
    """Write fonts and a style sheet for the icons `names` and the characters `extra` into `target`."""
    codes = codes_of((source / "css/all.min.css").read_text(encoding="utf-8"))
    styles = {name for shown, *_ in STYLES for name in shown}
    icons = names - styles - set(MODIFIERS)
    if unknown := sorted(icons - set(codes)):
        raise SphinxError(f"Font Awesome has no icon {', '.join(unknown)}, or book_icons.py no such modifier")
    target.mkdir(parents=True, exist_ok=True)
    wanted = {int(code, 16) for code in {codes[name] for name in icons} | extra}
    rules = ["/* Font Awesome Free 6.5.2 by @fontawesome, cut down. Icons: CC BY 4.0, fonts: SIL OFL 1.1. */"]
    for shown, family, weight, file in STYLES:
        if not names & set(shown) and not (extra and weight == 900):
            continue
        write_font(source / "webfonts" / f"{file}.ttf", target / f"{file}.woff", wanted)
        for version in (5, 6):  # the two themes name different versions
            rules.append(
                f'@font-face {{ font-family: "Font Awesome {version} {family}"; font-weight: {weight}; '
                f'font-display: block; src: url("{file}.woff") format("woff"); }}'
            )
        rules.append(
            f":root {{ --fa-font-{shown[1].removeprefix('fa-')}: "
            f'normal {weight} 1em/1 "Font Awesome 6 {family}"; }}\n'
            + ", ".join(f".{name}" for name in shown)
            + f' {{ display: inline-block; font: normal {weight} 1em/1 "Font Awesome 6 {family}"; '
            "-webkit-font-smoothing: antialiased; }"
        )
    rules += [f".{name} {{ {MODIFIERS[name]} }}" for name in sorted(names & set(MODIFIERS))]
    # Twice: older browsers do not know the second form, which says that the character is not to be read out.
    rules += [
        f'.{name}::before {{ content: "\\{codes[name]}"; content: "\\{codes[name]}" / ""; }}'
        for name in sorted(icons)
    ]
    (target / "icons.css").write_text("\n".join(rules) + "\n", encoding="utf-8")


def write_font(source: Path, target: Path, codes: set[int]) -> None:
    """Write a font with the characters `codes` of another, compressed as browsers read it."""
    font = TTFont(source, recalcTimestamp=False)
    cutter = subset.Subsetter(subset.Options(layout_features=[], name_IDs=[0, 13, 14]))  # the licence stays
    cutter.populate(unicodes=codes)
    cutter.subset(font)
    font.flavor = "woff"
    font.save(target)


def cut_down(app: Sphinx, exception: Exception | None) -> None:
    """Replace Font Awesome in all pages, and delete what nothing asks for."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    (source,) = (static / "vendor/fontawesome").iterdir()  # one version
    names: set[str] = set()
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        names |= names_in(page)
        path.write_text(ASKED.sub(own_link, page), encoding="utf-8")
    styles = " ".join(
        path.read_text(encoding="utf-8") for path in static.rglob("*.css") if source not in path.parents
    )
    write_icons(source, static / "icons", names, set(CODE.findall(styles)))
    for pattern in UNUSED:
        for path in list(static.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for script in [*static.rglob("*.js"), *static.rglob("*.css")]:
        text = script.read_text(encoding="utf-8")
        if "sourceMappingURL" in text:  # a browser's tools would look for the deleted map
            script.write_text(re.sub(r"(?://|/\*)# sourceMappingURL=.*", "", text), encoding="utf-8")


def own_link(found: re.Match[str]) -> str:
    """Return the link to the site's icons where the theme linked all of them, else nothing."""
    link = LINK.search(found[0])
    return f'  <link href="{link["static"]}/icons/icons.css" rel="stylesheet" />\n' if link else ""


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", cut_down, priority=940)  # after all pages are written
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
