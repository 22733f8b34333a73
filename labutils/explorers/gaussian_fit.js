// One Gaussian q laid over a distribution p with two humps: both divergences, in bits, as the two are moved.
// Mirrors labutils.information.kl_divergence on the grid. data: x, the grid, and p, a probability for each of its places.
(() => {
  "use strict";
  const TOP = 0.2, FAR = 13; // the highest probability and the longest bar, in bits, that are drawn
  const sum = (parts) => parts.reduce((total, part) => total + part, 0);

  labutils.define("gaussian_fit", {
    controls: [
      { name: "mu", label: "Mean of q", min: -6, max: 6, step: 0.1, value: 2.5, format: (v) => v.toFixed(1) },
      { name: "sd", label: "Standard deviation of q", min: 0.4, max: 6, step: 0.1, value: 1.2, format: (v) => v.toFixed(1) },
    ],
    compute({ mu, sd }, { x, p }) {
      const powers = x.map((x) => -(((x - mu) / sd) ** 2) / 2); // log q, but for what normalises it
      const total = sum(powers.map(Math.exp)), q = powers.map((power) => Math.exp(power) / total);
      const ratio = p.map((p, i) => (Math.log(p) - powers[i] + Math.log(total)) / Math.LN2); // log2 p/q, whatever underflows
      return { x, p, q, forward: sum(p.map((p, i) => p * ratio[i])), backward: -sum(q.map((q, i) => q * ratio[i])) };
    },
    draw(pen, { x: grid, p, q, forward, backward }) {
      const left = 40, right = pen.width - 10, top = 30, floor = 200, last = grid.length - 1;
      const x = (value) => left + ((right - left) * (value - grid[0])) / (grid[last] - grid[0]);
      const y = (share) => floor - ((floor - top) * Math.min(share, TOP)) / TOP;
      pen.text(0, 12, "probability", "small quiet");
      for (const mark of [0, 0.05, 0.1, 0.15, 0.2]) {
        pen.line(left, y(mark), right, y(mark), "faint");
        pen.text(left - 6, y(mark) + 4, mark, "end small quiet");
      }
      for (let mark = Math.ceil(grid[0] / 4) * 4; mark <= grid[last]; mark += 4) {
        pen.text(x(mark), floor + 18, mark < 0 ? `−${-mark}` : mark, mark === grid[last] ? "end small quiet" : "middle small quiet");
      }
      pen.area([[x(grid[0]), floor], ...p.map((share, i) => [x(grid[i]), y(share)]), [x(grid[last]), floor]], "grey see-through");
      pen.curve(q.map((share, i) => [x(grid[i]), y(share)]), "green thick");
      const below = pen.keys(left, floor + 42, [["box", "grey see-through", "p, the truth"], ["line", "green thick", "q, one Gaussian"]]);
      const bars = 60, room = pen.width - bars - 62;
      [["D(p‖q)", forward, "blue"], ["D(q‖p)", backward, "orange"]].forEach(([name, bits, look], i) => {
        const middle = below + 26 + 26 * i, length = (room * Math.min(bits, FAR)) / FAR;
        pen.text(bars - 8, middle + 4, name, "end small");
        pen.rect(bars, middle - 8, length, 16, look);
        pen.text(bars + length + 6, middle + 4, `${bits.toFixed(2)}${bits > FAR ? " →" : ""}`, "small bold");
      });
      pen.height = below + 64;
    },
    say: ({ forward, backward }) =>
      `D(p‖q) = ${forward.toFixed(2)} bits, large where q rules out what happens; ` +
      `D(q‖p) = ${backward.toFixed(2)} bits, large where q expects what hardly happens.`,
  });
})();
