"use strict";

// What every chart is made of: SVG elements, scales, ticks, axes, marks.

const SVG = "http://www.w3.org/2000/svg";
const DASHES = ["", "8 3", "2 3", "9 3 2 3", "14 4", "5 2 1 2", "1 3", "4 4"];
const SHAPES = [
  (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
  (r) => `M${-r * 0.9} ${-r * 0.9}h${1.8 * r}v${1.8 * r}h${-1.8 * r}Z`,
  (r) => `M0 ${-1.15 * r}L${1.1 * r} ${0.8 * r}H${-1.1 * r}Z`,
  (r) => `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0Z`,
  (r) => `M0 ${1.15 * r}L${1.1 * r} ${-0.8 * r}H${-1.1 * r}Z`,
  (r) => `M${-0.4 * r} ${-1.2 * r}h${0.8 * r}v${0.8 * r}h${0.8 * r}v${0.8 * r}h${-0.8 * r}v${0.8 * r}h${-0.8 * r}v${-0.8 * r}h${-0.8 * r}v${-0.8 * r}h${0.8 * r}Z`,
  (r) => `M${-1.1 * r} ${-0.6 * r}h${2.2 * r}v${1.2 * r}h${-2.2 * r}Z`,
  (r) => `M0 ${-1.3 * r}L${r * 0.4} ${-r * 0.4}L${1.3 * r} 0L${r * 0.4} ${r * 0.4}L0 ${1.3 * r}L${-r * 0.4} ${r * 0.4}L${-1.3 * r} 0L${-r * 0.4} ${-r * 0.4}Z`,
];

function node(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function linear([d0, d1], [r0, r1]) {
  return (value) => r0 + ((value - d0) / (d1 - d0 || 1)) * (r1 - r0);
}

function logarithmic([d0, d1], range) {
  const inner = linear([Math.log10(d0), Math.log10(d1)], range);
  return (value) => inner(Math.log10(value));
}

function linearTicks(d0, d1, wanted) {
  const rough = (d1 - d0) / Math.max(wanted, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= rough * 0.999);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const first = Math.ceil(d0 / step - 1e-9);
  const last = Math.floor(d1 / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => ({
    value: (first + i) * step,
    text: ((first + i) * step).toFixed(digits),
  }));
}

function logTicks(d0, d1, wanted) {
  const [low, high] = [Math.floor(Math.log10(d0)), Math.ceil(Math.log10(d1))];
  const spread = (leaders, every) => {
    const values = [];
    for (let k = low; k <= high; k += every) values.push(...leaders.map((leader) => leader * 10 ** k));
    return values.filter((value) => value >= d0 * 0.999 && value <= d1 * 1.001);
  };
  const sparse = Math.max(1, Math.ceil((high - low + 1) / wanted));
  const choices = [spread([1, 2, 5], 1), spread([1, 3], 1), spread([1], 1), spread([1], sparse)];
  return (choices.find((values) => values.length <= wanted) ?? choices.at(-1)).map((value) => ({
    value,
    text: value >= 1e-4 && value < 1e4 ? String(Number(value.toPrecision(1))) : value.toExponential(0),
  }));
}

// An empty chart with axes; gives the SVG, its scales and its inner box.
function frame(place, { height, x, y, box = {} }) {
  const width = Math.max(240, place.clientWidth);
  const inner = { left: 46, right: 14, top: 12, bottom: 44, ...box };
  const across = [inner.left, width - inner.right];
  const down = [height - inner.bottom, inner.top];
  const root = node("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "chart" });
  const scaleX = x.log ? logarithmic(x.domain, across) : linear(x.domain, across);
  const scaleY = y ? linear(y.domain, down) : null;
  const room = Math.max(2, Math.floor((width - inner.left - inner.right) / 70));
  const axes = node("g", { class: "axes" });
  const ticks = x.bare ? [] : x.log ? logTicks(...x.domain, room) : linearTicks(...x.domain, room);
  for (const tick of ticks) {
    const at = scaleX(tick.value);
    axes.append(node("path", { class: "grid", d: `M${at} ${down[0]}V${down[1]}` }));
    axes.append(node("text", { x: at, y: down[0] + 17, "text-anchor": "middle" }, tick.text));
  }
  if (y) {
    for (const tick of linearTicks(...y.domain, 5)) {
      const at = scaleY(tick.value);
      axes.append(node("path", { class: "grid", d: `M${across[0]} ${at}H${across[1]}` }));
      axes.append(node("text", { x: across[0] - 8, y: at + 4, "text-anchor": "end" }, tick.text));
    }
    const middle = (down[0] + down[1]) / 2;
    axes.append(node("text", { class: "label", transform: `translate(12 ${middle}) rotate(-90)`, "text-anchor": "middle" }, y.label));
  }
  axes.append(node("text", { class: "label", x: (across[0] + across[1]) / 2, y: height - 8, "text-anchor": "middle" }, x.label));
  root.append(axes);
  place.replaceChildren(root);
  return { root, x: scaleX, y: scaleY, across, down, width };
}

function mark(k, x, y, r, attributes = {}) {
  return node("path", { class: `glyph c${k}`, "data-m": k, d: SHAPES[k](r), transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, ...attributes });
}

function niceDomain(values, low, high) {
  const step = 0.1;
  const from = Math.floor(Math.min(...values) / step - 0.2) * step;
  return [Math.max(low, from), Math.max(high, Math.max(...values))];
}

function hashed(text) {
  let h = 2166136261;
  for (const letter of text) h = Math.imul(h ^ letter.codePointAt(0), 16777619);
  return ((h >>> 8) % 4096) / 4096;
}
