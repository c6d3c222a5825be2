#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "sim/error.h"
#include "workloads/routing/importers/json_events.h"
#include "workloads/routing/importers/token_sink.h"

namespace moesim::workloads {
namespace {

// One line: the choices of some tokens in one layer.
struct LayerRecord {
  std::int64_t step = -1, layer = -1, rank = 0, tokens = -1, top_k = -1;
  bool is_prediction = false;  // multi-token prediction: "mtp_idx"
  std::vector<std::int32_t> ids;
};

// The n-th time that a layer comes in a step is the n-th micro-batch: its layers make up its
// tokens.
class Steps {
 public:
  Steps(std::string name, TokenSink& sink, std::vector<std::int64_t>& layers)
      : name_(std::move(name)), sink_(sink), layers_(layers) {}

  void add(LayerRecord record, const std::string& where) {
    if (record.step != step_) {
      flush();
      if (record.step < step_) {
        throw sim::InputError(
            fmt::format("{}: step {} comes after step {}", where, record.step, step_));
      }
      step_ = record.step;
    }
    auto& batches = by_layer_[record.layer];
    batches.push_back(std::move(record));
  }

  void flush() {
    if (by_layer_.empty()) return;
    const std::string where = fmt::format("{}: step {}", name_, step_);
    if (layers_.empty()) {
      for (const auto& [layer, batches] : by_layer_) layers_.push_back(layer);
      sink_.name_layers(layers_);
    }
    const std::size_t batches = by_layer_.begin()->second.size();
    for (const std::int64_t layer : layers_) {
      const auto found = by_layer_.find(layer);
      if (found == by_layer_.end())
        throw sim::InputError(fmt::format("{}: layer {} is missing", where, layer));
      if (found->second.size() != batches) {
        throw sim::InputError(fmt::format("{}: layer {} comes {} times, layer {} {} times", where,
                                          layer, found->second.size(), by_layer_.begin()->first,
                                          batches));
      }
    }
    if (by_layer_.size() != layers_.size()) {
      throw sim::InputError(fmt::format("{}: has {} layers, those before {}", where,
                                        by_layer_.size(), layers_.size()));
    }
    for (std::size_t b = 0; b < batches; ++b) write(b, where);
    by_layer_.clear();
  }

 private:
  void write(std::size_t batch, const std::string& where) {
    const LayerRecord& first = by_layer_.begin()->second[batch];
    for (const auto& [layer, records] : by_layer_) {
      if (records[batch].tokens != first.tokens || records[batch].top_k != first.top_k) {
        throw sim::InputError(fmt::format(
            "{}: layer {} has {} tokens of {} choices, layer {} {} of {}", where, layer,
            records[batch].tokens, records[batch].top_k, first.layer, first.tokens, first.top_k));
      }
    }
    const auto k = static_cast<std::uint32_t>(first.top_k);
    const auto layers = static_cast<std::uint32_t>(layers_.size());
    std::vector<std::int32_t> ids(std::size_t{layers} * k);
    sink_.begin_request();
    for (std::uint64_t t = 0; t < static_cast<std::uint64_t>(first.tokens); ++t) {
      auto to = ids.begin();
      for (const auto& [layer, records] : by_layer_) {
        const auto from = records[batch].ids.begin() + static_cast<std::ptrdiff_t>(t * k);
        to = std::copy(from, from + k, to);
      }
      sink_.add(ids, layers, k, {}, {where, t});
    }
    sink_.end_step(static_cast<std::uint32_t>(first.rank));
  }

  std::string name_;
  TokenSink& sink_;
  std::vector<std::int64_t>& layers_;  // of the first step; the others must have the same
  std::int64_t step_ = -1;
  std::map<std::int64_t, std::vector<LayerRecord>> by_layer_;
};

class Lines final : public JsonEvents {
 public:
  Lines(std::string name, Steps& steps, ImportSummary& summary)
      : name_(std::move(name)), steps_(steps), summary_(summary) {}

  void begin_record(std::uint64_t record) override {
    where_ = fmt::format("{}: record {}", name_, record);
    now_ = {};
    has_indices_ = false;
  }
  void end_record() override {
    if (!has_indices_ || now_.is_prediction) {
      ++summary_.skipped;
      return;
    }
    if (now_.step < 0 || now_.layer < 0) fail("step or layer is missing");
    if (now_.rank < 0 || now_.rank > 65'535) fail(fmt::format("rank {} is none", now_.rank));
    if (now_.top_k < 0) now_.top_k = width_;
    if (now_.tokens < 0) now_.tokens = rows_;
    if (rows_ != now_.tokens || (rows_ > 0 && width_ != now_.top_k) || now_.top_k <= 0) {
      fail(fmt::format("top_indices is {} x {}, but num_tokens is {} and topk {}", rows_,
                       std::max<std::int64_t>(width_, 0), now_.tokens, now_.top_k));
    }
    ++summary_.records;
    steps_.add(std::move(now_), where_);
  }
  void key(const std::string& name) override {
    wanted_ = nullptr;
    in_indices_ = false;
    if (objects_ > 0) return;
    if (name == "step") wanted_ = &now_.step;
    if (name == "layer") wanted_ = &now_.layer;
    if (name == "rank") wanted_ = &now_.rank;
    if (name == "num_tokens") wanted_ = &now_.tokens;
    if (name == "topk") wanted_ = &now_.top_k;
    if (name == "mtp_idx") now_.is_prediction = true;
    if (name == "top_indices") {
      in_indices_ = has_indices_ = true;
      rows_ = 0;
      width_ = -1;
    }
  }
  void integer(std::int64_t value) override {
    if (wanted_ != nullptr) *std::exchange(wanted_, nullptr) = value;
    if (!in_indices_) return;
    if (lists_ != 2) fail("top_indices: a number where a list of experts belongs");
    if (value < INT32_MIN || value > INT32_MAX)
      fail(fmt::format("top_indices: {} is no expert", value));
    now_.ids.push_back(static_cast<std::int32_t>(value));
    ++row_;
  }
  void text(std::string&) override { refuse(); }
  void other() override { refuse(); }
  void begin_list() override {
    ++lists_;
    if (in_indices_ && lists_ > 2) fail("top_indices: nested deeper than [tokens][topk]");
    if (in_indices_ && lists_ == 2) row_ = 0;
  }
  void end_list() override {
    if (in_indices_ && lists_ == 2) {
      if (width_ < 0) width_ = row_;
      if (row_ != width_)
        fail(fmt::format("top_indices: token {} has {} choices, those before {}", rows_, row_,
                         width_));
      ++rows_;
    }
    if (--lists_ == 0) in_indices_ = false;
  }
  void begin_object() override {
    ++objects_;
    refuse();
  }
  void end_object() override { --objects_; }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw sim::InputError(fmt::format("{}: {}", where_, what));
  }
  void refuse() {
    if (in_indices_) fail("top_indices: expected lists of experts");
    if (wanted_ != nullptr) fail("expected a whole number");
  }

  std::string name_, where_;
  Steps& steps_;
  ImportSummary& summary_;
  LayerRecord now_;
  std::int64_t* wanted_ = nullptr;
  bool in_indices_ = false, has_indices_ = false;
  int lists_ = 0, objects_ = 0;
  std::int64_t rows_ = 0, width_ = -1, row_ = 0;
};

}  // namespace

ImportSummary import_megatron(const Files& files, const std::filesystem::path& out,
                              const ImportOptions& options) {
  TokenSink sink(out, options, "megatron");
  ImportSummary summary;
  std::vector<std::int64_t> layers;
  for (const auto& file : files) {
    Steps steps(file.string(), sink, layers);
    Lines lines(file.string(), steps, summary);
    read_json_events(file, lines);
    steps.flush();
  }
  sink.close();
  summary.tokens = sink.tokens();
  return summary;
}

}  // namespace moesim::workloads
