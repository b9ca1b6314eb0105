// Pictures of the stage in files, of any size.

import { BLOCK, pool } from "./pool.js";
import { paint, stage } from "./stage.js";
import { view } from "./view.js";

const LINE = 0.05; // height of a name, of the width of a panel
const MIN_LINE = 16; // pixels

export const MAX_SIDE = 16384; // pixels: of the pictures that browsers draw

// Part of the plane that a picture shows: {x, y, columns, rows}, its middle and its sides in pixels of the source.
export function shownPart(isWhole) {
  const { columns, rows } = view.directions;
  if (isWhole) return { x: columns.length / 2, y: rows.length / 2, columns: columns.length, rows: rows.length };
  const { width, height } = stage.size;
  return { x: view.x, y: view.y, columns: width / view.zoom, rows: height / view.zoom };
}

// PNG of panels, each with one layer, or two and a line between them. `part` is what each shows, in that size, in
// pixels. Several are arranged as on the stage, below their names. Returns null if the browser cannot make it.
export async function picture(panels, part, { width, height }, columns, onProgress) {
  const hasNames = panels.length > 1;
  const line = hasNames ? Math.max(MIN_LINE, Math.round(width * LINE)) : 0; // of a name
  const gap = hasNames ? Math.round(line / 2) : 0;
  const rows = Math.ceil(panels.length / columns);
  const canvas = new OffscreenCanvas(columns * (width + gap) - gap, rows * (height + line + gap) - gap);
  const context = canvas.getContext("2d");
  if (!context || Math.max(canvas.width, canvas.height) > MAX_SIDE) return null;
  if (hasNames) drawPaper(context, canvas);
  for (const [i, layers] of panels.entries()) {
    const [left, top] = [(i % columns) * (width + gap), Math.floor(i / columns) * (height + line + gap)];
    if (hasNames) drawName(context, layers[0], { left, top, line, width });
    context.save();
    context.translate(left, top + line);
    await drawPart(context, layers, part, { width, height }, (share) => onProgress((i + share) / panels.length));
    context.restore();
  }
  return canvas.convertToBlob({ type: "image/png" });
}

function drawPaper(context, { width, height }) {
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
}

function drawName(context, { name, quality }, { left, top, line, width }) {
  context.fillStyle = "#000";
  context.font = `${Math.round(0.7 * line)}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.fillText([name, quality].filter(Boolean).join(", "), left, top + line / 2, width);
}

// Draw layers strip by strip, each once its blocks are there.
async function drawPart(context, layers, { x, y, columns }, { width, height }, onProgress) {
  const zoom = width / columns;
  const [left, top] = [Math.round(x * zoom - width / 2), Math.round(y * zoom - height / 2)];
  const whole = { ...stage.port(layers[0]), zoom, left, width, zooms: [zoom] };
  for (let row = 0; row < height; row += BLOCK) {
    const port = { ...whole, top: top + row, height: Math.min(BLOCK, height - row) };
    for (const layer of layers) await complete(layer, port);
    context.save();
    context.translate(0, row);
    context.beginPath();
    context.rect(0, 0, width, port.height);
    context.clip();
    paint(context, port, layers, stage);
    context.restore();
    onProgress(Math.min(1, (row + BLOCK) / height));
  }
}

async function complete(layer, port) {
  while (!layer.isSharp(port)) {
    await Promise.all(layer.wants(port).map(async (want) => want.done(await pool.evaluate(want))));
    if (!layer.isSharp(port)) await new Promise(requestAnimationFrame); // for what the stage has asked for
  }
}

// Hand a file to the browser.
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
