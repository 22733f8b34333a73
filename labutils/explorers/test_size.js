// Two models on the same texts: what a test measures if they are equal, and if one is better; where "shown" begins.
// Mirrors labutils.evaluation.power_of and needed_size at the level 1 - 0.05 / k, and 1 - 0.95 ** k.
(() => {
  "use strict";
  // The normal law: a series near 0, a continued fraction in the tails.
  function cdf(z) {
    if (Math.abs(z) < 3) {
      let term = z, total = z;
      for (let i = 1; i < 80; i++) total += term *= (-z * z * (2 * i - 1)) / (2 * i * (2 * i + 1));
      return 0.5 + total / Math.sqrt(2 * Math.PI);
    }
    const x = Math.abs(z);
    let tail = 0;
    for (let i = 60; i > 0; i--) tail = i / (x + tail);
    const area = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI) / (x + tail);
    return z > 0 ? 1 - area : area;
  }
  function quantile(share) {
    let low = -9, high = 9;
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      if (cdf(middle) < share) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  const points = (share) => `${(100 * share).toFixed(1)} points`;
  const LEFT = -0.1, RIGHT = 0.2;

  labutils.define("test_size", {
    controls: [
      { name: "gain", label: "One is better by", min: 0.005, max: 0.1, step: 0.005, value: 0.02, format: points },
      { name: "differ", label: "They differ on", min: 0.12, max: 0.6, step: 0.02, value: 0.16, format: percent },
      { name: "n", label: "Test texts", min: 50, max: 20000, log: true, value: 1000 },
      { name: "k", label: "Models compared", min: 1, max: 40, value: 1 },
    ],
    compute({ gain, differ, n, k }) {
      const flat = Math.sqrt(differ), spread = Math.sqrt(differ - gain * gain), edge = quantile(1 - 0.025 / k);
      const power = cdf((gain * Math.sqrt(n) - edge * flat) / spread);
      const needed = Math.max(1, Math.ceil(((edge * flat + quantile(0.8) * spread) / gain) ** 2));
      return { power, needed, line: (edge * flat) / Math.sqrt(n), equal: flat / Math.sqrt(n), better: spread / Math.sqrt(n), luck: 1 - 0.95 ** k };
    },
    draw(pen, { power, needed, line, equal, better, luck }, { gain }) {
      const left = 12, right = pen.width - 12, top = 34, floor = 210;
      const x = (d) => left + ((right - left) * (Math.min(Math.max(d, LEFT), RIGHT) - LEFT)) / (RIGHT - LEFT);
      const bell = (d, middle, sd) => floor - (floor - top) * Math.exp(-((d - middle) ** 2) / (2 * sd * sd));
      const marks = Array.from({ length: 301 }, (_, i) => LEFT + ((RIGHT - LEFT) * i) / 300);
      const along = (middle, sd) => [...marks, middle].sort((a, b) => a - b).map((d) => [x(d), bell(d, middle, sd)]);
      for (const mark of [-0.1, 0, 0.1, 0.2]) {
        pen.line(x(mark), floor, x(mark), floor + 5, "faint");
        pen.text(x(mark), floor + 20, `${Math.round(100 * mark)}`, mark < 0 ? "small quiet" : mark > 0.15 ? "end small quiet" : "middle small quiet");
      }
      pen.line(left, floor, right, floor, "faint");
      const beyond = marks.filter((d) => d > line);
      if (line < RIGHT) pen.area([[x(line), floor], [x(line), bell(line, gain, better)], ...beyond.map((d) => [x(d), bell(d, gain, better)]), [x(RIGHT), floor]], "green see-through");
      pen.curve(along(0, equal), "blue dashed");
      pen.curve(along(gain, better), "green thick");
      pen.line(x(line), top - 8, x(line), floor, "red");
      pen.text(x(line) > pen.width / 2 ? x(line) - 5 : x(line) + 5, top - 14, line > RIGHT ? "shown beyond →" : "shown →", x(line) > pen.width / 2 ? "end small" : "small");
      pen.text((left + right) / 2, floor + 38, "measured difference, points", "middle small quiet");
      const below = pen.keys(left, floor + 62, [["line", "blue dashed", "equal"], ["line", "green thick", "one is better"], ["box", "green see-through", "shown"]]);
      const room = pen.width - 200;
      [["shown", power, "green"], ["by luck, uncorrected", luck, "red"]].forEach(([name, share, colour], i) => {
        const middle = below + 26 + 24 * i;
        pen.text(140, middle + 4, name, "end small");
        pen.rect(146, middle - 7, room * share, 14, colour);
        pen.text(152 + room * share, middle + 4, percent(share), "small bold");
      });
      pen.text(left, below + 84, `for four times in five: ${needed.toLocaleString("en")} texts`, "small bold");
      pen.height = below + 96;
    },
    say: ({ power, needed, luck }, { n, k }) =>
      `${n} texts show the gain ${percent(power)} of the time; four times in five takes ${needed.toLocaleString("en")}. ` +
      `Of ${k} equal model${k > 1 ? "s" : ""} with luck of ${k > 1 ? "their" : "its"} own, tested without correction, one or more seems better or worse with a chance of ${percent(luck)}.`,
  });
})();
