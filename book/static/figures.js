// Enlarges a figure: a tap on it, or its button by mouse or keyboard, opens it in a dialog that scrolls.
// Esc, the button and a tap beside it close the dialog; the browser gives the focus back.
document.addEventListener("click", (event) => {
  const asked = event.target.closest(".book-figure > .enlarge, .book-figure > .panels");
  if (asked) enlarge(asked.parentElement.querySelector(".panels"));
});

function enlarge(panels) {
  const dialog = document.createElement("dialog");
  dialog.className = "figure-dialog";
  dialog.setAttribute("aria-label", panels.getAttribute("aria-label"));
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "✕";
  close.setAttribute("aria-label", "Close");
  close.onclick = () => dialog.close();
  const pane = document.createElement("div");
  pane.append(panels.cloneNode(true));
  // On a wide screen as large as fits, on a narrow one with words larger than the page's.
  const width = [...panels.children].reduce((sum, svg) => sum + svg.viewBox.baseVal.width, 0);
  const height = panels.firstElementChild.viewBox.baseVal.height;
  const fits = Math.min((0.94 * innerWidth) / width, (0.84 * innerHeight) / height);
  dialog.style.setProperty("--scale", Math.max(1.7, fits));
  dialog.append(close, pane);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  if (pane.scrollWidth > pane.clientWidth || pane.scrollHeight > pane.clientHeight) {
    pane.tabIndex = 0; // so that the keyboard scrolls it
    pane.setAttribute("role", "group");
    pane.setAttribute("aria-label", "Enlarged figure, scrolls");
  }
}
