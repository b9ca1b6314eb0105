// The page of `fftool view`. From the bottom up: data and scene are its contents; pool has the workers, and source the
// samples; layers draw what comes from them, and view says where; stage shows layers; controls and what they import
// change the view and the stage.

import { ERROR_COLOURS } from "./colours.js";
import { start } from "./controls.js";
import { ERROR_LABEL } from "./layers.js";
import { pool } from "./pool.js";
import { stage } from "./stage.js";

function legend() {
  document.getElementById("legend-colours").style.background = `linear-gradient(to right, ${ERROR_COLOURS})`;
  document.getElementById("legend-text").textContent = ERROR_LABEL;
}

function fail(text) {
  const element = document.getElementById("failure");
  element.textContent = text;
  element.hidden = false;
}

pool.onFailure = (message) => fail(`The networks cannot be evaluated: ${message}`);
if (pool.start()) {
  legend();
  stage.start();
  start();
} else {
  fail("This page needs a newer browser, with WebAssembly SIMD.");
}
