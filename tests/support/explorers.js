// What tests of explorers ask of a page: where a slider is, how a figure stands, what differs between two drawings.
window.explorer = {
  // Puts a slider where a tenth of its range is, as a reader's finger would, and says where it is then.
  put: (slider, tenth) => {
    const [min, max] = [Number(slider.min), Number(slider.max)];
    slider.value = min + ((max - min) * tenth) / 10;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    return Number(slider.value);
  },

  now: (slider) => [Number(slider.value), slider.ariaValueText ?? slider.value],

  // What is wrong with how a figure stands now, in words.
  faults: (figure) => {
    const faults = [], svg = figure.querySelector("svg"), all = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim());
    const boxes = texts.map((text) => text.getBoundingClientRect());
    const scale = all.width / svg.viewBox.baseVal.width;
    texts.forEach((text, i) => {
      const [a, words] = [boxes[i], text.textContent];
      if (a.left < all.left - 1 || a.right > all.right + 1 || a.top < all.top - 3 || a.bottom > all.bottom + 3)
        faults.push(`outside: ${words}`);
      if (parseFloat(getComputedStyle(text).fontSize) * scale < 10) faults.push(`small: ${words}`);
      boxes.slice(i + 1).forEach((b, j) => {  // a box is higher than its letters
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 5) faults.push(`${words} covers ${texts[i + 1 + j].textContent}`);
      });
    });
    const card = figure.getBoundingClientRect();
    if (card.right > innerWidth || figure.scrollWidth > figure.clientWidth + 1) faults.push("wider than its card");
    for (const control of figure.querySelectorAll("input, select, button, label, legend, output")) {
      const box = control.getBoundingClientRect(), name = control.dataset.name ?? control.textContent;
      if (box.left < card.left || box.right > card.right) faults.push(`cut: ${name}`);
      if (control.dataset.name && Math.min(box.width, box.height) < 24) faults.push(`no target: ${name}`);
      if (!control.dataset.name && control.scrollWidth > control.clientWidth + 1) faults.push(`cut: ${name}`);
    }
    const parts = (colour) => colour.match(/[0-9.]+/g).map(Number);
    const light = (colour) => parts(colour).slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = light(getComputedStyle(figure).backgroundColor);
    const contrast = (colour) => (Math.max(light(colour), ground) + 0.05) / (Math.min(light(colour), ground) + 0.05);
    for (const part of [...texts, ...figure.querySelectorAll("label, output, legend, .labutils-say")]) {
      const style = getComputedStyle(part);
      if (contrast(part.closest("svg") ? style.fill : style.color) < 4.5) faults.push(`pale: ${part.textContent}`);
    }
    for (const part of svg.querySelectorAll("rect, circle, path, polygon, polyline, line")) {
      if (part.matches(".faint, .see-through")) continue;  // they carry nothing alone
      const { fill, stroke } = getComputedStyle(part), colour = fill === "none" ? stroke : fill;
      if (contrast(colour) < 3) faults.push(`pale: ${part.getAttribute("class")} ${colour}`);
    }
    return [...new Set(faults)];
  },

  // Which parts of a drawing look otherwise within the page than alone.
  differences: ([markup, still]) => {
    const [figure, picture] = ["figure", "div"].map((name) => document.body.appendChild(document.createElement(name)));
    figure.className = "labutils-explorer";
    figure.innerHTML = markup;
    picture.innerHTML = still;
    const parts = (box) => [...box.querySelector("svg").querySelectorAll("rect, circle, path, polygon, polyline, line, text")];
    const look = (part) => {
      const style = getComputedStyle(part), shape = part.tagName !== "text";
      const kinds = ["fill", "fillOpacity", "stroke", ...(style.stroke === "none" ? [] : ["strokeWidth", "strokeDasharray"]),
        ...(shape ? [] : ["fontSize", "fontWeight", "textAnchor"])];
      return JSON.stringify(kinds.map((kind) => [kind, style[kind]]));
    };
    const inside = parts(figure), alone = parts(picture).slice(1);  // less the white ground
    const differ = inside.filter((part, i) => look(part) !== look(alone[i]))
      .map((part) => `${part.outerHTML.slice(0, 90)} ${look(part)} ${look(alone[inside.indexOf(part)])}`);
    figure.remove();
    picture.remove();
    return alone.length > inside.length ? differ : [...differ, "no sentence below the drawing"];
  },
};
