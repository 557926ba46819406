// What is asked of a page in the browser: run with `return <function>()` after it.

const channel = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const numbers = (text) => text.match(/[\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
const all = (selector) => [...document.querySelectorAll(selector)];

function paper(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = numbers(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
}

// Visible texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3).
function faint() {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const hidden = element.closest("script, style, title, desc") || !element.getClientRects().length;
    if (hidden || !walker.currentNode.data.trim()) continue;
    const style = getComputedStyle(element);
    const made = contrast(numbers(element.closest("svg") ? style.fill : style.color), paper(element));
    if (made < 4.5) found.push([element.outerHTML.slice(0, 80), made]);
  }
  return found;
}

// The contrast of each series of a chart with the page.
function series() {
  const svg = document.querySelector(".chart > svg");
  return [0, 1, 2, 3, 4, 5].map((n) => {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    line.setAttribute("class", `line s${n}`);
    svg.append(line);
    const made = contrast(numbers(getComputedStyle(line).stroke), paper(document.body));
    line.remove();
    return made;
  });
}

// Controls and regions without a name.
function unnamed() {
  const name = (e) =>
    e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim() || e.labels?.[0]?.textContent.trim();
  return all("button, select, input, a, [role], dialog").filter((e) => !name(e)).map((e) => e.outerHTML.slice(0, 90));
}

// What scrolls and cannot be reached by keyboard.
function unreachable() {
  const scrolls = (e, size, axis) => e[`scroll${size}`] > e[`client${size}`] + 1 && ["auto", "scroll"].includes(getComputedStyle(e)[`overflow${axis}`]);
  return all("*").filter((e) => e.tabIndex < 0 && (scrolls(e, "Width", "X") || scrolls(e, "Height", "Y"))).map((e) => e.outerHTML.slice(0, 90));
}

// The texts of a column of the classes' table, shown rows only, in the order of the page.
function column(number) {
  return all("#per-class tbody tr").filter((row) => !row.hidden).map((row) => row.cells[number].textContent.trim());
}

// Choose a value, as a person would.
function choose(selector, value) {
  const select = document.querySelector(selector);
  select.value = value;
  select.dispatchEvent(new Event("input", { bubbles: true }));
}

// The directive by which the page's policy refuses what is attempted.
function refused(attempt) {
  return new Promise((done) => {
    addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
    attempt();
  });
}
