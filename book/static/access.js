// Keyboard and paper: boxes that scroll can be reached with the Tab key, buttons of the side bars say whether
// they are open, and a page prints light, with its hints and solutions open.
(() => {
  "use strict";
  const html = document.documentElement;

  const BOXES = {
    ".pst-scrollable-table-container": "Table",
    "div.math": "Formula",
    "pre > .columns": "Printed table",
    ".cell_output .text_html": "Output",
    pre: "", // the theme does these, too, but not when code is unfolded
  };

  function reach(box, name) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    if (scrolls === (box.tabIndex === 0)) return;
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
    if (scrolls && name) {
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", `${name}, scrolls sideways`);
    }
  }

  function watchBoxes() {
    for (const [selector, name] of Object.entries(BOXES)) {
      const observer = new ResizeObserver((seen) => {
        for (const box of new Set(seen.map((entry) => entry.target.closest(selector)))) if (box) reach(box, name);
      });
      for (const box of document.querySelectorAll(selector)) {
        observer.observe(box);
        if (selector !== "pre") for (const inside of box.children) observer.observe(inside);
      }
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

  // A link to something that is folded away opens what it is in.
  function unfoldTarget() {
    let target = null;
    try {
      target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    } catch {
      // no name of anything
    }
    const folded = [];
    for (let box = target && target.closest("details"); box; box = box.parentElement.closest("details")) folded.push(box);
    const inside = folded.filter((box) => !box.open);
    for (const box of inside) box.open = true;
    // The section's own heading is what one sees of it when it is folded.
    const section = target && target.querySelector(":scope > details:has(> summary > :is(h2, h3))");
    if (section) section.open = true;
    if (inside.length) target.scrollIntoView();
  }
  addEventListener("hashchange", unfoldTarget);

  addEventListener("DOMContentLoaded", () => {
    watchBoxes();
    nameToggles();
    unfoldTarget();
  });
})();
