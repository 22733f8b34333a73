// Keyboard and paper: boxes that scroll can be reached with the Tab key, buttons of the side bars say whether
// they are open, and a page prints light, with its hints and solutions open.
(() => {
  "use strict";
  const html = document.documentElement;

  // The theme does the same for code; these are the boxes it does not know.
  const BOXES = ".pst-scrollable-table-container, div.math, .labutils-chart-live, .cell_output .text_html";
  const names = { "pst-scrollable-table-container": "Table", math: "Formula", "labutils-chart-live": "Chart" };

  function reach(box) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    if (scrolls === (box.tabIndex === 0)) return;
    if (!scrolls) {
      for (const attribute of ["tabindex", "role", "aria-label"]) box.removeAttribute(attribute);
      return;
    }
    const kind = Object.keys(names).find((name) => box.classList.contains(name));
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `${names[kind] ?? "Output"}, scrolls sideways`);
  }

  function watchBoxes() {
    const observer = new ResizeObserver((entries) => entries.forEach((entry) => reach(entry.target)));
    for (const box of document.querySelectorAll(BOXES)) {
      observer.observe(box);
      for (const inside of box.children) observer.observe(inside); // a formula that is typeset later
    }
  }

  function nameToggles() {
    for (const [button, box, label] of [
      [".primary-toggle", "pst-primary-sidebar-checkbox", "Contents of the book"],
      [".secondary-toggle", "pst-secondary-sidebar-checkbox", "Contents of this page"],
    ]) {
      for (const toggle of document.querySelectorAll(button)) toggle.setAttribute("aria-label", label);
    }
  }

  // A print is light, and nothing in it is folded away.
  let before = null;
  function toPaper() {
    if (before) return;
    before = { theme: html.dataset.theme, open: [] };
    html.dataset.theme = "light";
    for (const folded of document.querySelectorAll("details:not([open])")) {
      folded.open = true;
      before.open.push(folded);
    }
  }
  function toScreen() {
    if (!before) return;
    html.dataset.theme = before.theme;
    for (const folded of before.open) folded.open = false;
    before = null;
  }
  addEventListener("beforeprint", toPaper);
  addEventListener("afterprint", toScreen);
  matchMedia("print").addEventListener("change", (media) => (media.matches ? toPaper() : toScreen()));

  addEventListener("DOMContentLoaded", () => {
    watchBoxes();
    nameToggles();
  });
})();
