// The entry "JupyterHub" of a chapter's menu. Hubs differ from reader to reader: the address is asked for once and
// kept in this browser. Without this script the entry leads to the page that explains how to make such a link.
(() => {
  "use strict";
  const KEY = "labutils-hub";

  // Storage may be refused (private windows, some browsers on file://): then the address is asked for each time.
  const recall = () => {
    try {
      return localStorage.getItem(KEY) || "";
    } catch {
      return "";
    }
  };
  const remember = (hub) => {
    try {
      localStorage.setItem(KEY, hub);
    } catch {}
  };

  // The hub's own address in whatever was pasted, such as https://hub.example.org/user/ann/lab?x#y.
  // Throws an Error whose message tells the reader what to change.
  function hubAddress(text) {
    const example = "for example https://hub.example.org";
    const typed = text.trim();
    if (!typed) throw new Error(`Type your hub's address, ${example}.`);
    const unreadable = new Error(`This is not the address of a hub. Copy it from your browser, ${example}.`);
    const hasScheme = /^[a-z][a-z0-9+.-]*:(?!\d)/i.test(typed); // "hub.example.org:8000" has none
    let url;
    try {
      url = new URL(hasScheme ? typed : `https://${typed}`);
    } catch {
      throw unreadable;
    }
    if (url.protocol !== "https:")
      throw new Error(`The address has to begin with https://, ${example}: other connections can be read on the way.`);
    if (url.username || url.password) throw new Error("Leave name and password out of the address: the hub asks for them.");
    if (!/^[\w.-]+$|^\[[\da-f:]+\]$/i.test(url.hostname)) throw unreadable; // Chromium takes spaces for a name
    const base = url.pathname.replace(/\/(?:hub|user)(?:\/.*)?$/, "").replace(/\/+$/, "");
    return url.origin + base;
  }

  const hubLink = (hub, query) => `${hub}/hub/user-redirect/git-pull?${query}`;

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function makeDialog(guide) {
    const input = element("input", {
      id: "book-hub-address", type: "text", inputmode: "url", autocomplete: "url", autocapitalize: "none",
      spellcheck: "false", "aria-describedby": "book-hub-error",
    });
    const error = element("p", { id: "book-hub-error", class: "book-hub-error", role: "alert" });
    const cancel = element("button", { type: "button", class: "btn btn-sm" }, "Cancel");
    const form = element("form", { novalidate: "" },
      element("h2", { id: "book-hub-title" }, "Open on your JupyterHub"),
      element("p", {}, "The address is kept in this browser and sent to nobody else. The hub has to be ",
        element("a", { href: guide }, "made ready once"), "."),
      element("label", { for: "book-hub-address" }, "Address of the hub"), input, error,
      element("div", { class: "book-hub-buttons" }, cancel,
        element("button", { type: "submit", class: "btn btn-sm" }, "Open the chapter")));
    const dialog = element("dialog", { class: "book-hub", "aria-labelledby": "book-hub-title" }, form);
    document.body.append(dialog);
    cancel.addEventListener("click", () => dialog.close());
    return { dialog, form, input, error };
  }

  const entry = document.querySelector(".book-launch-hub");
  if (!entry) return;
  const guide = entry.href;
  const query = entry.dataset.gitPull;
  const toggle = entry.closest(".book-launch").querySelector("button");
  let parts;

  function ask(event) {
    event.preventDefault();
    parts ||= prepare();
    parts.input.value = recall();
    showError("");
    parts.dialog.showModal();
    parts.input.select();
  }

  function prepare() {
    const made = makeDialog(guide);
    made.form.addEventListener("submit", (event) => {
      event.preventDefault();
      let hub;
      try {
        hub = hubAddress(made.input.value);
      } catch (fault) {
        showError(fault.message);
        made.input.focus();
        return;
      }
      remember(hub);
      show(hub);
      made.dialog.close();
      window.open(hubLink(hub, query), "_blank", "noopener");
    });
    made.input.addEventListener("input", () => showError(""));
    // The entry that opened the dialog is hidden again with its menu: the keyboard goes on at the menu's button.
    made.dialog.addEventListener("close", () => toggle.focus());
    return made;
  }

  function showError(text) {
    parts.error.textContent = text;
    parts.input.setAttribute("aria-invalid", String(Boolean(text)));
  }

  // With an address known the entry is a plain link, and another entry changes the address.
  function show(hub) {
    entry.textContent = `Open on ${new URL(hub).host}`;
    entry.href = hubLink(hub, query);
    entry.target = "_blank";
    entry.rel = "noopener";
    entry.removeEventListener("click", ask);
    if (!document.querySelector(".book-launch-change")) {
      const change = element("a", { class: "dropdown-item book-launch-change", href: guide }, "Another JupyterHub…");
      change.addEventListener("click", ask);
      entry.parentElement.after(element("li", {}, change));
    }
  }

  let known = "";
  try {
    known = hubAddress(recall()); // checked again: storage is shared by all pages of a host
  } catch {}
  if (known) show(known);
  else entry.addEventListener("click", ask);
})();
