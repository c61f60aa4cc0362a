// Attention of one query in one head, over keys and values as memory.h lays them.
#pragma once

#include "arithmetic_in_lanes.h"

namespace {

using continuo::kHeadDim;
using continuo::Memory;

constexpr int kVectorsOfHead = kHeadDim / kLanes;
constexpr float kScoreScale = 0.125f;  // 1 / √64
constexpr float kLowest = -1e30f;

inline uint16_t to_bf16(float x) {  // to the nearest, ties to even
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline void put_number(uint16_t* p, float x) { *p = to_bf16(x); }
inline void put_number(float* p, float x) { *p = x; }

// In fp32 or bf16.
template <class Number>
struct FloatHead {
  Number *keys, *values;
  explicit FloatHead(const Memory& head)
      : keys(reinterpret_cast<Number*>(head.bytes)), values(keys + head.capacity * kHeadDim) {}

  void remember(int64_t position, const float* key, const float* value) const {
    Number* lane = keys + position / kLanes * kLanes * kHeadDim + position % kLanes;
    for (int64_t i = 0; i < kHeadDim; ++i) {
      put_number(lane + i * kLanes, key[i]);
      put_number(values + position * kHeadDim + i, value[i]);
    }
  }

  // Scaled products of the query with the keys of whole blocks of 16 positions.
  void score(const float* query, int64_t num_positions, float* scores) const {
    for (int64_t first = 0; first < num_positions; first += kLanes) {
      const Number* block = keys + first * kHeadDim;
      Floats totals[4] = {broadcast(0.0f), broadcast(0.0f), broadcast(0.0f), broadcast(0.0f)};
      for (int64_t i = 0; i < kHeadDim; i += 4)
        for (int64_t j = 0; j < 4; ++j) {
          const Number* numbers = block + (i + j) * kLanes;
          prefetch(numbers);
          totals[j] = multiply_add(broadcast(query[i + j]), load_numbers(numbers), totals[j]);
        }
      const Floats total = (totals[0] + totals[1]) + (totals[2] + totals[3]);
      store(scores + first, total * broadcast(kScoreScale));
    }
  }

  void weigh(float*, int64_t) const {}
};

struct Int8Head {
  uint8_t* keys;
  int8_t* values;
  float *key_steps, *value_steps;
  explicit Int8Head(const Memory& head)
      : keys(head.bytes),
        values(reinterpret_cast<int8_t*>(keys + head.capacity * kHeadDim)),
        key_steps(reinterpret_cast<float*>(values + head.capacity * kHeadDim)),
        value_steps(key_steps + head.capacity) {}

  void remember(int64_t position, const float* key, const float* value) const {
    const float key_step = int8_step(key, kHeadDim), value_step = int8_step(value, kHeadDim);
    key_steps[position] = key_step;
    value_steps[position] = value_step;
    to_int8(value, kHeadDim, value_step, values + position * kHeadDim);
    int8_t bytes[kHeadDim];
    to_int8(key, kHeadDim, key_step, bytes);
    uint8_t* lane = keys + position / kLanes * kLanes * kHeadDim + position % kLanes * 4;
    for (int64_t i = 0; i < kHeadDim; ++i)
      lane[i / 4 * kLanes * 4 + i % 4] = static_cast<uint8_t>(bytes[i] + 128);
  }

  void score(const float* query, int64_t num_positions, float* scores) const {
    const float step = int8_step(query, kHeadDim);
    int8_t factors[kHeadDim];
    const Ints start = dot_start(to_int8(query, kHeadDim, step, factors));
    for (int64_t first = 0; first < num_positions; first += kLanes) {
      const uint8_t* block = keys + first * kHeadDim;
      Ints totals[4] = {start, zero_ints(), zero_ints(), zero_ints()};
      for (int64_t i = 0; i < kHeadDim; i += 16)
        for (int64_t j = 0; j < 4; ++j) {
          const int64_t four = i + 4 * j;
          prefetch(block + four * kLanes);
          totals[j] = dot(totals[j], load_bytes(block + four * kLanes), factors + four);
        }
      const Ints total = add(add(totals[0], totals[1]), add(totals[2], totals[3]));
      const Floats scale = load(key_steps + first) * broadcast(step * kScoreScale);
      store(scores + first, to_floats(total) * scale);
    }
  }

  // The weight of a position takes in the step of its value.
  void weigh(float* weights, int64_t num_positions) const {
    for (int64_t i = 0; i < num_positions; i += kLanes)
      store(weights + i, load(weights + i) * load(value_steps + i));
  }
};

// e^(score - the largest) in place; returns their sum. Lanes beyond the last position become 0.
float soften(float* scores, int64_t num_positions) {
  const int64_t last = (num_positions - 1) / kLanes * kLanes;
  const int num_last = static_cast<int>(num_positions - last);
  store(scores + last, first_lanes(load(scores + last), num_last, broadcast(kLowest)));
  Floats peak = broadcast(kLowest);
  for (int64_t i = 0; i <= last; i += kLanes) peak = larger(peak, load(scores + i));
  peak = broadcast(largest(peak));
  Floats total = broadcast(0.0f);
  for (int64_t i = 0; i <= last; i += kLanes) {
    Floats weight = exponential(load(scores + i) - peak);
    if (i == last) weight = first_lanes(weight, num_last, broadcast(0.0f));
    store(scores + i, weight);
    total = total + weight;
  }
  return sum(total);
}

// Σ weight · value over positions, even and odd ones apart so that sums need not wait for each other.
template <class Head>
void sum_values(const Head& head, const float* weights, int64_t num_positions, float factor,
                float* out) {
  Floats even[kVectorsOfHead], odd[kVectorsOfHead];
  for (int v = 0; v < kVectorsOfHead; ++v) even[v] = odd[v] = broadcast(0.0f);
  int64_t position = 0;
  for (; position + 1 < num_positions; position += 2) {
    const int64_t place = position * kHeadDim;
    prefetch(head.values + place);
    prefetch(head.values + place + kHeadDim);
    const Floats first = broadcast(weights[position]), second = broadcast(weights[position + 1]);
    for (int v = 0; v < kVectorsOfHead; ++v) {
      even[v] = multiply_add(first, load_numbers(head.values + place + v * kLanes), even[v]);
      odd[v] = multiply_add(second, load_numbers(head.values + place + kHeadDim + v * kLanes), odd[v]);
    }
  }
  if (position < num_positions)
    for (int v = 0; v < kVectorsOfHead; ++v)
      even[v] = multiply_add(broadcast(weights[position]),
                             load_numbers(head.values + position * kHeadDim + v * kLanes),
                             even[v]);
  for (int v = 0; v < kVectorsOfHead; ++v)
    store(out + v * kLanes, (even[v] + odd[v]) * broadcast(factor));
}

template <class Head>
void attend_in(const Head& head, const float* query, int64_t num_positions, float* scores,
               float* out) {
  head.score(query, num_positions, scores);
  const float total = soften(scores, num_positions);
  head.weigh(scores, num_positions);
  sum_values(head, scores, num_positions, 1.0f / total, out);
}

void attend(const Memory& head, const float* query, int64_t num_positions, float* scores,
            float* out) {
  if (head.format == Format::kInt8)
    attend_in(Int8Head(head), query, num_positions, scores, out);
  else if (head.format == Format::kBf16)
    attend_in(FloatHead<uint16_t>(head), query, num_positions, scores, out);
  else
    attend_in(FloatHead<float>(head), query, num_positions, scores, out);
}

void remember(const Memory& head, int64_t position, const float* key, const float* value) {
  if (head.format == Format::kInt8)
    Int8Head(head).remember(position, key, value);
  else if (head.format == Format::kBf16)
    FloatHead<uint16_t>(head).remember(position, key, value);
  else
    FloatHead<float>(head).remember(position, key, value);
}

}  // namespace
