// The vocabulary of the kernels, sixteen lanes at a time, in AVX-512 with VNNI.
//
// simd_avx2.h says the same words for older CPUs. All of it is in an unnamed namespace: nothing
// compiled for these instructions may be linked into code that runs without them.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

using Floats = __m512;  // + - * are the compiler's
using Ints = __m512i;
using Bytes = __m512i;

// How many rows × vectors of outputs a product keeps in registers, by the rows still to do.
constexpr int kVectorsOfEightRows = 2;
constexpr int kVectorsOfFourRows = 4;
constexpr int kVectorsOfTwoRows = 4;
constexpr int kVectorsOfOneRow = 4;

inline Floats broadcast(float x) { return _mm512_set1_ps(x); }
inline Floats load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats rounded(Floats x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT); }
inline Floats absolute(Floats x) { return _mm512_abs_ps(x); }
inline float sum(Floats x) { return _mm512_reduce_add_ps(x); }
inline float largest(Floats x) { return _mm512_reduce_max_ps(x); }

// `magnitude`, which is not negative, with the sign of `sign`.
inline Floats with_sign_of(Floats magnitude, Floats sign) {
  const __m512i bit = _mm512_and_si512(_mm512_castps_si512(sign), _mm512_set1_epi32(INT32_MIN));
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(magnitude), bit));
}

// x · 2^n for whole numbers n ≥ -126.
inline Floats times_power_of_two(Floats x, Floats n) { return _mm512_scalef_ps(x, n); }

// The first `count` lanes of `x`, then `rest`.
inline Floats first_lanes(Floats x, int count, Floats rest) {
  return _mm512_mask_mov_ps(rest, static_cast<__mmask16>((1u << count) - 1), x);
}

inline Ints to_ints(Floats x) { return _mm512_cvtps_epi32(x); }  // to the nearest, ties to even
inline Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }
inline Ints zero_ints() { return _mm512_setzero_si512(); }
inline Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
inline int32_t sum(Ints x) { return _mm512_reduce_add_epi32(x); }

inline Floats load_int8(const int8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}
inline void store_int8(int8_t* p, Ints x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(x));
}
inline Floats load_bf16(const uint16_t* p) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

inline Bytes load_bytes(const uint8_t* p) { return _mm512_loadu_si512(p); }

// Bytes b stand for b - 128. The instruction multiplies them as they are, so a sum of products
// starts at -128 times the sum of the other factors.
inline Ints dot_start(int32_t sum_of_factors) { return _mm512_set1_epi32(-128 * sum_of_factors); }

// Adds to each lane the products of its four bytes with the same four int8 factors.
inline Ints dot(Ints total, Bytes bytes, const int8_t* four_factors) {
  int32_t factors;
  __builtin_memcpy(&factors, four_factors, sizeof factors);
  return _mm512_dpbusd_epi32(total, bytes, _mm512_set1_epi32(factors));
}

}  // namespace
