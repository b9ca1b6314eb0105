// What is looked at: a plane, its slice, the position in the middle of a panel, and the zoom.

import { planes, sampleCoordinate, scene } from "./scene.js";

const MAX_ZOOM = 1e7; // pixels of the screen for one of the source, whose steps are far smaller than those of a network's float32
const SMALLEST = 50; // pixels of the screen that the longer side of a larger signal fills at least

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

class View {
  plane = planes.findIndex(({ fixed }) => fixed.every((axis) => axis === scene.axes.length - 1));
  zoom = 1;
  x = 0; // of the middle, in pixels of the source
  y = 0;
  indices = scene.axes.map((axis) => (scene.rate ? 0 : (axis.length - 1) / 2)); // of the slice along each axis
  #listeners = [];

  get directions() {
    return planes[this.plane];
  }

  // Coordinates of the slice along each axis; those within the plane have no meaning.
  get slice() {
    return this.indices.map((index, axis) => sampleCoordinate(axis, index));
  }

  onChange(listener) {
    this.#listeners.push(listener);
  }

  // Zoom at which the whole plane fits into a panel of that size, in pixels.
  fittingZoom(width, height) {
    return Math.min(width / this.directions.columns.length, height / this.directions.rows.length);
  }

  fit(width, height) {
    const { columns, rows } = this.directions;
    this.set({ x: columns.length / 2, y: rows.length / 2, zoom: this.fittingZoom(width, height) });
  }

  // Changes of any of {plane, zoom, x, y, indices}; the middle stays within the signal.
  set(changes) {
    Object.assign(this, changes);
    const { columns, rows } = this.directions;
    this.zoom = this.#possible(this.zoom);
    this.x = clamp(this.x, 0, columns.length);
    this.y = clamp(this.y, 0, rows.length);
    for (const listener of this.#listeners) listener();
  }

  // Zoom by a factor, with the position that is that far from the middle, in pixels, staying in its place.
  zoomBy(factor, dx = 0, dy = 0) {
    const zoom = this.#possible(this.zoom * factor);
    const [x, y] = [this.x + dx / this.zoom, this.y + dy / this.zoom];
    this.set({ zoom, x: x - dx / zoom, y: y - dy / zoom });
  }

  #possible(zoom) {
    const { columns, rows } = this.directions;
    return clamp(zoom, Math.min(1, SMALLEST / Math.max(columns.length, rows.length)), MAX_ZOOM);
  }

  moveBy(dx, dy) {
    this.set({ x: this.x + dx / this.zoom, y: this.y + dy / this.zoom });
  }

  setIndex(axis, index) {
    this.set({ indices: this.indices.with(axis, clamp(index, 0, scene.axes[axis].length - 1)) });
  }

  // The view as the part of an address behind its #, and the other way round.
  get hash() {
    const digits = Math.max(1, Math.ceil(Math.log10(this.zoom)) + 2);
    const parts = { x: this.x.toFixed(digits), y: this.y.toFixed(digits), zoom: Number(this.zoom.toPrecision(6)) };
    if (planes.length > 1) parts.plane = this.directions.name;
    for (const axis of this.directions.fixed) parts[`at-${scene.axes[axis].name}`] = Number(this.indices[axis].toFixed(3));
    return `#${new URLSearchParams(parts)}`;
  }

  // Whether the text named a view.
  setHash(text) {
    const parts = new URLSearchParams(text.replace(/^#/, ""));
    const number = (name) => (parts.has(name) && Number.isFinite(Number(parts.get(name))) ? Number(parts.get(name)) : null);
    const [x, y, zoom] = ["x", "y", "zoom"].map(number);
    if (x === null || y === null || !(zoom > 0)) return false;
    const plane = planes.findIndex(({ name }) => name && name === parts.get("plane"));
    const indices = scene.axes.map((axis, i) =>
      clamp(number(`at-${axis.name}`) ?? this.indices[i], 0, axis.length - 1),
    );
    this.set({ x, y, zoom, indices, plane: plane < 0 ? this.plane : plane });
    return true;
  }
}

export const view = new View();
