// Replaces the still picture of a chart by the live one once the reader comes near it; only then is Vega loaded.
// Loaded on pages that have a chart. Plain script, no module and no fetch: it also works on pages opened from disk.
(() => {
  "use strict";
  const vega = new URL(document.currentScript.dataset.vega, document.currentScript.src);
  let loading;

  // Loads Vega on the first call; the site's policy allows scripts from the site itself.
  function loadVega() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = vega;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${vega} does not load`));
      document.head.append(script);
    });
    return loading;
  }

  const darkColours = {
    axis: { labelColor: "#ddd", titleColor: "#ddd", gridColor: "#555", domainColor: "#999", tickColor: "#999" },
    legend: { labelColor: "#ddd", titleColor: "#ddd" },
    header: { labelColor: "#ddd", titleColor: "#ddd" },
    title: { color: "#eee", subtitleColor: "#ddd" },
    text: { color: "#ddd" },
    view: { stroke: "#555" },
  };

  const isDark = () => document.documentElement.dataset.theme === "dark";

  // The specification with the colours of the page's theme; a chart's own settings win over them.
  function themed(spec) {
    const copy = structuredClone(spec);
    const config = (copy.config ??= {});
    copy.background = config.background = "transparent";
    if (isDark()) {
      for (const [part, colours] of Object.entries(darkColours)) config[part] = { ...colours, ...config[part] };
    }
    return copy;
  }

  // Takes `excess` pixels off the width of every view, so that the chart fits a narrow screen.
  function narrow(view, excess, config) {
    if (view.hconcat) view.hconcat.forEach((part) => narrow(part, excess / view.hconcat.length, config));
    else if (view.vconcat) view.vconcat.forEach((part) => narrow(part, excess, config));
    else if (view.spec) narrow(view.spec, excess / (view.columns ?? 1), config);
    else view.width = Math.max(80, (typeof view.width === "number" ? view.width : config?.view?.continuousWidth ?? 300) - excess);
  }

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.still = figure.querySelector("img");
      this.live = figure.querySelector(".labutils-chart-live");
      this.spec = JSON.parse(figure.querySelector("script").textContent);
      this.spec.description ??= figure.dataset.alt; // what a screen reader says of the live chart
      this.values = {}; // of the chart's sliders, kept when it is drawn again
    }

    async draw() {
      const spec = themed(this.spec);
      this.live.hidden = false;
      await this.embed(spec);
      const excess = this.live.querySelector("svg").getBoundingClientRect().width - this.live.clientWidth;
      if (excess > 0) {
        narrow(spec, excess, spec.config);
        await this.embed(spec);
      }
      this.still.hidden = true;
      this.width = this.live.clientWidth;
    }

    async embed(spec) {
      this.keepValues();
      this.result?.finalize();
      this.result = await vegaEmbed(this.live, spec, {
        actions: false,
        renderer: "svg",
        ast: true, // Vega interprets its expressions instead of compiling them, so the page needs no eval
        defaultStyle: false, // its styles stand in charts.css: the page needs no inline styles either
        tooltip: { disableDefaultStyle: true },
      });
      const view = this.result.view;
      for (const [name, value] of Object.entries(this.values)) {
        try {
          view.signal(name, value);
        } catch {
          delete this.values[name];
        }
      }
      await view.runAsync();
    }

    keepValues() {
      const names = (this.spec.params ?? []).filter((param) => param.bind && "value" in param).map((param) => param.name);
      for (const name of names) if (this.result) this.values[name] = this.result.view.signal(name);
    }
  }

  const charts = [...document.querySelectorAll("figure.labutils-chart")].map((figure) => new Chart(figure));

  // One after the other; where a chart fails, its still stays and the console says why.
  let queue = Promise.resolve();
  function draw(which) {
    for (const chart of which) {
      chart.asked = true;
      queue = queue.then(loadVega).then(() => chart.draw()).catch((error) => {
        chart.live.hidden = true;
        chart.still.hidden = false;
        console.error("chart not drawn:", error);
      });
    }
  }
  const drawn = () => charts.filter((chart) => chart.asked);

  let waiting;
  let drawnDark = isDark();
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => draw(drawn().filter((chart) => chart.live.clientWidth !== chart.width)), 200);
  });
  new MutationObserver(() => {
    if (drawnDark !== isDark()) {
      drawnDark = isDark();
      draw(drawn());
    }
  }).observe(document.documentElement, { attributeFilter: ["data-theme"] });

  const near = new IntersectionObserver(
    (entries) => {
      const seen = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
      for (const figure of seen) near.unobserve(figure);
      draw(charts.filter((chart) => seen.includes(chart.figure)));
    },
    { rootMargin: "500px 0px" }, // about half a screen before it is seen
  );
  for (const chart of charts) near.observe(chart.figure);
})();
