// Playing of a clip: whole frames at its rate, as sharp as they can be computed in time.

import { scene } from "./scene.js";
import { stage } from "./stage.js";
import { view } from "./view.js";

const AXIS = scene.axes.length - 1;
const COARSEST = 5; // halvings of the zoom
const LATE = 1; // of the time between frames: more is too slow
const EARLY = 0.15; // of it: frames of twice the zoom would be in time

class Player {
  isPlaying = false;
  onChange = () => {};
  #halvings = 2;
  #start = 0; // times in milliseconds: of the first frame, of asking for the current one, and of drawing it
  #asked = 0;
  #drawn = null;

  toggle() {
    const { length } = scene.axes[AXIS];
    const from = view.indices[AXIS] >= length - 1 ? 0 : view.indices[AXIS];
    this.#start = performance.now() - (from / scene.rate) * 1000;
    this.#asked = performance.now();
    this.#drawn = null;
    this.isPlaying = !this.isPlaying;
    stage.halvings = this.isPlaying ? this.#halvings : null;
    this.onChange();
    stage.invalidate();
  }

  // After each drawing: the frame whose time it is, if the current one is complete.
  advance() {
    if (!this.isPlaying || !stage.isReady) return;
    const now = performance.now();
    if (this.#drawn === null) {
      this.#drawn = now;
      this.#adapt(((now - this.#asked) / 1000) * scene.rate);
    }
    const frame = Math.floor(((now - this.#start) / 1000) * scene.rate) % scene.axes[AXIS].length;
    if (frame === view.indices[AXIS]) {
      stage.invalidate();
      return;
    }
    this.#asked = now;
    this.#drawn = null;
    view.setIndex(AXIS, frame);
  }

  #adapt(time) {
    if (time > LATE) this.#halvings = Math.min(this.#halvings + 1, COARSEST);
    else if (time < EARLY) this.#halvings = Math.max(this.#halvings - 1, 0);
    stage.halvings = this.#halvings;
  }
}

export const player = new Player();
