// Arithmetic of the viewer: features, layers and blending on the pixels of one rectangle.
//
// `make viewer` builds it twice: kernel.wasm for all browsers with SIMD, and kernel-relaxed.wasm for those that can
// multiply and add in one instruction. Pixels are along the last axis of every array, and `stride` is the distance of
// its rows. Pixels are computed eight at a time, so that arrays have room for a few more than there are.

#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name)))

#ifdef __wasm_relaxed_simd__
#define MULTIPLY_ADD(a, b, c) __builtin_wasm_relaxed_madd_f32x4(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) wasm_f32x4_add(wasm_f32x4_mul(a, b), c)
#endif

enum { LANES = 4, OUTPUTS = 4, VECTORS = 2 }; // 8 accumulators: larger blocks spill registers, and are 1.5 times slower

// Fourier features of rows × columns pixels by angle addition: e^(iα + iβ + iγ) = e^iα e^iβ e^iγ.
//
// start: cosine and sine of each of the m phases at the first pixel, (m, 2)
// row_steps: those of the steps to each row, (m, rows, 2)
// column_steps: those of the steps to each column, (m, 2, width)
// out: cosines, then sines, (2m, stride)
EXPORT(features)
void features(int m, int rows, int columns, const float *start, const float *row_steps, const float *column_steps,
              int width, float *out, int stride) {
  for (int k = 0; k < m; k++) {
    const float *cosines = column_steps + 2 * k * width, *sines = cosines + width;
    for (int row = 0; row < rows; row++) {
      const float *turn = row_steps + 2 * (k * rows + row);
      float a = start[2 * k] * turn[0] - start[2 * k + 1] * turn[1];
      float b = start[2 * k] * turn[1] + start[2 * k + 1] * turn[0];
      v128_t real = wasm_f32x4_splat(a), imaginary = wasm_f32x4_splat(b), minus = wasm_f32x4_splat(-b);
      float *cosine = out + k * stride + row * columns, *sine = cosine + m * stride;
      for (int column = 0; column < columns; column += LANES) {
        v128_t c = wasm_v128_load(cosines + column), s = wasm_v128_load(sines + column);
        wasm_v128_store(cosine + column, MULTIPLY_ADD(real, c, wasm_f32x4_mul(minus, s)));
        wasm_v128_store(sine + column, MULTIPLY_ADD(real, s, wasm_f32x4_mul(imaginary, c)));
      }
    }
  }
}

// Weights of the first layer for features that are measured from a middle c: with phases c + θ, the weights p of cosines
// and q of sines become p cos c + q sin c for those of θ, and q cos c - p sin c.
//
// weights: (groups, 2m, OUTPUTS); middle: cosine and sine of each phase, (m, 2); cosines, sines: (groups, m, OUTPUTS)
EXPORT(turn)
void turn(const float *weights, int m, int groups, const float *middle, float *cosines, float *sines) {
  for (int group = 0; group < groups; group++, weights += 2 * m * OUTPUTS)
    for (int k = 0; k < m; k++, cosines += OUTPUTS, sines += OUTPUTS) {
      v128_t c = wasm_v128_load32_splat(middle + 2 * k), s = wasm_v128_load32_splat(middle + 2 * k + 1);
      v128_t p = wasm_v128_load(weights + k * OUTPUTS), q = wasm_v128_load(weights + (m + k) * OUTPUTS);
      wasm_v128_store(cosines, MULTIPLY_ADD(p, c, wasm_f32x4_mul(q, s)));
      wasm_v128_store(sines, MULTIPLY_ADD(q, c, wasm_f32x4_neg(wasm_f32x4_mul(p, s))));
    }
}

// Values of pixels on both sides of the middle, then ReLU if the layer has one: the cosines' part is the same on the
// other side, and that of the sines has the other sign. So the first layer is computed for half of the pixels.
//
// even, odd: both parts at the first half of the pixels, (outputs, stride); out: (outputs, stride), with room before it
EXPORT(unfold)
void unfold(const float *even, const float *odd, int outputs, float *out, int stride, int pixels, int has_relu) {
  v128_t lowest = wasm_f32x4_splat(has_relu ? 0 : -__builtin_inff());
  for (int o = 0; o < outputs; o++, even += stride, odd += stride, out += stride)
    for (int pixel = 0; 2 * pixel < pixels; pixel += LANES) {
      v128_t e = wasm_v128_load(even + pixel), d = wasm_v128_load(odd + pixel);
      v128_t other = wasm_f32x4_max(lowest, wasm_f32x4_sub(e, d));
      wasm_v128_store(out + pixels - LANES - pixel, wasm_i32x4_shuffle(other, other, 3, 2, 1, 0));
      wasm_v128_store(out + pixel, wasm_f32x4_max(lowest, wasm_f32x4_add(e, d)));
    }
}

// Coordinates of rows × columns pixels, from the first one, for an encoding without features: (d, stride).
EXPORT(coordinates)
void coordinates(int d, int rows, int columns, const float *row_step, const float *column_step, float *out,
                 int stride) {
  for (int axis = 0; axis < d; axis++)
    for (int row = 0; row < rows; row++)
      for (int column = 0; column < columns; column++)
        out[axis * stride + row * columns + column] = row_step[axis] * row + column_step[axis] * column;
}

// One layer: y = Wx + b, then ReLU if it has one.
//
// weights: (groups, inputs, OUTPUTS), bias: (groups, OUTPUTS), x: (inputs, stride), y: (groups × OUTPUTS, stride)
EXPORT(layer)
void layer(const float *weights, const float *bias, int inputs, int groups, const float *x, float *y, int stride,
           int pixels, int has_relu) {
  v128_t zero = wasm_f32x4_const_splat(0);
  for (int group = 0; group < groups; group++) {
    for (int pixel = 0; pixel < pixels; pixel += LANES * VECTORS) {
      v128_t sums[OUTPUTS][VECTORS];
#pragma unroll
      for (int o = 0; o < OUTPUTS; o++)
#pragma unroll
        for (int v = 0; v < VECTORS; v++) sums[o][v] = wasm_v128_load32_splat(bias + group * OUTPUTS + o);
      const float *weight = weights + group * inputs * OUTPUTS, *input = x + pixel;
      for (int k = 0; k < inputs; k++, weight += OUTPUTS, input += stride) {
        v128_t values[VECTORS];
#pragma unroll
        for (int v = 0; v < VECTORS; v++) values[v] = wasm_v128_load(input + LANES * v);
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++) {
          v128_t factor = wasm_v128_load32_splat(weight + o);
#pragma unroll
          for (int v = 0; v < VECTORS; v++) sums[o][v] = MULTIPLY_ADD(factor, values[v], sums[o][v]);
        }
      }
#pragma unroll
      for (int o = 0; o < OUTPUTS; o++)
#pragma unroll
        for (int v = 0; v < VECTORS; v++) {
          v128_t sum = has_relu ? wasm_f32x4_max(zero, sums[o][v]) : sums[o][v];
          wasm_v128_store(y + (group * OUTPUTS + o) * stride + pixel + LANES * v, sum);
        }
    }
  }
}

// 1 / (1 + e^-x). The polynomial is e^f's Taylor series for |f| up to ln(2) / 2, whose relative error is below 2e-7.
static v128_t sigmoid(v128_t x) {
  v128_t limit = wasm_f32x4_const_splat(87), one = wasm_f32x4_const_splat(1);
  x = wasm_f32x4_max(wasm_f32x4_neg(limit), wasm_f32x4_min(limit, wasm_f32x4_neg(x)));
  v128_t power = wasm_f32x4_nearest(wasm_f32x4_mul(x, wasm_f32x4_const_splat(1.44269504f)));
  v128_t f = wasm_f32x4_sub(x, wasm_f32x4_mul(power, wasm_f32x4_const_splat(0.693147181f)));
  v128_t sum = wasm_f32x4_const_splat(1.0f / 720);
  sum = MULTIPLY_ADD(sum, f, wasm_f32x4_const_splat(1.0f / 120));
  sum = MULTIPLY_ADD(sum, f, wasm_f32x4_const_splat(1.0f / 24));
  sum = MULTIPLY_ADD(sum, f, wasm_f32x4_const_splat(1.0f / 6));
  sum = MULTIPLY_ADD(sum, f, wasm_f32x4_const_splat(0.5f));
  sum = MULTIPLY_ADD(sum, f, one);
  sum = MULTIPLY_ADD(sum, f, one);
  v128_t exponent = wasm_i32x4_shl(wasm_i32x4_trunc_sat_f32x4(power), 23);
  return wasm_f32x4_div(one, wasm_f32x4_add(one, wasm_i32x4_add(sum, exponent)));
}

// Add a tile's values, behind the sigmoid and times its weights, to a picture of one channel.
//
// logits: rows × columns pixels; picture: its first pixel is the rectangle's, and `width` is the distance of its rows
EXPORT(blend)
void blend(const float *logits, int rows, int columns, const float *row_weights, const float *column_weights,
           float *picture, int width) {
  for (int row = 0; row < rows; row++)
    for (int column = 0; column < columns; column += LANES) {
      v128_t values = sigmoid(wasm_v128_load(logits + row * columns + column));
      v128_t weights = wasm_f32x4_mul(wasm_f32x4_splat(row_weights[row]), wasm_v128_load(column_weights + column));
      float *out = picture + row * width + column;
      wasm_v128_store(out, MULTIPLY_ADD(values, weights, wasm_v128_load(out)));
    }
}
