// The signal in the world: positions on the screen, in pixels of the source, and the coordinates of networks.

import { page } from "./data.js";

export const scene = page.scene;

// A direction of a plane: an axis, its length in the world, and whether it runs against the axis.
const direction = (axis, isFlipped) => ({ axis, isFlipped, length: scene.axes[axis].worldLength });

// Planes with {name, rows, columns, fixed}: directions of the screen, and the axes across it.
export const planes = scene.planes.map(({ name, rows, columns, isFlipped }) => ({
  name,
  rows: direction(rows, isFlipped),
  columns: direction(columns, false),
  fixed: scene.axes.map((_, axis) => axis).filter((axis) => axis !== rows && axis !== columns),
}));

// Coordinate from 0 to 1 at a position in the world, and the other way round.
export function coordinateAt({ length, isFlipped }, position) {
  return isFlipped ? 1 - position / length : position / length;
}
export function positionOf({ length, isFlipped }, coordinate) {
  return length * (isFlipped ? 1 - coordinate : coordinate);
}

// Coordinate of a sample by its index, which may be between two samples.
export const sampleCoordinate = (axis, index) => (index + 0.5) / scene.axes[axis].length;

// Number that a value from 0 to 1 stands for.
export const meaning = (value) => scene.low + (scene.high - scene.low) * value;

// Pixels along a direction of the screen: pixel i shows the coordinate first + step × i, and `size` of the world.
export function screenPixels(direction, zoom) {
  const { axis, length, isFlipped } = direction;
  const step = (isFlipped ? -1 : 1) / (zoom * length);
  return { axis, first: (isFlipped ? 1 : 0) + step / 2, step, size: 1 / zoom, count: Math.max(1, Math.round(length * zoom)) };
}

// Every n-th sample along a direction, n being a power of two.
export function samplePixels({ axis, length, isFlipped }, n) {
  const samples = scene.axes[axis].length;
  const count = Math.max(1, Math.floor(samples / n));
  const start = (Math.floor(n / 2) + 0.5) / samples;
  const step = (isFlipped ? -n : n) / samples;
  return { axis, first: isFlipped ? 1 - start : start, step, size: (n * length) / samples, count };
}

// Index of the sample at a pixel along a direction.
export function sampleIndex({ axis, first, step }, pixel) {
  const { length } = scene.axes[axis];
  return Math.min(Math.max(Math.floor((first + step * pixel) * length), 0), length - 1);
}
