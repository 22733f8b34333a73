// The next character under an interpolated modified Kneser–Ney model, counted and computed in the browser.
// Mirrors labutils.models.ngram.NGramModel(order, n_vocab=27); data: { text } of letters a to z and single spaces.
(() => {
  "use strict";
  const LETTERS = " abcdefghijklmnopqrstuvwxyz";
  const SHOWN = 8; // bars; the rest share one

  // The discounts for counts of 1, 2 and 3 or more: Chen & Goodman (1999), as labutils.models.ngram.modified_discounts.
  function discountsOf(counts) {
    const n = [0, 0, 0, 0, 0];
    for (const count of counts.values()) if (count <= 4) n[count] += 1;
    const y = n[1] ? n[1] / (n[1] + 2 * n[2]) : 0.5;
    if (Math.min(...n.slice(1)) === 0) return Array(3).fill(Math.min(Math.max(y, 0.1), 0.9));
    return [1, 2, 3].map((c) => Math.min(Math.max(c - ((c + 1) * y * n[c + 1]) / n[c], 0.1), c));
  }

  // One order: how many of its mass each n-gram keeps, and what its history passes on to the order below.
  function level(counts) {
    const discounts = discountsOf(counts);
    const totals = new Map();
    for (const [gram, count] of counts) {
      const history = gram.slice(0, -1);
      const total = totals.get(history) ?? { count: 0, taken: 0 };
      total.count += count;
      total.taken += discounts[Math.min(count, 3) - 1];
      totals.set(history, total);
    }
    return { counts, discounts, totals };
  }

  const fitted = new Map(); // by order and length, since counting takes a tenth of a second
  function fit(text, order) {
    const key = `${order}/${text.length}`;
    if (fitted.has(key)) return fitted.get(key);
    let counts = new Map();
    for (let i = 0; i + order <= text.length; i++) {
      const gram = text.slice(i, i + order);
      counts.set(gram, (counts.get(gram) ?? 0) + 1);
    }
    const levels = [];
    for (let n = order; n > 0; n--) {
      levels.unshift(level(counts));
      const shorter = new Map(); // continuation counts: in how many different longer n-grams does this one end?
      for (const gram of counts.keys()) shorter.set(gram.slice(1), (shorter.get(gram.slice(1)) ?? 0) + 1);
      counts = shorter;
    }
    fitted.set(key, levels);
    return levels;
  }

  function probabilities(levels, typed) {
    let p = Array(LETTERS.length).fill(1 / LETTERS.length);
    let used = 0; // characters of history that the model has seen before
    for (let n = 1; n <= Math.min(levels.length, typed.length + 1); n++) {
      const { counts, discounts, totals } = levels[n - 1];
      const history = typed.slice(typed.length - n + 1);
      const total = totals.get(history);
      if (!total) break; // a longer history cannot have been seen either
      used = n - 1;
      p = p.map((lower, i) => {
        const count = counts.get(history + LETTERS[i]) ?? 0;
        return ((count && count - discounts[Math.min(count, 3) - 1]) + total.taken * lower) / total.count;
      });
    }
    return { p, used };
  }

  const cleaned = (typed) => typed.toLowerCase().replace(/[^a-z]+/g, " ").replace(/^ /, "");
  const named = (letter) => (letter === " " ? "space" : letter);
  const visible = (text) => text.replace(/ /g, "␣");

  labutils.define("next_character", {
    controls: [
      { name: "typed", kind: "text", label: "Type", value: "the unite", max: 48 },
      { name: "order", label: "Order of the model", min: 1, max: 6, value: 4 },
      { name: "size", kind: "choice", label: "Text that it counted", options: [1000, 10000, 60000], value: 60000,
        format: (n) => `${n / 1000} thousand characters` },
      { name: "best", kind: "button", label: "Add its first choice",
        press: ({ ranked }, { typed }) => ({ typed: (cleaned(typed) + ranked[0].letter).slice(-48) }) },
      { name: "draw", kind: "button", label: "Let it draw",
        press: ({ ranked }, { typed }) => {
          let left = Math.random();
          const drawn = ranked.find(({ p }) => (left -= p) < 0) ?? ranked[0];
          return { typed: (cleaned(typed) + drawn.letter).slice(-48) };
        } },
    ],
    compute({ typed, order, size }, { text }) {
      const { p, used } = probabilities(fit(text.slice(0, size), order), cleaned(typed));
      const ranked = p.map((p, i) => ({ p, letter: LETTERS[i] })).sort((a, b) => b.p - a.p);
      const entropy = -p.reduce((sum, p) => sum + p * Math.log2(p), 0);
      const seen = cleaned(typed).slice(cleaned(typed).length - used);
      return { ranked, entropy, seen, typed: cleaned(typed) };
    },
    draw(pen, { ranked }) {
      const rest = 1 - ranked.slice(0, SHOWN).reduce((sum, { p }) => sum + p, 0);
      const rows = [...ranked.slice(0, SHOWN).map(({ p, letter }) => [named(letter), p]), [`${LETTERS.length - SHOWN} others`, rest]];
      const left = 74, room = pen.width - left - 56;
      rows.forEach(([name, p], i) => {
        const y = 6 + 24 * i;
        pen.text(left - 8, y + 14, name, i < SHOWN ? "end code" : "end quiet");
        pen.rect(left, y, Math.max(1.5, p * room), 18, i < SHOWN ? "blue" : "grey");
        pen.text(left + p * room + 7, y + 14, p < 0.0995 ? `${(100 * p).toFixed(1)} %` : `${Math.round(100 * p)} %`, "small");
      });
      pen.height = 6 + 24 * rows.length;
    },
    say({ ranked, entropy, seen, typed }) {
      const after = seen ? `After “${visible(seen)}”` : typed ? "Whatever stands before it," : "With nothing before it";
      return `${after} the model expects ${named(ranked[0].letter)} with probability ${ranked[0].p.toFixed(2)}. ` +
        `Its doubt is ${entropy.toFixed(1)} bits, as between ${(2 ** entropy).toFixed(1)} equal choices.`;
    },
  });
})();
