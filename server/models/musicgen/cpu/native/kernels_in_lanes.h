// The kernels, written once in the words of simd_avx512.h or simd_avx2.h: include one of these first.
//
// No template or inline function of the standard library is used in them: the linker keeps one copy
// of such, and it could be the one that an older CPU cannot run.
#pragma once

#include "arithmetic_in_lanes.h"
#include "attention_in_lanes.h"
#include "linear_in_lanes.h"

namespace {

constexpr continuo::Kernels kKernels = {layer_norm, put,      linear_block,
                                        gelu,       remember, attend};

}  // namespace
