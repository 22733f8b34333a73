// A next-token distribution and what temperature, top-k, nucleus and min-p leave of it, one after another.
// Mirrors temper, top_k, top_p and min_p of labutils.generation. data: the text before, tokens, and the probabilities p
// of the whole vocabulary, the likeliest first; tokens names the first of them.
(() => {
  "use strict";
  const SHOWN = 14; // bars; the rest share one
  const sum = (parts) => parts.reduce((total, part) => total + part, 0);
  const entropy = (p) => -sum(p.map((part) => part && part * Math.log2(part)));
  const share = (p) => { const total = sum(p); return p.map((part) => part / total); };
  const least = (values, n) => values.slice(0, Math.max(1, n)).at(-1); // of values that fall
  const nucleus = (p, mass) => {
    let before = 0;
    return p.map((part) => { const stays = before < mass; before += part; return stays ? part : 0; });
  };

  labutils.define("decoding", {
    controls: [
      { name: "tau", label: "Temperature τ", min: 0.1, max: 3, step: 0.05, value: 1, format: (v) => v.toFixed(2) },
      { name: "k", label: "Top-k", min: 1, max: 2048, log: true, value: 2000, format: (v) => (v >= 2000 ? "all" : String(v)) },
      { name: "p", label: "Nucleus p", min: 0.05, max: 1, step: 0.05, value: 0.9, format: (v) => v.toFixed(2) },
      { name: "min", label: "Min-p", min: 0, max: 0.5, step: 0.01, value: 0, format: (v) => v.toFixed(2) },
    ],
    compute({ tau, k, p, min }, { tokens, p: model }) {
      const hot = share(model.map((part) => (part / model[0]) ** (1 / tau))); // the likeliest first, so nothing overflows
      const last = k >= 2000 ? 0 : least(hot, k);
      const first = share(hot.map((part) => (part >= last ? part : 0)));
      const second = share(p >= 1 ? first : nucleus(first, p));
      const left = share(second.map((part) => (part >= min * second[0] ? part : 0)));
      const whole = share(model);
      return { tokens, whole, left, n: left.filter((part) => part > 0).length, entropy: entropy(left), most: entropy(whole),
        distance: sum(whole.map((part, i) => Math.abs(part - left[i]))) / 2 };
    },
    draw(pen, { tokens, whole, left }) {
      const rows = [...tokens.slice(0, SHOWN).map((token, i) => [token, whole[i], left[i]]),
        [`${whole.length - SHOWN} others`, sum(whole.slice(SHOWN)), sum(left.slice(SHOWN))]];
      const bars = 128, room = pen.width - bars - 54, named = rows.slice(0, SHOWN);
      const scale = Math.max(...named.flatMap(([, a, b]) => [a, b]));
      const short = (x) => (x === 0 ? "cut" : x < 0.005 ? "< 0.01" : x.toFixed(2));
      rows.forEach(([name, before, after], i) => {
        const y = 6 + 22 * i;
        pen.text(bars - 8, y + 13, name, i < SHOWN ? "end small code" : "end small quiet");
        if (i === SHOWN) { // its bar would make all others small
          pen.text(bars, y + 13, after ? `${short(after)}${pen.width < 400 ? "; was" : ", in the model"} ${short(before)}` : "cut", after ? "small" : "small quiet");
          return;
        }
        if (after) pen.rect(bars, y + 1, Math.max(1, (after / scale) * room), 16, "blue");
        pen.rect(bars, y + 1, Math.max(1, (before / scale) * room), 16, "orange hollow");
        const end = bars + (Math.max(before, after) / scale) * room + 6;
        pen.text(end, y + 13, short(after), after ? "small" : "small quiet");
      });
      pen.height = 10 + pen.keys(pen.width < 330 ? 2 : bars, 24 + 22 * rows.length,
        [["box", "blue", "drawn from"], ["box", "orange hollow", "the model"]]);
    },
    say: ({ whole, n, entropy, most, distance }) =>
      `${n} of ${whole.length} tokens ${n === 1 ? "is" : "are"} left, with ${entropy.toFixed(2)} bits of doubt where the model has ${most.toFixed(2)}. ` +
      `The total variation between what is drawn and what is modelled is ${distance.toFixed(2)}.`,
  });
})();
