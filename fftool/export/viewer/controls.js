// Pointers, wheels and keys on the stage, and the buttons, sliders and dialogs around it.

import { page } from "./data.js";
import { player } from "./player.js";
import { MAX_SIDE, download, picture, shownPart } from "./save.js";
import { planes, scene } from "./scene.js";
import { errors, models, sources, stage } from "./stage.js";
import { view } from "./view.js";

const WHEEL = 0.0015; // of the logarithm of the zoom, for each pixel of a wheel's turn
const LINE = 16; // pixels of a wheel that turns by lines
const STEP = 0.1; // of a panel, for each press of an arrow key
const ZOOM_STEP = Math.SQRT2;
const SHORTEST_BAR = 60; // pixels of the page
const ADDRESS_DELAY = 400; // milliseconds: browsers refuse many changes of the address

const element = (id) => document.getElementById(id);
const isTiled = models.some(({ model }) => model.axes.some(({ count }) => count > 1));

// Layers that are shown, by their ids; and the two at a wiping line.
const shown = new Set(models.map(({ id }) => id));
const wiped = { isOn: false, left: null, right: null };
const all = [...models, ...sources, ...errors];
const byId = (id) => all.find((layer) => layer.id === id);

let pointer = null; // its position in a panel, in pixels of the screen

export function start() {
  makeChips();
  makeSelects();
  makeSliders();
  for (const [id, { action, isThere = true }] of Object.entries(ACTIONS)) {
    const button = element(id);
    if (!button) continue;
    button.hidden = !isThere;
    button.addEventListener("click", action);
  }
  document.addEventListener("keydown", onKey);
  stage.element.addEventListener("wheel", onWheel, { passive: false });
  for (const [name, listener] of Object.entries(POINTERS)) stage.element.addEventListener(name, listener);
  stage.onDraw = onDraw;
  view.onChange(onView);
  player.onChange = showPlaying;
  makeSaveDialog();
  showLayers();
  if (!view.setHash(location.hash)) stage.fit();
  addEventListener("hashchange", () => location.hash !== view.hash && view.setHash(location.hash));
}

// What buttons and keys do.
const ACTIONS = {
  "zoom-in": { keys: ["+", "="], action: () => view.zoomBy(ZOOM_STEP) },
  "zoom-out": { keys: ["-", "_"], action: () => view.zoomBy(1 / ZOOM_STEP) },
  fit: { keys: ["0", "f"], action: () => stage.fit() },
  actual: { keys: ["1"], action: () => view.set({ zoom: 1 }) },
  wipe: { keys: ["w"], action: () => setWipe(!wiped.isOn), isThere: all.length > 1 },
  grid: { keys: ["g"], action: toggleGrid, isThere: isTiled },
  source: { keys: ["s"], action: () => toggle(sources[0]), isThere: sources.length > 0 },
  error: { keys: ["e"], action: toggleErrors, isThere: sources.length > 0 },
  smooth: { keys: ["i"], action: toggleSmooth, isThere: sources.length > 0 },
  save: { keys: ["p"], action: openSaveDialog },
  link: { keys: ["l"], action: copyLink },
  help: { keys: ["?", "h"], action: () => element("help-dialog").showModal() },
  play: { keys: [" ", "k"], action: () => player.toggle(), isThere: scene.rate !== null },
  left: { keys: ["ArrowLeft"], action: () => moveBy(-1, 0) },
  right: { keys: ["ArrowRight"], action: () => moveBy(1, 0) },
  up: { keys: ["ArrowUp"], action: () => moveBy(0, -1) },
  down: { keys: ["ArrowDown"], action: () => moveBy(0, 1) },
  previous: { keys: [",", "PageDown"], action: () => moveSlice(-1), isThere: scene.axes.length > 2 },
  next: { keys: [".", "PageUp"], action: () => moveSlice(1), isThere: scene.axes.length > 2 },
};

function moveBy(x, y) {
  view.moveBy(STEP * stage.size.width * x, STEP * stage.size.height * y);
}

function moveSlice(by) {
  const axis = view.directions.fixed[0];
  view.setIndex(axis, Math.round(view.indices[axis]) + by);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const { target, key } = event;
  if (target.matches("select") || (key === " " && target.matches("button"))) return;
  if (target.matches("[type=range], [role=slider]") && /^(Arrow|Page|Home|End)/.test(key)) return;
  const found = Object.values(ACTIONS).find(({ keys, isThere = true }) => isThere && keys.includes(key));
  if (!found) return;
  event.preventDefault();
  found.action();
}

// ----- pointers

const pointers = new Map(); // that are down, by their number: positions in a panel
let pinched = null; // {distance, x, y} of two pointers

function positionIn(event) {
  const panel = stage.panels.find(({ element }) => element.contains(event.target)) ?? stage.panels[0];
  const { left, top } = panel.canvas.getBoundingClientRect();
  return { x: (event.clientX - left) * devicePixelRatio, y: (event.clientY - top) * devicePixelRatio };
}

function fromMiddle({ x, y }) {
  return [x - stage.size.width / 2, y - stage.size.height / 2];
}

function onWheel(event) {
  event.preventDefault();
  const turn = event.deltaY * [1, LINE, stage.size.height][event.deltaMode];
  const speed = event.ctrlKey ? 8 * WHEEL : WHEEL; // a pinch on a touchpad turns little
  view.zoomBy(Math.exp(-turn * speed), ...fromMiddle(positionIn(event)));
}

function pinch() {
  const [a, b] = [...pointers.values()];
  return { distance: Math.hypot(a.x - b.x, a.y - b.y) || 1, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

function release({ pointerId }) {
  pointers.delete(pointerId);
  pinched = pointers.size === 2 ? pinch() : null;
  stage.element.classList.toggle("is-dragged", pointers.size > 0);
}

const POINTERS = {
  pointerdown(event) {
    if (event.button > 0 || event.target.closest("#divider, button, select")) return;
    stage.element.focus({ preventScroll: true });
    event.target.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, positionIn(event));
    pinched = pointers.size === 2 ? pinch() : null;
    stage.element.classList.add("is-dragged");
  },
  pointermove(event) {
    pointer = positionIn(event);
    const before = pointers.get(event.pointerId);
    if (before) pointers.set(event.pointerId, pointer);
    if (before && pointers.size === 1) view.moveBy(before.x - pointer.x, before.y - pointer.y);
    if (before && pinched) {
      const now = pinch();
      view.moveBy(pinched.x - now.x, pinched.y - now.y);
      view.zoomBy(now.distance / pinched.distance, ...fromMiddle(now));
      pinched = now;
    }
    readValues();
  },
  pointerup: release,
  pointercancel: release,
  pointerleave() {
    pointer = null;
    readValues();
  },
  dblclick(event) {
    if (!event.target.closest("#divider")) view.zoomBy(2, ...fromMiddle(positionIn(event)));
  },
};

// ----- layers

function makeChips() {
  for (const layer of models) {
    const chip = element("layers").appendChild(document.createElement("button"));
    chip.textContent = layer.name;
    chip.title = layer.detail;
    chip.dataset.layer = layer.id;
    chip.addEventListener("click", () => toggle(layer));
  }
}

function toggle(layer) {
  if (wiped.isOn) setWipe(false);
  if (shown.has(layer.id) && layersShown().length > 1) shown.delete(layer.id);
  else shown.add(layer.id);
  showLayers();
}

function toggleErrors() {
  if (wiped.isOn) setWipe(false);
  const isOn = errors.some(({ id }) => shown.has(id));
  for (const [i, { id }] of errors.entries()) {
    if (isOn || !shown.has(models[i].id)) shown.delete(id);
    else shown.add(id);
  }
  showLayers();
}

function toggleGrid() {
  stage.hasGrid = !stage.hasGrid;
  press("grid", stage.hasGrid);
  stage.invalidate();
}

function toggleSmooth() {
  sources[0].isSmooth = !sources[0].isSmooth;
  press("smooth", sources[0].isSmooth);
  stage.invalidate();
}

const press = (id, isOn) => element(id).setAttribute("aria-pressed", isOn);

function layersShown() {
  return [...models, ...sources, ...errors].filter(({ id }) => shown.has(id));
}

function showLayers() {
  stage.show(wiped.isOn ? [byId(wiped.left), byId(wiped.right)] : layersShown(), wiped.isOn);
  if (wiped.isOn) stage.panels[0].element.append(divider);
  for (const chip of element("layers").children) {
    chip.setAttribute("aria-pressed", shown.has(chip.dataset.layer));
  }
  element("layers").hidden = wiped.isOn || models.length < 2;
  if (sources.length > 0) {
    press("source", shown.has("source"));
    press("error", errors.some(({ id }) => shown.has(id)));
  }
  element("legend").hidden = !stage.panels.some(({ layers }) => layers.some((layer) => errors.includes(layer)));
  readValues();
}

// ----- the line between two layers

const divider = element("divider");
divider.remove();

function makeSelects() {
  for (const side of ["left", "right"]) {
    const select = element(`wipe-${side}`);
    for (const { id, name } of all) select.append(new Option(name, id));
    select.addEventListener("change", () => {
      wiped[side] = select.value;
      showLayers();
    });
  }
  divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener("pointermove", (event) => {
    if (divider.hasPointerCapture(event.pointerId)) setShare(positionIn(event).x / stage.size.width);
  });
  divider.addEventListener("keydown", ({ key }) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02 }[key];
    if (step) setShare(stage.share + step);
    if (key === "Home" || key === "End") setShare(key === "Home" ? 0 : 1);
  });
}

function setWipe(isOn) {
  wiped.isOn = isOn;
  const first = layersShown();
  wiped.left = first[0].id;
  wiped.right = (first[1] ?? all.find(({ id }) => id !== first[0].id)).id;
  element("wipe-left").value = wiped.left;
  element("wipe-right").value = wiped.right;
  element("wipe-layers").hidden = !isOn;
  press("wipe", isOn);
  showLayers();
  setShare(stage.share);
}

function setShare(share) {
  stage.share = Math.min(Math.max(share, 0), 1);
  divider.style.left = `${100 * stage.share}%`;
  divider.setAttribute("aria-valuenow", Math.round(100 * stage.share));
  stage.invalidate();
}

// ----- slices and frames

function makeSliders() {
  const box = element("sliders");
  box.hidden = scene.axes.length < 3;
  if (box.hidden) return;
  for (const [axis, { name, length }] of [...scene.axes.entries()].reverse()) {
    const plane = planes.findIndex(({ fixed }) => fixed.includes(axis));
    if (plane < 0) continue;
    const row = box.appendChild(document.createElement("label"));
    row.append(scene.rate === null ? name : "Frame");
    const slider = row.appendChild(document.createElement("input"));
    Object.assign(slider, { type: "range", min: 0, max: length - 1, step: scene.rate === null ? "any" : 1 });
    slider.dataset.axis = axis;
    row.appendChild(document.createElement("output"));
    const show = () => {
      if (player.isPlaying) player.toggle();
      if (plane !== view.plane) showPlane(plane);
    };
    slider.addEventListener("focus", () => plane !== view.plane && show());
    slider.addEventListener("input", () => {
      show();
      view.setIndex(axis, Number(slider.value));
    });
  }
  showSlices();
}

function showPlane(plane) {
  view.set({ plane });
  stage.fit();
  stage.show(
    stage.panels.flatMap(({ layers }) => layers),
    wiped.isOn,
  );
  if (wiped.isOn) stage.panels[0].element.append(divider);
}

function showSlices() {
  for (const slider of element("sliders").querySelectorAll("input")) {
    const axis = Number(slider.dataset.axis);
    const index = view.indices[axis];
    slider.value = index;
    const text = Number.isInteger(index) ? String(index) : index.toFixed(1);
    slider.nextElementSibling.textContent =
      scene.rate === null ? text : `${text}, ${(index / scene.rate).toFixed(2)} s`;
    slider.parentElement.classList.toggle("is-shown", view.directions.fixed.includes(axis));
  }
}

function showPlaying() {
  press("play", player.isPlaying);
  element("play").textContent = player.isPlaying ? "Pause" : "Play";
}

// ----- what is shown

let hashTimer = null;

function onView() {
  element("zoom").textContent = `${Number((100 * view.zoom).toPrecision(3)).toLocaleString("en")} %`;
  showSlices();
  showScale();
  readValues();
  hashTimer ??= setTimeout(() => {
    hashTimer = null;
    history.replaceState(null, "", view.hash);
  }, ADDRESS_DELAY);
}

function onDraw(isSharp) {
  document.documentElement.dataset.state = isSharp ? "sharp" : "drawing";
  element("state").textContent = isSharp ? "" : "drawing …";
  player.advance();
}

// A bar of 1, 2 or 5 times a power of ten, in pixels of the source.
function showScale() {
  const shortest = (SHORTEST_BAR * devicePixelRatio) / view.zoom;
  const power = 10 ** Math.floor(Math.log10(shortest));
  const length = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= shortest) ?? 10 * power;
  element("bar").style.width = `${(length * view.zoom) / devicePixelRatio}px`;
  element("bar-text").textContent = `${Number(length.toPrecision(1)).toLocaleString("en", { maximumFractionDigits: 9 })} px`;
}

let isReading = false;
let isOutdated = false;

// Show the coordinates and values at the pointer, or in the middle; one request at a time.
async function readValues() {
  isOutdated = true;
  if (isReading || stage.panels.length === 0) return;
  isReading = true;
  while (isOutdated) {
    isOutdated = false;
    const { x, y } = pointer ?? { x: stage.size.width / 2, y: stage.size.height / 2 };
    const coordinates = stage.coordinatesAt(x, y);
    const isInside = coordinates.every((each) => each >= 0 && each <= 1);
    const digits = Math.max(1, Math.ceil(Math.log10(view.zoom)) + 1);
    element("position").textContent = isInside
      ? scene.axes.map(({ name, length }, axis) => `${name} ${(coordinates[axis] * length).toFixed(digits)}`).join("  ")
      : "";
    for (const [caption, values] of await stage.valuesAt(coordinates)) {
      const text = isInside && values ? values.map(formatNumber).join("  ") : "";
      caption.querySelector(".value").textContent = text;
    }
  }
  isReading = false;
}

function formatNumber(number) {
  return scene.isInteger ? number.toFixed(1) : number.toPrecision(4);
}

async function copyLink() {
  const address = location.href.replace(/#.*$/, "") + view.hash;
  history.replaceState(null, "", view.hash);
  try {
    await navigator.clipboard.writeText(address);
    say("The address of this view is copied.");
  } catch {
    say("The address bar has the address of this view.");
  }
}

function say(text) {
  element("message").textContent = text;
  setTimeout(() => element("message").textContent === text && (element("message").textContent = ""), 4000);
}

// ----- saving

function makeSaveDialog() {
  const dialog = element("save-dialog");
  const inputs = { width: element("save-width"), height: element("save-height") };
  for (const input of Object.values(inputs)) input.max = MAX_SIDE;
  const follow = (changed, other) => {
    const { columns, rows } = shownPart(element("save-whole").checked);
    const aspect = changed === "width" ? rows / columns : columns / rows;
    inputs[other].value = Math.max(1, Math.round(inputs[changed].value * aspect));
  };
  inputs.width.addEventListener("input", () => follow("width", "height"));
  inputs.height.addEventListener("input", () => follow("height", "width"));
  for (const id of ["save-whole", "save-shown"]) element(id).addEventListener("change", proposeSize);
  element("save-cancel").addEventListener("click", () => dialog.close());
  dialog.querySelector("form").addEventListener("submit", save);
}

function openSaveDialog() {
  const select = element("save-layer");
  select.replaceChildren();
  const layers = stage.panels.flatMap((panel) => panel.layers);
  if (layers.length > 1) select.append(new Option(wiped.isOn ? "Both, with the line" : "All, each of this size", "all"));
  for (const { id, name } of layers) select.append(new Option(name, id));
  proposeSize();
  element("save-dialog").showModal();
}

function proposeSize() {
  const isWhole = element("save-whole").checked;
  const { columns, rows } = shownPart(isWhole);
  const zoom = isWhole ? 1 : view.zoom;
  element("save-width").value = Math.max(1, Math.round(columns * zoom));
  element("save-height").value = Math.max(1, Math.round(rows * zoom));
}

async function save(event) {
  event.preventDefault();
  const [width, height] = ["save-width", "save-height"].map((id) => Number(element(id).value));
  const choice = element("save-layer").value;
  const panels = choice === "all" ? stage.panels.map(({ layers }) => layers) : [[byId(choice)]];
  const part = shownPart(element("save-whole").checked);
  element("save-dialog").close();
  try {
    const progress = (share) => (element("message").textContent = `Saving … ${Math.round(100 * share)} %`);
    const columns = Math.min(stage.columns, panels.length);
    const blob = await picture(panels, part, { width, height }, columns, progress);
    if (!blob) throw new Error();
    download(blob, `${page.fileName}-${width}x${height}.png`);
    say("Saved.");
  } catch {
    say("The browser cannot make a picture of that size; try a smaller one.");
  }
}
