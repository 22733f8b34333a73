// The kit of the explorers: figures that compute in the reader's browser.
//
// Three hosts run this file: the book's site (a classic script, so that it also loads from disk), Jupyter and Colab
// (labutils/explorers/__init__.py makes it an anywidget), and the site's build, which has no document and only asks
// for `markup`. So everything above `mount` is text in, text out. How to write an explorer: book/authors.md.
globalThis.labutils = (() => {
  "use strict";
  const explorers = globalThis.labutils?.explorers ?? {};
  const WIDTH = 640; // pixels of a drawing on a laptop; narrower screens get one of their own

  const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  const clean = (text) => String(text).replace(/[&<>"]/g, (sign) => SIGNS[sign]);
  const rounded = (value) => (typeof value === "number" ? Math.round(value * 100) / 100 : value);
  const listed = (attributes) =>
    Object.entries(attributes)
      .filter(([, value]) => value !== undefined && value !== "")
      .map(([name, value]) => ` ${name}="${clean(rounded(value))}"`)
      .join("");
  const tag = (name, attributes, content = "") => `<${name}${listed(attributes)}>${content}</${name}>`;

  // What `draw` draws with. `look` is a list of class names, see explorers.css: colours, "bold", "middle", "dashed" …
  class Pen {
    constructor(width) {
      this.width = width;
      this.height = 200;
      this.parts = [];
    }
    rect(x, y, width, height, look) {
      this.parts.push(tag("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), class: look }));
    }
    line(x1, y1, x2, y2, look) {
      this.parts.push(tag("line", { x1, y1, x2, y2, class: look }));
    }
    curve(points, look) {
      this.parts.push(tag("polyline", { points: points.map((point) => point.map(rounded).join()).join(" "), class: look }));
    }
    circle(cx, cy, r, look) {
      this.parts.push(tag("circle", { cx, cy, r, class: look }));
    }
    text(x, y, words, look) {
      this.parts.push(tag("text", { x, y, class: look }, clean(words)));
    }
    svg(alt) {
      const { width, height } = this;
      return tag("svg", { role: "img", "aria-label": alt, viewBox: `0 0 ${width} ${height}`, width, height }, this.parts.join(""));
    }
  }

  // Kinds of controls: how one is written, what its value is, how a new value gets into it.
  const input = (attributes) => `<input${listed(attributes)}>`;
  const place = (control, value) => // of a slider's thumb; a logarithmic one has 300 places
    control.log ? Math.round((300 * Math.log(value / control.min)) / Math.log(control.max / control.min)) : value;
  const valueAt = (control, at) =>
    control.log ? Number((control.min * (control.max / control.min) ** (at / 300)).toPrecision(2)) : at;
  const shown = (control, value) => (control.format ? control.format(value) : String(value));
  const kinds = {
    range: {
      html: (control, value) =>
        tag("label", {}, tag("span", {}, clean(control.label)) +
          input({ type: "range", "data-name": control.name, "aria-valuetext": shown(control, value), value: place(control, value),
            ...(control.log ? { min: 0, max: 300, step: 1 } : { min: control.min, max: control.max, step: control.step ?? 1 }) }) +
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
    const fitting = () => Math.max(280, Math.min(WIDTH, Math.floor(box.clientWidth))) || WIDTH;
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
      mount(el, spec);
    } catch (error) {
      el.textContent = `This explorer could not start: ${error.message}`;
    }
  }

  return { explorers, define, markup, mount, render };
})();
