// What the buttons of a page's head do: the site's policy allows no handlers in the page itself.
addEventListener("click", (event) => {
  const action = event.target.closest?.("[data-action]")?.dataset.action;
  if (action === "print") window.print();
  else if (action === "full-screen") window.toggleFullScreen(); // of the theme
  // What copies the code takes the focus for a moment and gives it to nobody.
  const copies = event.target.closest?.("button.copybtn");
  if (copies) setTimeout(() => copies.focus({ preventScroll: true }));
});
