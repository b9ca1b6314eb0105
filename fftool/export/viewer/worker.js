// Worker that evaluates networks: the first message has the kernel and the networks, each later one a request.

import { toPixels } from "./colours.js";
import { Evaluator } from "./evaluator.js";

let evaluator;

// A request is {id, model, grid, as}: "values" from 0 to 1, "pixels" in RGBA, or a "bitmap" to draw.
onmessage = async ({ data }) => {
  if (data.networks) {
    evaluator = new Evaluator(new WebAssembly.Module(data.kernel), data.networks, data.maxSide);
    return;
  }
  const { id, model, grid, as } = data;
  let result = evaluator.evaluate(model, grid);
  if (as !== "values") result = toPixels(result, evaluator.networks[model].widths.at(-1));
  if (as === "bitmap") {
    result = await createImageBitmap(new ImageData(result, grid.columns.count), { premultiplyAlpha: "default" });
  }
  postMessage({ id, result }, [as === "bitmap" ? result : result.buffer]);
};
