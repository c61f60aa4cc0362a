// The decode step: columns of tokens go in, scores of the next tokens come out.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.h"
#include "model.h"
#include "thread_team.h"

namespace continuo {

constexpr int64_t kRowsPerColumn = 2;

// Computes in `kernels`' instructions on `num_threads` threads. One object is for one thread at a
// time; objects share nothing.
class DecodeStep {
 public:
  DecodeStep(const Model& model, const Kernels& kernels, int64_t num_threads, int64_t max_columns);

  // Write the keys and values of the columns into their memories and the scores that follow the last
  // `num_scored` of them to `logits` [num_scored, 2, num_codebooks, codebook_size].
  //
  // Columns of several sequences are a decode step, and consecutive ones of a single sequence a
  // prefill: every column's key is there before any column looks, and it looks at its own position
  // and those before. So a prefill is, to the bit, what the same columns give one by one.
  void run(const Column* columns, int64_t num_columns, int64_t num_scored, float* logits);

  // Write the keys and values of a text, once for all steps: of its positions from `first_position`
  // on, whose `states` are [num_positions, dim], at most two of them for each of `max_columns`.
  void remember_text(const float* states, int64_t first_position, int64_t num_positions,
                     const Memory& text);

 private:
  struct Call;  // what the members of the team work on
  struct TextCall;
  class Member;
  struct Scratch {  // what a member writes and nobody else reads
    std::vector<float> normal;   // a row, its norm or its place, [dim]
    std::vector<float> outputs;  // three blocks of outputs, [3, max_rows, 64]
    std::vector<float> scores;   // of a query with all positions
  };

  int64_t inputs_size(bool needed) const;
  void allow_positions(int64_t num_positions);

  const Model model_;
  const std::vector<Layer> layers_;
  const Kernels& kernels_;
  const int64_t max_rows_;
  const int64_t padded_feed_dim_;
  std::vector<float> periods_;  // [dim / 2]
  std::vector<float> states_;   // the residual stream, [max_rows, dim]
  std::vector<float> mixed_;    // what attention found, [max_rows, dim]
  std::vector<float> hidden_;   // inside the feed-forward layer, [max_rows, padded_feed_dim]
  std::vector<float> input_values_;
  std::vector<int8_t> input_steps_;
  std::vector<float> input_scales_;
  std::vector<int32_t> input_sums_;
  Inputs inputs_;  // of the next linear map, in one of the two forms
  std::vector<Scratch> scratch_;
  ThreadTeam team_;  // last: its threads must end before what they use
};

}  // namespace continuo
