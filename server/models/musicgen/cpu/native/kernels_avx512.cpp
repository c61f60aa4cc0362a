// The kernels in AVX-512 with VNNI. The order of the includes matters: words first, then what they say.
#include "simd_avx512.h"

#include "kernels_in_lanes.h"

const continuo::Kernels continuo::kAvx512Kernels = kKernels;
