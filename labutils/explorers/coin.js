// A coin's entropy is an arch; its price under a belief q is a straight line that touches the arch at q. Bits a toss.
// Mirrors labutils.information.entropy, cross_entropy and kl_divergence of (p, 1 - p) and (q, 1 - q).
(() => {
  "use strict";
  const MOST = 3.5; // bits at the top
  const price = (p, q) => -(p * Math.log2(q) + (1 - p) * Math.log2(1 - q));
  const entropy = (p) => (p === 0 || p === 1 ? 0 : price(p, p));
  const share = (name, label, value) => ({ name, label, value, min: 0.02, max: 0.98, step: 0.02, format: (v) => v.toFixed(2) });

  labutils.define("coin", {
    controls: [
      share("p", "p, heads in truth", 0.3),
      share("q", "q, heads as you believe", 0.8),
    ],
    compute: ({ p, q }) =>
      ({ entropy: entropy(p), crossEntropy: price(p, q), divergence: price(p, q) - entropy(p) }),
    draw(pen, numbers, { p, q }) {
      const left = 34, right = pen.width - 10, top = 30, floor = 250;
      const x = (share) => left + (right - left) * share, y = (bits) => floor - ((floor - top) * bits) / MOST;
      pen.text(0, 12, "bits a toss", "small quiet");
      for (let mark = 0; mark < MOST; mark++) {
        pen.line(left, y(mark), right, y(mark), "faint");
        pen.text(left - 6, y(mark) + 4, mark, "end small quiet");
      }
      for (const mark of [0, 0.5, 1]) pen.text(x(mark), floor + 18, mark, mark === 1 ? "end small quiet" : "middle small quiet");
      pen.curve(Array.from({ length: 101 }, (_, i) => [x(i / 100), y(entropy(i / 100))]), "blue thick");
      const [low, high] = [price(0, q), price(1, q)]; // the line's ends; above the figure it is cut
      const crossing = (MOST - low) / (high - low);
      const start = low > MOST ? crossing : 0, end = high > MOST ? crossing : 1;
      pen.line(x(start), y(price(start, q)), x(end), y(price(end, q)), "red dashed");
      const paid = Math.min(numbers.crossEntropy, MOST);
      pen.rect(x(p) - 3, y(paid), 6, y(numbers.entropy) - y(paid), "orange");
      pen.circle(x(p), y(numbers.entropy), 5, "blue");
      pen.circle(x(q), y(entropy(q)), 6, "hollow red");
      const beside = p < 0.5 ? [x(p) + 9, "small bold"] : [x(p) - 9, "end small bold"];
      if (numbers.divergence > 0.005) pen.text(beside[0], Math.max(y(paid) + 10, y((paid + numbers.entropy) / 2) + 4),
        `D ${numbers.divergence.toFixed(2)}${numbers.crossEntropy > MOST ? " ↑" : ""}`, beside[1]);
      const names = Math.abs(x(p) - x(q)) < 16 ? [[(p + q) / 2, "p q"]] : [[p, "p"], [q, "q"]];
      for (const [place, name] of names) pen.text(x(place), floor + 36, name, "middle bold");
      pen.text(left, floor + 54, "probability of heads", "small quiet");
      pen.height = 8 + pen.keys(left, floor + 78,
        [["line", "blue thick", "entropy"], ["line", "red dashed", "price if you believe q"], ["box", "orange", "gap: D(p‖q)"]]);
    },
    say: ({ entropy, crossEntropy, divergence }) =>
      `H(p) = ${entropy.toFixed(2)}, H(p, q) = ${crossEntropy.toFixed(2)}, ` +
      `D(p‖q) = ${divergence.toFixed(2)} bits a toss: what the belief costs more than the truth.`,
  });
})();
