// Where the keys and values of attention lie.
//
// A memory belongs to one sequence, or to one text, and is one piece: [layers, rows, heads], each a
// head's keys and then its values for `capacity` positions, a multiple of 16.
//   fp32, bf16: keys [capacity/16][64][16], values [capacity][64]
//   int8:       keys [capacity/16][16][16][4] as value + 128, values [capacity][64], then the scale
//               of each position's key and of its value, two float [capacity]
// Keys lie so that sixteen positions are sixteen lanes, values so that a position's sum is a stream.
#pragma once

#include <cstdint>

namespace continuo {

constexpr int64_t kHeadDim = 64;
constexpr int64_t kLanes = 16;

// Of numbers, here and in weights.
enum class Format : int64_t { kFp32 = 0, kBf16 = 1, kInt8 = 2 };

struct Memory {
  uint8_t* bytes;
  int64_t capacity;  // positions
  Format format;
};

// A position of a head: its key and its value.
static inline int64_t bytes_per_position(Format format) {
  constexpr int64_t kScales = 2 * sizeof(float);
  if (format == Format::kInt8) return 2 * kHeadDim + kScales;
  return 2 * kHeadDim * (format == Format::kBf16 ? 2 : 4);
}

static inline Memory head_of(const Memory& memory, int64_t head_index) {
  const int64_t head_bytes = memory.capacity * bytes_per_position(memory.format);
  return {memory.bytes + head_index * head_bytes, memory.capacity, memory.format};
}

}  // namespace continuo
