// Workers that evaluate the networks. The stage says what it wants, in order; a pointer or a file goes before.

import { kernel, networks } from "./data.js";

const MEMORY = 2 ** 30; // bytes of weights, of which each worker has its own
const IN_FLIGHT = 4; // requests of a worker at a time, so that it need not wait

export const BLOCK = 64; // pixels along each side of the largest grid

class Pool {
  onResult = () => {};
  onFailure = () => {};
  #workers = [];
  #urgent = [];
  #wanted = [];
  #running = new Set(); // keys
  #count = 0; // of requests, which are their numbers

  // Whether this browser can run the kernel.
  start() {
    const bytes = kernel();
    if (!bytes) return false;
    const all = networks();
    const size = all.reduce((sum, network) => sum + network.weights.byteLength, 0);
    const count = Math.max(1, Math.min(navigator.hardwareConcurrency || 2, Math.floor(MEMORY / size)));
    const code = new Blob([document.getElementById("worker").textContent], { type: "text/javascript" });
    const address = URL.createObjectURL(code);
    for (let i = 0; i < count; i++) {
      const worker = { port: new Worker(address), requests: new Map() };
      worker.port.onmessage = ({ data }) => this.#finish(worker, data.id, data.result);
      worker.port.onerror = ({ message }) => this.onFailure(message);
      worker.port.postMessage({ kernel: bytes, networks: all, maxSide: BLOCK });
      this.#workers.push(worker);
    }
    return true;
  }

  // Replace what is wanted: requests {key, model, grid, as, done}, of which those that run already are left out.
  want(requests) {
    this.#wanted = requests.filter(({ key }) => !this.#running.has(key)).reverse();
    this.#send();
  }

  // Result of one request, before all that is wanted.
  evaluate(request) {
    return new Promise((done) => {
      this.#urgent.push({ ...request, key: Symbol("urgent"), done });
      this.#send();
    });
  }

  #send() {
    for (let load = 0; load < IN_FLIGHT; load++) {
      for (const worker of this.#workers) {
        if (worker.requests.size > load) continue;
        const request = this.#urgent.shift() ?? this.#wanted.pop();
        if (!request) return;
        const { key, model, grid, as } = request;
        const id = this.#count++;
        this.#running.add(key);
        worker.requests.set(id, request);
        worker.port.postMessage({ id, model, grid, as });
      }
    }
  }

  #finish(worker, id, result) {
    const request = worker.requests.get(id);
    worker.requests.delete(id);
    this.#running.delete(request.key);
    request.done(result);
    this.#send();
    this.onResult();
  }
}

export const pool = new Pool();
