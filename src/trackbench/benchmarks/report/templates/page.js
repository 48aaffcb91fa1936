"use strict";

// The page: legends, highlights, the tip, light and dark, and drawing again at another width.

function showTip(text, event) {
  const tip = document.getElementById("tip");
  tip.textContent = text;
  tip.hidden = false;
  const x = Math.min(event.clientX + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, x)}px`;
  tip.style.top = `${event.clientY + 16 + tip.offsetHeight > window.innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 16}px`;
}

function hideTip() {
  document.getElementById("tip").hidden = true;
}

function emphasise(part, m, name) {
  for (const item of part.querySelectorAll(".plot [data-m]")) {
    const same = m === undefined || item.dataset.m === String(m);
    const found = name !== undefined && item.dataset.case === name;
    item.classList.toggle("dim", !same && !found);
    item.classList.toggle("found", found);
  }
}

function swatch(k, marked) {
  const drawing = node("svg", { viewBox: "0 0 34 14", width: 34, height: 14, "aria-hidden": "true" });
  drawing.append(node("path", { class: `line s${k}`, d: "M1 7H33", "stroke-dasharray": DASHES[k] }));
  drawing.append(mark(k, 17, 7, 4.6, { class: `glyph c${k} s${k}${marked ? " hollow" : ""}` }));
  return drawing;
}

function makeLegend(part, methods, hidden, draw) {
  const legend = part.querySelector(".legend");
  methods.forEach((method, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.append(swatch(k, method.marked), method.name);
    button.addEventListener("click", () => {
      if (!hidden.delete(k)) hidden.add(k);
      button.setAttribute("aria-pressed", String(!hidden.has(k)));
      draw();
    });
    for (const type of ["pointerenter", "focus"]) button.addEventListener(type, () => emphasise(part, k));
    for (const type of ["pointerleave", "blur"]) button.addEventListener(type, () => emphasise(part));
    const item = document.createElement("li");
    item.append(button);
    legend.append(item);
  });
}

function startPart(part) {
  const { methods, figures } = JSON.parse(part.querySelector("script.data").textContent);
  const hidden = new Set();
  const draw = (place) => {
    const figure = figures[place.dataset.figure];
    place.drawnWidth = place.clientWidth;
    DRAWINGS[figure.kind](place, figure, methods, hidden);
  };
  const places = [...part.querySelectorAll(".plot")];
  const all = () => places.forEach(draw);
  makeLegend(part, methods, hidden, all);
  all();
  part.addEventListener("redraw", all);
  const watcher = new ResizeObserver((entries) => {
    for (const { target } of entries) if (Math.abs(target.clientWidth - target.drawnWidth) > 1) draw(target);
  });
  places.forEach((place) => watcher.observe(place));
  part.addEventListener("pointerover", (event) => {
    const item = event.target.closest?.("[data-tip]");
    if (!item) return;
    showTip(item.dataset.tip, event);
    emphasise(part, item.dataset.case === undefined ? item.dataset.m : -1, item.dataset.case);
  });
  part.addEventListener("pointerout", (event) => {
    if (!event.target.closest?.("[data-tip]")) return;
    hideTip();
    emphasise(part);
  });
}

function redrawAll() {
  for (const part of document.querySelectorAll("section.protocol")) part.dispatchEvent(new Event("redraw"));
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function start() {
  startTables();
  for (const part of document.querySelectorAll("section.protocol")) {
    if (part.querySelector("script.data")) startPart(part);
  }
  document.querySelector("button.theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    redrawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      document.querySelector("input.filter").focus();
    } else if (event.key === "Escape") hideTip();
  });
  let theme;
  window.addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    for (const item of document.querySelectorAll("details:not(.failure)")) item.open = true;
    redrawAll();
  });
  window.addEventListener("afterprint", () => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    redrawAll();
  });
}

document.addEventListener("DOMContentLoaded", start);
