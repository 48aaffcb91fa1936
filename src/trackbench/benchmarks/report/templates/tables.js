"use strict";

// Tables: sort by a click on a header, filter by text, save as CSV.

function cellValue(row, column) {
  const cell = row.cells[column];
  if (!cell || cell.colSpan > 1) return "";
  const raw = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(raw);
  return raw === "" || Number.isNaN(number) ? raw : number;
}

function compareValues(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number") return 1;
  if (typeof b === "number") return -1;
  return a.localeCompare(b, undefined, { numeric: true });
}

function sortTable(header) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const texts = rows.every((row) => typeof cellValue(row, column) === "string");
  const before = header.getAttribute("aria-sort");
  const descending = before === null ? !texts : before === "ascending";
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const sign = descending ? -1 : 1;
  rows.sort((a, b) => {
    const [x, y] = [cellValue(a, column), cellValue(b, column)];
    if (x === "" || y === "") return (x === "") - (y === "");
    return sign * compareValues(x, y);
  });
  body.append(...rows);
}

function filterRows(table) {
  const wanted = [table.ownFilter, table.classList.contains("filtered") ? filterRows.everywhere : ""];
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !wanted.every((part) => !part || text.includes(part));
    shown += !row.hidden;
  }
  const count = table.closest(".scroll").previousElementSibling?.querySelector(".count");
  const all = table.tBodies[0].rows.length;
  if (count) count.textContent = shown === all ? "" : `${shown} of ${all} rows`;
}
filterRows.everywhere = "";

function csvCell(cell) {
  const text = (cell.dataset.value ?? cell.textContent).trim().replace(/\s+/g, " ");
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function saveTable(table, name) {
  const rows = [table.tHead.rows[0], ...table.tBodies[0].rows].filter((row) => !row.hidden);
  const text = rows.map((row) => [...row.cells].map(csvCell).join(",")).join("\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" }));
  link.download = `${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function startTables() {
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sortTable(button.closest("th")));
  }
  for (const tools of document.querySelectorAll(".tools")) {
    const place = tools.nextElementSibling;
    const table = place.querySelector("table");
    tools.querySelector(".csv").addEventListener("click", () => saveTable(table, place.ariaLabel));
    tools.querySelector(".own-filter")?.addEventListener("input", (event) => {
      table.ownFilter = event.target.value.trim().toLowerCase();
      filterRows(table);
    });
  }
  const everywhere = document.querySelector("input.filter");
  everywhere.addEventListener("input", () => {
    filterRows.everywhere = everywhere.value.trim().toLowerCase();
    for (const table of document.querySelectorAll("table.filtered")) filterRows(table);
  });
}
