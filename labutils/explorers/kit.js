// The kit of the explorers: figures that compute in the reader's browser.
//
// Three hosts run this file: the book's site (a classic script, so that it also loads from disk), Jupyter and Colab
// (labutils/explorers/__init__.py makes it an anywidget), and V8 without a document, which only asks for `markup` (the
// site's build) and `still` (what a notebook stores). So everything above `mount` is text in, text out.
// How to write an explorer: book/authors.md.
globalThis.labutils = (() => {
  "use strict";
  const explorers = globalThis.labutils?.explorers ?? {};
  const WIDTH = 640; // pixels of a drawing on a laptop; narrower screens get one of their own
  const NARROWEST = 232;

  const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  const clean = (text) => String(text).replace(/[&<>"]/g, (sign) => SIGNS[sign]);
  const rounded = (value) => (typeof value === "number" ? Math.round(value * 100) / 100 : value);
  const listed = (attributes) =>
    Object.entries(attributes)
      .filter(([, value]) => value !== undefined && value !== "" && value !== false)
      .map(([name, value]) => ` ${name}="${clean(rounded(value))}"`)
      .join("");
  const tag = (name, attributes, content = "") => `<${name}${listed(attributes)}>${content}</${name}>`;

  // How a part of a drawing looks where no style sheet is: in a notebook, on GitHub. As explorers.css in light mode.
  const COLOURS = { blue: "#0072b2", orange: "#c78000", green: "#009e73", red: "#d55e00", grey: "#8f8f8f", faint: "#d6d6d6" };
  const INK = "#212121", QUIET = "#5c5c5c";
  function alone(name, look = "") {
    const looks = new Set(look.split(" ")), colour = COLOURS[[...looks].find((word) => COLOURS[word])];
    if (name === "text") {
      return { fill: looks.has("quiet") ? QUIET : INK, "font-size": looks.has("small") ? 13 : 14,
        "font-family": looks.has("code") ? "monospace" : "sans-serif", "font-weight": looks.has("bold") ? 700 : "",
        "text-anchor": looks.has("end") ? "end" : looks.has("middle") ? "middle" : "" };
    }
    const open = name === "line" || name === "polyline" || looks.has("hollow");
    const stroke = open ? colour ?? (name === "line" || name === "polyline" ? INK : COLOURS.grey) : "";
    return { fill: open ? "none" : colour ?? COLOURS.grey, "fill-opacity": looks.has("see-through") ? 0.35 : "", stroke,
      "stroke-width": open && (looks.has("thick") ? 3 : 1.5), "stroke-dasharray": looks.has("dashed") ? "6 4" : "" };
  }
  const classes = (name, look) => ({ class: look });

  // What `draw` draws with. `look` is a list of class names, see explorers.css: colours, "bold", "middle", "dashed" …
  class Pen {
    constructor(width, dress = classes) {
      this.width = width;
      this.height = 200;
      this.parts = [];
      this.dress = dress;
    }
    add(name, attributes, look, content) {
      this.parts.push(tag(name, { ...attributes, ...this.dress(name, look) }, content));
    }
    rect(x, y, width, height, look) {
      this.add("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height) }, look);
    }
    squares(corners, side, look) { // many of one size, as one part of the drawing
      const long = rounded(side);
      const path = corners.map(([x, y]) => `M${rounded(x)} ${rounded(y)}h${long}v${long}h${-long}z`);
      if (path.length) this.add("path", { d: path.join("") }, look);
    }
    line(x1, y1, x2, y2, look) {
      this.add("line", { x1, y1, x2, y2 }, look);
    }
    curve(points, look) {
      this.add("polyline", { points: points.map((point) => point.map(rounded).join()).join(" ") }, look);
    }
    area(points, look) {
      this.add("polygon", { points: points.map((point) => point.map(rounded).join()).join(" ") }, look);
    }
    circle(cx, cy, r, look) {
      this.add("circle", { cx, cy, r }, look);
    }
    text(x, y, words, look) {
      this.add("text", { x, y }, look, clean(words));
    }
    // What the looks mean, each a mark ("box", "line" or "dot"), a look and words; returns where its last row stands.
    keys(x, y, meanings) {
      let along = x;
      for (const [mark, look, words] of meanings) {
        const from = mark === "line" ? 28 : 18, wide = from + 7.3 * words.length; // as wide as letters are at most
        if (along > x && along + wide > this.width) [along, y] = [x, y + 20];
        if (mark === "box") this.rect(along, y - 10, 11, 11, look);
        else if (mark === "dot") this.circle(along + 6, y - 4, 3, look);
        else this.line(along, y - 4, along + 22, y - 4, look);
        this.text(along + from, y, words, "small");
        along += wide + 12;
      }
      return y;
    }
    svg(alt) {
      const { width, height } = this;
      return tag("svg", { role: "img", "aria-label": alt, viewBox: `0 0 ${width} ${height}`, width, height }, this.parts.join(""));
    }
  }

  // Kinds of controls: how one is written, what its value is, how a new value gets into it.
  const input = (attributes) => `<input${listed(attributes)}>`;
  // A logarithmic slider counts through its stops, round values, each once: were there several places for one
  // value, a thumb would fall back to the first of them when the value is written, and an arrow key would not move it.
  const stops = ({ min, max }) =>
    [...new Set(Array.from({ length: 301 }, (_, i) => Number((min * (max / min) ** (i / 300)).toPrecision(2))))];
  const place = (control, value) => { // of the thumb
    if (!control.log) return value;
    const far = stops(control).map((stop) => Math.abs(Math.log(stop / value)));
    return far.indexOf(Math.min(...far));
  };
  const valueAt = (control, at) => (control.log ? stops(control)[at] : at);
  const shown = (control, value) => (control.format ? control.format(value) : String(value));
  const kinds = {
    range: {
      html: (control, value) =>
        tag("label", {}, tag("span", {}, clean(control.label)) +
          input({ type: "range", "data-name": control.name, "aria-valuetext": shown(control, value), value: place(control, value),
            ...(control.log ? { min: 0, max: stops(control).length - 1, step: 1 } : { min: control.min, max: control.max, step: control.step ?? 1 }) }) +
          tag("output", {}, clean(shown(control, value)))),
      read: (control, [slider]) => valueAt(control, Number(slider.value)),
      write: (control, [slider], value) => {
        slider.value = place(control, value);
        slider.setAttribute("aria-valuetext", shown(control, value));
        slider.parentElement.querySelector("output").textContent = shown(control, value);
      },
    },
    bars: { // a row of upright sliders: one number for each of the control's names
      html: (control, value) =>
        tag("fieldset", {}, tag("legend", {}, clean(control.label)) +
          value.map((part, i) => tag("label", {},
            input({ type: "range", "data-name": control.name, "aria-label": `${control.label}: ${control.names[i]}`,
              min: control.min ?? 0, max: control.max, step: control.step ?? 1, value: part }) +
            tag("span", { "aria-hidden": "true" }, clean(control.names[i])))).join("")),
      read: (control, sliders) => sliders.map((slider) => Number(slider.value)),
      write: (control, sliders, value) => sliders.forEach((slider, i) => (slider.value = value[i])),
    },
    text: {
      html: (control, value) =>
        tag("label", { class: "labutils-wide" }, tag("span", {}, clean(control.label)) +
          input({ type: "text", "data-name": control.name, value, maxlength: control.max ?? 60, autocomplete: "off",
            autocapitalize: "off", spellcheck: "false" })),
      read: (control, [field]) => field.value,
      write: (control, [field], value) => {
        if (field.value !== value) field.value = value; // writing the same would move the reader's cursor
      },
    },
    choice: {
      html: (control, value) =>
        tag("label", {}, tag("span", {}, clean(control.label)) +
          tag("select", { "data-name": control.name }, control.options.map((option) =>
            tag("option", { value: option, selected: option === value ? "selected" : "" }, clean(shown(control, option)))).join(""))),
      read: (control, [menu]) => control.options[menu.selectedIndex],
      write: (control, [menu], value) => (menu.selectedIndex = control.options.indexOf(value)),
    },
    button: {
      html: (control) => tag("button", { type: "button", "data-name": control.name }, clean(control.label)),
      read: () => undefined,
      write: () => undefined,
    },
  };

  // What a drawing starts from: the controls' own values, with those that the author gave on top.
  function startValues(definition, given) {
    const values = {};
    for (const control of definition.controls) if ("value" in control) values[control.name] = control.value;
    for (const [name, value] of Object.entries(given)) {
      if (!(name in values)) throw new Error(`no control is called ${name}; there are ${Object.keys(values).join(", ")}`);
      values[name] = value;
    }
    return values;
  }

  function find(name) {
    if (!explorers[name]) throw new Error(`no explorer is called ${name}`);
    return explorers[name];
  }

  function picture(definition, values, spec, width) {
    const numbers = definition.compute(values, spec.data);
    const pen = new Pen(width);
    definition.draw(pen, numbers, values);
    return { numbers, svg: pen.svg(spec.alt), words: definition.say(numbers, values) };
  }

  // What a notebook stores: the drawing and its sentence on white, readable where neither style nor script is.
  function still(spec) {
    const definition = find(spec.name), values = startValues(definition, spec.values), pen = new Pen(WIDTH, alone);
    const numbers = definition.compute(values, spec.data);
    definition.draw(pen, numbers, values);
    const lines = [[]]; // of about as many letters as fit: nothing here can measure a text
    for (const word of definition.say(numbers, values).split(" ")) {
      if (lines.at(-1).join(" ").length + word.length > 84) lines.push([]);
      lines.at(-1).push(word);
    }
    const margin = 12, width = WIDTH + 2 * margin;
    lines.forEach((line, i) => pen.text(0, pen.height + 24 + 20 * i, line.join(" ")));
    pen.text(0, pen.height + 24 + 20 * lines.length, "A still picture: run the notebook down to here to move it.", "small quiet");
    const height = pen.height + 28 + 20 * lines.length + 2 * margin;
    return tag("svg", { xmlns: "http://www.w3.org/2000/svg", role: "img", "aria-label": spec.alt, width, height,
      viewBox: `${-margin} ${-margin} ${width} ${height}` }, tag("title", {}, clean(spec.alt)) +
      tag("rect", { x: -margin, y: -margin, width, height, fill: "#ffffff" }) + pen.parts.join(""));
  }

  // The whole figure as HTML: what the site's build stores in the page, and what Jupyter starts from.
  function markup(spec, width = WIDTH) {
    const definition = find(spec.name);
    const values = startValues(definition, spec.values);
    const { svg, words } = picture(definition, values, spec, width);
    const controls = definition.controls.map((control) => kinds[control.kind ?? "range"].html(control, values[control.name]));
    return tag("div", { class: "labutils-controls" }, controls.join("")) + tag("div", { class: "labutils-picture" }, svg) +
      tag("p", { class: "labutils-say", role: "status" }, clean(words));
  }

  // Bring the figure in `element`, which has the markup, to life.
  function mount(element, spec) {
    const definition = find(spec.name);
    const values = startValues(definition, spec.values);
    const box = element.querySelector(".labutils-picture");
    const controls = new Map(definition.controls.map((control) =>
      [control, [...element.querySelectorAll(`[data-name="${control.name}"]`)]]));
    const kindOf = (control) => kinds[control.kind ?? "range"];
    const fitting = () => Math.max(NARROWEST, Math.min(WIDTH, Math.floor(box.clientWidth))) || WIDTH;
    let drawn = { width: WIDTH };
    let waiting = false;

    function update() {
      waiting = false;
      const width = fitting();
      drawn = { width, ...picture(definition, values, spec, width) };
      box.innerHTML = drawn.svg;
      element.querySelector(".labutils-say").textContent = drawn.words;
    }
    function soon() { // once a frame, however fast a slider moves
      if (!waiting) requestAnimationFrame(update);
      waiting = true;
    }
    function take(changes) {
      for (const [control, fields] of controls) {
        if (control.name in changes) kindOf(control).write(control, fields, (values[control.name] = changes[control.name]));
      }
      soon();
    }
    for (const [control, fields] of controls) {
      for (const field of fields) {
        if (control.press) {
          field.addEventListener("click", () => {
            if (!drawn.numbers || waiting) update(); // a press answers to what is seen
            take(control.press(drawn.numbers, values));
          });
        } else field.addEventListener("input", () => take({ [control.name]: kindOf(control).read(control, fields) }));
      }
    }
    // A browser may bring back what the reader had set before the page was left.
    for (const [control, fields] of controls) {
      const value = kindOf(control).read(control, fields);
      if (value !== undefined && JSON.stringify(value) !== JSON.stringify(values[control.name])) take({ [control.name]: value });
    }
    new ResizeObserver(() => fitting() !== drawn.width && soon()).observe(box);
  }

  // An explorer's file calls this; figures of that name that the page has already come to life.
  function define(name, definition) {
    explorers[name] = definition;
    if (typeof document === "undefined") return;
    for (const figure of document.querySelectorAll(`figure.labutils-explorer[data-explorer="${name}"]`)) {
      mount(figure, JSON.parse(figure.querySelector("script").textContent));
    }
  }

  // Jupyter and Colab: the spec comes from Python; a fault is told where the reader looks.
  function render({ model, el }) {
    el.classList.add("labutils-explorer");
    try {
      const spec = model.get("spec");
      el.innerHTML = markup(spec);
      // Else JupyterLab takes the arrow keys for itself, before a slider sees them.
      for (const field of el.querySelectorAll("[data-name]")) field.dataset.lmSuppressShortcuts = "true";
      mount(el, spec);
    } catch (error) {
      el.textContent = `This explorer could not start: ${error.message}`;
    }
  }

  return { explorers, define, markup, still, mount, render };
})();
