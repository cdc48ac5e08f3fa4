// What a page gains with scripts; everything works without them.
"use strict";

(() => {
  const root = document.documentElement;

  const shownTheme = () =>
    root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

  const showThemeIcon = () => {
    const use = document.querySelector("[data-theme-form] use");
    if (use) use.setAttribute("href", use.getAttribute("href").replace(/#.*/, shownTheme() === "dark" ? "#sun" : "#moon"));
  };

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-theme-form]")) return;
    event.preventDefault();
    root.dataset.theme = shownTheme() === "dark" ? "light" : "dark";
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax${secure}`;
    showThemeIcon();
  });
  showThemeIcon();

  // Charts: pointer or arrow keys read one interval, from the chart's own table.
  const rowsOf = (body) => {
    const figure = body.closest("figure");
    return figure ? [...figure.querySelectorAll("tbody tr[data-at]")] : [];
  };

  const read = (body, row) => {
    const figure = body.closest("figure");
    const names = [...figure.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
    const parts = [...row.cells].map((cell, index) => (index ? `${names[index]} ${cell.textContent.trim()}` : cell.textContent.trim()));
    figure.querySelector(".readout").textContent = parts.filter((part) => part).join(" · ");
    const line = body.querySelector(".crosshair");
    const across = Number(row.dataset.at) * 10;
    line.setAttribute("x1", across);
    line.setAttribute("x2", across);
    body.classList.add("reading");
    body.dataset.row = row.dataset.at;
  };

  document.addEventListener("pointermove", (event) => {
    const body = event.target.closest?.("[data-readout]");
    if (!body) return;
    const rows = rowsOf(body);
    if (!rows.length) return;
    const box = body.getBoundingClientRect();
    const at = (100 * (event.clientX - box.left)) / box.width;
    const distance = (row) => Math.abs(Number(row.dataset.at) - at);
    read(body, rows.reduce((best, row) => (distance(row) < distance(best) ? row : best)));
  });

  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const body = event.target.closest?.("[data-readout]");
    if (!step || !body) return;
    const rows = rowsOf(body);
    if (!rows.length) return;
    event.preventDefault();
    const current = rows.findIndex((row) => row.dataset.at === body.dataset.row);
    read(body, rows[Math.min(rows.length - 1, Math.max(0, current + step))]);
  });

  // A slider and its number field show the same value; the number field is what is sent.
  document.addEventListener("input", (event) => {
    const pair = event.target.closest?.("[data-slider]");
    if (!pair) return;
    for (const input of pair.querySelectorAll("input")) {
      if (input !== event.target) input.value = event.target.value;
    }
  });

  // A page that renews itself waits while somebody reads a table or has the focus in it.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const live = event.target;
    if (!live.classList?.contains("live")) return;
    const reading = live.querySelector("details[open], .chart-body.reading:hover");
    if (document.hidden || reading || live.contains(document.activeElement)) event.preventDefault();
  });
})();
