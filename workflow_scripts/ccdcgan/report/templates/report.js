"use strict";
// Interactive parts of the report: plots, sorting and filtering of the table, rotatable crystals. Uses no network.

const page = JSON.parse(document.getElementById("page-data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// plots

function themed(layout) {
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--soft"), linecolor: colour("--soft"), automargin: true };
  const themed = { ...layout, font: { color: colour("--ink"), size: 13, family: getComputedStyle(document.body).fontFamily } };
  for (const name of ["xaxis", "yaxis"]) if (layout[name]) themed[name] = { ...layout[name], ...axis };
  if (layout.ternary) {
    themed.ternary = { ...layout.ternary };
    for (const name of ["aaxis", "baxis", "caxis"]) themed.ternary[name] = { ...layout.ternary[name], gridcolor: axis.gridcolor, linecolor: axis.linecolor };
  }
  themed.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--ink") };
  const chip = { bgcolor: colour("--ink"), arrowcolor: colour("--ink") };
  themed.annotations = (layout.annotations || []).map((note) => ({ ...note, ...chip, font: { ...note.font, color: colour("--paper") } }));
  if (innerWidth < 640) {
    themed.margin = { ...layout.margin, l: 48, r: 8, ...(layout.ternary ? { l: 30, r: 30, t: 120 } : {}) };
  }
  return themed;
}

function inked(trace) {
  if (innerWidth < 640 && trace.marker && trace.marker.colorbar) { // beside the plot it would use half of the width of a phone
    const above = { orientation: "h", y: trace.type === "scatterternary" ? 1.16 : 1.02, yanchor: "bottom", len: 1, thickness: 10, x: 0.5 };
    const colorbar = { ...trace.marker.colorbar, ...above, title: { ...trace.marker.colorbar.title, side: "top" } };
    return { ...trace, marker: { ...trace.marker, colorbar } };
  }
  if (!trace.meta || !trace.meta.ink) return trace;
  return { ...trace, line: { ...trace.line, color: colour("--ink") }, textfont: { color: colour("--ink"), size: 13 } };
}

const SHAPES = { // of plotly, in a box from -6 to 6
  "triangle-up": "M0-5 5 4H-5Z", "triangle-down": "M0 5 5-4H-5Z", "triangle-left": "M-5 0 4-5V5Z", "triangle-right": "M5 0-4-5V5Z",
  square: "M-4-4H4V4H-4Z", diamond: "M0-5.5 5.5 0 0 5.5-5.5 0Z", cross: "M-2-5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z",
  x: "M-3-5.5 0-2.5 3-5.5 5.5-3 2.5 0 5.5 3 3 5.5 0 2.5-3 5.5-5.5 3-2.5 0-5.5-3Z", pentagon: "M0-5.5 5.3-1.6 3.3 4.6H-3.3L-5.3-1.6Z",
  star: "M0-6 1.6-2 5.8-1.8 2.5.9 3.6 5 0 2.6-3.6 5-2.5.9-5.8-1.8-1.6-2Z", hexagon: "M0-5.5 4.8-2.8V2.8L0 5.5-4.8 2.8V-2.8Z",
  circle: "M-4 0A4 4 0 1 1 4 0A4 4 0 1 1-4 0Z",
};

// The legend below a plot: a click on a name hides or shows its marks.
function legend(box, plot) {
  if (box.nextElementSibling && box.nextElementSibling.classList.contains("names")) return;
  const names = element("div", "", { class: "names" });
  const group = (trace) => trace.legendgroup || trace.name;
  for (const trace of plot.data) {
    if (trace.showlegend === false || !trace.name) continue;
    const members = [...plot.data.keys()].filter((index) => group(plot.data[index]) === group(trace));
    const button = element("button", "", { type: "button", "aria-pressed": "true" });
    const [symbol, open] = ((trace.marker && trace.marker.symbol) || "line").split("-open");
    const tone = trace.marker && typeof trace.marker.color === "string" ? trace.marker.color : "currentColor";
    const dash = trace.line && trace.line.dash ? ' stroke-dasharray="3 2"' : "";
    const shape = symbol === "line" ? `<path d="M-7 0H7" stroke="${tone}" stroke-width="1.5"${dash}/>`
      : `<path d="${SHAPES[symbol] || SHAPES.circle}" fill="${open === undefined ? tone : "none"}" stroke="${tone}"/>`;
    button.innerHTML = `<svg viewBox="-7 -7 14 14" aria-hidden="true">${shape}</svg>`;
    button.append(trace.name);
    button.addEventListener("click", () => {
      const visible = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(visible));
      for (const index of members) plot.data[index].visible = visible; // a later drawing keeps it
      Plotly.restyle(box, { visible }, members);
    });
    names.append(button);
  }
  box.after(names);
}

function draw() {
  for (const box of document.querySelectorAll("[data-plot]")) {
    if (!box.clientWidth) continue; // in a closed section, drawn when it is opened
    const plot = page.plots[box.dataset.plot];
    const options = { responsive: true, displaylogo: false };
    if (plot.layout.ternary) options.displayModeBar = false;
    else options.modeBarButtons = [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]];
    Plotly.react(box, plot.data.map(inked), themed(plot.layout), options);
    legend(box, plot);
    if (box.dataset.ready) continue;
    box.dataset.ready = "yes";
    box.on("plotly_click", (event) => {
      const id = (event.points[0].customdata || [])[0];
      if (page.crystals.some((crystal) => crystal.id === id)) show(id);
    });
  }
}

// crystals

const viewers = [];

function background() {
  return colour("--panel");
}

function turnable(box, crystal, zooms) {
  if (!zooms) for (const name of ["wheel", "mousewheel", "DOMMouseScroll", "touchstart", "touchmove"])
    box.addEventListener(name, (event) => event.stopPropagation(), { capture: true, passive: true }); // the page scrolls
  const viewer = $3Dmol.createViewer(box, { backgroundColor: background(), antialias: true });
  const model = viewer.addModel();
  const joined = crystal.atoms.map(() => []);
  for (const [first, second] of crystal.bonds) { joined[first].push(second); joined[second].push(first); }
  // an atom of chain "next" is the middle of a bond to a neighbouring cell, not an atom
  const atoms = crystal.atoms.map(([elem, x, y, z]) => ({ elem, x, y, z, chain: "cell" }));
  for (const [from, x, y, z] of crystal.stubs) {
    const end = atoms.push({ elem: crystal.atoms[from][0], x, y, z, chain: "next" }) - 1;
    joined[end] = [from];
    joined[from].push(end);
  }
  model.addAtoms(atoms.map((atom, index) => (
    { ...atom, index, serial: index, bonds: joined[index], bondOrder: joined[index].map(() => 1) })));
  for (const [element, look] of Object.entries(page.elements)) {
    viewer.setStyle({ elem: element, chain: "next" }, { stick: { radius: 0.11, color: look.colour } });
    viewer.setStyle({ elem: element, chain: "cell" }, { sphere: { radius: look.radius, color: look.colour }, stick: { radius: 0.11, color: look.colour } });
  }
  const at = (steps) => {
    const sum = (axis) => steps.reduce((total, step, row) => total + step * crystal.cell[row][axis], 0);
    return { x: sum(0), y: sum(1), z: sum(2) };
  };
  for (const axis of [0, 1, 2]) for (const i of [0, 1]) for (const j of [0, 1]) {
    const start = [i, j]; start.splice(axis, 0, 0);
    const end = [i, j]; end.splice(axis, 0, 1);
    viewer.addLine({ start: at(start), end: at(end), color: colour("--soft"), linewidth: 2 });
  }
  viewer.zoomTo();
  viewer.rotate(-75, "x");
  viewer.rotate(-20, "y");
  viewer.zoom(1.05);
  viewer.render();
  box.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: [-15, "y"], ArrowRight: [15, "y"], ArrowUp: [-15, "x"], ArrowDown: [15, "x"] }[event.key];
    const zoom = { "+": 1.15, "-": 1 / 1.15 }[event.key];
    if (turn) viewer.rotate(...turn);
    if (zoom) viewer.zoom(zoom);
    if (turn || zoom) { viewer.render(); event.preventDefault(); }
  });
  return viewer;
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function download(link, kind, crystal) {
  link.hidden = !crystal[kind]; // no program would read the crystal from such a file
  link.href = "data:application/octet-stream," + encodeURIComponent(crystal[kind]);
  link.download = kind === "cif" ? `${crystal.formula}-${crystal.id}.cif` : `POSCAR-${crystal.formula}-${crystal.id}`;
}

function release(viewer) {
  // browsers limit the number of WebGL contexts
  const context = viewer.getCanvas().getContext("webgl2") || viewer.getCanvas().getContext("webgl");
  const loss = context && context.getExtension("WEBGL_lose_context");
  if (loss) loss.loseContext();
}

function show(id) {
  const crystal = page.crystals.find((entry) => entry.id === id);
  const dialog = document.getElementById("crystal");
  const views = document.getElementById("views");
  document.getElementById("crystal-choice").value = id;
  viewers.splice(0).forEach(release);
  views.replaceChildren();
  if (!dialog.open) dialog.showModal();
  for (const entry of crystal.views) {
    const figure = element("figure", "", { class: "view" });
    const stage = element("div", "", { class: "stage", tabindex: "0", role: "img",
      "aria-label": `${entry.title}: ${crystal.formula}, ${entry.atoms.length} atoms drawn; arrow keys rotate it` });
    const caption = element("figcaption", "");
    caption.append(element("b", entry.title), `: ${entry.note}`);
    figure.append(stage, caption);
    views.append(figure);
    try {
      viewers.push(turnable(stage, entry, true));
    } catch (error) {
      stage.replaceChildren(element("p", "Three-dimensional views are not available because WebGL is disabled; the files contain the crystal."));
    }
  }
  const facts = document.getElementById("facts");
  facts.replaceChildren();
  for (const [name, value] of crystal.facts) facts.append(element("dt", name), element("dd", value));
  download(document.getElementById("cif"), "cif", crystal);
  download(document.getElementById("poscar"), "poscar", crystal);
}

function step(by) {
  const ids = page.crystals.map((crystal) => crystal.id);
  const now = ids.indexOf(document.getElementById("crystal-choice").value);
  show(ids[(now + by + ids.length) % ids.length]);
}

// the table of candidates

function sort(table, column, button) {
  foldAll(table);
  const head = button.closest("th");
  const descending = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const key = (row) => row.cells[column].dataset.key;
  const numeric = head.classList.contains("number");
  const compare = (first, second) => {
    const [a, b] = [key(first), key(second)];
    if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1); // missing values are last in both orders
    const order = numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
    return descending ? -order : order;
  };
  body.append(...[...body.rows].sort(compare));
}

// On a wide screen the details of a row are below it, over the whole width.
function unfold(details) {
  const row = details.closest("tr");
  const below = row.nextElementSibling && row.nextElementSibling.classList.contains("below") ? row.nextElementSibling : null;
  if (details.open && !below && innerWidth > 992) {
    const cell = element("td", "", { colspan: row.cells.length });
    cell.append(details.querySelector("dl"));
    const made = element("tr", "", { class: "below" });
    made.append(cell);
    row.after(made);
  } else if (!details.open && below) {
    details.append(below.querySelector("dl"));
    below.remove();
  }
}

function foldAll(table) { // before the rows are sorted or hidden
  for (const details of table.querySelectorAll("details[open]")) { details.open = false; unfold(details); }
}

const FEW = innerWidth < 640 ? 6 : 12; // rows that are shown at first
let all = false;

function filter(table, form) {
  foldAll(table);
  const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const { scheme, stability, best } = form.elements;
  let found = 0;
  for (const row of table.tBodies[0].rows) {
    const text = `${row.dataset.id} ${row.textContent}`.toLowerCase();
    const wanted = (words.every((word) => text.includes(word))
      && (!scheme.value || row.dataset.schemes.split("|").includes(scheme.value))
      && (!stability.value || row.dataset.stability === stability.value)
      && (!best.checked || row.dataset.best === "yes"));
    found += wanted ? 1 : 0;
    row.hidden = !wanted || (!all && found > FEW);
  }
  const shown = all ? found : Math.min(found, FEW);
  document.getElementById("shown").textContent = `${shown.toLocaleString("en")} of ${table.tBodies[0].rows.length.toLocaleString("en")} shown`;
  const button = document.getElementById("all-rows");
  button.hidden = shown === found;
  button.textContent = `show all ${found.toLocaleString("en")}`;
}

const table = document.getElementById("candidate-table");
if (table) {
  const form = document.getElementById("candidate-filters");
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = head.querySelector("button");
    if (button) button.addEventListener("click", () => { sort(table, column, button); filter(table, form); });
  });
  const order = form.elements.order; // the heads are hidden on a phone
  order.addEventListener("change", () => {
    sort(table, Number(order.value), table.tHead.rows[0].cells[order.value].querySelector("button"));
    filter(table, form);
  });
  form.addEventListener("input", () => filter(table, form));
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const details of table.querySelectorAll("details")) details.addEventListener("toggle", () => unfold(details));
  document.getElementById("all-rows").addEventListener("click", () => { all = true; filter(table, form); });
  filter(table, form);
}

// cards, details of a crystal, folded sections

const stages = []; // viewers of the cards
for (const stage of document.querySelectorAll("[data-stage]")) {
  const crystal = page.crystals.find((entry) => entry.id === stage.dataset.stage);
  const drawing = stage.querySelector("svg");
  try {
    stages.push(turnable(stage, crystal.views.find((entry) => entry.title === "relaxed"), false));
    stage.setAttribute("role", "img");
    stage.setAttribute("aria-label", drawing.getAttribute("aria-label"));
    drawing.remove();
  } catch (error) { // without WebGL the drawing stays
    for (const child of [...stage.children]) if (child !== drawing) child.remove();
  }
}
if (page.crystals.length) {
  const dialog = document.getElementById("crystal");
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-show]");
    if (button) show(button.dataset.show);
    if (event.target === dialog) dialog.close(); // beside the dialog
  });
  document.getElementById("crystal-choice").addEventListener("change", (event) => show(event.target.value));
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next-crystal").addEventListener("click", () => step(1));
  dialog.addEventListener("close", () => viewers.splice(0).forEach(release));
}
const still = document.querySelector(".still"); // the static figure of the hull, without JavaScript in place of the plot
if (page.plots.hull) { document.getElementById("still").replaceWith(...still.childNodes); still.remove(); }
function reveal() { // a link to a folded section opens it
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folds = [];
  for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) folds.push(fold);
  folds.forEach((fold) => { fold.open = true; });
  if (folds.length) target.scrollIntoView();
}
for (const fold of document.querySelectorAll(".fold")) fold.addEventListener("toggle", () => { if (fold.open) draw(); });
addEventListener("hashchange", reveal);
reveal();
draw();
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});
matchMedia("print").addEventListener("change", draw); // printed lines are black in both colour schemes
dark.addEventListener("change", () => {
  draw();
  for (const viewer of [...viewers, ...stages]) { viewer.setBackgroundColor(background()); viewer.render(); }
});
