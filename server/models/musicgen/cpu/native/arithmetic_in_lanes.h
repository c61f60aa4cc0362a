// Functions of one row, in the words of simd_avx512.h or simd_avx2.h, one of which comes before.
#pragma once

#include "kernels.h"

namespace {

using continuo::Format;
using continuo::Inputs;
using continuo::kLanes;

constexpr int64_t kPrefetchBytes = 4096;
constexpr float kLayerNormEpsilon = 1e-5f;

inline Floats load_numbers(const float* p) { return load(p); }
inline Floats load_numbers(const uint16_t* p) { return load_bf16(p); }
inline Floats load_numbers(const int8_t* p) { return load_int8(p); }

inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p) + kPrefetchBytes, _MM_HINT_T0);
}

// e^x for x ≤ 0, to 2e-7: 2^n times a polynomial (Taylor's, of 2^f with |f| ≤ 1/2).
inline Floats exponential(Floats x) {
  const Floats exponent = larger(x * broadcast(1.44269504f), broadcast(-126.0f));
  const Floats whole = rounded(exponent);
  const Floats f = exponent - whole;
  Floats power = broadcast(1.5403530e-4f);
  power = multiply_add(power, f, broadcast(1.3333558e-3f));
  power = multiply_add(power, f, broadcast(9.6181291e-3f));
  power = multiply_add(power, f, broadcast(5.5504109e-2f));
  power = multiply_add(power, f, broadcast(2.4022651e-1f));
  power = multiply_add(power, f, broadcast(6.9314718e-1f));
  power = multiply_add(power, f, broadcast(1.0f));
  return times_power_of_two(power, whole);
}

// Abramowitz & Stegun 7.1.26, |error| < 1.5e-7.
inline Floats error_function(Floats x) {
  const Floats magnitude = absolute(x);
  const Floats t =
      divide(broadcast(1.0f), multiply_add(magnitude, broadcast(0.3275911f), broadcast(1.0f)));
  Floats polynomial = broadcast(1.061405429f);
  polynomial = multiply_add(polynomial, t, broadcast(-1.453152027f));
  polynomial = multiply_add(polynomial, t, broadcast(1.421413741f));
  polynomial = multiply_add(polynomial, t, broadcast(-0.284496736f));
  polynomial = multiply_add(polynomial, t, broadcast(0.254829592f));
  const Floats tail = polynomial * t * exponential(broadcast(0.0f) - magnitude * magnitude);
  return with_sign_of(broadcast(1.0f) - tail, x);
}

void gelu(float* x, int64_t length) {
  for (int64_t i = 0; i < length; i += kLanes) {
    const Floats value = load(x + i);
    const Floats phi = error_function(value * broadcast(0.70710678f)) + broadcast(1.0f);
    store(x + i, value * broadcast(0.5f) * phi);
  }
}

float mean(const float* x, int64_t length) {
  Floats total = broadcast(0.0f);
  for (int64_t i = 0; i < length; i += kLanes) total = total + load(x + i);
  return sum(total) / static_cast<float>(length);
}

float mean_square(const float* x, float centre, int64_t length) {
  Floats total = broadcast(0.0f);
  for (int64_t i = 0; i < length; i += kLanes) {
    const Floats distance = load(x + i) - broadcast(centre);
    total = multiply_add(distance, distance, total);
  }
  return sum(total) / static_cast<float>(length);
}

void layer_norm(const float* x, const float* weight, const float* bias, int64_t length,
                float* out) {
  const float centre = mean(x, length);
  const float variance = mean_square(x, centre, length);
  const float factor = 1.0f / __builtin_sqrtf(variance + kLayerNormEpsilon);
  for (int64_t i = 0; i < length; i += kLanes) {
    const Floats normal = (load(x + i) - broadcast(centre)) * broadcast(factor);
    store(out + i, multiply_add(normal, load(weight + i), load(bias + i)));
  }
}

// What one step of int8 stands for, so that the largest magnitude is 127 steps.
float int8_step(const float* x, int64_t length) {
  Floats peak = broadcast(0.0f);
  for (int64_t i = 0; i < length; i += kLanes) peak = larger(peak, absolute(load(x + i)));
  const float most = largest(peak);
  constexpr float kLeast = 1e-30f;  // of a row of zeros; its inverse is finite
  return (most > kLeast ? most : kLeast) / 127.0f;
}

// Returns the sum of the values.
int32_t to_int8(const float* x, int64_t length, float step, int8_t* out) {
  const Floats inverse = broadcast(1.0f / step);
  Ints total = zero_ints();
  for (int64_t i = 0; i < length; i += kLanes) {
    const Ints value = to_ints(load(x + i) * inverse);
    total = add(total, value);
    store_int8(out + i, value);
  }
  return sum(total);
}

void put(const float* x, int64_t length, int64_t row, const Inputs& inputs) {
  if (inputs.format != Format::kInt8) {
    __builtin_memcpy(inputs.values + row * length, x, length * sizeof(float));
    return;
  }
  const float step = int8_step(x, length);
  inputs.scales[row] = step;
  inputs.sums[row] = to_int8(x, length, step, inputs.steps + row * length);
}

}  // namespace
