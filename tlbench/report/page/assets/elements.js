"use strict";
// Elements of HTML and SVG. Text is always set as text, so that a name is never markup.

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null && value !== "") element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** A table of texts that scrolls sideways where it is too wide. */
function table(label, headings, rows) {
  const head = make("tr", {}, ...headings.map((each) => make("th", { scope: "col" }, each)));
  const body = rows.map((row) => make("tr", {}, ...row.map((each) => make("td", {}, String(each)))));
  return scrolling(label, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

const scrolling = (label, content, kind = "") =>
  make("div", { class: `scroll ${kind}`.trim(), tabindex: "0", role: "region", "aria-label": label }, content);

const facts = (pairs) =>
  make("dl", { class: "facts" }, ...pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
