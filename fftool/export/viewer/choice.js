// The choice of layers: side by side, or two with a line between them.

import { positionIn } from "./gestures.js";
import { errors, models, sources, stage } from "./stage.js";
import { readValues } from "./status.js";

const KEY_STEP = 0.02; // of the width, that the line moves for each press of a key

export const layers = [...models, ...sources, ...errors]; // in the order in which they are shown
export const isTiled = models.some(({ model }) => model.axes.some(({ count }) => count > 1));
export const isWiped = () => wiped.isOn;
export const layerById = (id) => layers.find((layer) => layer.id === id);

const shown = new Set(models.map(({ id }) => id)); // side by side
const wiped = { isOn: false, left: null, right: null };
const divider = document.getElementById("divider");
const element = (id) => document.getElementById(id);
const press = (id, isOn) => element(id).setAttribute("aria-pressed", isOn);

export function startChoice() {
  makeChips();
  makeSelects();
  divider.remove();
  showLayers();
}

function makeChips() {
  for (const layer of models) {
    const chip = element("layers").appendChild(document.createElement("button"));
    chip.textContent = layer.name;
    chip.title = layer.detail;
    chip.dataset.layer = layer.id;
    chip.addEventListener("click", () => toggle(layer));
  }
}

export function toggle(layer) {
  if (wiped.isOn) setWipe(false);
  if (shown.has(layer.id) && layersShown().length > 1) shown.delete(layer.id);
  else shown.add(layer.id);
  showLayers();
}

export function toggleErrors() {
  if (wiped.isOn) setWipe(false);
  const isOn = errors.some(({ id }) => shown.has(id));
  for (const [i, { id }] of errors.entries()) {
    if (isOn || !shown.has(models[i].id)) shown.delete(id);
    else shown.add(id);
  }
  showLayers();
}

export function toggleGrid() {
  stage.hasGrid = !stage.hasGrid;
  press("grid", stage.hasGrid);
  stage.invalidate();
}

export function toggleSmooth() {
  sources[0].isSmooth = !sources[0].isSmooth;
  press("smooth", sources[0].isSmooth);
  stage.invalidate();
}

function layersShown() {
  return layers.filter(({ id }) => shown.has(id));
}

function showLayers() {
  stage.show(wiped.isOn ? [layerById(wiped.left), layerById(wiped.right)] : layersShown(), wiped.isOn);
  if (wiped.isOn) stage.panels[0].element.append(divider);
  for (const chip of element("layers").children) {
    chip.setAttribute("aria-pressed", shown.has(chip.dataset.layer));
  }
  element("layers").hidden = wiped.isOn || models.length < 2;
  if (sources.length > 0) {
    press("source", shown.has("source"));
    element("smooth").disabled = !stage.panels.some((panel) => panel.layers.includes(sources[0]));
    press("error", errors.some(({ id }) => shown.has(id)));
  }
  element("legend").hidden = !stage.panels.some((panel) => panel.layers.some((layer) => errors.includes(layer)));
  readValues();
}

function makeSelects() {
  for (const side of ["left", "right"]) {
    const select = element(`wipe-${side}`);
    for (const { id, name } of layers) select.append(new Option(name, id));
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
    const step = { ArrowLeft: -KEY_STEP, ArrowRight: KEY_STEP, ArrowDown: -KEY_STEP, ArrowUp: KEY_STEP }[key];
    if (step) setShare(stage.share + step);
    if (key === "Home" || key === "End") setShare(key === "Home" ? 0 : 1);
  });
}

export function toggleWipe() {
  setWipe(!wiped.isOn);
}

function setWipe(isOn) {
  wiped.isOn = isOn;
  const first = layersShown();
  wiped.left = first[0].id;
  wiped.right = (first[1] ?? layers.find(({ id }) => id !== first[0].id)).id;
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
