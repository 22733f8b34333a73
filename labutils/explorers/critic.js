// Real data with density p, made ones with density q, and what the best critic says between them.
// Mirrors labutils.adversarial.optimal_discriminator and divergences, on a grid of weights that sum to 1.
(() => {
  "use strict";
  const N = 481, FAR = 6, HEAVY = 0.7, WIDE = 0.5; // p: seven tenths on the left, both humps of one width
  const GRID = Array.from({ length: N }, (_, i) => -FAR + (2 * FAR * i) / (N - 1));
  const sum = (parts) => parts.reduce((total, part) => total + part, 0);
  const bump = (x, mean, sd) => Math.exp(-(((x - mean) / sd) ** 2) / 2) / sd;
  const shares = (weights) => { const total = sum(weights); return weights.map((weight) => weight / total); };
  const term = (p, q) => (p > 0 ? p * Math.log(p / q) : 0);
  const kl = (p, q) => sum(p.map((share, i) => term(share, q[i])));

  labutils.define("critic", {
    controls: [
      { name: "apart", label: "Humps of p apart", min: 0, max: 6, step: 0.5, value: 4, format: (v) => v.toFixed(1) },
      { name: "mean", label: "Mean of q", min: -3, max: 3, step: 0.1, value: -0.8, format: (v) => v.toFixed(1) },
      { name: "sd", label: "Standard deviation of q", min: 0.4, max: 3, step: 0.1, value: 1.9, format: (v) => v.toFixed(1) },
    ],
    compute({ apart, mean, sd }) {
      const p = shares(GRID.map((x) => HEAVY * bump(x, -apart / 2, WIDE) + (1 - HEAVY) * bump(x, apart / 2, WIDE)));
      const q = shares(GRID.map((x) => bump(x, mean, sd)));
      const middle = p.map((share, i) => (share + q[i]) / 2);
      const best = p.map((share, i) => (share + q[i] > 0 ? share / (share + q[i]) : 0.5));
      const js = (kl(p, middle) + kl(q, middle)) / 2;
      return { p, q, best, js, value: 2 * js - Math.log(4), forward: kl(p, q), backward: kl(q, p) };
    },
    draw(pen, { p, q, best, js }) {
      const left = 34, right = pen.width - 12, top = 34, floor = 190, most = 1; // density at the top
      const x = (value) => left + ((right - left) * (value + FAR)) / (2 * FAR);
      const y = (level) => floor - ((floor - top) * Math.min(level, most)) / most;
      const density = (share) => (share * (N - 1)) / (2 * FAR);
      pen.text(0, 14, "density, and what the critic says", "small quiet");
      for (const mark of [0, 0.5, 1]) {
        pen.line(left, y(mark), right, y(mark), "faint");
        pen.text(left - 6, y(mark) + 4, mark, "end small quiet");
      }
      for (const mark of [-6, -3, 0, 3, 6]) {
        pen.text(x(mark), floor + 18, mark < 0 ? `−${-mark}` : mark, mark === 6 ? "end small quiet" : "middle small quiet");
      }
      const over = (levels) => levels.map((level, i) => [x(GRID[i]), y(level)]);
      pen.area([[x(-FAR), floor], ...over(p.map(density)), [x(FAR), floor]], "grey see-through");
      pen.curve(over(q.map(density)), "green thick");
      pen.curve(over(best), "orange dashed");
      const below = pen.keys(left, floor + 42,
        [["box", "grey see-through", "p, real"], ["line", "green thick", "q, made"], ["line", "orange dashed", "best critic"]]);
      const from = 60, room = pen.width - from - 60, middle = below + 28;
      pen.text(from - 8, middle + 4, "JS", "end small");
      pen.rect(from, middle - 8, room, 16, "hollow grey");
      pen.rect(from, middle - 8, (room * js) / Math.LN2, 16, "blue");
      pen.text(from + room + 6, middle + 4, js.toFixed(2), "small bold");
      pen.height = below + 46;
    },
    say: ({ js, value, forward, backward }) =>
      `Jensen–Shannon ${js.toFixed(3)} nats, of log 2 = 0.693 at most, so the best critic gets ${value.toFixed(3)}. ` +
      `D(p‖q) = ${forward.toFixed(2)}, what a likelihood would lower; D(q‖p) = ${backward.toFixed(2)}.`,
  });
})();
