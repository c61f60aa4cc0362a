// What a decode step computes, as a table of functions: one for each instruction set.
//
// Lengths of activations are multiples of 64. Every function works on one row or on one block of 64
// outputs, so that whoever calls can divide the work among threads as it likes, and gets the same
// bits however it does.
#pragma once

#include <cstdint>

#include "memory.h"

namespace continuo {

constexpr int64_t kBlock = 64;  // outputs of a linear map that lie together, and one head

// Rows that a linear map takes, [rows, depth]. For weights in int8 they are int8 too, each row with
// its scale, x ≈ steps · scale, and the sum of its steps; for others they are as they came.
struct Inputs {
  Format format;  // of the weights
  float* values;
  int8_t* steps;
  float* scales;
  int32_t* sums;
};

// y = x Wᵀ, packed so that a block of 64 outputs is one stream.
//   fp32, bf16: [outputs/64][depth][64]
//   int8:       [outputs/64][depth/4][64][4], bytes w + 128 for w in -127 … 127, and what a step of
//               w stands for, `scales` [outputs]
struct Linear {
  const void* weights;
  const float* scales;
};

struct Kernels {
  // Ba et al. (2016), epsilon 1e-5.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, int64_t length,
                     float* out);
  // As row `row` of `inputs`; in int8 with the scale that maps the largest magnitude to 127.
  void (*put)(const float* x, int64_t length, int64_t row, const Inputs& inputs);
  // Outputs 64 · block … of all rows: [num_rows, 64].
  void (*linear_block)(const Linear& linear, int64_t block, int64_t depth,
                       const Inputs& inputs, int64_t num_rows, float* out);
  // The exact one, x · Φ(x), in place (Hendrycks & Gimpel, 2016).
  void (*gelu)(float* x, int64_t length);
  // Write `key` and `value` [64] of a position into a head's memory.
  void (*remember)(const Memory& head, int64_t position, const float* key, const float* value);
  // softmax(q·k / 8) · v over the first positions. `scores` has room for them and 15 more.
  void (*attend)(const Memory& head, const float* query, int64_t num_positions, float* scores,
                 float* out);
};

extern const Kernels kAvx512Kernels;
extern const Kernels kAvx2Kernels;

}  // namespace continuo
