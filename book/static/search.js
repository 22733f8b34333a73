// The search field answers while the reader types: headings, glossary terms and pages, each with its first words.
// Sphinx's own index is loaded when a field is first used; plain scripts, so that it works from disk, too.
// Enter in the field leads to search.html, as it does without JavaScript.
(() => {
  "use strict";
  const here = document.currentScript.src;
  const root = new URL(document.documentElement.dataset.content_root || "./", document.baseURI);
  const MOST = 10; // results
  let index = null;
  let titles = []; // of the pages, without their markup
  let loading = null;

  function load(address) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${address} does not load`));
      document.head.append(script);
    });
  }

  // Resolves once all that the page itself asks for is there.
  const loaded = () => new Promise((resolve) => {
    if (document.readyState === "complete") resolve();
    else addEventListener("load", resolve);
  });

  // First words of sections and definitions, written by book_search.py: {page: {anchor: [title, words]}}.
  const loadLeads = () => (window.bookLeads ? Promise.resolve() : load(new URL("search-leads.js", here)));

  function loadIndex() {
    loading ??= (async () => {
      await loadLeads();
      if (typeof Search === "undefined") {
        // The index calls Search.setIndex; on search.html that is Sphinx's own, which keeps what it is given.
        window.Search = { setIndex: (given) => (window.Search._index = given) };
        await load(new URL("language_data.js", here));
        await load(new URL("searchindex.js", root));
      } else await loaded(); // the page's own index may come after the first words
      index = Search._index;
      titles = index.titles.map((title) => new DOMParser().parseFromString(title, "text/html").body.textContent);
    })();
    return loading;
  }

  const wordsOf = (text) => text.toLowerCase().match(/[\p{Letter}\p{Number}_]+/gu) ?? [];
  const isHan = (word) => /\p{Script=Han}/u.test(word);

  // How well `title` answers to the words: 0 if one of them begins no word of it.
  function fit(title, words) {
    const own = wordsOf(title);
    let whole = 0;
    for (const word of words) {
      if (own.includes(word)) whole += 1;
      else if (!own.some((one) => (isHan(word) ? one.includes(word) : one.startsWith(word)))) return 0;
    }
    // Whole words before beginnings, short titles before long ones.
    return 1 + whole / words.length + words.length / Math.max(own.length, words.length);
  }

  // The pages whose text has the word, or words that begin with it while it is being typed.
  function pagesWith(word) {
    const stem = new Stemmer().stemWord(word);
    const found = new Set();
    for (const terms of [index.terms, index.titleterms]) {
      const keys = Object.hasOwn(terms, stem) ? [stem]
        : word.length < 2 ? []
        : Object.keys(terms).filter((term) => (isHan(word) ? term.includes(word) : term.startsWith(word)));
      for (const key of keys) [terms[key]].flat().forEach((page) => found.add(page));
    }
    return found;
  }

  // Results, best first: {page, anchor, title, where, words}.
  function find(query) {
    const words = wordsOf(query);
    if (!words.length) return [];
    const found = new Map();
    const add = (page, anchor, title, score) => {
      const key = `${page}#${anchor ?? ""}`;
      const lead = window.bookLeads[index.docnames[page]]?.[anchor ?? ""];
      if ((found.get(key)?.score ?? 0) >= score) return;
      const where = anchor ? titles[page] : "";
      found.set(key, { page, anchor, score, where, title: lead?.[0] ?? title, words: lead?.[1] ?? "" });
    };
    for (const [title, places] of Object.entries(index.alltitles)) {
      const score = fit(title, words);
      if (score) for (const [page, anchor] of places) add(page, anchor, title, score + (anchor === null ? 2 : 1));
    }
    for (const [entry, places] of Object.entries(index.indexentries)) {
      const score = fit(entry, words);
      if (score) for (const [page, anchor] of places) add(page, anchor || null, entry, score + 1.5);
    }
    const told = words.filter((word) => !stopwords.includes(word));
    if (told.length) {
      const pages = told.map(pagesWith).reduce((all, some) => new Set([...all].filter((page) => some.has(page))));
      for (const page of pages) add(page, null, titles[page], 1);
    }
    const results = [...found.values()].sort((one, other) => other.score - one.score);
    // Two names of one definition, English and Chinese, are one result.
    const same = (one) => (other) => one.page === other.page && one.title === other.title && one.words === other.words;
    return results.filter((result, number) => results.findIndex(same(result)) === number);
  }

  // The text with the words that were typed marked; nothing in it is taken for markup.
  function marked(text, words) {
    const parts = document.createDocumentFragment();
    const starts = words.map((word) => (isHan(word) ? "" : "(?<![\\p{Letter}\\p{Number}])") + word);
    let end = 0;
    for (const hit of text.matchAll(new RegExp(starts.join("|"), "giu"))) {
      const mark = document.createElement("mark");
      mark.textContent = hit[0];
      parts.append(text.slice(end, hit.index), mark);
      end = hit.index + hit[0].length;
    }
    parts.append(text.slice(end));
    return parts;
  }

  const make = (tag, name, content = "") => {
    const element = document.createElement(tag);
    element.className = name;
    element.append(content);
    return element;
  };

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
      this.input.addEventListener("focus", () => loadIndex().catch(() => {})); // said when it is typed in
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
        await loadIndex();
      } catch (error) {
        this.say(`Search is not to be had: ${error.message}`);
        return;
      }
      if (asked !== this.input.value) return;
      this.show(find(asked), wordsOf(asked));
      this.box.dataset.answers = asked;
    }

    show(results, words) {
      this.list.replaceChildren(...results.slice(0, MOST).map((result) => this.item(result, words)));
      if (!words.length) this.box.hidden = true;
      else if (!results.length) this.say("Nothing found.");
      else {
        const count = results.length === 1 ? "1 result" : `${results.length} results`;
        this.say(`${count}${results.length > MOST ? `, the best ${MOST} here` : ""}. Arrow keys choose one.`);
      }
    }

    say(text) {
      this.box.hidden = false;
      this.status.textContent = text;
    }

    item(result, words) {
      const link = make("a", "", make("span", "live-search-title", marked(result.title, words)));
      const page = index.docnames[result.page] + DOCUMENTATION_OPTIONS.LINK_SUFFIX;
      link.href = new URL(page + (result.anchor ? `#${result.anchor}` : ""), root);
      if (result.where) link.append(" ", make("span", "live-search-where", result.where));
      if (result.words) link.append(" ", make("span", "live-search-words", marked(result.words, words)));
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
      if (!this.dialog?.classList.contains("show")) return this.input.focus();
      this.input.focus();
      this.dialog.querySelector(".search-button__overlay").click(); // the theme's own way to close it
    }
  }

  for (const form of document.querySelectorAll("form.bd-search")) new Field(form);

  // search.html: its field is ready to type in, and what Sphinx finds has its first words beside it.
  const all = document.getElementById("search-results");
  if (all) {
    document.querySelector(".bd-search-container form.bd-search input")?.focus();
    const tell = (link) => {
      const [page, anchor = ""] = link.getAttribute("href").split("#");
      const lead = window.bookLeads[page.replace(/\.html$/, "")]?.[anchor];
      if (lead?.[1]) link.parentElement.append(make("p", "context", lead[1]));
      link.dataset.told = "";
    };
    const tellAll = () => all.querySelectorAll("li > a:not([data-told])").forEach(tell);
    loadLeads().then(() => {
      tellAll();
      new MutationObserver(tellAll).observe(all, { childList: true, subtree: true });
    }, console.error);
  }
})();
