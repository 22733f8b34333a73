// How fast does a gradient die in a random recurrent network? Its Jacobians multiplied out, beside the theory.
// Mirrors `gains` and `theory` of the chapter rnn: gain = ‖∂h_T/∂h_t‖ / √n, and the rate of a wide random network.
(() => {
  "use strict";
  const N = 64, BEFORE = 60, BACK = 50; // units, steps to forget the start, steps that are shown
  let state = 20241; // a generator of its own, so that each reader sees the same network
  const uniform = () => ((state = (Math.imul(1664525, state) + 1013904223) >>> 0) + 0.5) / 2 ** 32;
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const normals = (rows) => Array.from({ length: rows }, () => Array.from({ length: N }, normal));
  const times = (a, b) => a.map((row) => {
    const product = new Array(N).fill(0);
    for (let k = 0; k < N; k++) for (let j = 0; j < N; j++) product[j] += row[k] * b[k][j];
    return product;
  });
  const size = (a) => Math.sqrt(a.flat().reduce((sum, part) => sum + part * part, 0));
  const scaled = (a, by) => a.map((row) => row.map((part) => part * by));

  function spectralRadius(matrix) { // ‖M^p‖^(1/p) for p = 2^30 (Gelfand), by squaring
    let power = matrix, logs = 0;
    for (let i = 0; i < 30; i++) {
      logs += Math.log(size(power)) / 2 ** i;
      power = scaled(power, 1 / size(power));
      power = times(power, power);
    }
    return Math.exp(logs + Math.log(size(power)) / 2 ** 30);
  }
  const START = normals(1)[0], NOISE = normals(BEFORE + BACK), RAW = normals(N);
  const UNIT = scaled(RAW, 1 / spectralRadius(RAW)); // its spectral radius is 1

  const kinds = { // the function and its slope, as a function of the sum
    identity: [(a) => a, () => 1],
    tanh: [Math.tanh, (a) => 1 - Math.tanh(a) ** 2],
    ReLU: [(a) => Math.max(0, a), (a) => Number(a > 0)],
  };
  const grid = Array.from({ length: 241 }, (_, i) => (i - 120) / 15); // normal numbers from -8 to 8
  const weights = grid.map((u) => Math.exp((-u * u) / 2) / Math.sqrt(2 * Math.PI) / 15);
  const mean = (f) => grid.reduce((sum, u, i) => sum + weights[i] * f(u), 0);

  function theory(kind, radius, signal) {
    if (kind !== "tanh") return kind === "identity" ? radius : radius / Math.SQRT2; // half of the ReLUs are off
    let q = 1;
    for (let i = 0; i < 300; i++) q = radius ** 2 * mean((u) => Math.tanh(Math.sqrt(q) * u) ** 2) + signal ** 2;
    return radius * Math.sqrt(mean((u) => (1 - Math.tanh(Math.sqrt(q) * u) ** 2) ** 2));
  }

  labutils.define("gradient_decay", {
    controls: [
      { name: "radius", label: "Spectral radius", min: 0.3, max: 3, log: true, value: 0.9 },
      { name: "signal", label: "Size of the input", min: 0, max: 2, step: 0.1, value: 0.5 },
      { name: "kind", kind: "choice", label: "Non-linearity", options: Object.keys(kinds), value: "tanh" },
    ],
    compute({ radius, kind, signal }) {
      const [f, slope] = kinds[kind], W = scaled(UNIT, radius), gains = [];
      let h = START, J = null;
      for (let t = 0; t < BEFORE + BACK; t++) {
        const sums = times([h], W)[0].map((sum, j) => sum + signal * NOISE[t][j]);
        h = sums.map(f);
        if (t < BEFORE) continue;
        const step = W.map((row) => row.map((part, j) => part * slope(sums[j])));
        J = J ? times(J, step) : step;
        gains.push(size(J) / Math.sqrt(N));
      }
      return { gains, rate: theory(kind, radius, signal) };
    },
    draw(pen, { gains, rate }) {
      const left = 46, right = pen.width - 10, top = 26, floor = 250, low = -12, high = 6; // powers of ten
      const x = (k) => left + ((right - left) * k) / BACK;
      const y = (gain) => floor - ((floor - top) * (Math.log10(gain) - low)) / (high - low);
      const inside = (gain) => gain >= 10 ** low && gain <= 10 ** high;
      for (let power = low; power <= high; power += 3) {
        pen.line(left, y(10 ** power), right, y(10 ** power), power === 0 ? "" : "faint");
        pen.text(left - 6, y(10 ** power) + 4, power === 0 ? "1" : `1e${power}`, "end small quiet");
      }
      pen.text(0, 12, `gain of ∂h_T/∂h_t${pen.width < 360 ? "" : ", how much of a change arrives"}`, "small quiet");
      for (let k = 0; k <= BACK; k += 10) pen.text(x(k), floor + 18, k, "middle small quiet");
      pen.text((left + right) / 2, floor + 36, "steps back, T − t", "middle small quiet");
      const end = Math.min(BACK, (rate < 1 ? low : high) / Math.log10(rate)); // where the line leaves the figure
      pen.line(x(0), y(1), x(end), y(rate ** end), "orange dashed");
      gains.forEach((gain, i) => i % 2 === 0 && inside(gain) && pen.circle(x(i + 1), y(gain), 3, "blue"));
      pen.height = 8 + pen.keys(left, floor + 58, [["dot", "blue", "this network"], ["line", "orange dashed", "theory, wide network"]]);
    },
    say({ gains, rate }, { kind, signal }) {
      const share = gains[19] >= 1e-3 ? gains[19].toPrecision(2) : gains[19].toExponential(0);
      const pace = Math.log(2) / Math.abs(Math.log(rate));
      const change = pace > 500 ? "neither shrinks nor grows" : `${rate < 1 ? "halves" : "doubles"} every ${pace.toFixed(1)} steps`;
      return `${kind}, input of size ${signal}: theory says ${rate.toFixed(2)} a step, a change ${change}. In this network ${share} of it arrives after 20 steps.`;
    },
  });
})();
