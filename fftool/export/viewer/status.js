// What the page says about the view: zoom, scale, position, values, address, messages.

import { player } from "./player.js";
import { scene } from "./scene.js";
import { stage } from "./stage.js";
import { view } from "./view.js";

const SHORTEST_BAR = 60; // pixels of the page
const ADDRESS_DELAY = 400; // milliseconds: browsers refuse many changes of the address
const MESSAGE = 4000; // milliseconds

const element = (id) => document.getElementById(id);

let pointer = null; // its position in a panel, in pixels of the screen

export function startStatus() {
  stage.onDraw = onDraw;
  view.onChange(onView);
}

export function setPointer(position) {
  pointer = position;
  readValues();
}

let hashTimer = null;

function onView() {
  element("zoom").textContent = `${Number((100 * view.zoom).toPrecision(3)).toLocaleString("en")} %`;
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
export async function readValues() {
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

export async function copyLink() {
  const address = location.href.replace(/#.*$/, "") + view.hash;
  history.replaceState(null, "", view.hash);
  try {
    await navigator.clipboard.writeText(address);
    say("The address of this view is copied.");
  } catch {
    say("The address bar has the address of this view.");
  }
}

export function say(text) {
  element("message").textContent = text;
  setTimeout(() => element("message").textContent === text && (element("message").textContent = ""), MESSAGE);
}
