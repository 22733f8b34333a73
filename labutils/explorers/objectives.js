// One sentence under three objectives: what a model sees, what it is asked, how many answers a pass gives.
// Mirrors labutils.objectives. data: tokens, and draws, each three orders of the numbers 0 … n − 1 in place of random numbers.
(() => {
  "use strict";
  const CAUSAL = "causal (GPT)", MASKED = "masked (BERT)", SPAN = "spans (T5)";

  function rounded(x) { // halves to the even number, as Python does
    const low = Math.floor(x), over = x - low;
    return over < 0.5 ? low : over > 0.5 ? low + 1 : low + (low % 2);
  }

  // Cut `total` into `parts` whole numbers of at least 1, at the places that stand first in `order`.
  function cut(total, parts, order) {
    const cuts = order.filter((place) => place < total - 1).slice(0, parts - 1).map((place) => place + 1).sort((a, b) => a - b);
    const ends = [...cuts, total];
    return ends.map((end, i) => end - (i ? ends[i - 1] : 0));
  }

  function masked(n, share, [order, kinds]) {
    const asked = new Set(order.slice(0, Math.max(1, rounded(n * share))));
    return Array.from({ length: n }, (_, i) => {
      if (!asked.has(i)) return { look: "shown", asked: false };
      const kind = kinds[i] / n; // 8 in 10 hidden, 1 in 10 as it is, 1 in 10 another token
      return { look: kind < 0.8 ? "hidden" : kind < 0.9 ? "kept" : "other", asked: true, other: order[(i + 1) % n] };
    });
  }

  function spans(n, share, length, [, hiddenOrder, shownOrder]) {
    const nHidden = Math.min(Math.max(rounded(n * share), 1), n - 1);
    const nSpans = Math.min(Math.max(rounded(nHidden / length), 1), nHidden, n - nHidden);
    const hidden = cut(nHidden, nSpans, hiddenOrder), shown = cut(n - nHidden, nSpans, shownOrder);
    return hidden.flatMap((gone, i) => [
      ...Array(shown[i]).fill({ look: "shown", asked: false }),
      ...Array(gone).fill({ look: "hidden", asked: true, span: i }),
    ]);
  }

  labutils.define("objectives", {
    controls: [
      { name: "objective", kind: "choice", label: "Objective", options: [CAUSAL, MASKED, SPAN], value: MASKED },
      { name: "share", label: "Share that is hidden (masked, spans)", min: 0.05, max: 0.6, step: 0.05, value: 0.15,
        format: (share) => `${Math.round(100 * share)} %` },
      { name: "length", label: "Mean length of a span", min: 1, max: 5, step: 0.5, value: 3, format: (length) => length.toFixed(1) },
      { name: "draw", kind: "choice", label: "Draw", options: [1, 2, 3, 4, 5, 6], value: 1 },
    ],
    compute({ objective, share, length, draw }, { tokens, draws }) {
      const n = tokens.length, order = draws[draw - 1];
      const cells = objective === MASKED ? masked(n, share, order) : objective === SPAN ? spans(n, share, length, order)
        : tokens.map((_, i) => ({ look: "shown", asked: i > 0 }));
      const nSpans = new Set(cells.filter((cell) => cell.span !== undefined).map((cell) => cell.span)).size;
      const hidden = cells.filter((cell) => cell.asked).length;
      const nSource = objective === SPAN ? n - hidden + nSpans : objective === CAUSAL ? n - 1 : n;
      const nTarget = objective === SPAN ? hidden + nSpans + 1 : hidden;
      return { tokens, cells, nSource, nTarget, nSpans, answers: hidden };
    },
    draw(pen, { tokens, cells }, { objective }) {
      const size = 8.6, high = 44;
      let x = 4, y = 10;
      tokens.forEach((token, i) => {
        const { look, asked, span, other } = cells[i];
        const seen = look === "hidden" ? (span === undefined ? "[MASK]" : `<${"XYZUVWABCDEFGH"[span]}>`) : look === "other" ? tokens[other] : token;
        const wide = Math.max(seen.length, token.length) * size + 14;
        if (x + wide > pen.width - 4) { x = 4; y += high + 20; }
        pen.rect(x, y, wide - 4, 24, asked ? "blue hollow" : "faint hollow");
        pen.text(x + wide / 2 - 2, y + 17, seen, look === "shown" || look === "kept" ? "middle small" : "middle small bold");
        if (asked) pen.text(x + wide / 2 - 2, y + 40, token, "middle small quiet");
        x += wide;
      });
      pen.height = y + high + 14;
      const words = objective === CAUSAL ? "asked for, from the tokens before it" : "asked for; the answer stands below";
      pen.height += pen.keys(4, pen.height, [["box", "blue hollow", words], ["box", "faint hollow", "only seen"]]);
    },
    say({ nSource, nTarget, answers, tokens, nSpans }, { objective, length, draw }) {
      const n = tokens.length;
      if (objective === CAUSAL) return `Each of ${answers} tokens is asked for, from those before it: ${answers} answers from ${n} tokens in one pass.`;
      if (objective === MASKED) return `${answers} of ${n} tokens are asked for, from both sides: ${answers} answers in one pass over ${n} tokens.`;
      return `${nSpans} ${nSpans === 1 ? "span is" : "spans are"} cut out for a mean length of ${length.toFixed(1)}: the encoder reads ${nSource} tokens, the decoder writes ${nTarget}, ` +
        `of which ${answers} stood in the text (draw ${draw}).`;
    },
  });
})();
