#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
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
  std::string where;
};

// The records of one step, by layer in ascending order: the n-th of a layer is of the n-th
// micro-batch.
struct Step {
  std::int64_t number = -1;
  std::map<std::int64_t, std::vector<LayerRecord>> by_layer;
};

class Lines final : public JsonEvents {
 public:
  Lines(std::string name, std::deque<LayerRecord>& records, ImportSummary& summary)
      : name_(std::move(name)), records_(records), summary_(summary) {}

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
    now_.where = where_;
    records_.push_back(std::move(now_));
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
  std::deque<LayerRecord>& records_;
  ImportSummary& summary_;
  LayerRecord now_;
  std::int64_t* wanted_ = nullptr;
  bool in_indices_ = false, has_indices_ = false;
  int lists_ = 0, objects_ = 0;
  std::int64_t rows_ = 0, width_ = -1, row_ = 0;
};

// A rank's file, a step at a time.
class RankFile {
 public:
  RankFile(const std::filesystem::path& file, ImportSummary& summary)
      : name_(file.string()), lines_(name_, records_, summary), reader_(file, lines_) {}

  const std::string& name() const { return name_; }

  // Throws InputError where steps do not ascend. False where there is none left.
  bool next(Step& step) {
    if (!read()) return false;
    if (records_.front().step < step.number) {
      throw sim::InputError(fmt::format("{}: step {} comes after step {}", records_.front().where,
                                        records_.front().step, step.number));
    }
    step = {records_.front().step, {}};
    while (read() && records_.front().step == step.number) {
      auto& batches = step.by_layer[records_.front().layer];
      batches.push_back(std::move(records_.front()));
      records_.pop_front();
    }
    return true;
  }

 private:
  bool read() {
    while (records_.empty()) {
      if (!reader_.next()) return false;
    }
    return true;
  }

  std::string name_;
  std::deque<LayerRecord> records_;
  Lines lines_;
  JsonEventReader reader_;
};

// Writes steps; all have the layers of the first.
class StepWriter {
 public:
  explicit StepWriter(TokenSink& sink) : sink_(sink) {}

  void add(const Step& step, const std::string& name) {
    const auto& by_layer = step.by_layer;
    const std::string where = fmt::format("{}: step {}", name, step.number);
    if (layers_.empty()) {
      for (const auto& [layer, batches] : by_layer) layers_.push_back(layer);
      sink_.name_layers(layers_);
    }
    const std::size_t batches = by_layer.begin()->second.size();
    for (const std::int64_t layer : layers_) {
      const auto found = by_layer.find(layer);
      if (found == by_layer.end())
        throw sim::InputError(fmt::format("{}: layer {} is missing", where, layer));
      if (found->second.size() != batches) {
        throw sim::InputError(fmt::format("{}: layer {} comes {} times, layer {} {} times", where,
                                          layer, found->second.size(), by_layer.begin()->first,
                                          batches));
      }
    }
    if (by_layer.size() != layers_.size()) {
      throw sim::InputError(fmt::format("{}: has {} layers, those before {}", where,
                                        by_layer.size(), layers_.size()));
    }
    for (std::size_t b = 0; b < batches; ++b) write(step, b, where);
  }

 private:
  void write(const Step& step, std::size_t batch, const std::string& where) {
    const LayerRecord& first = step.by_layer.begin()->second[batch];
    for (const auto& [layer, records] : step.by_layer) {
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
      for (const auto& [layer, records] : step.by_layer) {
        const auto from = records[batch].ids.begin() + static_cast<std::ptrdiff_t>(t * k);
        to = std::copy(from, from + k, to);
      }
      sink_.add(ids, layers, k, {}, {where, t});
    }
    sink_.end_step(static_cast<std::uint32_t>(first.rank));
  }

  TokenSink& sink_;
  std::vector<std::int64_t> layers_;
};

using Layers = std::vector<std::int64_t>;

Layers layers_of(const Step& step) {
  Layers layers;
  for (const auto& [layer, records] : step.by_layer) layers.push_back(layer);
  return layers;
}

// Which files make up the layers of the same tokens: each alone, or with pipeline stages the n-th
// of every stage, in the order given.
std::vector<Files> stages_together(const Files& files) {
  std::vector<std::pair<Layers, Files>> stages;
  for (const auto& file : files) {
    ImportSummary ignored;
    Step first;
    RankFile(file, ignored).next(first);
    const Layers layers = layers_of(first);
    const auto known = std::find_if(stages.begin(), stages.end(),
                                    [&](const auto& stage) { return stage.first == layers; });
    if (known != stages.end()) {
      known->second.push_back(file);
      continue;
    }
    for (const auto& [others, their_files] : stages) {
      Layers both;
      std::set_intersection(layers.begin(), layers.end(), others.begin(), others.end(),
                            std::back_inserter(both));
      if (both.empty()) continue;
      throw sim::InputError(fmt::format(
          "{}: has some of the layers of {} (layer {}), but not the same ones: files hold the same "
          "layers, or those of another pipeline stage",
          file.string(), their_files[0].string(), both[0]));
    }
    stages.push_back({layers, {file}});
  }
  for (const auto& [layers, stage] : stages) {
    if (stage.size() == stages[0].second.size()) continue;
    throw sim::InputError(fmt::format("{}: {} files of its pipeline stage, but {} of that of {}",
                                      stage[0].string(), stage.size(), stages[0].second.size(),
                                      stages[0].second[0].string()));
  }
  std::vector<Files> together(stages.empty() ? 0 : stages[0].second.size());
  for (std::size_t i = 0; i < together.size(); ++i) {
    for (const auto& [layers, stage] : stages) together[i].push_back(stage[i]);
  }
  return together;
}

// Steps of files that are read side by side.
void import_together(const Files& files, StepWriter& writer, ImportSummary& summary) {
  std::vector<std::unique_ptr<RankFile>> ranks;
  for (const auto& file : files) ranks.push_back(std::make_unique<RankFile>(file, summary));
  std::vector<Step> steps(ranks.size());
  while (ranks[0]->next(steps[0])) {
    for (std::size_t r = 1; r < ranks.size(); ++r) {
      if (!ranks[r]->next(steps[r]) || steps[r].number != steps[0].number) {
        throw sim::InputError(fmt::format("{}: has no step {}, but {} does", ranks[r]->name(),
                                          steps[0].number, ranks[0]->name()));
      }
      steps[0].by_layer.merge(steps[r].by_layer);
    }
    writer.add(steps[0], ranks[0]->name());
  }
  for (std::size_t r = 1; r < ranks.size(); ++r) {
    if (ranks[r]->next(steps[r])) {
      throw sim::InputError(fmt::format("{}: has a step {}, but {} ended before", ranks[r]->name(),
                                        steps[r].number, ranks[0]->name()));
    }
  }
}

}  // namespace

ImportSummary import_megatron(const Files& files, const std::filesystem::path& out,
                              const ImportOptions& options) {
  TokenSink sink(out, options, "megatron");
  ImportSummary summary;
  StepWriter writer(sink);
  for (const Files& together : stages_together(files)) import_together(together, writer, summary);
  sink.close();
  summary.tokens = sink.tokens();
  return summary;
}

}  // namespace moesim::workloads
