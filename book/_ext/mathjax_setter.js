// Sets formulas at build time: runs in a JavaScript engine without a browser, after MathJax's own components.
// set(tex, display) returns {html, width} or {fault}; css() what the formulas set so far need.
var set, css;
(() => {
  "use strict";
  const { adaptors, handlers, a11y, input, output, mathjax } = MathJax._;
  // A formula stands alone, here as in Jupyter: no \newcommand that a later formula leans on, and what TeX
  // does not know is an error instead of red text.
  const packages = "base ams configmacros action amscd bbox boldsymbol braket cancel cases centernot color enclose"
    + " extpfeil gensymb mhchem textcomp unicode upgreek verb";
  const adaptor = adaptors.liteAdaptor.liteAdaptor();
  a11y["assistive-mml"].AssistiveMmlHandler(handlers.html_ts.RegisterHTMLHandler(adaptor)); // for screen readers
  const tex = new input.tex_ts.TeX({
    packages: packages.split(" "),
    formatError: (_, error) => {
      throw error;
    },
  });
  const adaptiveCSS = true; // rules only for characters that occur
  const font = new output.chtml.fonts.tex_ts.TeXFont({ fontURL: "fonts", adaptiveCSS });
  const html = new output.chtml_ts.CHTML({ font, adaptiveCSS });
  const page = mathjax.mathjax.document("", { InputJax: tex, OutputJax: html });

  // How wide a formula is, in its own em: what it stands in may be narrower.
  const width = (source, display) => {
    const item = new page.options.MathItem(source, tex, display);
    item.setMetrics(16, 8, 16 * 50, 1e6, 1);
    item.compile(page);
    return html.getBBox(item, page).w;
  };

  set = (source, display) => {
    try {
      // Widths in pixels are not known here; nothing in a formula depends on them but line breaks, which are off.
      return JSON.stringify({
        html: adaptor.outerHTML(page.convert(source, { display, em: 16, ex: 8, containerWidth: 16 * 50 })),
        width: display ? width(source, display) : 0,
      });
    } catch (error) {
      return JSON.stringify({ fault: String(error.message) });
    }
  };
  css = () => adaptor.textContent(html.styleSheet(page));
})();
