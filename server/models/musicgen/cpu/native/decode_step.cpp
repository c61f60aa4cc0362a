#include "decode_step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace continuo {

namespace {

constexpr double kLongestPeriod = 10000.0;  // of the sinusoids (Vaswani et al., 2017)

int64_t round_up(int64_t n) { return (n + kBlock - 1) / kBlock * kBlock; }

// Cosines, then sines, with 1 / periods from 1 to 1 / 10000 in geometric steps.
std::vector<float> periods_of(int64_t dim) {
  const int64_t half = dim / 2;
  std::vector<float> periods(half);
  for (int64_t i = 0; i < half; ++i)
    periods[i] = static_cast<float>(std::pow(kLongestPeriod, double(i) / double(half - 1)));
  return periods;
}

}  // namespace

struct DecodeStep::Call {
  const Column* columns;
  int64_t num_columns;
  int64_t num_scored;
  float* logits;
  std::vector<int64_t> rows_with_text;

  int64_t num_rows() const { return kRowsPerColumn * num_columns; }
  const Column& column_of(int64_t row) const { return columns[row / kRowsPerColumn]; }
};

struct DecodeStep::TextCall {
  const float* states;
  int64_t first_position;
  int64_t num_positions;
  Memory text;
};

// One member's share of a call. Work is divided by rows or by blocks of outputs, with a barrier
// wherever the next thing needs what others have made.
class DecodeStep::Member {
 public:
  Member(DecodeStep& step, int64_t index)
      : step_(step),
        model_(step.model_),
        kernels_(step.kernels_),
        scratch_(step.scratch_[index]),
        index_(index) {}

  void run(const Call& call) {
    embed(call);
    for (int64_t index = 0; index < model_.num_layers; ++index) {
      const Layer& layer = step_.layers_[index];
      look_back(call, index, layer);
      if (!call.rows_with_text.empty()) look_at_text(call, index, layer);
      feed_forward(call, layer);
    }
    score(call);
  }

  void remember(const TextCall& call) {
    const int64_t dim = model_.dim, num_rows = call.num_positions;
    put_each(num_rows, dim, [&](int64_t row) { return call.states + row * dim; });
    for_share(model_.num_layers * model_.num_heads, [&](int64_t index) {
      const int64_t head = index % model_.num_heads;
      const Linear& linear = step_.layers_[index / model_.num_heads].text_key_value;
      const float* keys = outputs_of(linear, head, dim, num_rows, 0);
      const float* values = outputs_of(linear, model_.num_heads + head, dim, num_rows, 1);
      const Memory memory = head_of(call.text, index);
      for (int64_t row = 0; row < num_rows; ++row)
        kernels_.remember(memory, call.first_position + row, keys + row * kBlock,
                          values + row * kBlock);
    });
  }

 private:
  // Calls `work` with this member's part of 0 … count - 1.
  template <class Work>
  void for_share(int64_t count, Work work) const {
    const int64_t size = step_.team_.size();
    for (int64_t i = count * index_ / size; i < count * (index_ + 1) / size; ++i) work(i);
  }

  void embed(const Call& call) {
    for_share(call.num_columns, [&](int64_t index) {
      const Column& column = call.columns[index];
      const float* place = sinusoids_of(column.position);
      for (int64_t row = 0; row < kRowsPerColumn; ++row) {
        float* state = state_of(kRowsPerColumn * index + row);
        if (column.tokens != nullptr)
          embed_tokens(column.tokens, state);
        else
          std::memcpy(state, column.vectors + row * model_.dim, model_.dim * sizeof(float));
        for (int64_t i = 0; i < model_.dim; ++i) state[i] += place[i];
      }
    });
    step_.team_.barrier();
  }

  void embed_tokens(const int64_t* tokens, float* state) {
    std::fill_n(state, model_.dim, 0.0f);
    for (int64_t k = 0; k < model_.num_codebooks; ++k) {
      const int64_t token = k * (model_.codebook_size + 1) + tokens[k];
      const float* embedding = model_.embeddings + token * model_.dim;
      for (int64_t i = 0; i < model_.dim; ++i) state[i] += embedding[i];
    }
  }

  const float* sinusoids_of(int64_t position) {
    const int64_t half = model_.dim / 2;
    float* place = scratch_.normal.data();
    for (int64_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(position) / step_.periods_[i];
      place[i] = std::cos(angle);
      place[half + i] = std::sin(angle);
    }
    return place;
  }

  void look_back(const Call& call, int64_t layer_index, const Layer& layer) {
    const int64_t num_rows = call.num_rows();
    normalize_each(layer.norm1, num_rows, [](int64_t row) { return row; });
    const int64_t num_heads = model_.num_heads;
    for_share(num_heads, [&](int64_t head) {
      const Linear& linear = layer.query_key_value;
      const float* queries = outputs_of(linear, 3 * head, model_.dim, num_rows, 0);
      const float* keys = outputs_of(linear, 3 * head + 1, model_.dim, num_rows, 1);
      const float* values = outputs_of(linear, 3 * head + 2, model_.dim, num_rows, 2);
      const auto memory_of = [&](int64_t row) {
        const int64_t memory_row = layer_index * kRowsPerColumn + row % kRowsPerColumn;
        return head_of(call.column_of(row).memory, memory_row * num_heads + head);
      };
      for (int64_t row = 0; row < num_rows; ++row)
        kernels_.remember(memory_of(row), call.column_of(row).position, keys + row * kBlock,
                          values + row * kBlock);
      for (int64_t row = 0; row < num_rows; ++row)
        kernels_.attend(memory_of(row), queries + row * kBlock, call.column_of(row).position + 1,
                        scratch_.scores.data(), mixed_of(row) + head * kHeadDim);
    });
    step_.team_.barrier();
    put_each(num_rows, model_.dim, [&](int64_t row) { return mixed_of(row); });
    add_outputs(layer.out, model_.dim, num_rows, [](int64_t row) { return row; });
  }

  // Rows that see no text would get exactly nothing: they are left out.
  void look_at_text(const Call& call, int64_t layer_index, const Layer& layer) {
    const std::vector<int64_t>& rows = call.rows_with_text;
    const int64_t num_rows = static_cast<int64_t>(rows.size());
    const auto row_of = [&](int64_t i) { return rows[i]; };
    normalize_each(layer.norm_cross, num_rows, row_of);
    for_share(model_.num_heads, [&](int64_t head) {
      const float* queries = outputs_of(layer.text_query, head, model_.dim, num_rows, 0);
      for (int64_t i = 0; i < num_rows; ++i) {
        const Column& column = call.column_of(rows[i]);
        const Memory memory = head_of(column.text, layer_index * model_.num_heads + head);
        kernels_.attend(memory, queries + i * kBlock, column.num_text_positions,
                        scratch_.scores.data(), mixed_of(i) + head * kHeadDim);
      }
    });
    step_.team_.barrier();
    put_each(num_rows, model_.dim, [&](int64_t i) { return mixed_of(i); });
    add_outputs(layer.text_out, model_.dim, num_rows, row_of);
  }

  void feed_forward(const Call& call, const Layer& layer) {
    const int64_t num_rows = call.num_rows(), feed_dim = step_.padded_feed_dim_;
    const auto hidden_of = [&](int64_t row) { return step_.hidden_.data() + row * feed_dim; };
    normalize_each(layer.norm2, num_rows, [](int64_t row) { return row; });
    for_share(feed_dim / kBlock, [&](int64_t block) {
      float* outputs = outputs_of(layer.feed_in, block, model_.dim, num_rows, 0);
      kernels_.gelu(outputs, num_rows * kBlock);
      for (int64_t row = 0; row < num_rows; ++row)
        std::memcpy(hidden_of(row) + block * kBlock, outputs + row * kBlock,
                    kBlock * sizeof(float));
    });
    step_.team_.barrier();
    put_each(num_rows, feed_dim, hidden_of);
    add_outputs(layer.feed_out, feed_dim, num_rows, [](int64_t row) { return row; });
  }

  void score(const Call& call) {
    const int64_t first_row = kRowsPerColumn * (call.num_columns - call.num_scored);
    const int64_t num_rows = kRowsPerColumn * call.num_scored;
    const int64_t num_outputs = model_.num_codebooks * model_.codebook_size;
    normalize_each(model_.norm, num_rows, [&](int64_t i) { return first_row + i; });
    for_share(round_up(num_outputs) / kBlock, [&](int64_t block) {
      const float* outputs = outputs_of(model_.heads, block, model_.dim, num_rows, 0);
      const int64_t first = block * kBlock, count = std::min(kBlock, num_outputs - first);
      for (int64_t i = 0; i < num_rows; ++i)
        std::memcpy(call.logits + i * num_outputs + first, outputs + i * kBlock,
                    count * sizeof(float));
    });
  }

  // The normed states of the rows row_of(0), row_of(1) … become the next linear map's input.
  template <class RowOf>
  void normalize_each(const Norm& norm, int64_t num_rows, RowOf row_of) {
    put_each(num_rows, model_.dim, [&](int64_t i) {
      float* normal = scratch_.normal.data();
      kernels_.layer_norm(state_of(row_of(i)), norm.weight, norm.bias, model_.dim, normal);
      return normal;
    });
  }

  template <class InputOf>
  void put_each(int64_t num_rows, int64_t length, InputOf input_of) {
    for_share(num_rows, [&](int64_t i) {
      kernels_.put(input_of(i), length, i, step_.inputs_);
    });
    step_.team_.barrier();
  }

  // To the states of the rows row_of(0), row_of(1) …
  template <class RowOf>
  void add_outputs(const Linear& linear, int64_t depth, int64_t num_rows, RowOf row_of) {
    for_share(model_.dim / kBlock, [&](int64_t block) {
      const float* outputs = outputs_of(linear, block, depth, num_rows, 0);
      for (int64_t i = 0; i < num_rows; ++i) {
        float* state = state_of(row_of(i)) + block * kBlock;
        for (int64_t j = 0; j < kBlock; ++j) state[j] += outputs[i * kBlock + j];
      }
    });
    step_.team_.barrier();
  }

  // 64 outputs of all rows, [num_rows, 64], in one of the three places for such.
  float* outputs_of(const Linear& linear, int64_t block, int64_t depth, int64_t num_rows,
                    int64_t place) {
    float* outputs = scratch_.outputs.data() + place * step_.max_rows_ * kBlock;
    kernels_.linear_block(linear, block, depth, step_.inputs_, num_rows, outputs);
    return outputs;
  }

  float* state_of(int64_t row) { return step_.states_.data() + row * model_.dim; }
  float* mixed_of(int64_t row) { return step_.mixed_.data() + row * model_.dim; }

  DecodeStep& step_;
  const Model& model_;
  const Kernels& kernels_;
  Scratch& scratch_;
  const int64_t index_;
};

DecodeStep::DecodeStep(const Model& model, const Kernels& kernels, int64_t num_threads,
                       int64_t max_columns)
    : model_(model),
      layers_(model.layers, model.layers + model.num_layers),
      kernels_(kernels),
      max_rows_(kRowsPerColumn * max_columns),
      padded_feed_dim_(round_up(model.feed_dim)),
      periods_(periods_of(model.dim)),
      states_(max_rows_ * model.dim),
      mixed_(max_rows_ * model.dim),
      hidden_(max_rows_ * padded_feed_dim_),
      input_values_(inputs_size(model.format != Format::kInt8)),
      input_steps_(inputs_size(model.format == Format::kInt8)),
      input_scales_(max_rows_),
      input_sums_(max_rows_),
      inputs_{model.format, input_values_.data(), input_steps_.data(), input_scales_.data(),
              input_sums_.data()},
      scratch_(num_threads),
      team_(num_threads) {
  for (Scratch& scratch : scratch_) {
    scratch.normal.resize(model.dim);
    scratch.outputs.resize(3 * max_rows_ * kBlock);
  }
}

void DecodeStep::run(const Column* columns, int64_t num_columns, int64_t num_scored,
                     float* logits) {
  Call call{columns, num_columns, num_scored, logits, {}};
  for (int64_t i = 0; i < num_columns; ++i) {
    allow_positions(std::max(columns[i].position + 1, columns[i].num_text_positions));
    if (columns[i].num_text_positions > 0) call.rows_with_text.push_back(kRowsPerColumn * i);
  }
  team_.run([&](int64_t index) { Member(*this, index).run(call); });
}

void DecodeStep::remember_text(const float* states, int64_t first_position, int64_t num_positions,
                               const Memory& text) {
  const TextCall call{states, first_position, num_positions, text};
  team_.run([&](int64_t index) { Member(*this, index).remember(call); });
}

int64_t DecodeStep::inputs_size(bool needed) const {
  return needed ? max_rows_ * std::max(model_.dim, padded_feed_dim_) : 0;
}

void DecodeStep::allow_positions(int64_t num_positions) {
  const size_t needed = static_cast<size_t>(num_positions + kLanes);
  for (Scratch& scratch : scratch_)
    if (scratch.scores.size() < needed) scratch.scores.resize(needed);
}

}  // namespace continuo
