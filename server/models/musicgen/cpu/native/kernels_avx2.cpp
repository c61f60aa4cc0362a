// The kernels in AVX2. The order of the includes matters: words first, then what they say.
#include "simd_avx2.h"

#include "kernels_in_lanes.h"

const continuo::Kernels continuo::kAvx2Kernels = kKernels;
