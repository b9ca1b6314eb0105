// Sliders: the frame of a clip, or the slices of a volume.

import { player } from "./player.js";
import { planes, scene } from "./scene.js";
import { stage } from "./stage.js";
import { view } from "./view.js";

const box = document.getElementById("sliders");
const play = document.getElementById("play");

export function startSliders() {
  makeSliders();
  view.onChange(showSlices);
  player.onChange = showPlaying;
}

// Move to the next slice or frame, or to the one before.
export function moveSlice(by) {
  const axis = view.directions.fixed[0];
  view.setIndex(axis, Math.round(view.indices[axis]) + by);
}

function makeSliders() {
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
}

function showSlices() {
  for (const slider of box.querySelectorAll("input")) {
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
  play.setAttribute("aria-pressed", player.isPlaying);
  play.textContent = player.isPlaying ? "Pause" : "Play";
}
