// Light or dark, before anything is painted: what the reader chose, or else what the system says.
// Loaded in the head, not deferred. The theme's own script takes over from here when the page stands.
// It also asks for the font of the text at once, before the style sheets that name it have come.
(() => {
  "use strict";
  const html = document.documentElement;
  let mode = null;
  try {
    mode = localStorage.getItem("mode");
  } catch {
    // storage is forbidden: the system's choice, then
  }
  if (mode !== "light" && mode !== "dark") mode = "auto";
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  html.dataset.mode = mode;
  html.dataset.theme = mode === "auto" ? system : mode;
  if (location.protocol === "file:") return; // there browsers refuse to fetch a font ahead
  const font = document.createElement("link");
  Object.assign(font, { rel: "preload", as: "font", type: "font/woff2", crossOrigin: "anonymous" });
  font.href = new URL("fonts/text.woff2", document.currentScript.src).href;
  document.head.append(font);
})();
