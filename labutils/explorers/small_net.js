// A network of two hidden tanh neurons and one output bends a boundary; nine weights, each with its blame.
// Mirrors labutils.autograd.Value: the mean cross-entropy of the points, and its gradient, handed back layer by layer.
// data: points, a list of [x1, x2, kind], kind 0 or 1; the first is the one that the reader moves.
(() => {
  "use strict";
  const REACH = 2, CELLS = 40, RATE = 0.5;
  const NAMES = ["x₁ → h₁", "x₂ → h₁", "bias of h₁", "x₁ → h₂", "x₂ → h₂", "bias of h₂", "h₁ → out", "h₂ → out", "bias of out"];
  const forward = ([a, b, c, d, e, f, g, h, i], x, y) => {
    const h1 = Math.tanh(a * x + b * y + c), h2 = Math.tanh(d * x + e * y + f);
    return { h1, h2, z: g * h1 + h * h2 + i };
  };
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));
  function blameOf(w, points) { // the loss, its derivative by each of the nine, and z of each point
    const grad = w.map(() => 0), zs = [];
    let loss = 0;
    for (const [x, y, kind] of points) {
      const { h1, h2, z } = forward(w, x, y), sign = kind ? 1 : -1;
      loss += (Math.max(0, -sign * z) + Math.log1p(Math.exp(-Math.abs(z)))) / points.length;
      const dz = (sigmoid(z) - kind) / points.length;
      const d1 = dz * w[6] * (1 - h1 * h1), d2 = dz * w[7] * (1 - h2 * h2);
      [d1 * x, d1 * y, d1, d2 * x, d2 * y, d2, dz * h1, dz * h2, dz].forEach((share, k) => (grad[k] += share));
      zs.push(z);
    }
    return { loss, grad, zs };
  }
  const signed = (value) => (Math.abs(value) < 0.005 ? "0.00" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`);
  const bars = (name, label, names, value) => ({ name, kind: "bars", label, names, min: -5, max: 5, step: 0.05, value });

  labutils.define("small_net", {
    controls: [
      bars("first", "Into h₁", ["x₁", "x₂", "bias"], [1, 0.6, 0.5]),
      bars("second", "Into h₂", ["x₁", "x₂", "bias"], [0.4, 1.2, -0.6]),
      bars("out", "Into the output", ["h₁", "h₂", "bias"], [1, -0.8, 0.2]),
      { name: "x", label: "Ringed point, x₁", min: -2, max: 2, step: 0.1, value: 1.2, format: (v) => v.toFixed(1) },
      { name: "y", label: "Ringed point, x₂", min: -2, max: 2, step: 0.1, value: 1, format: (v) => v.toFixed(1) },
      { name: "step", kind: "button", label: "Ten steps against the blame",
        press: ({ w, points }) => {
          let at = w;
          for (let n = 0; n < 10; n++) {
            const { grad } = blameOf(at, points);
            at = at.map((value, k) => Math.max(-5, Math.min(5, value - RATE * grad[k])));
          }
          return { first: at.slice(0, 3), second: at.slice(3, 6), out: at.slice(6) };
        } },
    ],
    compute({ first, second, out, x, y }, { points: given }) {
      const w = [...first, ...second, ...out], points = given.map((point, i) => (i ? point : [x, y, point[2]]));
      const { loss, grad, zs } = blameOf(w, points);
      return { w, points, loss, grad, zs, right: zs.filter((z, i) => (z > 0) === (points[i][2] === 1)).length };
    },
    draw(pen, { w, points, grad, zs }) {
      const wide = pen.width >= 480, side = Math.min(wide ? pen.width - 290 : pen.width - 20, 330), top = 22, left = 16;
      const px = (v) => left + (side * (v + REACH)) / (2 * REACH), py = (v) => top + (side * (REACH - v)) / (2 * REACH);
      const cell = side / CELLS, yes = [], no = [];
      for (let i = 0; i < CELLS; i++) {
        for (let j = 0; j < CELLS; j++) {
          const at = [left + i * cell, top + j * cell], middle = (k) => (2 * REACH * (k + 0.5)) / CELLS - REACH;
          (forward(w, middle(i), -middle(j)).z > 0 ? yes : no).push(at);
        }
      }
      pen.squares(yes, cell, "blue see-through");
      pen.squares(no, cell, "orange see-through");
      [w.slice(0, 3), w.slice(3, 6)].forEach(([a, b, c], i) => { // where the neuron's sum is 0, cut at the edges
        const ends = [];
        for (const edge of [-REACH, REACH]) {
          if (b && Math.abs((-c - a * edge) / b) <= REACH) ends.push([edge, (-c - a * edge) / b]);
          if (a && Math.abs((-c - b * edge) / a) <= REACH) ends.push([(-c - b * edge) / a, edge]);
        }
        if (ends.length > 1) pen.line(px(ends[0][0]), py(ends[0][1]), px(ends[1][0]), py(ends[1][1]), i ? "green dashed" : "red");
      });
      points.forEach(([x, y, kind], i) => {
        pen.circle(px(x), py(y), 5, kind ? "blue" : "orange hollow");
        if (!i) pen.circle(px(x), py(y), 11, "hollow grey");
        if ((zs[i] > 0) !== (kind === 1)) {
          for (const slant of [-1, 1]) pen.line(px(x) - 8, py(y) - 8 * slant, px(x) + 8, py(y) + 8 * slant, "");
        }
      });
      pen.text(left, 14, "x₁ to the right, x₂ upwards", "small quiet");
      const below = pen.keys(left, top + side + 22, [["dot", "blue", "kind 1"], ["dot", "orange hollow", "kind 0"],
        ["line", "red", "h₁ is 0"], ["line", "green dashed", "h₂ is 0"], ["line", "", "crossed: wrong"]]);
      const x0 = wide ? left + side + 24 : left, y0 = wide ? top : below + 34, most = Math.max(0.05, ...grad.map(Math.abs));
      const room = (pen.width - x0 - 150) / 2, zero = x0 + 88 + room;
      pen.text(x0, y0 - 8, "blame of each weight", "small quiet");
      grad.forEach((value, k) => {
        const y = y0 + 14 + 24 * k, length = (room * Math.abs(value)) / most;
        pen.text(x0, y + 5, NAMES[k], "small");
        pen.rect(value < 0 ? zero - length : zero, y - 7, length, 14, k < 3 ? "red" : k < 6 ? "green" : "grey");
        pen.text(pen.width - 2, y + 5, signed(value), "end small");
      });
      pen.line(zero, y0 + 2, zero, y0 + 14 + 24 * 8 + 10, "faint");
      pen.height = Math.max(below, y0 + 14 + 24 * 8) + 16;
    },
    say({ loss, grad, zs, points, right }) {
      const k = grad.map(Math.abs).indexOf(Math.max(...grad.map(Math.abs))), p = sigmoid(zs[0]);
      return `Loss ${loss.toFixed(3)} nats, ${right} of ${points.length} points right. Most to blame: ${NAMES[k]}, ${signed(grad[k])}. ` +
        `The ringed point, of kind ${points[0][2]}, is kind 1 with probability ${p.toFixed(2)}.`;
    },
  });
})();
