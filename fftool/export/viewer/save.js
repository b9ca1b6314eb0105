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
  for (let row = 0; row < height; row += BLOCK) {
    const strip = { width, height: Math.min(BLOCK, height - row) };
    const { plane, slice, indices } = stage.port(layers[0]);
    const port = { ...strip, plane, slice, indices, zoom, left, top: top + row, zooms: [zoom] };
    for (const layer of layers) {
      if (layer.load) await layer.load(port);
      await Promise.all(layer.wants(port).map(async (want) => want.done(await pool.evaluate(want))));
    }
    context.save();
    context.translate(0, row);
    context.beginPath();
    context.rect(0, 0, width, strip.height);
    context.clip();
    paint(context, port, layers, stage);
    context.restore();
    onProgress(Math.min(1, (row + BLOCK) / height));
  }
  return canvas.convertToBlob({ type: "image/png" });
}

// Hand a file to the browser.
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
