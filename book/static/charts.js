// Replaces the still pictures of charts by live ones; loaded only on pages that have a chart.
// Plain script, no module and no fetch, so that it also works on pages opened from disk.
(() => {
  "use strict";

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
      // ast: Vega interprets its expressions instead of compiling them, so the page needs no eval
      this.result = await vegaEmbed(this.live, spec, { actions: false, renderer: "svg", ast: true, tooltip: true });
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
  async function drawAll(which = charts) {
    for (const chart of which) {
      try {
        await chart.draw();
      } catch (error) {
        chart.live.hidden = true;
        chart.still.hidden = false;
        console.error("chart not drawn:", error);
      }
    }
  }

  let waiting;
  let drawnDark = isDark();
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => drawAll(charts.filter((chart) => chart.live.clientWidth !== chart.width)), 200);
  });
  new MutationObserver(() => {
    if (drawnDark !== isDark()) {
      drawnDark = isDark();
      drawAll();
    }
  }).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  drawAll();
})();
