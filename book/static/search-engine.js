// Finds sections: fetched with the index of book_search.py when a search field is first used, see search.js.
// A word is looked up as it is, in its other forms, as a beginning, and, where nothing has it, as a slip of
// the keyboard. A Chinese word is looked up by its characters, a term of the glossary also by its English name.
window.bookSearch = (() => {
  "use strict";
  const { pages, sections, stop, words: places } = window.bookIndex;
  const MOST_FORMS = 40; // of a beginning such as "a"
  const WIDTH = 170; // characters of an excerpt
  const isHan = (text) => /^[\u3400-\u9fff]/.test(text);

  // Small letters without accents, each in its place: as `folded` in book_search.py.
  const fold = (text) => [...text.normalize("NFC")]
    .map((one) => (one.length > 1 ? one : one.normalize("NFD")[0].toLowerCase()[0])).join("");
  const split = (text) => fold(text).match(/[\u3400-\u9fff]+|(?:(?![\u3400-\u9fff])[\p{L}\p{N}_])+/gu) ?? [];

  // What is common to the forms of an English word: entropy, entropies; model, models, modelling.
  function stem(word) {
    if (word.length < 5 || isHan(word)) return word;
    const bare = word.replace(/(?:i[sz]ations?|ations?|ing|ions?|ies|ied|ed|es|e|(?<!s)s|ly|y|ers?|al)$/, "");
    return bare.length < 3 ? word : bare.replace(/([bdglmnprt])\1$/, "$1");
  }

  const known = Object.keys(places);
  const forms = new Map(); // stem: words
  for (const word of known) forms.set(stem(word), [...(forms.get(stem(word)) ?? []), word]);
  const names = sections.map(([, , title]) => title.split(" · ").map(split)); // of definitions English and Chinese
  const english = new Map(); // of the glossary's Chinese terms
  for (const own of names) {
    for (const name of own.slice(1)) if (name.length === 1 && isHan(name[0])) english.set(name[0], own[0]);
  }

  // How many letters are wrong, missing, too many or exchanged: between the words, and up to the best beginning.
  function slips(typed, word) {
    let before = [];
    let row = [...word, ""].map((_, at) => at);
    for (let i = 1; i <= typed.length; i += 1) {
      const next = [i];
      for (let j = 1; j <= word.length; j += 1) {
        const same = typed[i - 1] === word[j - 1];
        next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (same ? 0 : 1));
        const exchanged = i > 1 && j > 1 && typed[i - 1] === word[j - 2] && typed[i - 2] === word[j - 1];
        if (exchanged) next[j] = Math.min(next[j], before[j - 2] + 1);
      }
      [before, row] = [row, next];
    }
    return { whole: row[word.length], beginning: Math.min(...row) };
  }

  // The words of the book that were meant instead, the nearest ones alone.
  function nearest(typed) {
    const most = typed.length < 4 ? 0 : typed.length < 8 ? 1 : 2;
    const near = known
      .filter((word) => !isHan(word) && word.length >= typed.length - most && most)
      .map((word) => ({ word, ...slips(typed, word.slice(0, typed.length + most + 1)) }));
    const best = Math.min(most + 1, ...near.map((one) => one.whole));
    if (best <= most) return near.filter((one) => one.whole === best).map((one) => one.word);
    return near.filter((one) => one.beginning === 1 && typed.length > 4).map((one) => one.word);
  }

  // {section: 1 to 3 for how often} of a word of the index.
  function sectionsWith(word) {
    const found = new Map();
    let at = -1;
    for (const number of Object.hasOwn(places, word) ? places[word] : []) found.set((at += number >> 2), number & 3);
    return found;
  }

  const both = (one, other) => new Map([...one].filter(([at]) => other.has(at)));

  // What a typed word may stand for: [{marks, hits, worth, whole}], the best first. The last one may be half typed.
  function meanings(typed, isLast) {
    const meaning = (word, worth, whole = true) => ({ marks: [word], hits: sectionsWith(word), worth, whole });
    if (isHan(typed)) {
      const pairs = typed.length < 2 ? [typed] : [...typed.slice(1)].map((one, at) => typed[at] + one);
      const own = { marks: [typed], hits: pairs.map(sectionsWith).reduce(both), worth: 1, whole: true };
      const name = english.get(typed);
      return name ? [own, { marks: name, hits: name.map(sectionsWith).reduce(both), worth: 0.5, whole: false }] : [own];
    }
    const found = new Map();
    const add = (word, worth, whole) => found.has(word) || found.set(word, meaning(word, worth, whole));
    if (Object.hasOwn(places, typed)) add(typed, 1);
    for (const word of forms.get(stem(typed)) ?? []) add(word, 0.9);
    const begun = typed.length < 2 || (found.size && !isLast) ? [] : known.filter((word) => word.startsWith(typed));
    begun.sort((one, other) => places[other].length - places[one].length);
    for (const word of begun.slice(0, MOST_FORMS)) add(word, 0.4 + (0.4 * typed.length) / word.length, false);
    if (!found.size) for (const word of nearest(typed)) add(word, 0.6);
    return [...found.values()];
  }

  // How well a title answers: 0 if it lacks one of the words, above 2 if it is what was typed.
  function fit(own, asked, told) {
    const has = (name, word) => Math.max(0, ...word.meanings.map((one) => {
      const there = one.marks.every((mark) => name.some((part) => (isHan(mark) ? part.includes(mark) : part === mark)));
      return there ? one.worth : 0;
    }));
    return Math.max(...own.map((name) => {
      const is = (part, at) => part === asked[at].typed
        || asked[at].meanings.some((one) => one.whole && one.marks.length === 1 && one.marks[0] === part);
      if (name.length === asked.length && name.every(is)) return 3;
      const worths = told.map((word) => has(name, word));
      const length = name.reduce((sum, part) => sum + (isHan(part) ? part.length / 2 : 1), 0);
      return Math.min(...worths) && 1 + Math.min(1, told.length / length) * Math.min(...worths);
    }));
  }

  // Returns {results: [{page, anchor, title, where, number}], marks, instead}, the best result first.
  function find(query) {
    const asked = split(query).map((typed, at, all) => ({ typed, meanings: meanings(typed, at === all.length - 1) }));
    const content = asked.filter(({ typed }) => !stop.includes(typed));
    const told = content.length ? content : asked;
    const found = new Map(); // section: {told, score}
    for (const word of told) {
      const best = new Map();
      for (const { hits, worth } of word.meanings) {
        for (const [at, times] of hits) best.set(at, Math.max(best.get(at) ?? 0, worth * (0.75 + 0.25 * times)));
      }
      const rare = Math.log(1 + sections.length / Math.max(1, best.size));
      for (const [at, worth] of best) {
        const one = found.get(at) ?? { told: 0, score: 0 };
        found.set(at, { told: one.told + 1, score: one.score + rare * worth });
      }
    }
    const most = Math.max(0, ...[...found.values()].map((one) => one.told)); // all the words, if a section has them
    const top = Math.max(...[...found.values()].map((one) => one.score));
    const results = [...found].filter(([, one]) => one.told === most).map(([number, one]) => {
      const [page, anchor, title] = sections[number];
      const address = pages[page][0];
      const kind = address.startsWith("notebooks/") ? 0.3 : 0; // chapters before pages about the book
      const score = one.score / top + 2 * fit(names[number], asked, told) + kind + (anchor ? 0 : 0.1);
      return { page, address, anchor, title, number, score, where: anchor ? pages[page][1] : "" };
    });
    const marks = told.flatMap((word) => word.meanings.flatMap((one) => one.marks));
    const instead = told.filter(({ typed, meanings: [one] }) => one?.worth === 0.6 && !isHan(typed))
      .map(({ typed, meanings: [one] }) => [typed, one.marks[0]]);
    return { results: results.sort((one, other) => other.score - one.score), marks: pattern(marks), instead };
  }

  // Finds whole words in a folded text.
  function pattern(marks) {
    const sorted = [...new Set(marks)].sort((one, other) => other.length - one.length);
    const parts = sorted.map((mark) => (isHan(mark) ? mark : `(?<![\\p{L}\\p{N}_])${mark}(?![\\p{L}\\p{N}_])`));
    return parts.length ? new RegExp(parts.join("|"), "gu") : null;
  }

  // The text in parts, [text, is marked].
  function marked(text, marks) {
    const whole = text.normalize("NFC");
    const parts = [];
    let end = 0;
    for (const hit of marks ? fold(text).matchAll(marks) : []) {
      parts.push([whole.slice(end, hit.index), false], [whole.substr(hit.index, hit[0].length), true]);
      end = hit.index + hit[0].length;
    }
    return [...parts, [whole.slice(end), false]].filter(([part]) => part);
  }

  // The part of a section's text that has most of the words.
  function excerpt(text, marks) {
    let best = { line: text.split("\n", 1)[0], at: 0, worth: 0 };
    for (const line of marks ? text.split("\n") : []) {
      const hits = [...fold(line).matchAll(marks)];
      const worth = new Set(hits.map(([word]) => word)).size + Math.min(1, line.length / WIDTH); // sentences first
      if (hits.length && worth > best.worth) best = { line, at: hits[0].index, worth };
    }
    const line = best.line.normalize("NFC");
    if (line.length <= WIDTH) return line;
    const from = Math.max(0, Math.min(best.at - WIDTH / 3, line.length - WIDTH));
    const start = from && line.indexOf(" ", from) + 1 <= best.at ? line.indexOf(" ", from) + 1 : Math.floor(from);
    const part = line.slice(start, start + WIDTH);
    const end = start + WIDTH < line.length && part.lastIndexOf(" ") > WIDTH / 2 ? part.lastIndexOf(" ") : WIDTH;
    return (start ? "… " : "") + part.slice(0, end) + (start + end < line.length ? " …" : "");
  }

  return { find, marked, excerpt, split };
})();
