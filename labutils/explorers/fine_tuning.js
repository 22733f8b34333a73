// How many weights each way of fine-tuning trains, and what a task has to store for it.
// Mirrors labutils.models.adapters on a BertModel without its pooler: count_parameters after each function.
// A model is its sizes: n_layer, d_model, d_hidden, n_rows (vocabulary, positions and types). data: sizes of others.
(() => {
  "use strict";
  const MATRICES = ["query and value", "all of attention", "all linear layers"];
  const comma = (n) => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",");
  const short = (n) => (n >= 1e9 ? `${(n / 1e9).toPrecision(3)} B` : n >= 999500 ? `${(n / 1e6).toPrecision(3)} M` :
    n >= 1000 ? `${(n / 1e3).toPrecision(3)} k` : String(n));
  const bytes = (n) => (n >= 1e9 ? `${(n / 1e9).toPrecision(3)} GB` : n >= 1e6 ? `${(n / 1e6).toPrecision(3)} MB` :
    `${(n / 1e3).toPrecision(3)} kB`);
  const MODELS = {
    "MiniLM": { n_layer: 6, d_model: 384, d_hidden: 1536, n_rows: 30522 + 512 + 2 },
    "BERT-base": { n_layer: 12, d_model: 768, d_hidden: 3072, n_rows: 30522 + 512 + 2 },
    "BERT-large": { n_layer: 24, d_model: 1024, d_hidden: 4096, n_rows: 30522 + 512 + 2 },
    "GPT-3's size": { n_layer: 96, d_model: 12288, d_hidden: 49152, n_rows: 50257 + 2048 },
  };
  const NAMES = Object.keys(MODELS);

  labutils.define("fine_tuning", {
    controls: [
      { name: "model", kind: "choice", label: "Model", options: NAMES, value: NAMES[0] },
      { name: "rank", label: "Rank, width or number of vectors", min: 1, max: 128, value: 8,
        format: (rank) => String(Math.round(rank)) },
      { name: "matrices", kind: "choice", label: "LoRA changes", options: MATRICES, value: MATRICES[0] },
    ],
    compute({ model, rank, matrices }, data) {
      const { n_layer: n, d_model: d, d_hidden: h, n_rows } = (data ?? MODELS)[model], r = Math.round(rank);
      const attention = matrices === MATRICES[0] ? 2 : 4;
      const counts = {
        "full": n * (4 * d * d + 2 * d * h + h + 9 * d) + (n_rows + 2) * d,
        "adapter": n * 2 * (2 * r * d + r + d),
        "LoRA": n * r * (attention * 2 * d + (matrices === MATRICES[2] ? 2 * (d + h) : 0)),
        "BitFit": n * (7 * d + h) + d,
        "prefix": n * 2 * r * d,
        "prompt": r * d,
      };
      return { r, counts, full: counts.full };
    },
    draw(pen, { counts, full }) {
      const left = 62, length = pen.width - left - (pen.width > 400 ? 190 : 8), step = pen.width > 400 ? 32 : 50;
      const most = Math.log10(full), least = 2;
      Object.entries(counts).forEach(([name, count], i) => {
        const y = 14 + step * i, wide = Math.max(2, (length * (Math.log10(count) - least)) / (most - least));
        const words = `${short(count)}, ${bytes(2 * count)}`;
        pen.text(left - 8, y + 14, name, "end small");
        pen.rect(left, y, wide, 18, name === "full" ? "grey" : name === "LoRA" ? "blue" : "orange");
        if (pen.width > 400) pen.text(left + wide + 8, y + 14, words, "small");
        else pen.text(left, y + 34, words, "small");
      });
      pen.height = 14 + step * Object.keys(counts).length + 8;
    },
    say({ r, counts, full }, { model, matrices }) {
      const ratio = full / counts.LoRA;
      return `${model}, rank ${r}, LoRA in ${matrices}: ${comma(counts.LoRA)} weights, ` +
        `${(100 / ratio).toPrecision(2)} % of all ${short(full)}; a task stores ${bytes(2 * counts.LoRA)} instead of ` +
        `${bytes(2 * full)}. Bars are on a logarithmic scale.`;
    },
  });
})();
