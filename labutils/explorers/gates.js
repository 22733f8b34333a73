// One LSTM cell with one unit reads a tape: how long does a value live, and what happens to it when nothing comes?
// Mirrors labutils.models.recurrent.LSTMCell(3, 1); with "as 001 prints it" the candidate is a sigmoid, the output a ReLU.
// Signs on the tape: + and - write, 0 erases, anything else is a quiet step. Weights: book's chapter lstm_gru.
(() => {
  "use strict";
  const STEPS = 60;
  const CELLS = ["LSTM", "as 001 prints it"];
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const fixed = (value) => (Math.abs(value) < 0.005 ? "0.00" : value.toFixed(2));

  labutils.define("gates", {
    controls: [
      { name: "tape", kind: "text", label: "Tape", max: STEPS, value: "+..............." },
      { name: "forget", label: "Forget-gate bias", min: -2, max: 6, step: 0.5, value: 3 },
      { name: "input", label: "Input-gate bias", min: -8, max: 2, step: 0.5, value: -4 },
      { name: "cell", kind: "choice", label: "Cell", options: CELLS, value: CELLS[0] },
    ],
    compute({ tape, forget, input, cell }) {
      const printed = cell === CELLS[1];
      const signs = [...tape].slice(0, STEPS).join("").padEnd(STEPS, ".").split("");
      const cs = [], hs = [];
      let c = 0;
      for (const sign of signs) {
        const value = sign === "+" ? 1 : sign === "-" || sign === "−" ? -1 : 0;
        const i = sigmoid(input + 8 * Math.abs(value)); // something on the tape opens the input gate
        const f = sigmoid(forget - (sign === "0" ? 12 : 0)); // an erasing sign shuts the forget gate
        const g = printed ? sigmoid(3 * value) : Math.tanh(3 * value);
        c = f * c + i * g;
        cs.push(c);
        hs.push(sigmoid(2) * (printed ? Math.max(0, c) : Math.tanh(c)));
      }
      const gate = sigmoid(forget);
      return { signs, typed: [...tape].length, cs, hs, gate, halfLife: Math.LN2 / -Math.log(gate) };
    },
    draw(pen, { signs, typed, cs, hs, halfLife }) {
      const left = 34, right = pen.width - 40, top = 26, floor = 210;
      const most = Math.max(1, ...cs.map(Math.abs)), x = (t) => left + ((right - left) * t) / (STEPS - 1);
      const y = (value) => (top + floor) / 2 - ((floor - top) / 2) * (value / most);
      pen.text(0, 12, "value, step by step", "small quiet");
      for (const mark of [-most, 0, most]) {
        pen.line(left, y(mark), right, y(mark), "faint");
        pen.text(left - 6, y(mark) + 4, most > 9.95 ? mark.toFixed(0) : mark.toFixed(1), "end small quiet");
      }
      pen.curve(hs.map((h, t) => [x(t), y(h)]), "orange dashed");
      pen.curve(cs.map((c, t) => [x(t), y(c)]), "blue thick");
      const last = cs.length - 1, apart = Math.abs(y(cs[last]) - y(hs[last])) < 14 ? 8 : 4;
      const above = y(cs[last]) <= y(hs[last]);
      pen.text(right + 6, y(cs[last]) + (above ? 8 - apart : apart + 4), "c", "small bold");
      pen.text(right + 6, y(hs[last]) + (above ? apart + 4 : 8 - apart), "h", "small");
      let free = 0; // from where on the tape's next sign has room
      signs.forEach((sign, t) => {
        if (["+", "-", "−", "0"].includes(sign)) {
          pen.line(x(t), floor, x(t), floor + 8, "");
          if (x(t) >= free) pen.text(x(t), floor + 22, sign === "-" ? "−" : sign, "middle bold");
          free = x(t) + 9;
        } else if (t < typed && x(t) >= free - 4) pen.circle(x(t), floor + 17, 1, "grey");
      });
      const first = signs.findIndex((sign) => ["+", "-", "−"].includes(sign));
      const until = first < 0 ? STEPS : first + halfLife;
      if (first >= 0 && until <= STEPS - 1) {
        pen.line(x(until), top, x(until), floor, "dashed");
        pen.text(x(until) + 4, top + 8, "half-life", "small");
      }
      pen.height = floor + 34;
    },
    say: ({ cs, hs, gate, halfLife }) =>
      `A forget gate of ${gate.toFixed(3)} keeps half of a value for ${halfLife < 10 ? halfLife.toFixed(1) : halfLife.toFixed(0)} steps. ` +
      `After ${STEPS} steps c is ${fixed(cs[cs.length - 1])} and h is ${fixed(hs[hs.length - 1])}; ` +
      `c was between ${fixed(Math.min(...cs))} and ${fixed(Math.max(...cs))}.`,
  });
})();
