// A reliability diagram: how often a model is right against how sure it says it is, at a temperature.
// Mirrors labutils.calibration: reliability, calibration_error, bias_if_calibrated, log_loss and brier.
// data: z, three logits or more for each text, and y, the class that is true.
(() => {
  "use strict";
  const sum = (parts) => parts.reduce((total, part) => total + part, 0);

  labutils.define("reliability", {
    controls: [
      { name: "tau", label: "Temperature T", min: 0.3, max: 10, log: true, value: 1 },
      { name: "bins", label: "Bins", min: 2, max: 60, value: 15 },
      { name: "n", label: "Test texts", min: 50, max: 1500, step: 50, value: 1500 },
    ],
    compute({ tau, bins, n }, { z, y }) {
      const rows = z.slice(0, n), size = Array(bins).fill(0), sure = Array(bins).fill(0), right = Array(bins).fill(0), spread = Array(bins).fill(0);
      let bits = 0, brier = 0;
      rows.forEach((logits, i) => {
        const top = Math.max(...logits), weights = logits.map((logit) => Math.exp((logit - top) / tau)), total = sum(weights);
        const p = weights.map((weight) => weight / total), said = Math.max(...p), at = Math.min(Math.floor(said * bins), bins - 1);
        size[at] += 1;
        sure[at] += said;
        right[at] += logits.indexOf(top) === y[i] ? 1 : 0;
        spread[at] += said * (1 - said);
        bits += Math.log2(total) - (logits[y[i]] - top) / tau / Math.LN2;
        brier += sum(p.map((share, k) => (share - (k === y[i] ? 1 : 0)) ** 2));
      });
      const m = rows.length, full = size.map((count, i) => i).filter((i) => size[i]);
      return { m, bins, bits: bits / m, brier: brier / m,
        steps: full.map((i) => ({ at: i, size: size[i], sure: sure[i] / size[i], right: right[i] / size[i] })),
        ece: sum(full.map((i) => Math.abs(right[i] - sure[i]))) / m, sure: sum(sure) / m, right: sum(right) / m,
        chance: sum(full.map((i) => Math.sqrt((2 / Math.PI) * spread[i]))) / m };
    },
    draw(pen, { m, bins, steps, ece, bits, brier, chance }) {
      const left = 44, right = pen.width - 12, top = 30, floor = 250, foot = 292;
      const x = (share) => left + (right - left) * share, y = (share) => floor - (floor - top) * share;
      pen.text(0, 14, "how often it is right", "small quiet");
      for (const mark of [0, 0.5, 1]) {
        pen.line(left, y(mark), right, y(mark), "faint");
        pen.text(left - 8, y(mark) + 4, mark, "end small quiet");
        pen.text(x(mark), foot + 20, mark, mark === 1 ? "end small quiet" : "middle small quiet");
      }
      const most = Math.max(...steps.map(({ size }) => size));
      for (const { at, size, right: share } of steps) {
        const from = x(at / bins), wide = (right - left) / bins - (bins > 30 ? 0.5 : 1.5);
        pen.rect(from, y(share), wide, floor - y(share), "blue see-through");
        pen.rect(from, foot - 26 * (size / most), wide, 26 * (size / most), "grey");
      }
      pen.line(x(0), y(0), x(1), y(1), "dashed");
      for (const { sure, right: share } of steps) {
        pen.line(x(sure), y(sure), x(sure), y(share), "orange thick");
        pen.circle(x(sure), y(share), 3, "blue");
      }
      pen.text((left + right) / 2, foot + 38, "how sure it is", "middle small quiet");
      const below = pen.keys(left, foot + 64, [["box", "blue see-through", "right"], ["line", "orange thick", "gap"], ["box", "grey", "texts"]]);
      const top_of = 0.5, room = pen.width - 116;
      [["ECE", ece, top_of, 3], ["by chance", chance, top_of, 3], ["bits", bits, 4, 2], ["Brier", brier, 1.2, 2]].forEach(([name, value, longest, digits], i) => {
        const middle = below + 26 + 24 * i, length = (room * Math.min(value, longest)) / longest;
        pen.text(66, middle + 4, name, "end small");
        pen.rect(72, middle - 7, length, 14, i < 2 ? "orange" : "green");
        pen.text(78 + length, middle + 4, value.toFixed(digits), "small bold");
      });
      pen.height = below + 26 + 24 * 4;
    },
    say: ({ m, sure, right, ece, chance, bits }) =>
      `${m} texts: sure ${sure.toFixed(2)}, right ${right.toFixed(2)}. Calibration error ${ece.toFixed(3)}; by chance alone ` +
      `an exact forecaster would have about ${chance.toFixed(3)}. Log loss ${bits.toFixed(2)} bits.`,
  });
})();
