"use strict";

// One function a kind of figure: (place, figure, methods, hidden) draws into an element.

const f3 = (value) => value.toFixed(3);

function drawTime(place, figure, methods, hidden) {
  const points = figure.points.filter((point) => !hidden.has(point.m));
  const times = points.length ? points.map((point) => point.x) : [0.01, 1];
  const values = [...points.flatMap((p) => [p.low ?? p.y, p.y]), ...figure.levels.map((l) => l.y)];
  const c = frame(place, {
    height: 340,
    x: { log: true, domain: [Math.min(...times) / 2.2, Math.max(...times) * 4], label: figure.x },
    y: { domain: niceDomain(values.length ? values : [0], 0, 1.02), label: figure.y },
  });
  drawLevels(c, figure.levels);
  const front = figure.front.map(([x, y]) => [c.x(x), c.y(y)]).filter(([x]) => x >= c.across[0] && x <= c.across[1]);
  if (front.length) {
    const steps = front.map(([x, y], i) => (i ? `H${x}V${y}` : `M${x} ${y}`)).join("");
    c.root.append(node("path", { class: "front", d: `${steps}H${c.across[1]}` }));
  }
  for (const point of [...points].reverse()) {
    const [x, y] = [c.x(point.x), c.y(point.y)];
    const method = methods[point.m];
    const said = `${method.name}: ${f3(point.y)}` + (point.low === undefined ? "" : ` (${f3(point.low)} to ${f3(point.high)})`) + `, ${point.x.toPrecision(2)} s a volume`;
    c.root.append(node("path", { class: `whisker s${point.m}`, "data-m": point.m, d: `M${x} ${c.y(point.low)}V${c.y(point.high)}` }));
    c.root.append(mark(point.m, x, y, 6.5, { "data-tip": said, class: `glyph c${point.m} s${point.m}${method.marked ? " hollow" : ""}` }));
  }
  labelPoints(c, points, methods);
}

function drawLevels(c, levels) {
  const lowest = { start: -Infinity, end: -Infinity };
  for (const level of [...levels].sort((a, b) => b.y - a.y)) {
    const y = c.y(level.y);
    const side = y - 4 < lowest.start + 13 ? "end" : "start";
    const at = Math.max(y - 4, lowest[side] + 13);
    lowest[side] = at;
    c.root.append(node("path", { class: "level", d: `M${c.across[0]} ${y}H${c.across[1]}` }));
    const x = side === "start" ? c.across[0] + 4 : c.across[1] - 4;
    c.root.append(node("text", { class: "level-label", x, y: at, "text-anchor": side }, `${level.label} ${f3(level.y)}, published`));
  }
}

// Names beside the points: at the first of four places where nothing else stands.
function labelPoints(c, points, methods) {
  if (c.width < 480) return;
  const taken = points.map((point) => ({ x0: c.x(point.x) - 7, x1: c.x(point.x) + 7, y: c.y(point.y) }));
  for (const point of points) {
    const [x, y, text] = [c.x(point.x), c.y(point.y), methods[point.m].name];
    const long = text.length * 6.6;
    const spots = [[1, -7], [-1, -7], [1, 17], [-1, 17]].map(([side, down]) => ({
      side, x0: side > 0 ? x + 9 : x - 9 - long, x1: side > 0 ? x + 9 + long : x - 9, y: y + down,
    }));
    const free = (spot) => spot.x0 > c.across[0] && spot.x1 < c.across[1]
      && !taken.some((other) => Math.abs(other.y - spot.y) < 12 && other.x0 < spot.x1 && other.x1 > spot.x0);
    const spot = spots.find(free);
    if (!spot) continue;
    taken.push(spot);
    c.root.append(node("text", { class: "point-label", "data-m": point.m, x: spot.side > 0 ? spot.x0 : spot.x1, y: spot.y, "text-anchor": spot.side > 0 ? "start" : "end" }, text));
  }
}

function drawCases(place, figure, methods, hidden) {
  const rows = figure.rows.filter((row) => !hidden.has(row.m));
  const each = 50;
  const values = rows.flatMap((row) => row.values);
  const c = frame(place, {
    height: rows.length * each + 56,
    x: { domain: niceDomain(values.length ? values : [0], 0, 1.005), label: figure.x },
    box: { left: 12, top: 8 },
  });
  rows.forEach((row, i) => {
    const middle = 8 + i * each + 32;
    const [p5, q1, median, q3, p95] = row.box.map(c.x);
    c.root.append(node("text", { class: "row-label", "data-m": row.m, x: c.across[0], y: middle - 18 }, methods[row.m].name));
    row.values.forEach((value, j) => {
      const y = middle + (hashed(row.cases[j]) - 0.5) * 18;
      const said = `${row.cases[j]}: ${f3(value)}, ${methods[row.m].name}`;
      c.root.append(node("circle", { class: `case c${row.m}`, "data-m": row.m, "data-case": row.cases[j], "data-tip": said, cx: c.x(value).toFixed(1), cy: y.toFixed(1), r: 2.6 }));
    });
    c.root.append(node("path", { class: `whisker s${row.m}`, "data-m": row.m, d: `M${p5} ${middle}H${q1}M${q3} ${middle}H${p95}` }));
    c.root.append(node("path", { class: `box s${row.m}`, "data-m": row.m, d: `M${q1} ${middle - 9}H${q3}V${middle + 9}H${q1}ZM${median} ${middle - 9}V${middle + 9}` }));
  });
}

function drawLines(place, figure, methods, hidden) {
  const series = figure.series.filter((item) => !hidden.has(item.m));
  const xs = series.flatMap((item) => item.x);
  const c = frame(place, {
    height: 330,
    x: { domain: figure.unit ? [0, 1] : [Math.min(0, ...xs), Math.max(...xs, 1)], label: figure.x },
    y: { domain: figure.unit ? [0, 1.01] : niceDomain(series.length ? series.flatMap((item) => item.y) : [0], 0, 1.01), label: figure.y },
  });
  if (figure.diagonal) c.root.append(node("path", { class: "front", d: `M${c.x(0)} ${c.y(0)}L${c.x(1)} ${c.y(1)}` }));
  for (const item of [...series].reverse()) {
    const places = item.x.map((x, i) => [c.x(x), c.y(item.y[i])]);
    const path = places.map(([x, y], i) => (i === 0 ? `M${x} ${y}` : figure.steps ? `H${x}V${y}` : `L${x} ${y}`)).join("");
    c.root.append(node("path", { class: `line s${item.m}`, "data-m": item.m, d: path, "stroke-dasharray": DASHES[item.m] }));
    places.forEach(([x, y], i) => {
      const n = item.n ? `, n = ${item.n[i]}` : "";
      const said = `${methods[item.m].name}: ${figure.y} ${f3(item.y[i])} at ${figure.x} ${item.x[i]}${n}`;
      const inside = !figure.steps && (item.n || i % 4 === 3);
      c.root.append(mark(item.m, x, y, inside ? 3.6 : 5, { "data-tip": said, class: inside ? `glyph c${item.m}` : "spot" }));
    });
  }
}

const RUN = /(\d*)([.rwu])/g;
const STATES = { r: "right", w: "wrong", u: "no name given", ".": "not asked for" };

function unpacked(row) {
  let states = "";
  for (const [, length, state] of row.matchAll(RUN)) states += state.repeat(Number(length || 1));
  return states;
}

function drawRaster(place, figure, methods, hidden) {
  const layers = figure.layers.filter((layer) => !hidden.has(layer.m));
  const layer = layers.find((item) => item.m === place.chosen) ?? layers[0];
  if (!layer) {
    place.replaceChildren();
    return;
  }
  const choice = document.createElement("div");
  choice.className = "choice";
  for (const item of layers) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = methods[item.m].name;
    button.setAttribute("aria-pressed", item === layer);
    button.addEventListener("click", () => {
      place.chosen = item.m;
      drawRaster(place, figure, methods, hidden);
      place.querySelector("[aria-pressed=true]").focus();
    });
    choice.append(button);
  }
  const key = document.createElement("span");
  key.className = "key";
  for (const [state, said] of Object.entries(STATES)) key.insertAdjacentHTML("beforeend", `<i class="k${state === "." ? "n" : state}"></i>${said} `);
  choice.append(key);
  place.replaceChildren(choice, rasterCanvas(place, figure, layer.rows.map(unpacked)));
}

function rasterCanvas(place, figure, rows) {
  const canvas = document.createElement("canvas");
  const [left, top] = [52, 5];
  const width = Math.max(240, place.clientWidth);
  const high = Math.min(11, Math.max(4, Math.floor(760 / rows.length)));
  const ratio = window.devicePixelRatio || 1;
  const height = top + rows.length * high + 20;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  const inks = Object.fromEntries(["r", "w", "u"].map((s) => [s, style.getPropertyValue(`--k${s}`)]));
  const wide = (width - left - 2) / figure.cases.length;
  rows.forEach((states, i) => {
    for (let j = 0; j < states.length; j++) {
      if (states[j] === ".") continue;
      pen.fillStyle = inks[states[j]];
      pen.fillRect(left + j * wide, top + i * high, Math.max(wide - (wide > 5 ? 1 : 0), 0.8), high - (high > 5 ? 1 : 0));
    }
  });
  pen.fillStyle = style.getPropertyValue("--muted");
  pen.font = "10px system-ui, sans-serif";
  const every = Math.ceil(10 / high);
  pen.textAlign = "right";
  figure.names.forEach((name, i) => i % every === 0 && pen.fillText(name, left - 5, top + (i + 0.5) * high + 3.5, left - 6));
  pen.textAlign = "left";
  pen.fillText(figure.cases[0], left, height - 6);
  pen.textAlign = "right";
  pen.fillText(figure.cases.at(-1), width - 2, height - 6);
  canvas.addEventListener("pointermove", (event) => {
    const i = Math.floor((event.offsetY - top) / high);
    const j = Math.floor((event.offsetX - left) / wide);
    const state = rows[i]?.[j];
    if (state) showTip(`${figure.names[i]} in ${figure.cases[j]}: ${STATES[state]}`, event);
    else hideTip();
  });
  canvas.addEventListener("pointerleave", hideTip);
  return canvas;
}

function drawRuns(place, figure, methods, hidden) {
  const series = figure.series.filter((item) => !hidden.has(item.m));
  const times = [...new Set(series.flatMap((item) => item.times))].sort();
  const at = new Map(times.map((time, i) => [time, i]));
  const values = series.flatMap((item) => item.values);
  const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const pad = Math.max((high - low) * 0.15, Math.abs(high) * 0.01);
  const dates = [times[0], times.at(-1)].map((time) => time?.slice(0, 10));
  const c = frame(place, {
    height: 300,
    x: { domain: [-0.5, Math.max(times.length - 0.5, 0.5)], bare: true, label: `runs from ${dates[0] ?? ""} to ${dates[1] ?? ""}` },
    y: { domain: [low - pad, high + pad], label: figure.y },
    box: { left: 58 },
  });
  for (const item of [...series].reverse()) {
    const spots = item.values.map((value, i) => [c.x(at.get(item.times[i])), c.y(value)]);
    const starts = [0, ...item.changes];
    const level = starts.map((first, j) => {
      const last = (starts[j + 1] ?? item.values.length) - 1;
      return `M${spots[first][0] - 4} ${c.y(item.levels[j])}H${spots[last][0] + 4}`;
    });
    c.root.append(node("path", { class: `line level-line s${item.m}`, "data-m": item.m, d: level.join("") }));
    spots.forEach(([x, y], i) => {
      const change = item.changes.indexOf(i);
      const from = change < 0 ? "" : `; the level goes from ${item.levels[change].toPrecision(4)} to ${item.levels[change + 1].toPrecision(4)}`;
      if (change >= 0) c.root.append(node("circle", { class: `ring s${item.m}`, "data-m": item.m, cx: x, cy: y, r: 8.5 }));
      const said = `${methods[item.m].name}: ${item.values[i].toPrecision(4)} at ${item.revisions[i]}, ${item.times[i].slice(0, 16).replace("T", " ")}${from}`;
      c.root.append(mark(item.m, x, y, 3.8, { "data-tip": said }));
    });
  }
}

const DRAWINGS = { time: drawTime, cases: drawCases, lines: drawLines, raster: drawRaster, runs: drawRuns };
