// Sorting, filtering and enlarging. Without this script the page shows everything it has.
"use strict";

function enhance(block) {
  const form = block.querySelector(".controls");
  const table = block.querySelector("table");
  const items = [...block.querySelectorAll(table ? "tbody tr" : ".shot")];
  const texts = items.map((item) => words(item).replace(/\s+/g, " ").toLowerCase());
  const told = form.querySelector("output");
  let order = "";

  function words(item) { // of rows their names, not their figures
    return table ? [...item.querySelectorAll(".text, .code")].map((cell) => cell.textContent).join(" ") : item.textContent;
  }

  function chosen(item, select) {
    const held = table ? item.cells[Number(select.dataset.key)].textContent.trim() : item.dataset[select.dataset.key];
    return select.value === "" || held === select.value;
  }

  function filter() {
    const words = form.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
    const selects = [...form.querySelectorAll("select")];
    let shown = 0;
    items.forEach((item, i) => {
      item.hidden = !(words.every((word) => texts[i].includes(word)) && selects.every((select) => chosen(item, select)));
      shown += item.hidden ? 0 : 1;
    });
    told.textContent = `${shown.toLocaleString("en")} of ${items.length.toLocaleString("en")} ${block.dataset.what}${order}`;
  }

  function value(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    return text === "–" ? null : text;
  }

  function compare(a, b) {
    return typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
  }

  function sort(head, column) {
    const number = !head.matches(".text, .code");
    const former = head.getAttribute("aria-sort");
    const falling = former === "none" ? number : former === "ascending"; // figures: the largest first, names: from a
    const sign = falling ? -1 : 1;
    const keyed = items.map((row, i) => [value(row, column), i, row]);
    keyed.sort(([a, i], [b, j]) => (a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b)) || i - j);
    table.tBodies[0].append(...keyed.map(([, , row]) => row));
    for (const each of head.parentElement.cells) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    order = `, sorted by ${head.textContent.trim()}, ${falling ? "largest" : "smallest"} first`;
    filter();
  }

  if (table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(head, column));
    });
  }
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  filter();
}

function enlarging() {
  const dialog = document.createElement("dialog");
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.setAttribute("aria-label", "Picture, enlarged");
  document.body.append(dialog);
  for (const shot of document.querySelectorAll(".shot")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Enlarge";
    button.setAttribute("aria-label", `Enlarge ${shot.querySelector("b").textContent} in ${shot.querySelector(".key").textContent}`);
    button.addEventListener("click", () => {
      const copy = shot.cloneNode(true);
      copy.querySelector("button").remove();
      dialog.replaceChildren(close, copy);
      dialog.showModal();
    });
    shot.append(button);
  }
}

document.querySelectorAll(".filtered").forEach(enhance);
if (document.querySelector(".shot")) enlarging();
