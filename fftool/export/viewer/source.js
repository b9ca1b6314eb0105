// Samples of the source, decoded when they are first looked at.

import { page, sourcePlane } from "./data.js";
import { scene } from "./scene.js";

const KEPT = 2 ** 28; // bytes of decoded samples

// Promises by their key. The oldest are dropped where their samples take more than KEPT bytes.
class Decoded {
  #promises = new Map();

  get(key, decode) {
    if (!this.#promises.has(key)) {
      this.#promises.set(key, decode());
      this.#promises.get(key).then(({ length }) => {
        if (this.#promises.size * length > KEPT) this.#promises.delete(this.#promises.keys().next().value);
      });
    }
    return this.#promises.get(key);
  }
}

class Source {
  #planes = new Decoded(); // of the first two axes
  #slices = new Decoded(); // of any plane
  #current = new Map(); // samples of the last slice of each plane, by its key
  name = page.source;
  onLoad = () => {};

  // Samples of a slice with shape (rows, columns, channels), at indices along all axes.
  load(plane, indices) {
    return this.#slices.get(this.#key(plane, indices), () => this.#decode(plane, indices));
  }

  // The same; null until they are decoded, of which `onLoad` tells.
  peek(plane, indices) {
    const key = this.#key(plane, indices);
    const { key: found, samples } = this.#current.get(plane) ?? {};
    if (found === key) return samples ?? null;
    this.#current.set(plane, { key });
    this.load(plane, indices).then((samples) => {
      if (this.#current.get(plane).key === key) this.#current.set(plane, { key, samples });
      this.onLoad();
    });
    return null;
  }

  #key(plane, indices) {
    return `${plane.name} ${plane.fixed.map((axis) => Math.round(indices[axis]))}`;
  }

  async #decode({ columns, rows, fixed }, indices) {
    const at = fixed.length ? Math.round(indices[fixed[0]]) : 0;
    if (columns.axis === 0 && rows.axis === 1) return this.#plane(at);
    const { channels } = scene;
    const [width, height] = [scene.axes[columns.axis].length, scene.axes[rows.axis].length];
    const samples = new Uint8Array(width * height * channels); // across x or y: a row of each plane
    for (let z = 0; z < height; z++) {
      const from = await this.#plane(z);
      for (let i = 0; i < width; i++) {
        const [x, y] = columns.axis === 0 ? [i, at] : [at, i];
        const start = (y * scene.axes[0].length + x) * channels;
        samples.set(from.subarray(start, start + channels), (z * width + i) * channels);
      }
    }
    return samples;
  }

  #plane(number) {
    return this.#planes.get(number, () => sourcePlane(number));
  }
}

export const source = page.source === null ? null : new Source();
