// The meaning of a glossary term beside the word: on hover, on keyboard focus, on the first tap. The second tap, a
// click or Enter follow the link. Escape closes; the pointer may move from the word onto the box.
(() => {
  "use strict";
  const GAP = 6; // pixels between word and box
  const PATIENCE = 250; // ms in which the pointer may cross the gap
  let shown = null; // {link, box}
  let leaving = 0;
  let firstTap = false;

  const boxOf = (link) => document.getElementById(link.getAttribute("aria-describedby"));
  const termAt = (event) => event.target.closest?.("a.glossary-term");

  function place({ link, box }) {
    const from = box.parentElement.getBoundingClientRect();
    const rects = [...link.getClientRects()];
    const first = rects[0];
    const last = rects.at(-1);
    const width = box.offsetWidth;
    const most = document.documentElement.clientWidth - width - GAP;
    const left = Math.max(GAP, Math.min(last.left, most));
    const below = last.bottom + GAP;
    const fits = below + box.offsetHeight <= innerHeight || first.top < box.offsetHeight + 2 * GAP;
    const top = fits ? below : first.top - GAP - box.offsetHeight;
    box.style.left = `${left - from.left}px`;
    box.style.top = `${top - from.top}px`;
  }

  function show(link) {
    clearTimeout(leaving);
    if (shown?.link === link) return;
    hide();
    const box = boxOf(link);
    if (!box) return;
    box.hidden = false;
    shown = { link, box };
    place(shown);
  }

  function hide() {
    clearTimeout(leaving);
    if (shown) shown.box.hidden = true;
    shown = null;
  }

  const isInside = (node) => shown && (shown.link.contains(node) || shown.box.contains(node));

  addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const link = termAt(event);
    if (link) show(link);
    else if (isInside(event.target)) clearTimeout(leaving);
    else if (shown && shown.link !== document.activeElement) {
      clearTimeout(leaving);
      leaving = setTimeout(hide, PATIENCE);
    }
  });
  addEventListener("focusin", (event) => {
    const link = termAt(event);
    if (link) show(link);
    else if (!isInside(event.target)) hide();
  });
  addEventListener("focusout", (event) => {
    if (termAt(event) && !isInside(event.relatedTarget)) hide();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !shown) return;
    hide();
    event.stopPropagation();
  }, true);
  // A tap focuses the link before it clicks: whether it was the first is known when the finger comes down.
  addEventListener("pointerdown", (event) => {
    const link = termAt(event);
    firstTap = Boolean(link) && event.pointerType === "touch" && shown?.link !== link;
    if (!link && !isInside(event.target)) hide();
  });
  addEventListener("click", (event) => {
    const link = termAt(event);
    if (!link || !firstTap) return;
    firstTap = false;
    event.preventDefault();
    show(link);
  });
  addEventListener("resize", () => shown && place(shown));
})();
