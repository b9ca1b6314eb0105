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
const STRIDE = CHUNK + 2 * PADDING;
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
  #loaded = {}; // keys of what the arrays of weights and features hold
  #tables = new Map(); // steps of the last few grids

  // `maxSide` is the largest number of pixels of a grid along each direction.
  constructor(module, networks, maxSide) {
    this.networks = networks;
    this.#width = maxSide + PADDING;
    this.#planeSize = maxSide * maxSide + PADDING;
    const most = (numbers) => Math.max(...networks.map(numbers));
    const units = most(({ widths }) => Math.max(...widths.slice(1).map(padded)));
    const frequencies = most((network) => network.frequencies);
    const turned = most(({ frequencies, widths }) => frequencies * padded(widths[1]));
    const axes = most((network) => network.axes.length);
    const sizes = {
      weights: most((network) => network.tileSize),
      bias: units,
      zeros: units,
      cosines: turned,
      sines: turned,
      features: Math.max(2 * frequencies, axes) * STRIDE,
      odd: units * STRIDE,
      a: units * STRIDE,
      b: units * STRIDE,
      start: 2 * Math.max(frequencies, axes),
      middle: 2 * frequencies,
      rowSteps: 2 * frequencies * CHUNK,
      columnSteps: 2 * frequencies * this.#width + PADDING,
      rowWeights: this.#width,
      columnWeights: this.#width,
      picture: OUTPUTS * this.#planeSize,
    };
    let end = PAGE; // the first one is the kernel's stack
    for (const [name, size] of Object.entries(sizes)) {
      const room = name === "a" ? PADDING : 0; // before it, where `unfold` writes too
      this.#places[name] = end + FLOAT * room;
      end += Math.ceil((FLOAT * (room + size)) / 16) * 16;
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
      if (network.frequencies) this.#firstLayer(number, first, grid, count, width);
      else this.#firstLayerOfCoordinates(network, first, grid, count, width);
      const logits = this.#layers(network, count * width);
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

  // Values behind the first layer of rows × width pixels, the first of them at coordinates. Features are measured from
  // the middle, where they are the same in every rectangle of that shape, and are needed for half of the pixels.
  #firstLayer(number, first, grid, rows, width) {
    const network = this.networks[number];
    const { B, frequencies } = network;
    const { weights, zeros, cosines, sines, features, odd, a, b } = this.#places;
    const [outputs, half] = [network.widths[1], Math.ceil((rows * width) / 2)];
    this.#features(number, grid, rows, width, half);
    const middle = [...first];
    middle[grid.rows.axis] += (grid.rows.step * (rows - 1)) / 2;
    middle[grid.columns.axis] += (grid.columns.step * (width - 1)) / 2;
    this.#turns("middle", frequencies, (k) => middle.reduce((sum, each, axis) => sum + B[axis * frequencies + k] * each, 0));
    const groups = groupsOf(outputs);
    const bias = weights + FLOAT * 2 * frequencies * groups * OUTPUTS;
    this.#kernel.turn(weights, frequencies, groups, this.#places.middle, cosines, sines);
    this.#kernel.layer(cosines, bias, frequencies, groups, features, b, STRIDE, half, false);
    this.#kernel.layer(sines, zeros, frequencies, groups, features + FLOAT * frequencies * STRIDE, odd, STRIDE, half, false);
    this.#kernel.unfold(b, odd, outputs, a, STRIDE, rows * width, network.widths.length > 2);
  }

  // Features of half of the pixels of a rectangle, or a few more, measured from its middle.
  #features(number, { rows: down, columns: right }, rows, width, half) {
    const key = `${number} ${down.axis} ${down.step} ${right.axis} ${right.step} ${rows} ${width}`;
    if (this.#loaded.features === key) return;
    this.#loaded.features = key;
    const { B, frequencies } = this.networks[number];
    const count = Math.min(rows, Math.ceil((half + PADDING) / width));
    this.#turns("start", frequencies, (k) => {
      const [perRow, perColumn] = [down, right].map(({ axis, step }) => B[axis * frequencies + k] * step);
      return -(perRow * (rows - 1) + perColumn * (width - 1)) / 2;
    });
    const row = this.#steps(number, down, count, false);
    this.#array("rowSteps", row.length).set(row);
    const column = this.#steps(number, right, this.#width, true);
    this.#array("columnSteps", column.length).set(column);
    const { start, rowSteps, columnSteps, features } = this.#places;
    this.#kernel.features(frequencies, count, width, start, rowSteps, columnSteps, this.#width, features, STRIDE);
  }

  // Write cosines and sines of turns, (m, 2).
  #turns(name, m, turnsOf) {
    const array = this.#array(name, 2 * m);
    for (let k = 0; k < m; k++) {
      const turns = turnsOf(k);
      const phase = 2 * Math.PI * (turns - Math.round(turns));
      array[2 * k] = Math.cos(phase);
      array[2 * k + 1] = Math.sin(phase);
    }
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
    return steps;
  }

  // The same for an encoding without features: distances from the first pixel, whose own coordinates are in the bias.
  #firstLayerOfCoordinates(network, first, grid, rows, width) {
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
    const { start, features, a, weights: at, bias: biases } = this.#places;
    this.#kernel.coordinates(d, rows, width, start, start + FLOAT * d, features, STRIDE);
    this.#kernel.layer(at, biases, d, groupsOf(outputs), features, a, STRIDE, rows * width, network.widths.length > 2);
    this.#loaded.features = null;
  }

  // The other layers of the loaded tile. Returns the place of the logits.
  #layers(network, pixels) {
    const { widths } = network;
    let at = this.#places.weights + FLOAT * (widths[0] + 1) * padded(widths[1]);
    let [input, output] = [this.#places.a, this.#places.b];
    for (let i = 1; i < widths.length - 1; i++) {
      const groups = groupsOf(widths[i + 1]);
      const bias = at + FLOAT * widths[i] * groups * OUTPUTS;
      const hasRelu = i < widths.length - 2;
      this.#kernel.layer(at, bias, widths[i], groups, input, output, STRIDE, pixels, hasRelu);
      at = bias + FLOAT * groups * OUTPUTS;
      [input, output] = [output, input];
    }
    return input;
  }
}
