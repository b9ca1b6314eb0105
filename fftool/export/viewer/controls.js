// Buttons and keys, and what they do.

import { isTiled, layers, startChoice, toggle, toggleErrors, toggleGrid, toggleSmooth, toggleWipe } from "./choice.js";
import { startGestures } from "./gestures.js";
import { player } from "./player.js";
import { openSaveDialog, startSaving } from "./save-dialog.js";
import { scene } from "./scene.js";
import { moveSlice, startSliders } from "./sliders.js";
import { sources, stage } from "./stage.js";
import { copyLink, startStatus } from "./status.js";
import { view } from "./view.js";

const STEP = 0.1; // of a panel, for each press of an arrow key
const ZOOM_STEP = Math.SQRT2;

// What buttons and keys do.
const ACTIONS = {
  "zoom-in": { keys: ["+", "="], action: () => view.zoomBy(ZOOM_STEP) },
  "zoom-out": { keys: ["-", "_"], action: () => view.zoomBy(1 / ZOOM_STEP) },
  fit: { keys: ["0", "f"], action: () => stage.fit() },
  actual: { keys: ["1"], action: () => view.set({ zoom: 1 }) },
  wipe: { keys: ["w"], action: toggleWipe, isThere: layers.length > 1 },
  grid: { keys: ["g"], action: toggleGrid, isThere: isTiled },
  source: { keys: ["s"], action: () => toggle(sources[0]), isThere: sources.length > 0 },
  error: { keys: ["e"], action: toggleErrors, isThere: sources.length > 0 },
  smooth: { keys: ["i"], action: toggleSmooth, isThere: sources.length > 0 },
  save: { keys: ["p"], action: openSaveDialog },
  link: { keys: ["l"], action: copyLink },
  help: { keys: ["?", "h"], action: () => document.getElementById("help-dialog").showModal() },
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

export function start() {
  for (const [id, { action, isThere = true }] of Object.entries(ACTIONS)) {
    const button = document.getElementById(id);
    if (!button) continue; // of keys alone
    button.hidden = !isThere;
    button.addEventListener("click", action);
  }
  document.addEventListener("keydown", onKey);
  startStatus();
  startGestures();
  startSliders();
  startSaving();
  startChoice();
  if (!view.setHash(location.hash)) stage.fit();
  addEventListener("hashchange", () => location.hash !== view.hash && view.setHash(location.hash));
}
