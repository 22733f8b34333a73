// A 2×2 matrix moved by hand: what becomes of the unit circle, which directions stay, how far it stretches.
// Mirrors numpy.linalg.eig and numpy.linalg.svd of the matrix, and A @ x.
(() => {
  "use strict";
  const entry = (name, label, value) => ({ name, label, value, min: -2, max: 2, step: 0.1, format: (v) => v.toFixed(1) });
  const told = (v) => (Math.abs(v) < 0.005 ? "0.00" : v.toFixed(2).replace("-", "−"));
  const turned = (degrees) => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const angleOf = ([x, y]) => ((((Math.atan2(y, x) * 180) / Math.PI) % 360) + 360) % 360;
  const unit = ([x, y]) => [x / Math.hypot(x, y), y / Math.hypot(x, y)];

  labutils.define("linear_map", {
    controls: [
      entry("a", "a", 1.2), entry("b", "b", 0.9), entry("c", "c", 0.3), entry("d", "d", 0.6),
      { name: "angle", label: "Angle of x", min: 0, max: 359, step: 1, value: 110, format: (v) => `${v}°` },
      { name: "again", kind: "button", label: "Turn x to where A x points", press: ({ image }, { angle }) =>
        ({ angle: Math.hypot(...image) < 1e-9 ? angle : Math.round(angleOf(image)) % 360 }) },
    ],
    compute({ a, b, c, d, angle }) {
      const half = (a + d) / 2, det = a * d - b * c;
      const under = ((a - d) / 2) ** 2 + b * c; // half² − det, without the rounding of a difference of squares
      const root = Math.abs(under) < 1e-12 ? 0 : Math.sqrt(Math.abs(under)); // a double root is one
      const real = under > -1e-12, values = real ? [half + root, half - root] : [half, half];
      values.sort((p, q) => Math.abs(q) - Math.abs(p));
      const kept = real ? values.map((value) => { // (A − value) v = 0: v is at right angles to a row that is not zero
        const rows = [[a - value, b], [c, d - value]].sort((p, q) => Math.hypot(...q) - Math.hypot(...p));
        return Math.hypot(...rows[0]) < 1e-9 ? null : unit([-rows[0][1], rows[0][0]]); // null: all directions stay
      }) : [];
      const sum = a * a + b * b + c * c + d * d, gap = Math.hypot(a * a + c * c - b * b - d * d, 2 * (a * b + c * d));
      const first = Math.sqrt((sum + gap) / 2), sigma = [first, first ? Math.abs(det) / first : 0];
      const t = Math.atan2(2 * (a * b + c * d), a * a + c * c - b * b - d * d) / 2; // the angle that is stretched most
      const x = turned(angle), image = [a * x[0] + b * x[1], c * x[0] + d * x[1]];
      return { values, imaginary: real ? 0 : root, kept, sigma, det, carried: sum ? (first * first) / sum : 0,
        longest: [Math.cos(t), Math.sin(t)], x, image };
    },
    draw(pen, { values, imaginary, kept, sigma, carried, longest, x, image }, { a, b, c, d }) {
      const side = Math.min(pen.width, 360), reach = Math.max(2.2, 1.12 * sigma[0]), middle = side / 2;
      const at = ([p, q]) => [middle + (p / reach) * middle, middle - (q / reach) * middle];
      const map = ([p, q]) => [a * p + b * q, c * p + d * q];
      for (let mark = -Math.floor(reach); mark <= reach; mark++) {
        pen.line(...at([mark, -reach]), ...at([mark, reach]), "faint");
        pen.line(...at([-reach, mark]), ...at([reach, mark]), "faint");
      }
      const circle = Array.from({ length: 97 }, (_, i) => turned(3.75 * i));
      pen.curve(circle.map(at), "grey");
      pen.area(circle.map((p) => at(map(p))), "blue see-through");
      for (const v of kept) {
        if (v) pen.line(...at(v.map((p) => (-p * reach) / Math.max(...v.map(Math.abs)))),
          ...at(v.map((p) => (p * reach) / Math.max(...v.map(Math.abs)))), "red dashed");
      }
      pen.line(...at([0, 0]), ...at(map(longest)), "blue thick");
      pen.line(...at([0, 0]), ...at(map([-longest[1], longest[0]])), "blue thick");
      pen.line(...at([0, 0]), ...at(x), "green thick");
      pen.circle(...at(x), 5, "green");
      pen.line(...at([0, 0]), ...at(image), "orange thick");
      pen.circle(...at(image), 5, "hollow orange");
      const wide = pen.width >= 560, left = wide ? side + 18 : 0, top = wide ? 22 : side + 26;
      const stays = imaginary ? ["eigenvalues", `${told(values[0])} ± ${told(imaginary)} i`]
        : ["eigenvalues", `${told(values[0])} and ${told(values[1])}`];
      const rows = [["A", `(${told(a)}  ${told(b)})`], ["", `(${told(c)}  ${told(d)})`], stays,
        ["half-axes", `${told(sigma[0])} and ${told(sigma[1])}`], ["first carries", told(carried)]];
      rows.forEach(([name, words], i) => {
        pen.text(left, top + 22 * i, name, "small quiet");
        pen.text(left + 92, top + 22 * i, words, name === "A" || name === "" ? "small code" : "small");
      });
      const below = pen.keys(left, top + 22 * rows.length + 12, [["line", "grey", "unit circle"], ["box", "blue see-through", "what A makes of it"],
        ["line", "blue thick", "half-axes"],
        ["line", "red dashed", "stays in its direction"], ["dot", "green", "x"],
        ["dot", "hollow orange", "A x"]]);
      pen.height = Math.max(side, below + 8);
    },
    say({ values, imaginary, sigma, carried }) {
      const stays = imaginary ? "No direction stays: the eigenvalues are not real. "
        : `Eigenvalues ${told(values[0])} and ${told(values[1])}. `;
      return `${stays}The circle becomes an ellipse with half-axes ${told(sigma[0])} and ${told(sigma[1])}; ` +
        `the first direction carries ${told(carried)} of the squares.`;
    },
  });
})();
