"use strict";
// Interactive parts of the report: plots, sorting and filtering of the table, rotatable crystals. Uses no network.

const page = JSON.parse(document.getElementById("page-data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// plots

function themed(layout, traces) {
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--soft"), linecolor: colour("--soft"), automargin: true };
  const themed = { ...layout, font: { color: colour("--ink"), size: 13, family: getComputedStyle(document.body).fontFamily } };
  for (const name of ["xaxis", "yaxis"]) if (layout[name]) themed[name] = { ...layout[name], ...axis };
  if (layout.ternary) {
    themed.ternary = { ...layout.ternary };
    for (const name of ["aaxis", "baxis", "caxis"]) themed.ternary[name] = { ...layout.ternary[name], gridcolor: axis.gridcolor, linecolor: axis.linecolor };
  }
  themed.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--ink") };
  if (innerWidth < 640) {
    themed.margin = { ...layout.margin, l: 48, r: 8 };
    themed.height = 380 + 21 * traces; // the legend is a column below the plot
    themed.legend = { ...layout.legend, y: -60 / 320 };
  }
  return themed;
}

function inked(trace) {
  if (innerWidth < 640 && trace.marker && trace.marker.colorbar) { // beside the plot it would use half of the width of a phone
    const above = { orientation: "h", y: 1.02, yanchor: "bottom", len: 1, thickness: 10, x: 0.5 };
    const colorbar = { ...trace.marker.colorbar, ...above, title: { ...trace.marker.colorbar.title, side: "top" } };
    return { ...trace, marker: { ...trace.marker, colorbar } };
  }
  if (!trace.meta || !trace.meta.ink) return trace;
  return { ...trace, line: { ...trace.line, color: colour("--ink") }, textfont: { color: colour("--ink"), size: 13 } };
}

function draw() {
  for (const box of document.querySelectorAll("[data-plot]")) {
    const plot = page.plots[box.dataset.plot];
    const options = { responsive: true, displaylogo: false };
    if (plot.layout.ternary) options.displayModeBar = false;
    else options.modeBarButtons = [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]];
    Plotly.react(box, plot.data.map(inked), themed(plot.layout, plot.data.length), options);
    if (box.dataset.ready) continue;
    box.dataset.ready = "yes";
    box.on("plotly_click", (event) => {
      const id = (event.points[0].customdata || [])[0];
      if (page.crystals.some((crystal) => crystal.id === id)) show(id, true);
    });
  }
}

// crystals

const viewers = [];

function background() {
  return colour("--panel");
}

function turnable(box, crystal) {
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

function show(id, scroll) {
  const crystal = page.crystals.find((entry) => entry.id === id);
  const views = document.getElementById("views");
  document.getElementById("crystal-choice").value = id;
  // browsers limit the number of WebGL contexts: release those of the crystals shown before
  for (const viewer of viewers.splice(0)) {
    const context = viewer.getCanvas().getContext("webgl2") || viewer.getCanvas().getContext("webgl");
    const loss = context && context.getExtension("WEBGL_lose_context");
    if (loss) loss.loseContext();
  }
  views.replaceChildren();
  for (const entry of crystal.views) {
    const figure = element("figure", "", { class: "view" });
    const stage = element("div", "", { class: "stage", tabindex: "0", role: "img",
      "aria-label": `${entry.title}: ${crystal.formula}, ${entry.atoms.length} atoms drawn; arrow keys rotate it` });
    const caption = element("figcaption", "");
    caption.append(element("b", entry.title), `: ${entry.note}`);
    figure.append(stage, caption);
    views.append(figure);
    try {
      viewers.push(turnable(stage, entry));
    } catch (error) {
      stage.replaceChildren(element("p", "Three-dimensional views are not available because WebGL is disabled; the files below contain the crystal."));
    }
  }
  const facts = document.getElementById("facts");
  facts.replaceChildren();
  for (const [name, value] of crystal.facts) facts.append(element("dt", name), element("dd", value));
  download(document.getElementById("cif"), "cif", crystal);
  download(document.getElementById("poscar"), "poscar", crystal);
  if (!scroll) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.getElementById("crystals").scrollIntoView({ behavior: still ? "instant" : "smooth" });
}

function step(by) {
  const ids = page.crystals.map((crystal) => crystal.id);
  const now = ids.indexOf(document.getElementById("crystal-choice").value);
  show(ids[(now + by + ids.length) % ids.length], false);
}

// the table of candidates

function sort(table, column, button) {
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

function filter(table, form) {
  const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const { scheme, stability, best } = form.elements;
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !(words.every((word) => text.includes(word))
      && (!scheme.value || row.dataset.schemes.split("|").includes(scheme.value))
      && (!stability.value || row.dataset.stability === stability.value)
      && (!best.checked || row.dataset.best === "yes"));
    shown += row.hidden ? 0 : 1;
  }
  document.getElementById("shown").textContent = `${shown.toLocaleString("en")} of ${table.tBodies[0].rows.length.toLocaleString("en")} shown`;
}

const table = document.getElementById("candidate-table");
if (table) {
  const form = document.getElementById("candidate-filters");
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = head.querySelector("button");
    if (button) button.addEventListener("click", () => sort(table, column, button));
  });
  const order = form.elements.order; // the heads are hidden on a phone
  order.addEventListener("change", () => sort(table, Number(order.value), table.tHead.rows[0].cells[order.value].querySelector("button")));
  form.addEventListener("input", () => filter(table, form));
  form.addEventListener("submit", (event) => event.preventDefault());
  table.addEventListener("click", (event) => {
    const button = event.target.closest("[data-show]");
    if (button) show(button.dataset.show, true);
  });
  filter(table, form);
}
if (page.crystals.length) {
  document.getElementById("crystal-choice").addEventListener("change", (event) => show(event.target.value, false));
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  show(page.crystals[0].id, false);
}
draw();
matchMedia("print").addEventListener("change", draw); // printed lines are black in both colour schemes
dark.addEventListener("change", () => {
  draw();
  for (const viewer of viewers) { viewer.setBackgroundColor(background()); viewer.render(); }
});
