// Two players of one game, min over x and max over y of xy − brake · y²/2: their path, and how far from the solution.
// Mirrors labutils.games.path.
(() => {
  "use strict";
  const FAR = 6; // what is farther out is not drawn
  const step = (rule, rate, brake, [x, y], before) => {
    const slopes = (p, q) => [-q, p - brake * q];
    const [a, b] = slopes(x, y);
    if (rule === "alternating") {
      const next = x + rate * a;
      return [next, y + rate * slopes(next, y)[1]];
    }
    if (rule === "extragradient") {
      const [c, d] = slopes(x + rate * a, y + rate * b);
      return [x + rate * c, y + rate * d];
    }
    if (rule === "optimistic") return [x + rate * (2 * a - before[0]), y + rate * (2 * b - before[1])];
    return [x + rate * a, y + rate * b];
  };

  labutils.define("rotation", {
    controls: [
      { name: "rule", label: "Who moves when", kind: "choice", options: ["simultaneous", "alternating", "extragradient", "optimistic"], value: "simultaneous" },
      { name: "rate", label: "Learning rate", min: 0.02, max: 0.5, step: 0.02, value: 0.1, format: (rate) => Number(rate).toFixed(2) },
      { name: "brake", label: "Brake on the critic", min: 0, max: 1, step: 0.05, value: 0, format: (brake) => Number(brake).toFixed(2) },
      { name: "steps", label: "Steps", min: 10, max: 300, step: 10, value: 200 },
    ],
    compute({ rule, rate, brake, steps }) {
      const points = [[1, 1]];
      let before = [-1, 1 - brake];
      for (let i = 0; i < steps; i++) {
        const here = points[i];
        points.push(step(rule, rate, brake, here, before));
        before = [-here[1], here[0] - brake * here[1]];
      }
      const radii = points.map(([x, y]) => Math.hypot(x, y));
      const mean = [0, 1].map((k) => points.reduce((sum, point) => sum + point[k], 0) / points.length);
      return { points, radii, mean, meanRadius: Math.hypot(...mean) };
    },
    draw(pen, { points, radii, mean }) {
      const wide = pen.width >= 480, side = Math.min(280, pen.width - 40), left = 34, top = 26;
      const reach = Math.min(FAR, Math.max(1.6, ...radii.filter((radius) => radius <= FAR)));
      const x = (value) => left + side / 2 + (value / reach) * (side / 2), y = (value) => top + side / 2 - (value / reach) * (side / 2);
      pen.text(left, 14, "critic y (up), generator x", "small quiet");
      pen.line(x(-reach), y(0), x(reach), y(0), "faint");
      pen.line(x(0), y(-reach), x(0), y(reach), "faint");
      const inside = points.findIndex(([a, b]) => Math.max(Math.abs(a), Math.abs(b)) > reach);
      const seen = inside < 0 ? points : points.slice(0, inside);
      pen.curve(seen.map(([a, b]) => [x(a), y(b)]), "blue");
      pen.circle(x(1), y(1), 4, "hollow grey");
      pen.circle(x(seen.at(-1)[0]), y(seen.at(-1)[1]), 5, "blue");
      if (Math.max(...mean.map(Math.abs)) <= reach) {
        const [a, b] = [x(mean[0]), y(mean[1])];
        pen.line(a - 6, b, a + 6, b, "orange thick");
        pen.line(a, b - 6, a, b + 6, "orange thick");
      }
      const from = wide ? left + side + 70 : left, base = wide ? top : top + side + 50;
      const right = pen.width - 12, tall = wide ? side : 140;
      const ceiling = reach * 1.05, u = (i) => from + (right - from) * (i / (points.length - 1));
      const v = (radius) => base + tall - (tall * Math.min(radius, ceiling)) / ceiling;
      pen.text(from, base - 12, "distance from the solution", "small quiet");
      for (const mark of [0, Math.SQRT2]) {
        pen.line(from, v(mark), right, v(mark), "faint");
        pen.text(from - 6, v(mark) + 4, mark ? mark.toFixed(1) : "0", "end small quiet");
      }
      const until = radii.findIndex((radius) => radius > ceiling);
      pen.curve((until < 0 ? radii : radii.slice(0, until)).map((radius, i) => [u(i), v(radius)]), "blue thick");
      pen.text(right, base + tall + 20, `${points.length - 1} steps`, "end small quiet");
      const low = wide ? top + side + 40 : base + tall + 46;
      const foot = pen.keys(left, low, [["dot", "hollow grey", "start"], ["dot", "blue", "end"], ["line", "orange thick", "mean of all places"]]);
      pen.height = foot + 12;
    },
    say({ radii, meanRadius }, { rule, rate, brake, steps }) {
      const last = radii.at(-1), written = last > 1e6 ? "beyond all bounds" : last < 0.005 ? "below 0.005" : last.toFixed(2);
      return `${rule} steps at rate ${Number(rate).toFixed(2)}, brake ${Number(brake).toFixed(2)}: from distance 1.41 to ${written} ` +
        `in ${steps} steps. The mean of all places is ${meanRadius > 1e6 ? "far out" : meanRadius.toFixed(2)} from the solution.`;
    },
  });
})();
