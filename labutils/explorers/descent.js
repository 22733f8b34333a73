// Four rules that go downhill from one start, at one learning rate: SGD, momentum, RMSProp and Adam.
// Mirrors the rules of the page notebooks/foundations/training.ipynb, cells "rules" and "adam"; no noise.
(() => {
  "use strict";
  const turn = ([x, y]) => [(x - y) / Math.SQRT2, (x + y) / Math.SQRT2];
  const back = ([x, y]) => [(x + y) / Math.SQRT2, (y - x) / Math.SQRT2];
  const ravine = { loss: ([x, y]) => (x * x + 40 * y * y) / 2, slope: ([x, y]) => [x, 40 * y], start: [-2.2, 0.9] };
  const SURFACES = {
    bowl: { loss: ([x, y]) => x * x + 1.5 * y * y, slope: ([x, y]) => [2 * x, 3 * y], start: [-2.2, 1.2] },
    ravine,
    "turned ravine": { loss: (at) => ravine.loss(back(at)), slope: (at) => turn(ravine.slope(back(at))), start: turn([-2.2, 0.9]) },
    saddle: { loss: ([x, y]) => x * x - y * y / 2 + y ** 4 / 8, slope: ([x, y]) => [2 * x, -y + y ** 3 / 2], start: [-2.2, 0.02] },
  };
  const RULES = {
    SGD: (g) => g,
    momentum: (g, s) => (s.m = g.map((each, i) => 0.9 * (s.m ? s.m[i] : 0) + each)),
    RMSProp: (g, s) => {
      s.v = g.map((each, i) => 0.99 * (s.v ? s.v[i] : 0) + 0.01 * each * each);
      return g.map((each, i) => each / (Math.sqrt(s.v[i]) + 1e-8));
    },
    Adam: (g, s) => {
      s.t = (s.t ?? 0) + 1;
      s.m = g.map((each, i) => 0.9 * (s.m ? s.m[i] : 0) + 0.1 * each);
      s.v = g.map((each, i) => 0.999 * (s.v ? s.v[i] : 0) + 0.001 * each * each);
      return g.map((_, i) => s.m[i] / (1 - 0.9 ** s.t) / (Math.sqrt(s.v[i] / (1 - 0.999 ** s.t)) + 1e-8));
    },
  };
  const LOWEST = { saddle: [[0, Math.SQRT2], [0, -Math.SQRT2]] }; // where the others have [0, 0]
  const LOOKS = { SGD: "orange", momentum: "green dashed", RMSProp: "grey", Adam: "blue thick" };
  const FAR = 1e6; // a path that has left is not followed further

  function descend(rule, { slope, start }, rate, steps) {
    const path = [start], state = {};
    for (let t = 0; t < steps && Math.max(...path[t].map(Math.abs)) < FAR; t += 1) {
      const direction = rule(slope(path[t]), state);
      path.push(path[t].map((each, i) => each - rate * direction[i]));
    }
    return path;
  }

  // Lines of equal loss as one path: in each small cell, straight between the edges that the level crosses.
  function contour(loss, level, x, y, wide = 36, tall = 48) {
    const side = (i) => -3 + (6 * i) / wide, up = (j) => -2.1 + (4.2 * j) / tall, pieces = [];
    for (let i = 0; i < wide; i += 1) {
      for (let j = 0; j < tall; j += 1) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]].map(([a, b]) => [side(a), up(b)]);
        const high = corners.map((corner) => loss(corner) - level);
        const met = corners.flatMap((a, k) => {
          const b = corners[(k + 1) % 4], from = high[k], to = high[(k + 1) % 4], share = from / (from - to);
          return from > 0 === to > 0 ? [] : [[a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])]];
        });
        for (let k = 0; k + 1 < met.length; k += 2) {
          const [[a, b], [c, d]] = [met[k], met[k + 1]].map(([u, v]) => [x(u).toFixed(1), y(v).toFixed(1)]);
          pieces.push(`M${a} ${b}L${c} ${d}`);
        }
      }
    }
    return pieces.join("");
  }

  labutils.define("descent", {
    controls: [
      { name: "surface", kind: "choice", label: "Surface", options: Object.keys(SURFACES), value: "ravine" },
      { name: "rate", label: "Learning rate", min: 0.001, max: 1, log: true, value: 0.02 },
      { name: "steps", label: "Steps", min: 1, max: 200, value: 60 },
    ],
    compute({ surface, rate, steps }) {
      const place = SURFACES[surface];
      return { paths: Object.entries(RULES).map(([name, rule]) => {
        const path = descend(rule, place, rate, steps), end = path[path.length - 1];
        return { name, path, loss: place.loss(end), left: Math.max(...end.map(Math.abs)) >= 4 };
      }) };
    },
    draw(pen, { paths }, { surface }) {
      const { loss } = SURFACES[surface], side = Math.min(pen.width, 360), left = (pen.width - side) / 2, high = 250;
      const x = (value) => left + (side * (value + 3)) / 6, y = (value) => 4 + (high * (2.1 - value)) / 4.2;
      const inside = ([a, b]) => Math.abs(a) <= 3 && Math.abs(b) <= 2.1;
      const least = surface === "saddle" ? -0.5 : 0;
      const ground = [0.5, 1.5, 4.5, 13.5, 40.5].map((above) => contour(loss, least + above, x, y)).join("");
      pen.add("path", { d: ground }, "faint hollow");
      for (const [a, b] of LOWEST[surface] ?? [[0, 0]]) {
        pen.line(x(a) - 5, y(b) - 5, x(a) + 5, y(b) + 5);
        pen.line(x(a) - 5, y(b) + 5, x(a) + 5, y(b) - 5);
      }
      for (const { name, path } of paths) {
        const out = path.findIndex((at) => !inside(at)), shown = out < 0 ? path : path.slice(0, out);
        pen.curve(shown.map(([a, b]) => [x(a), y(b)]), LOOKS[name]);
        const [a, b] = shown[shown.length - 1];
        pen.circle(x(a), y(b), 4, LOOKS[name].split(" ")[0]);
      }
      const below = high + 24, most = 4, from = 116, room = pen.width - from - 74;
      paths.forEach(({ name, loss: value, left: gone }, i) => {
        const middle = below + 24 * i, length = (room * Math.max(0, Math.min(value - least, most))) / most;
        pen.text(76, middle + 4, name, "end small");
        pen.line(82, middle, 110, middle, LOOKS[name]);
        pen.rect(from, middle - 7, length, 14, LOOKS[name].split(" ")[0]);
        pen.text(from + 6 + length, middle + 4, gone ? "has left" : value.toFixed(3), "small bold");
      });
      pen.height = below + 24 * 3 + 14;
    },
    say({ paths }, { surface, rate, steps }) {
      return `${steps} steps at rate ${rate} on the ${surface}. Loss: ` +
        `${paths.map(({ name, loss, left }) => `${name} ${left ? "has left" : loss.toFixed(3)}`).join(", ")}.`;
    },
  });
})();
