// The weights of a language model and what one call works on, as they come over the C interface.
//
// Nothing here is owned. Copet et al. (2023): pre-norm blocks of causal self-attention,
// cross-attention to a text and a feed-forward layer; no biases but in the norms.
#pragma once

#include <cstdint>

#include "kernels.h"

namespace continuo {

struct Norm {
  const float *weight, *bias;  // [dim]
};

// A model that hears melodies has no cross-attention: what belongs to it is null.
//
// A linear map of n inputs to m outputs has packed weights of n and m rounded up to 64, the excess
// being zeros.
struct Layer {
  Norm norm1;
  Linear query_key_value;  // dim → 3 dim: of each head its query, key and value, one stream
  Linear out;              // dim → dim
  Norm norm_cross;
  Linear text_query;      // dim → dim
  Linear text_key_value;  // dim → 2 dim
  Linear text_out;        // dim → dim
  Norm norm2;
  Linear feed_in;   // dim → feed_dim
  Linear feed_out;  // feed_dim → dim
};

struct Model {
  int64_t dim;  // num_heads · 64
  int64_t num_heads;
  int64_t num_layers;
  int64_t feed_dim;
  int64_t num_codebooks;
  int64_t codebook_size;
  Format format;            // of the weights of linear maps
  const float* embeddings;  // [num_codebooks, codebook_size + 1, dim]
  const Layer* layers;
  Norm norm;
  Linear heads;  // dim → num_codebooks · codebook_size
};

// A position of a sequence: its tokens, one of each codebook, or what stands before all tokens, and
// what it looks at. It is two rows, one that sees the text and one that does not; `memory` has two
// rows too, and `text` one.
struct Column {
  const int64_t* tokens;  // [num_codebooks], null where there is
  const float* vectors;   // [2, dim]
  int64_t position;
  Memory memory;
  Memory text;
  int64_t num_text_positions;  // 0: no text
};

}  // namespace continuo
