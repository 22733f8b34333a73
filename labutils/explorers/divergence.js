// Two distributions over four symbols, set by hand: entropy, cross-entropy and divergence as areas, in bits.
// Mirrors labutils.information.entropy, cross_entropy and kl_divergence.
(() => {
  "use strict";
  const NAMES = ["a", "b", "c", "d"];
  const sum = (parts) => parts.reduce((total, part) => total + part, 0);
  const shares = (weights) => weights.map((weight) => (sum(weights) ? weight / sum(weights) : 1 / weights.length));
  const times = (p, bits) => (p === 0 ? 0 : p * bits); // 0 · ∞ counts as 0, its limit
  const kl = (p, q) => sum(p.map((_, i) => times(p[i], Math.log2(p[i] / q[i]))));
  const bits = (value) => (Number.isFinite(value) ? value.toFixed(2) : "∞");

  labutils.define("divergence", {
    controls: [
      { name: "p", kind: "bars", label: "p, what happens", names: NAMES, max: 20, value: [10, 6, 3, 1] },
      { name: "q", kind: "bars", label: "q, what is believed", names: NAMES, max: 20, value: [5, 5, 5, 5] },
    ],
    compute({ p: happens, q: believed }) {
      const p = shares(happens), q = shares(believed);
      const entropy = sum(p.map((p) => times(p, -Math.log2(p))));
      return { p, q, entropy, crossEntropy: entropy + kl(p, q), forward: kl(p, q), backward: kl(q, p) };
    },
    draw(pen, { p, q }) {
      const left = 34, width = pen.width - left - 8, top = 30, floor = 230, most = 6; // bits at the top
      const y = (value) => floor - ((floor - top) * Math.min(value, most)) / most;
      for (let mark = 0; mark <= most; mark += 2) {
        pen.line(left, y(mark), left + width, y(mark), "faint");
        pen.text(left - 6, y(mark) + 4, mark, "end small quiet");
      }
      pen.text(0, 12, `bits for each symbol${pen.width < 340 ? "" : ", as wide as it is frequent"}`, "small quiet");
      let x = left;
      NAMES.forEach((name, i) => {
        const wide = p[i] * width; // so that areas are averages
        if (wide === 0) return;
        const ideal = -Math.log2(p[i]), paid = -Math.log2(q[i]);
        const lower = Math.min(ideal, paid), upper = Math.max(ideal, paid);
        pen.rect(x + 1, y(lower), wide - 2, floor - y(lower), "blue");
        pen.rect(x + 2, y(upper) + 1, wide - 4, y(lower) - y(upper) - 2, paid > ideal ? "orange" : "blue hollow");
        if (paid > most) pen.text(x + wide / 2, top - 5, paid === Infinity ? "∞" : `${bits(paid)} ↑`, "middle small");
        const label = wide > 110 ? `${name}: p ${p[i].toFixed(2)}, q ${q[i].toFixed(2)}` : name;
        if (wide > 9) pen.text(x + wide / 2, floor + 17, label, "middle small");
        x += wide;
      });
      pen.height = 6 + pen.keys(left, floor + 38,
        [["box", "blue", "needed"], ["box", "orange", "wasted"], ["box", "blue hollow", "saved"]]);
    },
    say: ({ entropy, crossEntropy, forward, backward }) =>
      `Needed and saved: H(p) = ${bits(entropy)}. Needed and wasted: H(p, q) = ${bits(crossEntropy)}. ` +
      `Wasted less saved: D(p‖q) = ${bits(forward)} bits a symbol. The other way round, D(q‖p) = ${bits(backward)}.`,
  });
})();
