// The contents of the page, as page.py writes them: one JSON document, and binary parts in base64.

export const page = JSON.parse(document.getElementById("page").textContent);

// Bytes of a part of the page.
function part(id) {
  const { textContent } = document.getElementById(id);
  return Uint8Array.fromBase64?.(textContent) ?? Uint8Array.from(atob(textContent), (letter) => letter.charCodeAt(0));
}

// Networks as the evaluator takes them. Their file has low bytes first, as all browsers have.
export function networks() {
  return page.models.map((model, i) => {
    const floats = new Float32Array(part(`model-${i}`).buffer);
    document.getElementById(`model-${i}`).remove(); // the workers have it
    const size = model.frequencies * model.axes.length;
    return { ...model, B: floats.subarray(0, size), weights: floats.subarray(size) };
  });
}

// The kernel that this browser can run; null where it runs none.
export function kernel() {
  const kernels = ["kernel-relaxed", "kernel"].map(part);
  return kernels.find((bytes) => WebAssembly.validate(bytes)) ?? null;
}

// Samples of the plane of the first two axes at an index along the third: Uint8Array with shape (rows, columns,
// channels). They are stored by their differences from the left, which are compressed better.
export async function sourcePlane(number) {
  const stream = new Blob([part(`source-${number}`)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const samples = new Uint8Array(await new Response(stream).arrayBuffer());
  const { axes, channels } = page.scene;
  const row = axes[0].length * channels;
  for (let start = 0; start < samples.length; start += row) {
    for (let i = start + channels; i < start + row; i++) samples[i] += samples[i - channels];
  }
  return samples;
}
