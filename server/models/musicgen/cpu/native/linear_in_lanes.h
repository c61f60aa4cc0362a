// Linear maps, a block of 64 outputs at a time, a tile of rows × vectors of it in registers.
#pragma once

#include "arithmetic_in_lanes.h"

namespace {

using continuo::kBlock;
using continuo::Linear;

constexpr int kVectorsOfBlock = kBlock / kLanes;
constexpr int64_t kLineBytes = 64;

// Sums of products of int8 with int8, exact.
struct Int8Tile {
  using Weight = uint8_t;
  using Total = Ints;
  static constexpr int64_t kInputsAtOnce = 4;

  static Total start(const Inputs& inputs, int64_t row) { return dot_start(inputs.sums[row]); }
  static const int8_t* row(const Inputs& inputs, int64_t row, int64_t depth) {
    return inputs.steps + row * depth;
  }
  static Bytes weights(const uint8_t* p) { return load_bytes(p); }
  static Total add(Total total, Bytes weights, const int8_t* four) {
    return dot(total, weights, four);
  }
  static Floats output(Total total, const Inputs& inputs, int64_t row, const Linear& linear,
                       int64_t first_output) {
    return to_floats(total) * (load(linear.scales + first_output) * broadcast(inputs.scales[row]));
  }
};

// In fp32; weights are fp32 or bf16.
template <class Number>
struct FloatTile {
  using Weight = Number;
  using Total = Floats;
  static constexpr int64_t kInputsAtOnce = 1;

  static Total start(const Inputs&, int64_t) { return broadcast(0.0f); }
  static const float* row(const Inputs& inputs, int64_t row, int64_t depth) {
    return inputs.values + row * depth;
  }
  static Floats weights(const Number* p) { return load_numbers(p); }
  static Total add(Total total, Floats weights, const float* one) {
    return multiply_add(broadcast(*one), weights, total);
  }
  static Floats output(Total total, const Inputs&, int64_t, const Linear&, int64_t) {
    return total;
  }
};

// A block of outputs of all rows.
template <class Tile>
class LinearBlock {
 public:
  LinearBlock(const Linear& linear, int64_t block, int64_t depth, const Inputs& inputs, float* out)
      : linear_(linear),
        first_output_(block * kBlock),
        weights_(static_cast<const Weight*>(linear.weights) + first_output_ * depth),
        depth_(depth),
        inputs_(inputs),
        out_(out) {}

  void compute(int64_t num_rows) const {
    int64_t row = 0;
    for (; num_rows - row >= 8; row += 8) compute_rows<8, kVectorsOfEightRows>(row);
    for (; num_rows - row >= 4; row += 4) compute_rows<4, kVectorsOfFourRows>(row);
    for (; num_rows - row >= 2; row += 2) compute_rows<2, kVectorsOfTwoRows>(row);
    for (; num_rows - row >= 1; row += 1) compute_rows<1, kVectorsOfOneRow>(row);
  }

 private:
  using Weight = typename Tile::Weight;
  static constexpr int64_t kAtOnce = Tile::kInputsAtOnce;
  static constexpr int64_t kVectorWeights = kLanes * kAtOnce;
  static constexpr int64_t kColumnBytes = kVectorsOfBlock * kVectorWeights * sizeof(Weight);

  template <int kRows, int kVectors>
  void compute_rows(int64_t first_row) const {
    for (int v = 0; v < kVectorsOfBlock; v += kVectors) compute_tile<kRows, kVectors>(first_row, v);
  }

  template <int kRows, int kVectors>
  void compute_tile(int64_t first_row, int first_vector) const {
    const auto* values = Tile::row(inputs_, first_row, depth_);
    typename Tile::Total totals[kRows][kVectors];
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) totals[r][v] = Tile::start(inputs_, first_row + r);
    for (int64_t k = 0; k < depth_; k += kAtOnce) {
      const Weight* column = weights_ + k * kBlock;
      if (first_vector == 0) prefetch_column(column);
      decltype(Tile::weights(column)) weights[kVectors];
      for (int v = 0; v < kVectors; ++v)
        weights[v] = Tile::weights(column + (first_vector + v) * kVectorWeights);
      for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kVectors; ++v)
          totals[r][v] = Tile::add(totals[r][v], weights[v], values + r * depth_ + k);
    }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) {
        const int64_t row = first_row + r, place = (first_vector + v) * kLanes;
        store(out_ + row * kBlock + place,
              Tile::output(totals[r][v], inputs_, row, linear_, first_output_ + place));
      }
  }

  // Of all vectors: later ones find in the cache what the first ones brought there.
  static void prefetch_column(const Weight* column) {
    for (int64_t place = 0; place < kColumnBytes; place += kLineBytes)
      prefetch(reinterpret_cast<const char*>(column) + place);
  }

  const Linear& linear_;
  const int64_t first_output_;
  const Weight* weights_;
  const int64_t depth_;
  const Inputs& inputs_;
  float* out_;
};

void linear_block(const Linear& linear, int64_t block, int64_t depth, const Inputs& inputs,
                  int64_t num_rows, float* out) {
  if (inputs.format == Format::kInt8)
    LinearBlock<Int8Tile>(linear, block, depth, inputs, out).compute(num_rows);
  else if (inputs.format == Format::kBf16)
    LinearBlock<FloatTile<uint16_t>>(linear, block, depth, inputs, out).compute(num_rows);
  else
    LinearBlock<FloatTile<float>>(linear, block, depth, inputs, out).compute(num_rows);
}

}  // namespace
