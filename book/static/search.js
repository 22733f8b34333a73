// The search field answers while the reader types: sections, definitions and references, each with the words that match.
// The index and what searches it are loaded when a field is first used; plain scripts, so that it works from disk, too.
// Enter in the field leads to search.html, which answers in the same way, with more results.
(() => {
  "use strict";
  const here = document.currentScript.src;
  const root = new URL(document.documentElement.dataset.content_root || "./", document.baseURI);
  const MOST = { dialog: 10, page: 50 }; // results
  const loading = new Map();

  // Loads a script of _static once; one that failed is asked for again.
  function load(name) {
    if (!loading.has(name)) {
      loading.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = new URL(name, here);
        script.onload = resolve;
        script.onerror = () => {
          loading.delete(name);
          reject(new Error(`${name} does not load`));
        };
        document.head.append(script);
      }));
    }
    return loading.get(name);
  }

  const loadEngine = () => load("search/index.js").then(() => load("search-engine.js"));

  window.bookTexts = {}; // page: what its sections say, written by book_search.py
  async function textOf({ page, number }) {
    await load(`search/${page}.js`);
    const first = window.bookIndex.sections.findIndex(([one]) => one === page);
    return window.bookTexts[page][number - first];
  }

  const make = (tag, name, content = "") => {
    const element = document.createElement(tag);
    element.className = name;
    element.append(content);
    return element;
  };

  // The text with the words that were found marked; nothing in it is taken for markup.
  function marked(text, marks) {
    const parts = document.createDocumentFragment();
    for (const [part, isHit] of window.bookSearch.marked(text, marks)) {
      parts.append(isHit ? make("mark", "", part) : part);
    }
    return parts;
  }

  class Field {
    constructor(form) {
      this.form = form;
      this.input = form.querySelector("input");
      this.dialog = form.closest(".search-button__wrapper"); // or null on search.html
      this.list = make("ol", "live-search-results");
      this.status = make("p", "live-search-status");
      this.status.setAttribute("role", "status");
      this.box = make("div", "live-search");
      this.box.hidden = true;
      this.box.append(this.status, this.list);
      form.after(this.box);
      this.input.addEventListener("focus", () => loadEngine().catch(() => {})); // said when it is typed in
      this.input.addEventListener("input", () => this.answer());
      this.input.addEventListener("keydown", (event) => this.move(event, -1));
      this.list.addEventListener("keydown", (event) => this.move(event, this.links().indexOf(event.target)));
      this.list.addEventListener("click", (event) => event.target.closest("a") && this.close());
    }

    links() {
      return [...this.list.querySelectorAll("a")];
    }

    async answer() {
      const asked = this.input.value;
      try {
        await loadEngine();
        if (asked !== this.input.value) return; // another answer is on its way
        await this.show(window.bookSearch.find(asked), asked);
      } catch (error) {
        this.say(`Search is not to be had: ${error.message}`);
        return;
      }
      if (asked === this.input.value) this.box.dataset.answers = asked;
    }

    async show({ results, marks, instead }, asked) {
      const most = this.dialog ? MOST.dialog : MOST.page;
      const shown = results.slice(0, most);
      const items = shown.map((result) => this.item(result, marks));
      this.list.replaceChildren(...items);
      const slip = instead.map(([typed, taken]) => `Nothing says “${typed}”; this is for “${taken}”. `).join("");
      if (!window.bookSearch.split(asked).length) this.box.hidden = true;
      else if (!results.length) this.say("Nothing found.");
      else {
        const count = results.length === 1 ? "1 result" : `${results.length} results`;
        const keys = matchMedia("(hover: none)").matches ? "" : " Arrow keys choose one.";
        this.say(`${slip}${count}${results.length > most ? `, the best ${most} here` : ""}.${keys}`);
      }
      await Promise.all(shown.map(async (result, at) => {
        const said = window.bookSearch.excerpt(await textOf(result), marks);
        items[at].querySelector(".live-search-words").replaceChildren(marked(said, marks));
      }));
    }

    say(text) {
      this.box.hidden = false;
      this.status.textContent = text;
    }

    item(result, marks) {
      const link = make("a", "", make("span", "live-search-title", marked(result.title, marks)));
      link.href = new URL(result.address + (result.anchor ? `#${result.anchor}` : ""), root);
      if (result.where) link.append(" ", make("span", "live-search-where", result.where));
      link.append(" ", make("span", "live-search-words"));
      return make("li", "", link);
    }

    move(event, at) {
      const links = this.links();
      if (event.key === "Escape" && at >= 0) this.close();
      else if (event.key === "ArrowDown" && links.length) links[Math.min(at + 1, links.length - 1)].focus();
      else if (event.key === "ArrowUp" && at >= 0) (links[at - 1] ?? this.input).focus();
      else return;
      event.preventDefault();
    }

    close() {
      this.input.focus();
      if (!this.dialog?.classList.contains("show")) return;
      this.dialog.querySelector(".search-button__overlay").click(); // the theme's own way to close it
    }
  }

  const fields = [...document.querySelectorAll("form.bd-search")].map((form) => new Field(form));

  // The theme's overlay is no modal dialog. While it is open nothing behind it takes the focus, Esc closes it from
  // anywhere, and whoever comes back from it is where they were, with an empty field for the next time.
  function guard(field) {
    let before = document.body;
    document.addEventListener("focusin", (event) => {
      if (!field.dialog.contains(event.target)) before = event.target;
    });
    const others = [...document.body.children].filter((part) => !part.contains(field.dialog));
    new MutationObserver(() => {
      const isOpen = field.dialog.classList.contains("show");
      if (isOpen === others.some((part) => part.inert)) return;
      if (isOpen) document.querySelector("dialog[open]")?.close(); // an enlarged figure lies above everything
      for (const part of others) part.inert = isOpen;
      if (isOpen) return field.input.focus();
      before.focus({ preventScroll: true });
      field.input.value = "";
      field.answer();
    }).observe(field.dialog, { attributeFilter: ["class"] });
    field.dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      field.close();
    });
  }
  fields.filter((field) => field.dialog).forEach(guard);

  // search.html: its field has what was asked, and is ready to type in.
  const own = fields.find((field) => !field.dialog);
  if (own) {
    own.input.value = new URLSearchParams(location.search).get("q") ?? "";
    own.input.focus();
    own.answer();
  }
})();
