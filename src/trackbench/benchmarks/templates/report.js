"use strict";

function cellValue(row, column) {
  const cell = row.cells[column];
  const raw = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(raw);
  return raw === "" || Number.isNaN(number) ? raw : number;
}

function compareValues(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number") return 1;
  if (typeof b === "number") return -1;
  return a.localeCompare(b);
}

function sortTable(header) {
  const table = header.closest("table");
  const descending = header.getAttribute("aria-sort") !== "descending";
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const sign = descending ? -1 : 1;
  rows.sort((a, b) => sign * compareValues(cellValue(a, header.cellIndex), cellValue(b, header.cellIndex)));
  body.append(...rows);
}

function filterTables(text) {
  const wanted = text.trim().toLowerCase();
  for (const row of document.querySelectorAll("table.filtered tbody tr")) {
    row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
  }
}

function drawFigure(place) {
  const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  Plotly.newPlot(place, figure.data, figure.layout, { responsive: true, displaylogo: false });
}

function start() {
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sortTable(button.closest("th")));
  }
  const filter = document.querySelector("input.filter");
  filter.addEventListener("input", () => filterTables(filter.value));
  for (const place of document.querySelectorAll(".figure")) drawFigure(place);
}

document.addEventListener("DOMContentLoaded", start);
