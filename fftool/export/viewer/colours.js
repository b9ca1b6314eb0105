// Samples and errors as the colours of a screen.

// Matplotlib's inferno, as in the figures of fftool: dark is no error, and all steps look alike to the colour-blind.
export const ERROR_COLOURS = [
  "#000004", "#0c0826", "#240c4f", "#420a68", "#5d126e", "#781c6d", "#932667", "#ae305c",
  "#c73e4c", "#dd513a", "#ed6925", "#f8850f", "#fca50a", "#fac62d", "#f2e661", "#fcffa4",
];

// RGBA of values from 0 to 1 with shape (channels, n), channels being those of grey or RGB, with or without alpha.
export function toPixels(values, channels) {
  const n = values.length / channels;
  const pixels = new Uint8ClampedArray(4 * n).fill(255); // assignments round, half to even
  const colour = channels < 3 ? [0, 0, 0] : [0, 1, 2];
  if (channels % 2 === 0) colour.push(channels - 1);
  colour.forEach((channel, at) => {
    for (let i = 0; i < n; i++) pixels[4 * i + at] = 255 * values[channel * n + i];
  });
  return pixels;
}

const STOPS = ERROR_COLOURS.map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));

// RGBA of an error from 0 to 1.
export function errorColour(error) {
  const place = Math.min(error, 1) * (STOPS.length - 1);
  const first = Math.min(Math.floor(place), STOPS.length - 2);
  const share = place - first;
  return [...STOPS[first].map((part, i) => part + share * (STOPS[first + 1][i] - part)), 255];
}
