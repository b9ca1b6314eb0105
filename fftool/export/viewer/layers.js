// Layers that panels show: networks, the source, and the errors of networks.
//
// A port is the part of a plane that a panel shows: {plane, slice, indices, zoom, left, top, width, height}, in pixels
// of the screen; `zooms` are those at which blocks are wanted, the coarsest first.

import { errorColour, toPixels } from "./colours.js";
import { Level, SHEET } from "./level.js";
import { BLOCK, pool } from "./pool.js";
import { meaning, sampleIndex, samplePixels, scene, screenPixels } from "./scene.js";
import { source } from "./source.js";

const NEAREST = 4; // levels that are drawn where the exact one is incomplete
const LARGE = 50_000; // multiplications for each pixel: networks that compute small blocks, to be seen sooner
const FULL_ERROR = 0.1; // that has the last colour

export const ERROR_LABEL = `Error, from 0 to ${100 * FULL_ERROR} % of the range and above`;

// A layer whose blocks come from a network.
class NetworkLayer {
  #levels = new Map();
  #shown; // slice that is drawn until the next one can be

  constructor(model, number) {
    this.model = model;
    this.number = number;
    const multiplications = model.widths.slice(1).reduce((sum, width, i) => sum + width * model.widths[i], 0);
    this.isLarge = multiplications > LARGE;
  }

  // Whether all of a port can be drawn, at the finest zoom wanted or at any.
  isSharp(port) {
    return this.#wanted(port).at(-1).isComplete(port);
  }
  isReady(port) {
    return this.#wanted(port).some((level) => level.isComplete(port));
  }

  // Requests of what a port lacks, with their order: the level, then the distance from the middle.
  wants(port) {
    return this.#wanted(port).flatMap((level, order) =>
      [...level.blocks(port)]
        .filter(({ name }) => !(level.done.has(name) || level.pending.has(name)))
        .map((block) => ({
          order,
          distance: Math.hypot(
            block.left + block.width / 2 - port.width / 2,
            block.top + block.height / 2 - port.height / 2,
          ),
          key: `${this.id} ${level.slice} ${level.columns.size} ${level.rows.size} ${level.side} ${block.name}`,
          model: this.number,
          grid: level.grid(block, this.sliceOf(port)),
          as: "pixels",
          done: (result) => this.finish(level, block, result, port),
        })),
    );
  }

  draw(context, port) {
    if (this.isReady(port)) this.#shown = this.#nameOf(port);
    const levels = [...this.#levels.values()].filter(
      (level) => level.slice === (this.#shown ?? this.#nameOf(port)) && !level.isEmpty,
    );
    const distance = ({ columns }) => Math.abs(Math.log2(columns.size * port.zoom));
    levels.sort((a, b) => distance(a) - distance(b));
    const complete = levels.findIndex((level) => level.isComplete(port));
    for (const level of levels.slice(0, complete < 0 ? NEAREST : complete + 1).reverse()) {
      context.imageSmoothingEnabled = this.isSmooth(level, port);
      level.draw(context, port);
    }
  }

  // Levels at the zooms that a port wants.
  #wanted(port) {
    const slice = this.#nameOf(port);
    const levels = port.zooms.map((zoom, i) => {
      const isCoarse = i < port.zooms.length - 1;
      const side = (this.isLarge ? BLOCK / 2 : BLOCK) / (isCoarse ? 2 : 1);
      const [columns, rows] = this.pixels(port.plane, zoom);
      const key = `${slice} ${columns.size} ${rows.size} ${side}`;
      if (!this.#levels.has(key)) this.#levels.set(key, new Level(slice, columns, rows, side));
      return this.#levels.get(key);
    });
    if (this.#levels.size > 999) {
      for (const [key, level] of this.#levels) if (level.isEmpty && !levels.includes(level)) this.#levels.delete(key);
    }
    return [...new Set(levels)];
  }

  #nameOf(port) {
    const slice = this.sliceOf(port);
    return `${port.plane.name} ${port.plane.fixed.map((axis) => slice[axis])}`;
  }
}

export class ModelLayer extends NetworkLayer {
  constructor(model, number) {
    super(model, number);
    this.id = `model-${number}`;
    this.name = model.name;
    this.quality = model.quality;
    this.detail = model.detail;
  }

  sliceOf(port) {
    return port.slice;
  }

  pixels({ columns, rows }, zoom) {
    return [screenPixels(columns, zoom), screenPixels(rows, zoom)];
  }

  isSmooth(level, port) {
    return Math.abs(level.columns.size * port.zoom - 1) > 1e-9;
  }

  finish(level, block, pixels) {
    level.put(block, new ImageData(pixels, level.grid(block, []).columns.count));
  }

  // Numbers that the values at coordinates stand for.
  valuesAt(coordinates) {
    return networkValues(this.number, coordinates);
  }
}

// Difference from the source at its samples.
export class ErrorLayer extends NetworkLayer {
  constructor(model, number) {
    super(model, number);
    this.id = `error-${number}`;
    this.name = `Error of ${model.name}`;
    this.quality = model.quality;
    this.detail = "";
  }

  // The slice of samples that is nearest.
  sliceOf(port) {
    return port.indices.map((index, axis) => (Math.round(index) + 0.5) / scene.axes[axis].length);
  }

  pixels({ columns, rows }, zoom) {
    const n = 2 ** Math.max(0, Math.floor(-Math.log2(zoom)));
    return [samplePixels(columns, n), samplePixels(rows, n)];
  }

  isSmooth(level, port) {
    return level.columns.size * port.zoom < 1;
  }

  async finish(level, block, pixels, { plane, indices }) {
    level.pending.add(block.name);
    const samples = await source.load(plane, indices);
    level.put(block, this.#image(level, block, pixels, samples));
    source.onLoad();
  }

  #image({ columns, rows, side }, { x, y }, pixels, samples) {
    const width = Math.min(side, columns.count - x * side);
    const image = new ImageData(width, pixels.length / 4 / width);
    const { axes, channels } = scene;
    for (let row = 0, at = 0; row < image.height; row++) {
      const start = sampleIndex(rows, y * side + row) * axes[columns.axis].length;
      for (let column = 0; column < width; column++, at += 4) {
        const from = (start + sampleIndex(columns, x * side + column)) * channels;
        image.data.set(errorColour(difference(pixels, at, samples, from) / FULL_ERROR), at);
      }
    }
    return image;
  }

  async valuesAt(coordinates, sample) {
    const values = await networkValues(this.number, coordinates);
    return sample && values.map((value, channel) => Math.abs(value - sample[channel]));
  }
}

// Mean difference over the channels, from 0 to 1, of a pixel in RGBA and a sample. Colours that alpha hides do not count.
function difference(pixels, at, samples, from) {
  const { channels } = scene;
  const hasAlpha = channels % 2 === 0;
  const nColours = channels - (hasAlpha ? 1 : 0);
  const [ours, theirs] = hasAlpha ? [pixels[at + 3] / 255, samples[from + nColours] / 255] : [1, 1];
  let sum = 255 * Math.abs(ours - theirs);
  for (let i = 0; i < nColours; i++) sum += Math.abs(pixels[at + i] * ours - samples[from + i] * theirs);
  return sum / channels / 255;
}

async function networkValues(model, coordinates) {
  const once = (axis) => ({ axis, step: 0, count: 1 });
  const grid = { origin: coordinates, rows: once(1), columns: once(0) };
  return [...(await pool.evaluate({ model, grid, as: "values" }))].map(meaning);
}

// The source, its samples as squares or interpolated.
export class SourceLayer {
  id = "source";
  isSmooth = false;
  #images = new Map(); // parts of the slice that is shown
  #samples; // of that slice

  constructor() {
    this.name = source.name;
    this.quality = "";
    this.detail = "source";
  }

  isSharp({ plane, indices }) {
    return source.peek(plane, indices) !== null;
  }
  isReady(port) {
    return this.isSharp(port);
  }
  wants() {
    return [];
  }

  draw(context, port) {
    const samples = source.peek(port.plane, port.indices);
    if (samples && samples !== this.#samples) {
      this.#images.clear();
      this.#samples = samples;
      this.level = new Level("", samplePixels(port.plane.columns, 1), samplePixels(port.plane.rows, 1), SHEET);
    }
    if (!this.level) return;
    const { columns, rows, side } = this.level;
    context.imageSmoothingEnabled = this.isSmooth || Math.min(columns.size, rows.size) * port.zoom < 1;
    context.imageSmoothingQuality = "high";
    for (const { name, x, y, left, top, width, height } of this.level.blocks(port)) {
      if (!this.#images.has(name)) this.#images.set(name, this.#image(x * side, y * side));
      const image = this.#images.get(name);
      const [fromLeft, fromTop] = [Math.min(x, 1), Math.min(y, 1)]; // where the sample before it is there too
      const [pixels, lines] = [Math.min(side, columns.count - x * side), Math.min(side, rows.count - y * side)];
      context.drawImage(image, fromLeft, fromTop, pixels, lines, left, top, width, height);
    }
  }

  async valuesAt(coordinates, sample) {
    return sample;
  }

  // Part of the slice with one more sample on each side, where there is one, so that parts are interpolated alike.
  #image(x, y) {
    const { columns, rows, side } = this.level;
    const { axes, channels } = scene;
    const [left, top] = [Math.max(x - 1, 0), Math.max(y - 1, 0)];
    const width = Math.min(x + side + 1, columns.count) - left;
    const height = Math.min(y + side + 1, rows.count) - top;
    const planes = new Float32Array(channels * width * height);
    for (let row = 0, at = 0; row < height; row++) {
      const start = sampleIndex(rows, top + row) * axes[columns.axis].length;
      for (let column = 0; column < width; column++, at++) {
        const from = (start + sampleIndex(columns, left + column)) * channels;
        for (let channel = 0; channel < channels; channel++) {
          planes[channel * width * height + at] = this.#samples[from + channel] / 255;
        }
      }
    }
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").putImageData(new ImageData(toPixels(planes, channels), width), 0, 0);
    return canvas;
  }
}

// Numbers that the sample of the source at coordinates stands for; null where there is none yet.
export function sampleAt(plane, indices, coordinates) {
  const samples = source?.peek(plane, indices);
  if (!samples) return null;
  const { axes, channels } = scene;
  const [x, y] = [plane.columns, plane.rows].map(({ axis }) =>
    sampleIndex({ axis, first: coordinates[axis], step: 0 }, 0),
  );
  const start = (y * axes[plane.columns.axis].length + x) * channels;
  return [...samples.subarray(start, start + channels)].map((sample) => meaning(sample / 255));
}
