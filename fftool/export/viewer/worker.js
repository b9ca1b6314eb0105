// Worker that evaluates networks: the first message has the kernel and the networks, each later one a request.

import { toPixels } from "./colours.js";
import { Evaluator } from "./evaluator.js";

let evaluator;

// A request is {id, model, grid, as}: "values" from 0 to 1, or "pixels" in RGBA.
onmessage = ({ data }) => {
  if (data.networks) {
    evaluator = new Evaluator(new WebAssembly.Module(data.kernel), data.networks, data.maxSide);
    return;
  }
  const { id, model, grid, as } = data;
  const values = evaluator.evaluate(model, grid);
  const result = as === "values" ? values : toPixels(values, evaluator.networks[model].widths.at(-1));
  postMessage({ id, result }, [result.buffer]);
};
