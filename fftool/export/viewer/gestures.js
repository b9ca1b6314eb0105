// Pointers and wheels on the stage.

import { stage } from "./stage.js";
import { setPointer } from "./status.js";
import { view } from "./view.js";

const WHEEL = 0.0015; // of the logarithm of the zoom, for each pixel of a wheel's turn
const PINCH = 8; // times as much for a pinch on a touchpad, which turns little
const LINE = 16; // pixels of a wheel that turns by lines

export function startGestures() {
  stage.element.addEventListener("wheel", onWheel, { passive: false });
  for (const [name, listener] of Object.entries(LISTENERS)) stage.element.addEventListener(name, listener);
}

const pointers = new Map(); // that are down, by their number: positions in a panel
let pinched = null; // {distance, x, y} of two pointers

export function positionIn(event) {
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
  const speed = event.ctrlKey ? PINCH * WHEEL : WHEEL;
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

const LISTENERS = {
  pointerdown(event) {
    if (event.button > 0 || event.target.closest("#divider, button, select")) return;
    stage.element.focus({ preventScroll: true });
    event.target.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, positionIn(event));
    pinched = pointers.size === 2 ? pinch() : null;
    stage.element.classList.add("is-dragged");
  },
  pointermove(event) {
    const position = positionIn(event);
    setPointer(position);
    const before = pointers.get(event.pointerId);
    if (before) pointers.set(event.pointerId, position);
    if (before && pointers.size === 1) view.moveBy(before.x - position.x, before.y - position.y);
    if (before && pinched) {
      const now = pinch();
      view.moveBy(pinched.x - now.x, pinched.y - now.y);
      view.zoomBy(now.distance / pinched.distance, ...fromMiddle(now));
      pinched = now;
    }
  },
  pointerup: release,
  pointercancel: release,
  pointerleave() {
    setPointer(null);
  },
  dblclick(event) {
    if (!event.target.closest("#divider")) view.zoomBy(2, ...fromMiddle(positionIn(event)));
  },
};
