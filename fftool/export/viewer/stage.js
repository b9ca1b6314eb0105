// The stage: panels side by side that show layers in step, or one panel with two layers and a line between them.

import { page } from "./data.js";
import { ErrorLayer, ModelLayer, SourceLayer, sampleAt } from "./layers.js";
import { pool } from "./pool.js";
import { coordinateAt, positionOf, scene } from "./scene.js";
import { source } from "./source.js";
import { view } from "./view.js";

const COARSE = 3; // levels of half the zoom below the exact one, rounded to powers of two, which other zooms share
const MIDDLE = 2; // the same, of large networks: at most a sixteenth of the work, to see more at once
const SETTLED = 80; // milliseconds after which a zoom is taken for the last one
const PATIENCE = 60; // milliseconds between drawings of blocks that arrive
const GRID_STEP = 8; // pixels between lines of the grid, below which none are drawn

export const models = page.models.map((model, number) => new ModelLayer(model, number));
export const sources = source ? [new SourceLayer()] : [];
export const errors = source ? page.models.map((model, number) => new ErrorLayer(model, number)) : [];

const powerOfTwo = (zoom, levels) => 2 ** Math.floor(Math.log2(zoom) - levels);

// Draw layers in a port, each from its share of the width on, and the edges of tiles.
export function paint(context, port, layers, { share = 0.5, hasGrid = false } = {}) {
  layers.forEach((layer, i) => {
    context.save();
    if (layers.length > 1) {
      const middle = Math.round(share * port.width);
      context.beginPath();
      context.rect(i * middle, 0, i ? port.width - middle : middle, port.height);
      context.clip();
    }
    layer.draw(context, port);
    if (hasGrid && layer.model) drawGrid(context, port, layer.model.axes);
    context.restore();
  });
}

function drawGrid(context, port, axes) {
  const { columns, rows } = port.plane;
  for (const [direction, start, length, isColumn] of [
    [columns, port.left, port.width, true],
    [rows, port.top, port.height, false],
  ]) {
    const { length: samples, side, count } = axes[direction.axis];
    if ((side / samples) * direction.length * port.zoom < GRID_STEP) continue;
    for (let place = 1; place < count; place++) {
      const at = Math.round(positionOf(direction, (place * side) / samples) * port.zoom - start);
      if (at < 0 || at > length) continue;
      for (const [colour, width] of [["#000a", 3], ["#fffc", 1]]) {
        context.fillStyle = colour;
        const from = at - (width - 1) / 2;
        context.fillRect(...(isColumn ? [from, 0, width, port.height] : [0, from, port.width, width]));
      }
    }
  }
}

class Panel {
  constructor(layers) {
    this.layers = layers;
    this.element = document.createElement("figure");
    this.element.className = "panel";
    this.canvas = this.element.appendChild(document.createElement("canvas"));
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", layers.map(({ name }) => name).join(", and to the right of a line "));
    this.context = this.canvas.getContext("2d", { alpha: true });
    this.captions = layers.map((layer) => this.element.appendChild(caption(layer)));
  }

  // Match the canvas to the size that the panel has, in whole pixels of the screen.
  resize() {
    const size = this.element.getBoundingClientRect();
    for (const side of ["width", "height"]) {
      const pixels = Math.max(1, Math.round(size[side] * devicePixelRatio));
      if (this.canvas[side] !== pixels) this.canvas[side] = pixels;
      this.canvas.style[side] = `${pixels / devicePixelRatio}px`;
    }
  }
}

// Name of a layer, its PSNR or IoU, what it is, and the value at the pointer.
function caption(layer) {
  const element = document.createElement("figcaption");
  for (const kind of ["name", "quality", "detail", "value"]) {
    const part = element.appendChild(document.createElement(kind === "value" ? "output" : "span"));
    part.className = kind;
    part.textContent = layer[kind] ?? "";
    part.setAttribute("aria-live", "off");
  }
  return element;
}

class Stage {
  element = document.getElementById("stage");
  panels = [];
  columns = 1; // of panels
  share = 0.5; // of the width, left of the line
  hasGrid = false;
  halvings = null; // of the zoom, while a clip plays
  #fitted = {}; // what was shown when all was
  onDraw = () => {};
  #scheduled = false;
  #timer = null;
  #settled = 0; // time from which the zoom is the last one
  #zoom = 0;
  #plane = view.plane;

  start() {
    view.onChange(() => this.#follow());
    pool.onResult = () => (this.halvings === null ? this.#drawSoon() : this.invalidate());
    if (source) source.onLoad = () => this.invalidate();
    this.element.classList.toggle("has-alpha", scene.channels % 2 === 0);
    new ResizeObserver(() => this.#resize()).observe(this.element);
  }

  // The view has changed. Another plane may have another aspect, and suit another arrangement of panels.
  #follow() {
    if (this.#plane !== view.plane) {
      this.#plane = view.plane;
      this.#resize();
    }
    this.invalidate();
  }

  // Show layers side by side; `isWiped` shows the first two in one panel.
  show(layers, isWiped) {
    this.panels = (isWiped ? [layers] : layers.map((layer) => [layer])).map((each) => new Panel(each));
    this.element.replaceChildren(...this.panels.map(({ element }) => element));
    this.element.classList.toggle("is-wiped", isWiped);
    this.#resize();
  }

  // Size of a panel in pixels of the screen.
  get size() {
    const { width = 1, height = 1 } = this.panels[0]?.canvas ?? {};
    return { width, height };
  }

  // Port of a panel of that size.
  port(layer, { width, height } = this.size) {
    const { zoom } = view;
    return {
      plane: view.directions,
      slice: view.slice,
      indices: view.indices,
      zoom,
      left: Math.round(view.x * zoom - width / 2),
      top: Math.round(view.y * zoom - height / 2),
      width,
      height,
      zooms: this.#zooms(layer, zoom),
    };
  }

  // Coordinates at a position in a panel, in pixels of the screen.
  coordinatesAt(x, y) {
    const { plane, slice, left, top, zoom } = this.port(models[0]);
    const coordinates = [...slice];
    for (const [direction, position] of [[plane.columns, left + x], [plane.rows, top + y]]) {
      coordinates[direction.axis] = coordinateAt(direction, position / zoom);
    }
    return coordinates;
  }

  invalidate() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  // Draw after a moment, so that the drawing of each block takes little time from the workers.
  #drawSoon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.invalidate();
    }, PATIENCE);
  }

  // Values of all layers at coordinates: null where there are none.
  async valuesAt(coordinates) {
    const sample = sampleAt(view.directions, view.indices, coordinates);
    const parts = this.panels.flatMap(({ layers, captions }) => layers.map((layer, i) => [layer, captions[i]]));
    return Promise.all(parts.map(async ([layer, caption]) => [caption, await layer.valuesAt(coordinates, sample)]));
  }

  get isReady() {
    return this.panels.every(({ layers }) => layers.every((layer) => layer.isReady(this.port(layer))));
  }

  #zooms(layer, zoom) {
    if (this.halvings !== null) return [zoom / 2 ** this.halvings];
    if (performance.now() < this.#settled) return [powerOfTwo(zoom, COARSE)];
    return [powerOfTwo(zoom, COARSE), ...(layer.isLarge ? [powerOfTwo(zoom, MIDDLE)] : []), zoom];
  }

  #resize() {
    const { width, height } = this.element.getBoundingClientRect();
    this.columns = bestColumns(this.panels.length, width, height);
    this.element.style.setProperty("--columns", this.columns);
    const isFitted = this.isFitted;
    for (const panel of this.panels) panel.resize();
    if (isFitted) this.fit();
    this.invalidate();
  }

  // Show the whole plane.
  fit() {
    view.fit(this.size.width, this.size.height);
    this.#fitted = { x: view.x, y: view.y, zoom: view.zoom };
  }

  get isFitted() {
    return Object.entries(this.#fitted).every(([name, value]) => view[name] === value);
  }

  #draw() {
    if (view.zoom !== this.#zoom) {
      const isFirst = this.#zoom === 0;
      this.#zoom = view.zoom;
      if (!isFirst) {
        this.#settled = performance.now() + SETTLED;
        setTimeout(() => this.invalidate(), SETTLED + 1);
      }
    }
    const requests = [];
    let isSharp = performance.now() >= this.#settled;
    for (const { canvas, context, layers, element } of this.panels) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      for (const layer of layers) {
        const port = this.port(layer, canvas);
        requests.push(...layer.wants(port));
        isSharp &&= layer.isSharp(port);
      }
      const port = this.port(layers[0], canvas);
      element.style.setProperty("--clip", clipOf(port));
      paint(context, port, layers, this);
    }
    requests.sort((a, b) => a.order - b.order || a.distance - b.distance);
    pool.want(requests);
    this.onDraw(isSharp);
  }
}

// Part of a panel that the signal covers, behind which a chequerboard shows its transparency.
function clipOf({ plane, zoom, left, top, width, height }) {
  const edge = (position, length) => `${Math.min(Math.max(position, 0), length) / devicePixelRatio}px`;
  const right = Math.round(plane.columns.length * zoom) - left;
  const bottom = Math.round(plane.rows.length * zoom) - top;
  return `inset(${edge(-top, height)} ${edge(width - right, width)} ${edge(height - bottom, height)} ${edge(-left, width)})`;
}

// Number of columns in which panels show the plane largest.
function bestColumns(count, width, height) {
  const zoom = (columns) => view.fittingZoom(width / columns, height / Math.ceil(count / columns));
  const choices = Array.from({ length: count }, (_, i) => i + 1);
  return choices.reduce((best, columns) => (zoom(columns) > 1.001 * zoom(best) ? columns : best), 1);
}

export const stage = new Stage();
