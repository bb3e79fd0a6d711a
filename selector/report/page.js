"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const settings = { responsive: true, displayModeBar: false };

  function themed(layout) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = {
      gridcolor: colour("--grid"), linecolor: colour("--line"), tickcolor: colour("--line"),
    };
    return {
      ...layout,
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("--quiet") },
      legend: { ...layout.legend, font: { color: colour("--ink") } },
      hoverlabel: {
        ...layout.hoverlabel, bgcolor: colour("--card"), bordercolor: colour("--line"),
        font: { color: colour("--ink") },
      },
      xaxis: { ...layout.xaxis, ...axis }, yaxis: { ...layout.yaxis, ...axis },
    };
  }

  function draw() {
    const waiting = Object.entries(figures);
    const next = () => {
      const item = waiting.shift();
      if (!item) return;
      const [id, figure] = item;
      Plotly.react(document.getElementById(id), figure.data, themed(figure.layout), settings);
      setTimeout(next);
    };
    next();
  }

  if (Object.keys(figures).length) {
    draw();
    for (const query of ["(prefers-color-scheme: dark)", "print"]) {
      matchMedia(query).addEventListener("change", draw);
    }
  }

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        button.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl-C";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
})();
