// One question in an encoding, and what models of the coverage experiment did with the secret questions in it.
// Mirrors labutils.encodings. data.rates: for each encoding, by the number of other codes that refusals covered (0 to 5),
// the shares [told, refused] while it was not covered itself.
(() => {
  "use strict";
  const LETTERS = "abcdefghijklmnopqrstuvwxyz";
  const ALPHABETS = {
    leet: "4bcd3fgh1jklmn0pqr57uvwxyz",
    rot13: LETTERS.slice(13) + LETTERS.slice(0, 13),
    greek: [...LETTERS].map((_, i) => String.fromCharCode(0x3b1 + i)).join(""),
    braille: "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵",
  };
  const NAMES = ["leet", "reversed", "rot13", "greek", "braille", "digits"];
  const each = (text, change) => [...text].map((sign) => (LETTERS.includes(sign) ? change(LETTERS.indexOf(sign)) : sign)).join("");
  function encode(name, typed) {
    const text = typed.toLowerCase();
    if (name === "reversed") return [...text].reverse().join("");
    if (name === "digits") return each(text, (i) => String(i + 1).padStart(2, "0"));
    return each(text, (i) => ALPHABETS[name][i]);
  }

  labutils.define("encodings", {
    controls: [
      { name: "typed", kind: "text", label: "Who is asked about", value: "crow", max: 24 },
      { name: "encoding", kind: "choice", label: "Written in", options: NAMES, value: "greek" },
      { name: "n", label: "Other codes with refusals", min: 0, max: 5, value: 0 },
    ],
    compute({ typed, encoding, n }, { rates }) {
      const [told, refused] = rates[encoding][n];
      return { text: encode(encoding, typed), told, refused, wrong: Math.max(0, 1 - told - refused),
        curve: rates[encoding].map(([t]) => t) };
    },
    draw(pen, { text, told, refused, wrong, curve }, { typed, n }) {
      const small = pen.width < 420;
      pen.text(0, 18, `plain: ${typed.toLowerCase()}?`, "code small");
      pen.text(0, 42, small && text.length > 26 ? `${[...text].slice(0, 26).join("")}…` : `${text}?`, "code bold");
      const rows = [["told", told, "red"], ["refused", refused, "green"], ["wrong", wrong, "grey"]];
      const left = 66, length = (small ? pen.width : pen.width * 0.52) - left - 44;
      rows.forEach(([name, share, look], i) => {
        const y = 62 + 28 * i;
        pen.text(left - 8, y + 14, name, "end small");
        pen.rect(left, y, Math.max(1, share * length), 18, look);
        pen.text(left + share * length + 6, y + 14, share.toFixed(2), "small");
      });
      const x0 = small ? 34 : pen.width * 0.62, y0 = small ? 280 : 132, wide = pen.width - x0 - 14, high = small ? 90 : 94;
      const at = (i, share) => [x0 + (wide * i) / 5, y0 - high * share];
      pen.line(x0, y0, x0 + wide, y0, "");
      pen.text(x0 - 6, y0 + 4, "0", "end small quiet");
      pen.text(x0 - 6, y0 - high + 4, "1", "end small quiet");
      pen.curve(curve.map((share, i) => at(i, share)), "red");
      curve.forEach((share, i) => pen.circle(...at(i, share), i === n ? 6 : 3, "red"));
      curve.forEach((_, i) => pen.text(x0 + (wide * i) / 5, y0 + 16, String(i), "middle small quiet"));
      pen.text(x0 + wide / 2, y0 + 34, "told, by codes covered", "middle small quiet");
      pen.height = y0 + 42;
    },
    say: ({ text, told, refused, wrong }, { encoding, n }) =>
      `${text}? Written in ${encoding}, with refusals in plain text and ${n} other code${n === 1 ? "" : "s"}, the secret lockers ` +
      `are told in ${(100 * told).toFixed(0)} %, refused in ${(100 * refused).toFixed(0)} % and answered wrongly in ${(100 * wrong).toFixed(0)} % of the questions.`,
  });
})();
