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
      const wide = 30, tall = 21; // the ground: the darker, the higher
      const least = surface === "saddle" ? -0.5 : 0;
      for (let i = 0; i < wide; i += 1) {
        for (let j = 0; j < tall; j += 1) {
          const middle = [-3 + (6 * (i + 0.5)) / wide, 2.1 - (4.2 * (j + 0.5)) / tall];
          const level = Math.floor(1.6 * Math.log2(1 + loss(middle) - least));
          if (level % 2) pen.rect(left + (side * i) / wide, 4 + (high * j) / tall, side / wide, high / tall, "grey see-through");
        }
      }
      for (const { name, path } of paths) {
        const out = path.findIndex((at) => !inside(at)), shown = out < 0 ? path : path.slice(0, out);
        pen.curve(shown.map(([a, b]) => [x(a), y(b)]), LOOKS[name]);
        const [a, b] = shown[shown.length - 1];
        pen.circle(x(a), y(b), 4, LOOKS[name].split(" ")[0]);
      }
      const below = pen.keys(left, high + 28, paths.map(({ name }) => ["line", LOOKS[name], name]));
      const most = 4, room = pen.width - 150;
      paths.forEach(({ name, loss: value, left: gone }, i) => {
        const middle = below + 26 + 24 * i, length = (room * Math.max(0, Math.min(value - least, most))) / most;
        pen.text(76, middle + 4, name, "end small");
        pen.rect(82, middle - 7, length, 14, LOOKS[name].split(" ")[0]);
        pen.text(88 + length, middle + 4, gone ? "has left" : value.toFixed(3), "small bold");
      });
      pen.height = below + 26 + 24 * 4;
    },
    say({ paths }, { surface, rate, steps }) {
      return `${steps} steps at rate ${rate} on the ${surface}. Loss: ` +
        `${paths.map(({ name, loss, left }) => `${name} ${left ? "has left" : loss.toFixed(3)}`).join(", ")}.`;
    },
  });
})();
