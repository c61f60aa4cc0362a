// The C interface: what library.py calls by ctypes.
//
// Structures are those of model.h, member for member. Sizes are checked on the Python side, where
// the arrays are known; no exception may cross into it.
#include <cstdint>
#include <exception>

#include "decode_step.h"
#include "kernels.h"
#include "model.h"

using continuo::Column;
using continuo::DecodeStep;
using continuo::Format;
using continuo::Kernels;
using continuo::Memory;
using continuo::Model;

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

template <class Work>
bool succeeds(Work work) {
  try {
    work();
    return true;
  } catch (const std::exception&) {  // no memory, or no more threads
    return false;
  }
}

}  // namespace

// What the library was compiled from, to tell one that is out of date.
EXPORTED const char* continuo_sources() { return CONTINUO_SOURCES; }

// Null where this CPU lacks the instructions.
EXPORTED const Kernels* continuo_avx512_kernels() {
  const bool runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vnni");
  return runs ? &continuo::kAvx512Kernels : nullptr;
}

EXPORTED const Kernels* continuo_avx2_kernels() {
  const bool runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return runs ? &continuo::kAvx2Kernels : nullptr;
}

// Of one head.
EXPORTED int64_t continuo_bytes_per_position(int64_t format) {
  return continuo::bytes_per_position(static_cast<Format>(format));
}

// Null if memory or threads ran out.
EXPORTED DecodeStep* continuo_create(const Model* model, const Kernels* kernels,
                                     int64_t num_threads, int64_t max_columns) {
  DecodeStep* step = nullptr;
  succeeds([&] { step = new DecodeStep(*model, *kernels, num_threads, max_columns); });
  return step;
}

EXPORTED void continuo_free(DecodeStep* step) { delete step; }

// These two are false if memory ran out.
EXPORTED bool continuo_run(DecodeStep* step, const Column* columns, int64_t num_columns,
                           int64_t num_scored, float* logits) {
  return succeeds([&] { step->run(columns, num_columns, num_scored, logits); });
}

EXPORTED bool continuo_remember_text(DecodeStep* step, const float* states, int64_t first_position,
                                     int64_t num_positions, const Memory* text) {
  return succeeds([&] { step->remember_text(states, first_position, num_positions, *text); });
}
