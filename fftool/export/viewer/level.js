// What has been computed of a slice at one zoom.

const CACHE = 2 ** 28; // bytes of all sheets

export const SHEET = 512; // pixels or samples along each side of what is drawn at a time

// Sheets that were used last. The oldest are dropped where all take more than CACHE.
const recent = new Set();
let recentBytes = 0;

function touch(sheet) {
  if (!recent.delete(sheet)) recentBytes += sheet.bytes;
  recent.add(sheet);
  for (const oldest of recent) {
    if (recentBytes <= CACHE || oldest === sheet) break;
    recent.delete(oldest);
    recentBytes -= oldest.bytes;
    oldest.level.drop(oldest);
  }
}

// Places of squares along a direction of a port: their number, and where they are drawn.
function cover({ size, count }, side, start, length, zoom) {
  const pixels = size * side * zoom; // of the screen
  const places = [];
  const end = Math.min(Math.ceil((start + length) / pixels), Math.ceil(count / side));
  for (let place = Math.max(0, Math.floor(start / pixels)); place < end; place++) {
    const from = Math.round(place * pixels - start);
    const last = Math.min((place + 1) * side, count);
    places.push({ place, from, length: Math.round(last * size * zoom - start) - from });
  }
  return places;
}

// Pixels along both directions of a plane. They are computed in square blocks, and kept on sheets of many.
export class Level {
  done = new Set(); // names of blocks on sheets
  pending = new Set(); // those of blocks that are being drawn
  #sheets = new Map();

  constructor(slice, columns, rows, side) {
    Object.assign(this, { slice, columns, rows, side });
  }

  get isEmpty() {
    return this.#sheets.size === 0;
  }

  // Squares within a port: {name, x, y} in squares, and where they are drawn: {left, top, width, height}.
  *squares(port, side) {
    const columns = cover(this.columns, side, port.left, port.width, port.zoom);
    for (const row of cover(this.rows, side, port.top, port.height, port.zoom)) {
      for (const column of columns) {
        yield {
          name: `${column.place} ${row.place}`,
          x: column.place,
          y: row.place,
          left: column.from,
          top: row.from,
          width: column.length,
          height: row.length,
        };
      }
    }
  }

  blocks(port) {
    return this.squares(port, this.side);
  }

  isComplete(port) {
    for (const { name } of this.blocks(port)) if (!this.done.has(name)) return false;
    return true;
  }

  // Grid of a block, at a slice.
  grid({ x, y }, slice) {
    const origin = [...slice];
    const along = ({ axis, first, step, count }, place) => {
      origin[axis] = first + step * place * this.side;
      return { axis, step, count: Math.min(this.side, count - place * this.side) };
    };
    const [columns, rows] = [along(this.columns, x), along(this.rows, y)];
    return { origin, rows, columns };
  }

  // Keep the image of a block.
  put({ name, x, y }, image) {
    this.pending.delete(name);
    const [left, top] = [x * this.side, y * this.side];
    const sheet = this.#sheet(Math.floor(left / SHEET), Math.floor(top / SHEET));
    sheet.context.putImageData(image, left % SHEET, top % SHEET);
    sheet.names.push(name);
    this.done.add(name);
    touch(sheet);
  }

  #sheet(x, y) {
    const name = `${x} ${y}`;
    if (!this.#sheets.has(name)) {
      const [width, height] = [this.columns.count - x * SHEET, this.rows.count - y * SHEET];
      const canvas = new OffscreenCanvas(Math.min(width, SHEET), Math.min(height, SHEET));
      const context = canvas.getContext("2d", { willReadFrequently: true }); // which keeps it where it is written
      this.#sheets.set(name, { level: this, name, canvas, context, names: [], bytes: 4 * canvas.width * canvas.height });
    }
    return this.#sheets.get(name);
  }

  drop({ name, names }) {
    this.#sheets.delete(name);
    for (const each of names) this.done.delete(each);
  }

  draw(context, port) {
    for (const { name, left, top, width, height } of this.squares(port, SHEET)) {
      const sheet = this.#sheets.get(name);
      if (!sheet) continue;
      touch(sheet);
      context.drawImage(sheet.canvas, left, top, width, height);
    }
  }
}
