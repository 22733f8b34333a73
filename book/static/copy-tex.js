// A formula is copied as its TeX: in a selection as $…$ or $$…$$, a displayed one also by a button beside it.
// The characters on the page are drawn by style sheets, so that a browser alone would copy nothing.
(() => {
  "use strict";
  const FORMULA = "[data-tex]";
  // What stands for a formula; its lines stay lines.
  function written(formula) {
    const isDisplayed = formula.matches("div");
    const tex = document.createElement(isDisplayed ? "div" : "span");
    tex.textContent = isDisplayed ? `$$\n${formula.dataset.tex}\n$$` : `$${formula.dataset.tex}$`;
    tex.style.whiteSpace = "pre";
    return tex;
  }

  const within = (node) => (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement)?.closest(FORMULA);

  // What is selected, with formulas as TeX; one that the selection cuts is taken whole.
  function selected(selection) {
    const range = selection.getRangeAt(0).cloneRange();
    const [first, last] = [within(range.startContainer), within(range.endContainer)];
    if (first) range.setStartBefore(first);
    if (last) range.setEndAfter(last);
    const part = document.createElement("div");
    part.append(range.cloneContents());
    for (const button of part.querySelectorAll("button")) button.remove();
    const formulas = part.querySelectorAll(FORMULA);
    for (const formula of formulas) formula.replaceWith(written(formula));
    return formulas.length ? part : null;
  }

  // The text of a part as a browser would copy it: only what is laid out has paragraphs and lines.
  function textOf(part) {
    part.className = "copied-with-tex";
    document.body.append(part);
    const text = part.innerText;
    part.remove();
    part.removeAttribute("class");
    return text.replace(/\n{3,}/g, "\n\n").trim();
  }

  document.addEventListener("copy", (event) => {
    const selection = getSelection();
    if (selection.isCollapsed || event.target.closest?.("input, textarea")) return;
    const part = selected(selection);
    if (!part) return; // no formula: the browser knows best
    event.clipboardData.setData("text/plain", textOf(part));
    event.clipboardData.setData("text/html", part.innerHTML);
    event.preventDefault();
  });

  function addButton(formula) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "copy-tex", textContent: "TeX" });
    button.setAttribute("aria-label", "Copy this formula as TeX");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(formula.dataset.tex);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed"; // by the browser; selecting and copying still works
      }
      setTimeout(() => (button.textContent = "TeX"), 2000);
    });
    const box = document.createElement("div");
    box.className = "formula"; // the formula scrolls in it, the button does not
    formula.replaceWith(box);
    box.append(formula, button);
  }

  addEventListener("DOMContentLoaded", () => document.querySelectorAll(`div${FORMULA}`).forEach(addButton));
})();
