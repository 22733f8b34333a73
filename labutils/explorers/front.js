// Two losses, all that can be had of both, and the point that a weighted sum or a weighted maximum chooses.
// Mirrors `chosen` of the chapter objective_conflict. Bowls: ((x ∓ 1)/2)²; wells: 1 − exp(−(x ∓ 1)²), x from −1 to 1.
(() => {
  "use strict";
  const BOWLS = "two bowls", WELLS = "two wells", SUM = "their sum", MOST = "the larger of the two";
  const N = 401;
  const LOSS = { [BOWLS]: (t) => (t / 2) ** 2, [WELLS]: (t) => 1 - Math.exp(-t * t) };
  const front = (shape) => Array.from({ length: N }, (_, i) => {
    const x = 1 - (2 * i) / (N - 1);
    return [LOSS[shape](x - 1), LOSS[shape](x + 1)];
  });
  const score = (rule, w, [a, b]) => (rule === SUM ? (1 - w) * a + w * b : Math.max((1 - w) * a, w * b));
  function chosen(points, rule, w) {
    let best = 0;
    points.forEach((point, i) => { if (score(rule, w, point) < score(rule, w, points[best]) - 1e-12) best = i; });
    return best;
  }

  labutils.define("front", {
    controls: [
      { name: "shape", kind: "choice", label: "Losses", options: [BOWLS, WELLS], value: WELLS },
      { name: "rule", kind: "choice", label: "Made small", options: [SUM, MOST], value: SUM },
      { name: "w", label: "Weight of the second loss", min: 0.02, max: 0.98, step: 0.02, value: 0.4, format: (w) => w.toFixed(2) },
    ],
    compute({ shape, rule, w }) {
      const points = front(shape), at = chosen(points, rule, w);
      const reached = new Set(Array.from({ length: 49 }, (_, i) => chosen(points, rule, 0.02 * (i + 1))));
      const inner = [...reached].filter((i) => points[i].every((loss) => loss > 0.1)).length;
      return { points, at, losses: points[at], score: score(rule, w, points[at]), reached: [...reached], inner };
    },
    draw(pen, { points, losses, score, reached }, { rule, w }) {
      const side = Math.min(pen.width - 70, 330), left = 48, top = 14, floor = top + side;
      const x = (a) => left + side * a, y = (b) => floor - side * b;
      for (const mark of [0, 0.5, 1]) {
        pen.line(x(mark), y(0), x(mark), y(1), "faint");
        pen.line(x(0), y(mark), x(1), y(mark), "faint");
        pen.text(x(mark), floor + 18, mark, "middle small quiet");
        pen.text(left - 8, y(mark) + 4, mark, "end small quiet");
      }
      pen.text(left + side / 2, floor + 36, "first loss", "middle small quiet");
      pen.text(left + 14, top - 3, "second loss", "small quiet");
      pen.curve(points.map(([a, b]) => [x(a), y(b)]), "blue thick");
      reached.forEach((i) => pen.circle(x(points[i][0]), y(points[i][1]), 4, "green"));
      if (rule === SUM) { // (1 − w) a + w b = score, where it crosses the square
        const ends = [[0, score / w], [1, (score - 1 + w) / w], [score / (1 - w), 0], [(score - w) / (1 - w), 1]]
          .filter(([a, b]) => a >= 0 && a <= 1 && b >= 0 && b <= 1).sort((p, q) => p[0] - q[0]);
        if (ends.length > 1) pen.line(x(ends[0][0]), y(ends[0][1]), x(ends.at(-1)[0]), y(ends.at(-1)[1]), "red dashed");
      } else {
        const a = Math.min(1, score / (1 - w)), b = Math.min(1, score / w);
        pen.line(x(a), y(0), x(a), y(b), "red dashed");
        pen.line(x(0), y(b), x(a), y(b), "red dashed");
      }
      pen.circle(x(losses[0]), y(losses[1]), 7, "red");
      pen.height = 8 + pen.keys(4, floor + 60, [["line", "blue", "all that can be had"], ["dot", "green", "chosen by 49 weights"],
        ["dot", "red", "chosen by this one"], ["line", "red dashed", "equally good for it"]]);
    },
    say: ({ losses, inner }, { shape, rule, w }) =>
      `With weight ${w.toFixed(2)} on the second loss of ${shape}, the least of ${rule} is at losses ${losses[0].toFixed(2)} and ${losses[1].toFixed(2)}. ` +
      `Over 49 weights ${inner} different points have both losses above 0.1.`,
  });
})();
