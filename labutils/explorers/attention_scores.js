// Attention among eight tokens with random queries and keys: what the width, the scale, the mask and the temperature do.
// Mirrors labutils.models.attention.attention. data: tokens, and q and k, one row of 256 numbers a token.
(() => {
  "use strict";
  const DIVISIONS = { "by nothing": () => 1, "by √d": Math.sqrt, "by d": (d) => d, "by √d, after the softmax (001)": () => 1 };
  const AFTER = "by √d, after the softmax (001)";
  const MASKS = {
    none: () => true,
    "causal: no later token": (row, column) => column <= row,
    "padding: not the last token": (row, column, n) => column < n - 1,
  };
  const sum = (parts) => parts.reduce((total, part) => total + part, 0);
  const mean = (parts) => sum(parts) / parts.length;

  labutils.define("attention_scores", {
    controls: [
      { name: "width", kind: "choice", label: "Width d", options: [4, 16, 64, 256], value: 64 },
      { name: "division", kind: "choice", label: "Scores are divided", options: Object.keys(DIVISIONS), value: "by √d" },
      { name: "mask", kind: "choice", label: "Mask", options: Object.keys(MASKS), value: "none" },
      { name: "temperature", label: "Temperature", min: 1 / 16, max: 16, log: true, value: 1 },
    ],
    compute({ width, division, mask, temperature }, { tokens, q, k }) {
      const divisor = DIVISIONS[division](width) * temperature, after = division === AFTER ? Math.sqrt(width) : 1;
      const weights = q.map((query, row) => {
        const scores = k.map((key, column) =>
          (MASKS[mask](row, column, k.length) ? sum(key.slice(0, width).map((x, i) => x * query[i])) / divisor : -Infinity));
        const parts = scores.map((score) => Math.exp(score - Math.max(...scores)));
        return parts.map((part) => part / sum(parts) / after);
      });
      const shares = weights.map((row) => row.map((weight) => weight / sum(row)));
      const bits = shares.map((row) => -sum(row.map((p) => p && p * Math.log2(p))));
      return { tokens, weights, total: mean(weights.map(sum)), largest: mean(shares.map((row) => Math.max(...row))),
        entropy: mean(bits) };
    },
    draw(pen, { tokens, weights }, { mask }) {
      const n = tokens.length, left = 52, top = 56, side = Math.min(38, (pen.width - left - 40) / n);
      pen.text(left, 14, "looks at →", "small quiet");
      tokens.forEach((token, i) => {
        pen.text(left - 8, top + side * (i + 0.5) + 4, token, "end small");
        pen.text(left + side * (i + 0.5), top - (i % 2 ? 26 : 9), token, "middle small");
      });
      weights.forEach((row, i) => row.forEach((weight, j) => {
        const size = (side - 4) * Math.sqrt(weight), x = left + side * (j + 0.5), y = top + side * (i + 0.5);
        pen.rect(x - side / 2 + 1, y - side / 2 + 1, side - 2, side - 2, "faint hollow");
        if (MASKS[mask](i, j, n)) pen.rect(x - size / 2, y - size / 2, size, size, "blue");
        else pen.line(x - 4, y + 4, x + 4, y - 4, "faint");
      }));
      const below = top + side * n + 22;
      pen.height = 8 + pen.keys(pen.width < 330 ? 2 : left, below, [["box", "blue", "area: the weight; a full cell is 1"]]);
    },
    say: ({ total, largest, entropy }, { width, division }) =>
      `Width ${width}, divided ${division}: each row sums to ${total.toFixed(3)}. The largest weight has ${largest.toFixed(2)} ` +
      `of its row on average, and the doubt of a row is ${entropy.toFixed(2)} of at most 3 bits.`,
  });
})();
