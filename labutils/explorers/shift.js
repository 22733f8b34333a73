// Two classes on a line, seen at home and away: label, covariate and concept shift, and what two corrections do.
// Everything is exact, on a grid. A logistic regression on x is fitted to home, to home with importance weights, or to
// home with its classes weighted by the shares that its predictions away imply; its threshold decides.
(() => {
  "use strict";
  const STEP = 0.05, GRID = Array.from({ length: 261 }, (_, i) => Math.round((-7 + STEP * i) * 100) / 100);
  const KINDS = ["label", "covariate", "concept"];
  const CORRECTIONS = ["none", "importance weights", "class shares"];
  const bell = (x, mean, sd) => Math.exp(-0.5 * ((x - mean) / sd) ** 2) / sd;
  const scaled = (parts) => {
    const total = parts.flat().reduce((sum, part) => sum + part, 0);
    return parts.map((part) => part.map((mass) => mass / total));
  };
  const sum = (mass) => mass.reduce((total, part) => total + part, 0);
  const HOME = scaled([GRID.map((x) => bell(x, -0.8, 0.7)), GRID.map((x) => bell(x, 1.4, 1.7))]); // mass of class 0, of 1
  const given = (x) => { // p(class 1 | x) at home, for any x
    const negative = bell(x, -0.8, 0.7), positive = bell(x, 1.4, 1.7);
    return positive / (negative + positive);
  };

  function away(kind, strength) {
    if (kind === "label") {
      const positive = 0.5 - 0.4 * strength;
      return [HOME[0].map((mass) => 2 * (1 - positive) * mass), HOME[1].map((mass) => 2 * positive * mass)];
    }
    const all = GRID.map((_, i) => HOME[0][i] + HOME[1][i]);
    if (kind === "covariate") return scaled(HOME.map((part) => part.map((mass, i) => mass * Math.exp(-0.4 * strength * GRID[i]))));
    return [all.map((mass, i) => mass * (1 - given(GRID[i] - 1.5 * strength))), all.map((mass, i) => mass * given(GRID[i] - 1.5 * strength))];
  }

  function fit([negative, positive]) { // the threshold of a logistic regression on x, by Newton's method
    let slope = 1, bias = 0;
    for (let round = 0; round < 40; round += 1) {
      let [a, b, c, u, v] = [1e-9, 0, 1e-9, 0, 0];
      GRID.forEach((x, i) => {
        const p = 1 / (1 + Math.exp(-slope * x - bias)), mass = negative[i] + positive[i];
        const error = mass * p - positive[i], curve = mass * p * (1 - p);
        u += error * x; v += error; a += curve * x * x; b += curve * x; c += curve;
      });
      const determinant = a * c - b * b;
      slope -= Math.max(-1, Math.min(1, (c * u - b * v) / determinant));
      bias -= Math.max(-1, Math.min(1, (a * v - b * u) / determinant));
    }
    return -bias / slope;
  }
  const found = (mass, threshold) => sum(mass.filter((_, i) => GRID[i] > threshold)); // called positive
  const error = ([negative, positive], threshold) => found(negative, threshold) + sum(positive) - found(positive, threshold);

  const LEARNT = fit(HOME);
  const GOOD_CALLS = 2 * found(HOME[1], LEARNT), BAD_CALLS = 2 * found(HOME[0], LEARNT); // of each class's mass

  function share(target) { // of class 1, from predictions alone
    const called = found(target[0], LEARNT) + found(target[1], LEARNT);
    return Math.max(0.001, Math.min(0.999, (called - BAD_CALLS) / (GOOD_CALLS - BAD_CALLS)));
  }
  function corrected(target, correction) {
    if (correction === "importance weights") {
      const ratio = GRID.map((_, i) => (target[0][i] + target[1][i]) / (HOME[0][i] + HOME[1][i]));
      return fit(HOME.map((part) => part.map((mass, i) => mass * ratio[i])));
    }
    if (correction === "class shares") {
      const positive = share(target);
      return fit([HOME[0].map((mass) => 2 * (1 - positive) * mass), HOME[1].map((mass) => 2 * positive * mass)]);
    }
    return LEARNT;
  }
  const best = (target) => GRID.reduce((least, x) => (error(target, x) < error(target, least) - 1e-12 ? x : least), GRID[0]);

  labutils.define("shift", {
    controls: [
      { name: "kind", kind: "choice", label: "Shift", options: KINDS, value: "label" },
      { name: "strength", label: "How strong", min: 0, max: 1, step: 0.05, value: 0.6, format: (value) => value.toFixed(2) },
      { name: "correction", kind: "choice", label: "Correction", options: CORRECTIONS, value: "class shares" },
    ],
    compute({ kind, strength, correction }) {
      const target = away(kind, strength), moved = corrected(target, correction), ideal = best(target);
      return { target, learnt: LEARNT, moved, ideal, atHome: error(HOME, LEARNT), uncorrected: error(target, LEARNT),
        corrected: error(target, moved), least: error(target, ideal), share: share(target) };
    },
    draw(pen, { target, learnt, moved, ideal }) {
      const left = 6, width = pen.width - 12, top = 16, floor = 200, tallest = 0.0235;
      const x = (value) => left + ((Math.max(-4, Math.min(6, value)) + 4) / 10) * width;
      const y = (mass) => floor - ((floor - top) * Math.min(mass, tallest)) / tallest;
      const seen = GRID.map((_, i) => i).filter((i) => GRID[i] >= -4 && GRID[i] <= 6);
      const path = (part) => seen.map((i) => [x(GRID[i]), y(part[i])]);
      const closed = (part) => [[x(-4), floor], ...path(part), [x(6), floor]];
      pen.area(closed(target[0]), "blue see-through");
      pen.area(closed(target[1]), "orange see-through");
      pen.curve(path(HOME[0]), "blue dashed");
      pen.curve(path(HOME[1]), "orange dashed");
      pen.line(left, floor, left + width, floor, "faint");
      pen.line(x(learnt), top, x(learnt), floor, "grey thick");
      pen.line(x(ideal), top, x(ideal), floor, "red dashed");
      pen.line(x(moved), top, x(moved), floor, "green thick");
      pen.text(left, floor + 18, "called bad", "small quiet");
      pen.text(left + width, floor + 18, "called good", "end small quiet");
      pen.height = 6 + pen.keys(left, floor + 42, [["box", "blue see-through", "bad, away"], ["box", "orange see-through", "good, away"],
        ["line", "blue dashed", "at home"], ["line", "grey thick", "learnt"], ["line", "green thick", "corrected"],
        ["line", "red dashed", "best away"]]);
    },
    say({ atHome, uncorrected, corrected: after, least, share: positive }, { kind, correction }) {
      const what = correction === "none" ? "without a correction" : `with ${correction}`;
      return `${kind[0].toUpperCase()}${kind.slice(1)} shift. Errors at home: ${atHome.toFixed(3)}. Away: ${uncorrected.toFixed(3)} as learnt, ` +
        `${after.toFixed(3)} ${what}, ${least.toFixed(3)} with the best threshold. Its predictions imply a share of good texts ` +
        `of ${positive.toFixed(2)}.`;
    },
  });
})();
