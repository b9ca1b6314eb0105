// Pictures of the stage in files, of any size.

import { BLOCK, pool } from "./pool.js";
import { paint, stage } from "./stage.js";
import { view } from "./view.js";

export const MAX_SIDE = 16384; // pixels: of the pictures that browsers draw

// Part of the plane that a picture shows: {x, y, columns, rows}, its middle and its sides in pixels of the source.
export function shownPart(isWhole) {
  const { columns, rows } = view.directions;
  if (isWhole) return { x: columns.length / 2, y: rows.length / 2, columns: columns.length, rows: rows.length };
  const { width, height } = stage.size;
  return { x: view.x, y: view.y, columns: width / view.zoom, rows: height / view.zoom };
}

// PNG of layers: one, or two with a line between them. Waits for each strip of blocks. Returns null if the browser
// cannot make it.
export async function picture(layers, { x, y, columns }, width, height, onProgress) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) return null;
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
  return canvas.convertToBlob({ type: "image/png" });
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
