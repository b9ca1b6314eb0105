// The dialog that saves pictures.

import { isWiped, layerById } from "./choice.js";
import { page } from "./data.js";
import { MAX_SIDE, download, picture, shownPart } from "./save.js";
import { stage } from "./stage.js";
import { say } from "./status.js";
import { view } from "./view.js";

const element = (id) => document.getElementById(id);

export function startSaving() {
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

export function openSaveDialog() {
  const select = element("save-layer");
  select.replaceChildren();
  const layers = stage.panels.flatMap((panel) => panel.layers);
  if (layers.length > 1) select.append(new Option(isWiped() ? "Both, with the line" : "All, each of this size", "all"));
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
  const panels = choice === "all" ? stage.panels.map(({ layers }) => layers) : [[layerById(choice)]];
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
