// Networks on grids of pixels: phases in double precision here, the arithmetic in kernel.c.
//
// A network is {widths, frequencies, B, tileSize, weights, axes}. B has shape (d, frequencies); an encoding without
// features has none. `weights` holds the layers of each tile one after the other, `tileSize` numbers for each, as
// page.py writes them: weight (groups, inputs, 4), bias (groups × 4). `axes` has, in coordinate order, the tiles
// along each axis: {length, side, count, margin} in samples.
//
// A grid is {origin, rows, columns}: the coordinates of its first pixel, and along each direction {axis, step, count}.

const CHUNK = 256; // pixels computed at once, so that their activations stay in the cache
const PADDING = 8; // the kernel computes eight pixels at a time
const STRIDE = CHUNK + PADDING;
const OUTPUTS = 4; // of a layer that the kernel computes at a time
const FLOAT = 4; // bytes
const PAGE = 65536;

const groupsOf = (outputs) => Math.ceil(outputs / OUTPUTS);
const padded = (outputs) => groupsOf(outputs) * OUTPUTS;

// Weight of the tile behind an edge, as fftool/models/tiles.py has it.
function rise(position, edge, margin) {
  if (margin === 0) return position >= edge ? 1 : 0;
  const t = Math.min(Math.max((position - edge) / (2 * margin) + 0.5, 0), 1);
  return t * t * (3 - 2 * t);
}

// Tiles along an axis that cover positions in samples: [{place, start, weights}], `start` being the first position.
export function coveringTiles(positions, { side, count, margin }) {
  const found = new Map();
  positions.forEach((position, i) => {
    const second = Math.min(Math.max(Math.floor((position + margin) / side), 0), count - 1);
    const weight = second > 0 ? rise(position, second * side, margin) : 1;
    for (const [place, share] of [[second - 1, 1 - weight], [second, weight]]) {
      if (share <= 0) continue;
      if (!found.has(place)) found.set(place, { place, start: i, weights: [] });
      found.get(place).weights.push(share);
    }
  });
  return [...found.values()];
}

export class Evaluator {
  #memory;
  #kernel;
  #width; // of the rows of tables
  #planeSize; // of one channel of a picture
  #places = {}; // of arrays in memory, in bytes
  #loaded = {}; // what the arrays of weights and column steps hold
  #tables = new Map(); // steps of the last few grids

  // `maxSide` is the largest number of pixels of a grid along each direction.
  constructor(module, networks, maxSide) {
    this.networks = networks;
    this.#width = maxSide + PADDING;
    this.#planeSize = maxSide * maxSide + PADDING;
    const most = (numbers) => Math.max(...networks.map(numbers));
    const width = most((network) => Math.max(...network.widths.map(padded)));
    const frequencies = most((network) => network.frequencies);
    const sizes = {
      weights: most((network) => network.tileSize),
      bias: width,
      x: width * STRIDE,
      y: width * STRIDE,
      start: 2 * Math.max(frequencies, most((network) => network.axes.length)),
      rowSteps: 2 * frequencies * CHUNK,
      columnSteps: 2 * frequencies * this.#width + PADDING,
      rowWeights: this.#width,
      columnWeights: this.#width,
      picture: OUTPUTS * this.#planeSize,
    };
    let end = PAGE; // the first one is the kernel's stack
    for (const [name, size] of Object.entries(sizes)) {
      this.#places[name] = end;
      end += Math.ceil((size * FLOAT) / 16) * 16;
    }
    this.#memory = new WebAssembly.Memory({ initial: Math.ceil(end / PAGE) });
    this.#kernel = new WebAssembly.Instance(module, { env: { memory: this.#memory } }).exports;
  }

  // Values from 0 to 1 of a network on a grid, channel by channel: Float32Array with shape (channels, rows, columns).
  evaluate(number, grid) {
    const network = this.networks[number];
    const channels = network.widths.at(-1);
    const size = grid.rows.count * grid.columns.count;
    const planes = Array.from({ length: channels }, (_, channel) =>
      this.#array("picture", size, channel * this.#planeSize).fill(0),
    );
    for (const part of this.#parts(network, grid)) this.#add(number, part, grid);
    const values = new Float32Array(channels * size);
    planes.forEach((plane, channel) => values.set(plane, channel * size));
    return values;
  }

  #array(name, size, offset = 0) {
    return new Float32Array(this.#memory.buffer, this.#places[name] + FLOAT * offset, size);
  }

  // Rectangles of a grid, each in one tile: its number, its origin, and its rows and columns with their weights.
  *#parts(network, grid) {
    const along = network.axes.map((axis, i) => {
      const direction = [grid.rows, grid.columns].find((each) => each.axis === i) ?? { step: 0, count: 1 };
      const positions = Array.from(
        { length: direction.count },
        (_, k) => (grid.origin[i] + direction.step * k) * axis.length,
      );
      return coveringTiles(positions, axis);
    });
    const places = new Array(along.length).fill(0);
    const combine = function* (i, weight, number) {
      if (i < 0) {
        const origin = network.axes.map((axis, k) => (places[k].place * axis.side) / axis.length);
        yield { number, origin, rows: places[grid.rows.axis], columns: places[grid.columns.axis], weight };
        return;
      }
      for (const tile of along[i]) {
        places[i] = tile;
        const isFixed = i !== grid.rows.axis && i !== grid.columns.axis;
        yield* combine(i - 1, isFixed ? weight * tile.weights[0] : weight, number * network.axes[i].count + tile.place);
      }
    };
    yield* combine(along.length - 1, 1, 0);
  }

  #add(number, part, grid) {
    const network = this.networks[number];
    const { rows, columns } = part;
    const width = columns.weights.length;
    this.#load(number, part.number);
    this.#array("rowWeights", rows.weights.length).set(rows.weights.map((each) => each * part.weight));
    this.#array("columnWeights", this.#width).fill(0).set(columns.weights);
    const rowsAtOnce = Math.min(Math.floor(CHUNK / width), rows.weights.length);
    for (let row = 0; row < rows.weights.length; row += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, rows.weights.length - row);
      const first = grid.origin.map((each, axis) => each - part.origin[axis]);
      first[grid.rows.axis] += grid.rows.step * (rows.start + row);
      first[grid.columns.axis] += grid.columns.step * columns.start;
      const bias = network.frequencies
        ? this.#features(number, first, grid, rowsAtOnce, width)
        : this.#coordinates(network, first, grid, rowsAtOnce, width);
      const logits = this.#layers(network, bias, count * width);
      const offset = (rows.start + row) * grid.columns.count + columns.start;
      for (let channel = 0; channel < network.widths.at(-1); channel++) {
        this.#kernel.blend(
          logits + FLOAT * channel * STRIDE,
          count,
          width,
          this.#places.rowWeights + FLOAT * row,
          this.#places.columnWeights,
          this.#places.picture + FLOAT * (channel * this.#planeSize + offset),
          grid.columns.count,
        );
      }
    }
  }

  #load(number, tile) {
    const key = `${number} ${tile}`;
    if (this.#loaded.weights === key) return;
    const { tileSize, weights } = this.networks[number];
    this.#array("weights", tileSize).set(weights.subarray(tile * tileSize, (tile + 1) * tileSize));
    this.#loaded.weights = key;
  }

  // Features of rows × width pixels from a first one. The first layer's bias is its own.
  #features(number, first, grid, rows, width) {
    const { B, frequencies } = this.networks[number];
    const start = this.#array("start", 2 * frequencies);
    for (let k = 0; k < frequencies; k++) {
      let turns = 0;
      for (let axis = 0; axis < first.length; axis++) turns += B[axis * frequencies + k] * first[axis];
      const phase = 2 * Math.PI * (turns - Math.round(turns));
      start[2 * k] = Math.cos(phase);
      start[2 * k + 1] = Math.sin(phase);
    }
    const { key, steps } = this.#steps(number, grid.rows, rows, false);
    if (this.#loaded.rowSteps !== key) {
      this.#array("rowSteps", steps.length).set(steps);
      this.#loaded.rowSteps = key;
    }
    const column = this.#steps(number, grid.columns, this.#width, true);
    if (this.#loaded.columnSteps !== column.key) {
      this.#array("columnSteps", column.steps.length).set(column.steps);
      this.#loaded.columnSteps = column.key;
    }
    const { start: at, rowSteps, columnSteps, x } = this.#places;
    this.#kernel.features(frequencies, rows, width, at, rowSteps, columnSteps, this.#width, x, STRIDE);
    return null;
  }

  // Cosine and sine of the steps to each pixel along a direction: (m, count, 2), or (m, 2, count) for columns.
  #steps(number, { axis, step }, count, areColumns) {
    const { B, frequencies } = this.networks[number];
    const key = `${number} ${axis} ${step} ${count} ${areColumns}`;
    let steps = this.#tables.get(key);
    if (!steps) {
      steps = new Float32Array(2 * frequencies * count);
      for (let k = 0; k < frequencies; k++) {
        for (let i = 0; i < count; i++) {
          const turns = B[axis * frequencies + k] * step * i;
          const phase = 2 * Math.PI * (turns - Math.round(turns));
          const at = areColumns ? 2 * k * count + i : 2 * (k * count + i);
          steps[at] = Math.cos(phase);
          steps[at + (areColumns ? count : 1)] = Math.sin(phase);
        }
      }
      if (this.#tables.size > 99) this.#tables.clear();
      this.#tables.set(key, steps);
    }
    return { key, steps };
  }

  // Distances from the first pixel; its own coordinates are in the bias of the first layer, in double precision.
  #coordinates(network, first, grid, rows, width) {
    const d = first.length;
    const outputs = padded(network.widths[1]);
    const weights = this.#array("weights", outputs * (d + 1));
    const bias = this.#array("bias", outputs);
    for (let o = 0; o < outputs; o++) {
      let sum = weights[outputs * d + o];
      for (let axis = 0; axis < d; axis++) {
        sum += weights[(Math.floor(o / OUTPUTS) * d + axis) * OUTPUTS + (o % OUTPUTS)] * first[axis];
      }
      bias[o] = sum;
    }
    const steps = (direction) => first.map((_, axis) => (axis === direction.axis ? direction.step : 0));
    this.#array("start", 2 * d).set([...steps(grid.rows), ...steps(grid.columns)]);
    const { start, x } = this.#places;
    this.#kernel.coordinates(d, rows, width, start, start + FLOAT * d, x, STRIDE);
    return this.#places.bias;
  }

  // Layers of the loaded tile on features in x. Returns the place of its logits.
  #layers(network, firstBias, pixels) {
    let at = this.#places.weights;
    let [input, output] = [this.#places.x, this.#places.y];
    const last = network.widths.length - 2;
    for (let i = 0; i <= last; i++) {
      const [inputs, groups] = [network.widths[i], groupsOf(network.widths[i + 1])];
      const bias = at + FLOAT * inputs * groups * OUTPUTS;
      this.#kernel.layer(
        at, i === 0 && firstBias ? firstBias : bias, inputs, groups, input, output, STRIDE, pixels, i === last,
      );
      at = bias + FLOAT * groups * OUTPUTS;
      [input, output] = [output, input];
    }
    return input;
  }
}
