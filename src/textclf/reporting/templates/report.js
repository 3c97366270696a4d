"use strict";

// Opens the details that a link leads into.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const closed = target && target.closest("details:not([open])");
  if (closed) {
    closed.open = true;
    target.scrollIntoView();
  }
}
window.addEventListener("hashchange", reveal);
reveal();

// The value by which a cell is sorted: the exact one of a number, or the text.
function sortKey(row, heading) {
  const cell = row.cells[heading.cellIndex], isNumber = heading.classList.contains("number");
  const holder = isNumber && (cell.matches("[data-value]") ? cell : cell.querySelector("[data-value]"));
  const text = holder ? holder.dataset.value : cell.textContent.trim();
  return text !== "" && !isNaN(text) ? Number(text) : text;
}

// Numbers before texts; a cell without a value is last in both directions.
function compareKeys(a, b, direction) {
  const emptyA = a === "" || a === "\u2013", emptyB = b === "" || b === "\u2013";
  if (emptyA || emptyB) return emptyA - emptyB;
  if (typeof a !== typeof b) return direction * (typeof a === "number" ? -1 : 1);
  return direction * (typeof a === "number" ? a - b : a.localeCompare(b, "en", {numeric: true}));
}

function sortTable(table, heading) {
  const descending = heading.ariaSort !== "descending" && heading.classList.contains("number");
  const goesDown = heading.ariaSort === "ascending" || descending;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", goesDown ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows];
  const keys = new Map(rows.map((row) => [row, sortKey(row, heading)]));
  rows.sort((a, b) => compareKeys(keys.get(a), keys.get(b), goesDown ? -1 : 1));
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.querySelectorAll("th:not(.unsorted)")) {
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortTable(table, heading));
  }
}

// The section of a run: the examples of a cell of the confusion matrix.
const panel = document.getElementById("cell-examples");
const matrix = document.getElementById("confusion-matrix");
let opener = null;

function showCell(button) {
  for (const group of panel.querySelectorAll("[data-group]")) group.hidden = true;
  for (const other of document.querySelectorAll("button[data-cell]")) {
    other.setAttribute("aria-pressed", other.dataset.cell === button.dataset.cell);
  }
  opener = button;
  const group = panel.querySelector(`[data-group="${button.dataset.cell}"]`);
  document.getElementById("cell-hint").hidden = true;
  document.getElementById("cell-none").hidden = Boolean(group);
  const back = document.getElementById("cell-back");
  back.hidden = false;
  if (group) {
    group.hidden = false;
    group.open = true;
  }
  (group ? group.firstElementChild : back).focus({preventScroll: true});
  panel.scrollIntoView({block: "nearest"});
}

// Arrow keys lead to the next cell with examples, so that Tab leaves the matrix.
function moveInMatrix(event) {
  const [down, right] = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key] || [0, 0];
  if (!event.target.dataset.cell || (!down && !right)) return;
  event.preventDefault();
  let [row, column] = event.target.dataset.cell.split("-").map(Number);
  const size = matrix.tBodies[0].rows.length;
  for (row += down, column += right; row >= 0 && row < size && column >= 0 && column < size; row += down, column += right) {
    const next = matrix.querySelector(`[data-cell="${row}-${column}"]`);
    if (next) {
      event.target.tabIndex = -1;
      next.tabIndex = 0;
      return next.focus();
    }
  }
}

if (panel) {
  for (const group of panel.querySelectorAll("[data-group]")) group.hidden = true;
  document.getElementById("cell-hint").hidden = false;
  for (const button of document.querySelectorAll("button[data-cell]")) {
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => showCell(button));
  }
  document.getElementById("cell-back").addEventListener("click", () => opener.focus());
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape" && opener) opener.focus(); });
}
if (matrix) {
  const [first, ...others] = matrix.querySelectorAll("button");
  for (const button of others) button.tabIndex = -1;
  matrix.addEventListener("keydown", moveInMatrix);
}

// The slider of the threshold: its counts are fields of the list of all fields.
function readCounts(name) {
  return JSON.parse(document.getElementById(`field-run-thresholds-${name}`).cells[1].textContent);
}

function showValue(element, value, isFraction) {
  element.dataset.value = value === null ? "" : String(value);
  element.textContent = value === null ? "\u2013" : isFraction ? `${(100 * value).toFixed(1)}%` : value.toLocaleString("en-US");
}

const slider = document.getElementById("threshold");
if (slider) {
  const nExamples = readCounts("n_examples"), nKept = readCounts("n_kept"), nCorrect = readCounts("n_correct"), nLabels = readCounts("n_labels");
  const rows = [...document.querySelectorAll("#threshold-labels tbody tr")].map((row) => ({
    cells: row.cells, nKept: readCounts(`labels-${row.dataset.label}-n_kept`), nCorrect: readCounts(`labels-${row.dataset.label}-n_correct`),
  }));
  const show = () => {
    const step = Math.round(Number(slider.value) * 100);
    const accuracy = (counts) => (counts.nKept[step] ? counts.nCorrect[step] / counts.nKept[step] : null);
    document.getElementById("threshold-value").textContent = (step / 100).toFixed(2);
    showValue(document.getElementById("threshold-kept"), nKept[step], false);
    showValue(document.getElementById("threshold-n-labels"), nLabels[step], false);
    showValue(document.getElementById("threshold-coverage"), nKept[step] / nExamples, true);
    showValue(document.getElementById("threshold-accuracy"), accuracy({nKept, nCorrect}), true);
    for (const row of rows) {
      showValue(row.cells[2], row.nKept[step], false);
      showValue(row.cells[3], accuracy(row), true);
    }
  };
  slider.addEventListener("input", () => {
    show();
    // The rows stay where they are.
    for (const heading of document.querySelectorAll("#threshold-labels th[aria-sort]")) heading.removeAttribute("aria-sort");
  });
  show();
}

// Shows the disagreements of one pair of models at a time.
const otherModel = document.getElementById("disagreement-model");
function showPair() {
  for (const pair of document.querySelectorAll(".disagreement")) {
    pair.hidden = pair.dataset.model !== otherModel.value;
  }
}
if (otherModel) {
  otherModel.closest(".controls").hidden = otherModel.options.length === 1;
  otherModel.addEventListener("change", () => {
    showPair();
    const shown = document.querySelector(".disagreement:not([hidden]) h4");
    document.getElementById("disagreement-status").textContent = `Shown: ${shown.textContent}`;
  });
  showPair();
}
