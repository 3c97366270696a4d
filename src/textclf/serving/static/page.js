"use strict";

const N_LABELS = 10; // Shown before the button that shows all.
const STRENGTHS = [1 / 10, 1 / 3, 2 / 3]; // Relative to the largest weight of the text, as in reports.

const find = (id) => document.getElementById(id);
let shown = null; // The prediction on the page.
let showsAll = false;
let running = null; // Aborts the requests for the text before.

async function request(path, options = {}) {
  const headers = {"Content-Type": "application/json"};
  if (find("token").value) headers.Authorization = `Bearer ${find("token").value}`;
  const response = await fetch(path, {...options, headers});
  const content = await response.json().catch(() => ({error: `the server answered with status ${response.status}`}));
  if (response.ok) return content;
  if (response.status === 401) {
    find("token-row").hidden = false;
    find("token").focus();
    throw new Error("The server needs a token.");
  }
  throw new Error(content.error.replace(/^instance 1 /, "The text ")); // The page sends one.
}

function say(problem) {
  find("problem").textContent = problem;
}

// Reports every error except those of requests that this page has aborted.
function report(error) {
  if (error.name === "AbortError") return;
  say(error instanceof TypeError ? "The server cannot be reached." : error.message);
}

async function listModels() {
  const {models} = await request("v1/models");
  find("model").replaceChildren(...models.map((name) => new Option(name, name)));
}

function addElement(parent, tag, text, name) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  parent.append(element);
  return element;
}

// In single precision, as textclf predict --threshold compares.
function isBelow(probability) {
  return Math.fround(probability) < Math.fround(Number(find("threshold").value));
}

function format(probability) {
  return probability.toFixed(4);
}

function showPrediction() {
  const threshold = Number(find("threshold").value).toFixed(2);
  find("threshold-value").textContent = threshold;
  if (!shown) return;
  const sorted = Object.entries(shown.probabilities).sort((a, b) => b[1] - a[1]);
  const probability = shown.probabilities[shown.label];
  const prediction = find("prediction");
  prediction.replaceChildren();
  if (isBelow(probability)) {
    prediction.textContent = `No label: the highest probability is ${format(probability)}, below ${threshold}`;
  } else {
    addElement(prediction, "strong", shown.label);
    prediction.append(` with probability ${format(probability)}`);
  }
  const rows = find("labels").tBodies[0];
  rows.replaceChildren();
  for (const [label, value] of showsAll ? sorted : sorted.slice(0, N_LABELS)) {
    const row = rows.insertRow();
    row.classList.toggle("below", isBelow(value));
    addElement(row, "th", label).scope = "row";
    addElement(row, "td", format(value), "number");
    addElement(addElement(row, "td", "", "bars"), "div", "", "bar").style.width = `${100 * value}%`;
  }
  find("more").hidden = sorted.length <= N_LABELS;
  find("more").textContent = showsAll ? `Show ${N_LABELS} labels` : `Show all ${sorted.length} labels`;
  find("result").hidden = false;
}

// Positions count characters, of which some are two units of a JavaScript string.
function showWords(text, explanation) {
  const characters = [...text], words = find("words");
  const largest = Math.max(0, ...explanation.tokens.map((token) => Math.abs(token.weight)));
  let done = 0;
  words.replaceChildren();
  for (const token of [...explanation.tokens].sort((a, b) => a.start - b.start)) {
    const strength = STRENGTHS.filter((least) => Math.abs(token.weight) > least * largest).length;
    const first = Math.max(token.start, done);
    if (!strength || first >= token.end) continue;
    words.append(characters.slice(done, first).join(""));
    addElement(words, "mark", characters.slice(first, token.end).join(""), `${token.weight > 0 ? "f" : "a"}${strength}`);
    done = token.end;
  }
  words.append(characters.slice(done).join(""));
  find("explained").textContent = explanation.label;
  find("explanation").hidden = false;
}

async function classify() {
  if (running) running.abort();
  const {signal} = (running = new AbortController());
  say("");
  if (!find("model").options.length) {
    await listModels();
    if (!find("text").value) return find("text").focus(); // Only the token was entered.
  }
  const text = find("text").value, path = `v1/models/${encodeURIComponent(find("model").value)}`;
  const options = {method: "POST", body: JSON.stringify({instances: [text]}), signal};
  find("explanation").hidden = true;
  const {predictions} = await request(`${path}:predict`, options).catch((error) => {
    if (error.name !== "AbortError") find("result").hidden = true; // It is that of the text before.
    throw error;
  });
  shown = predictions[0];
  showPrediction();
  if (find("highlight").checked) {
    const {explanations} = await request(`${path}:explain`, options);
    showWords(text, explanations[0]);
  }
}

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  classify().catch(report);
});
find("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("form").requestSubmit();
});
find("threshold").addEventListener("input", showPrediction);
find("more").addEventListener("click", () => {
  showsAll = !showsAll;
  showPrediction();
});
listModels().catch(report);
