// Best-of-n by a measured score: what the measured and the true score of the chosen reply are, in the mean.
// The true score is standard normal, the measured one is true + noise · error. Both means are integrals over grids.
// Mirrors best_of_n of the page notebooks/limits/competing_objectives.ipynb.
(() => {
  "use strict";
  const LARGEST = 1024;
  const ERRORS = {
    "light (normal)": (x) => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI),
    "heavy (t, 3)": (x) => 2 / (Math.PI * Math.sqrt(3) * (1 + x * x / 3) ** 2),
    "heavier (t, 2)": (x) => 1 / (2 + x * x) ** 1.5,
  };
  const TRUE = Array.from({ length: 121 }, (_, i) => -6 + 0.1 * i);
  const WEIGHT = TRUE.map((x) => Math.exp(-x * x / 2));
  const SCORES = Array.from({ length: 481 }, (_, i) => 3 * Math.sinh(-6 + 0.025 * i)); // dense in the middle, wide at the ends
  const NS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, LARGEST];
  const kl = (n) => Math.log(n) - (n - 1) / n;

  function selection(tails, noise) {
    const density = ERRORS[tails], mean = [], mass = [];
    SCORES.forEach((score, i) => {
      let all = 0, weighted = 0;
      TRUE.forEach((x, j) => {
        const joint = WEIGHT[j] * density((score - x) / noise);
        all += joint;
        weighted += joint * x;
      });
      const wide = (SCORES[Math.min(480, i + 1)] - SCORES[Math.max(0, i - 1)]) / (i % 480 ? 2 : 1);
      mass.push(all * wide);
      mean.push(all > 1e-300 ? weighted / all : 0);
    });
    const total = mass.reduce((sum, part) => sum + part, 0);
    let sum = 0;
    const below = [0, ...mass.map((part) => Math.min(1, (sum += part / total)))];
    return (n) => SCORES.reduce(([truth, measured], score, i) => {
      const chosen = below[i + 1] ** n - below[i] ** n;
      return [truth + chosen * mean[i], measured + chosen * score];
    }, [0, 0]);
  }

  labutils.define("best_of_n", {
    controls: [
      { name: "tails", kind: "choice", label: "Tails of the error", options: Object.keys(ERRORS), value: "heavy (t, 3)" },
      { name: "noise", label: "Size of the error", min: 0.5, max: 2, step: 0.1, value: 1, format: (value) => value.toFixed(1) },
      { name: "n", label: "Replies drawn, n", min: 1, max: LARGEST, log: true, value: 16 },
    ],
    compute({ tails, noise, n }) {
      const best = selection(tails, noise), [truth, measured] = best(n);
      const curve = NS.map((each) => [each, ...best(each)]);
      const top = curve.reduce((high, row) => (row[1] > high[1] ? row : high));
      return { truth, measured, kl: kl(n), curve, top: top[0] };
    },
    draw(pen, { truth, measured, curve }, { n }) {
      const left = 34, floor = 218, high = 196, width = pen.width - left - 16, most = 6;
      pen.text(0, 12, `mean score${pen.width < 360 ? "" : ", in standard deviations of the true one"}`, "small quiet");
      const x = (each) => left + (width * Math.log(each)) / Math.log(LARGEST);
      const y = (value) => floor - (high * Math.max(0, Math.min(value, most))) / most;
      [0, 2, 4, 6].forEach((value) => {
        pen.line(left, y(value), left + width, y(value), "faint");
        pen.text(left - 8, y(value) + 4, String(value), "end small quiet");
      });
      [1, 4, 16, 64, 256, 1024].forEach((each) => pen.text(x(each), floor + 18, String(each), "middle small quiet"));
      const inside = curve.filter((row) => row[2] <= most);
      const next = curve[inside.length];
      const last = inside[inside.length - 1];
      const path = inside.map(([each, , score]) => [x(each), y(score)]);
      if (next) { // up to the upper edge
        const share = (most - last[2]) / (next[2] - last[2]);
        path.push([x(last[0]) + share * (x(next[0]) - x(last[0])), y(most)]);
      }
      pen.curve(path, "orange dashed thick");
      pen.curve(curve.map(([each, value]) => [x(each), y(value)]), "blue thick");
      pen.line(x(n), floor - high, x(n), floor, "grey");
      pen.circle(x(n), y(truth), 6, "blue");
      if (measured <= most) pen.circle(x(n), y(measured), 6, "orange");
      pen.text(left + width / 2, floor + 38, "n, replies drawn", "middle small quiet");
      pen.height = 8 + pen.keys(left, floor + 62, [["line", "blue thick", "true score of the best of n"],
        ["line", "orange dashed thick", "its measured score"]]);
    },
    say({ truth, measured, kl: far, top }, { n, noise, tails }) {
      return `Best of ${n}, ${far.toFixed(2)} nats from one draw. Measured ${measured.toFixed(2)}, true ${truth.toFixed(2)}. ` +
        `With ${tails.split(" ")[0]} tails and an error of ${noise.toFixed(1)} the true score is ` +
        (top === LARGEST ? "still rising at 1,024." : `highest near n = ${top}.`);
    },
  });
})();
