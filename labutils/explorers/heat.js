// A distribution at a temperature: which characters may follow, and how large the doubt is.
// Mirrors `heat` of the chapter probability, p ** (1 / τ) / (p ** (1 / τ)).sum(), and labutils.information.entropy.
// data: tokens and their probabilities p, the commonest first.
(() => {
  "use strict";
  const SHOWN = 12; // bars; the rest share one
  const LOWEST = 0.1, HIGHEST = 3;
  const sum = (parts) => parts.reduce((total, part) => total + part, 0);
  const heated = (p, tau) => {
    const weights = p.map((part) => (part / Math.max(...p)) ** (1 / tau)), total = sum(weights); // nothing overflows
    return weights.map((weight) => weight / total);
  };
  const entropy = (p) => -sum(p.map((p) => p && p * Math.log2(p)));

  labutils.define("heat", {
    controls: [
      { name: "tau", label: "Temperature τ", min: LOWEST, max: HIGHEST, step: 0.05, value: 1, format: (v) => v.toFixed(2) },
    ],
    compute({ tau }, { tokens, p }) {
      const hot = heated(p, tau);
      const curve = Array.from({ length: 59 }, (_, i) => LOWEST + 0.05 * i).map((tau) => [tau, entropy(heated(p, tau))]);
      return { tokens, hot, entropy: entropy(hot), most: Math.log2(p.length), curve };
    },
    draw(pen, { tokens, hot, entropy, curve, most }, { tau }) {
      const wide = pen.width > 480, half = wide ? pen.width * 0.56 : pen.width;
      const rows = [...tokens.slice(0, SHOWN).map((token, i) => [token, hot[i]]),
        [`${tokens.length - SHOWN} others`, sum(hot.slice(SHOWN))]];
      const bars = 66, room = half - bars - 46;
      pen.text(0, 12, "probability of the next character", "small quiet");
      rows.forEach(([name, p], i) => {
        const y = 24 + 20 * i;
        pen.text(bars - 8, y + 12, name, i < SHOWN ? "end small code" : "end small quiet");
        pen.rect(bars, y, Math.max(1, p * room), 15, i < SHOWN ? "blue" : "grey");
        pen.text(bars + p * room + 6, y + 12, p > 0 && p < 0.005 ? "< 0.01" : p.toFixed(2), "small");
      });
      const below = 24 + 20 * rows.length;
      const left = wide ? half + 40 : 34, right = pen.width - 14, top = wide ? 30 : below + 34;
      const floor = wide ? below - 30 : top + 150, ceiling = Math.ceil(most);
      const x = (tau) => left + ((right - left) * tau) / HIGHEST, y = (bits) => floor - ((floor - top) * bits) / ceiling;
      pen.text(wide ? half + 10 : 0, top - 18, "entropy, bits", "small quiet");
      for (let mark = 0; mark <= ceiling; mark += 2) {
        pen.line(left, y(mark), right, y(mark), "faint");
        pen.text(left - 6, y(mark) + 4, mark, "end small quiet");
      }
      for (let mark = 0; mark <= HIGHEST; mark++) pen.text(x(mark), floor + 18, mark, "middle small quiet");
      pen.text((left + right) / 2, floor + 36, "temperature τ", "middle small quiet");
      pen.curve(curve.map(([tau, bits]) => [x(tau), y(bits)]), "blue thick");
      pen.circle(x(tau), y(entropy), 6, "red");
      pen.height = Math.max(below, floor + 44);
    },
    say: ({ tokens, hot, entropy, most }, { tau }) =>
      `At temperature ${tau.toFixed(2)} ${tokens[0]} has probability ${hot[0].toFixed(2)}, and the entropy is ` +
      `${entropy.toFixed(2)} of at most ${most.toFixed(2)} bits.`,
  });
})();
