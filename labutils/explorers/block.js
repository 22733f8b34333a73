// One transformer block, drawn: where its parameters are, and what grows when the model does.
// Mirrors labutils.parameters.count_parameters(TransformerConfig(…, final_norm=True, tied=tied)): GPT-2's style.
// A slider's value is a place in its list below, e.g. n_vocab: 6 for 50,257 tokens.
(() => {
  "use strict";
  const SIZES = {
    n_layer: [1, 2, 4, 6, 12, 24, 48, 96],
    d_model: [64, 128, 256, 512, 768, 1024, 1600, 4096, 12288],
    n_context: [0, 64, 256, 512, 1024, 2048, 8192, 32768],
    n_vocab: [64, 256, 1000, 4000, 16000, 30522, 50257, 128256, 256000],
  };
  const TIED = ["a matrix of its own", "tied: the embedding's"];
  const comma = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
  const slider = (name, label, value, none) => ({ name, label, value, min: 0, max: SIZES[name].length - 1,
    format: (place) => (SIZES[name][place] ? comma(SIZES[name][place]) : none) });
  const preset = (name, label, ...sizes) => ({ name, label, kind: "button", press: () => ({ tied: TIED[1],
    ...Object.fromEntries(Object.keys(SIZES).map((size, i) => [size, SIZES[size].indexOf(sizes[i])])) }) });
  const short = (n) => (n >= 1e9 ? `${(n / 1e9).toPrecision(3)} B` : n >= 999500 ? `${(n / 1e6).toPrecision(3)} M` :
    n >= 1000 ? `${(n / 1e3).toPrecision(3)} k` : String(n));
  const percent = (share) => `${share && share < 0.01 ? "under 1" : Math.round(100 * share)}\u00a0%`; // unbroken

  labutils.define("block", {
    controls: [
      slider("n_layer", "Blocks", 4),
      slider("d_model", "Width d_model", 4),
      slider("n_context", "Context", 4, "no learned positions"),
      slider("n_vocab", "Vocabulary", 6),
      { name: "tied", kind: "choice", label: "Output layer", options: TIED, value: TIED[1] },
      preset("small", "GPT-2 small", 12, 768, 1024, 50257),
      preset("three", "GPT-3", 96, 12288, 2048, 50257),
    ],
    compute({ tied, ...places }) {
      const [n, d, context, vocab] = Object.keys(SIZES).map((size) => SIZES[size][places[size]]);
      const own = tied === TIED[0];
      const parts = {
        "token embedding": vocab * d,
        "positions": context * d,
        "attention norms": n * 2 * d,
        "attention": n * (4 * d * d + 4 * d),
        "feed-forward norms": n * 2 * d,
        "feed-forward": n * (2 * d * 4 * d + 4 * d + d),
        "last norm": 2 * d,
        "output": own ? vocab * d : 0,
      };
      const total = Object.values(parts).reduce((sum, part) => sum + part, 0);
      const blocks = parts.attention + parts["feed-forward"] + 4 * n * d;
      return { n, d, context, vocab, own, parts, total, blocks };
    },
    draw(pen, { n, context, own, parts, total }) {
      const wide = pen.width > 400, narrow = pen.width < 330; // a laptop, a small phone
      const stream = 22, left = narrow ? 46 : 52, box = wide ? 150 : narrow ? 90 : 100, bars = left + box + (wide ? 40 : narrow ? 12 : 22);
      const length = pen.width - bars, step = wide ? 40 : 38, tall = 26;
      const most = Math.max(...Object.values(parts));
      const y = (row) => 34 + step * (row + (row > 6 ? 0.45 : 0)); // the middle of a row
      const arrow = (x1, y1, x2, y2) => {
        const [a, b] = x1 === x2 ? [0, Math.sign(y2 - y1)] : [Math.sign(x2 - x1), 0];
        pen.line(x1, y1, x2, y2, "");
        pen.curve([[x2 - 5 * a - 4 * b, y2 - 5 * b - 4 * a], [x2, y2], [x2 - 5 * a + 4 * b, y2 - 5 * b + 4 * a]], "");
      };
      const part = (row, name, words, look, note) => {
        pen.rect(left, y(row) - tall / 2, box, tall, `hollow ${look}`);
        pen.text(left + box / 2, y(row) + 4, words, "middle small");
        const size = parts[name];
        pen.text(bars, y(row) - 3, note ?? `${short(size)}, ${narrow ? percent(size / total).replace("under", "<") : percent(size / total)}`, note ? "small quiet" : "small");
        pen.rect(bars, y(row) + 3, (length * size) / most, 9, look);
      };
      const plus = (row) => {
        arrow(left, y(row), stream + 9, y(row));
        pen.circle(stream, y(row), 8, "hollow grey");
        pen.line(stream - 4, y(row), stream + 4, y(row), "");
        pen.line(stream, y(row) - 4, stream, y(row) + 4, "");
      };
      const sublayer = (row, norm, name, look) => {
        part(row, norm, "norm", "grey");
        part(row + 1, name, name, look);
        arrow(stream, y(row), left, y(row));
        arrow(left + box / 2, y(row) + tall / 2, left + box / 2, y(row + 1) - tall / 2);
        plus(row + 1);
        arrow(stream, y(row - 1) + (row === 3 ? step / 2 : 8), stream, y(row + 1) - 8);
      };
      pen.text(left + box / 2, 11, "token ids", "middle small quiet");
      part(0, "token embedding", wide ? "token embedding" : "embedding", "orange");
      pen.line(left, y(0), stream, y(0), "");
      part(1, "positions", "positions", "orange", context ? undefined : "none learned");
      arrow(stream, y(0), stream, y(1) - 8);
      plus(1);
      pen.line(stream, y(1) + 8, stream, y(2.5), "");
      pen.rect(4, y(2) - 12, left + box + 6, y(6) - y(2) + 36, "hollow faint");
      pen.text(left, y(2) + 6, `× ${n} block${n > 1 ? "s" : ""}`, "small bold");
      sublayer(3, "attention norms", "attention", "blue");
      sublayer(5, "feed-forward norms", "feed-forward", "green");
      part(7, "last norm", "norm", "grey");
      pen.line(stream, y(6) + 8, stream, y(7), "");
      arrow(stream, y(7), left, y(7));
      arrow(left + box / 2, y(7) + tall / 2, left + box / 2, y(8) - tall / 2);
      part(8, "output", wide ? "output layer" : "output", "orange", own ? undefined : "none of its own");
      pen.text(left + box / 2, y(8) + 30, "logits", "middle small quiet");
      pen.height = y(8) + 36;
    },
    say({ n, d, context, vocab, own, parts, total, blocks }) {
      const words = parts["token embedding"] + parts.output;
      const shares = [["attention", parts.attention], ["feed-forward layers", parts["feed-forward"]],
        [own ? "embedding and output layer" : "embedding", words], ["positions", parts.positions]];
      const [most, weighs] = blocks > Math.max(words, parts.positions) ? ["blocks", "weigh"] :
        words > parts.positions ? ["vocabulary", "weighs"] : ["positions", "weigh"];
      return `${short(total)} parameters: ${shares.map(([name, size]) => `${name} ${percent(size / total)}`).join(", ")}. ` +
        `The ${most} ${weighs} most: a block has about as many parameters as 12 · ${comma(d)} = ${comma(12 * d)} ` +
        `token vectors${n > 1 ? `, all ${n} as ${comma(12 * n * d)}` : ""}; ` +
        `the vocabulary has ${comma((own ? 2 : 1) * vocab)}, the positions ${comma(context)}.`;
    },
  });
})();
