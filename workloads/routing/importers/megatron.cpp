#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include "sim/error.h"
#include "workloads/routing/importers/megatron_file.h"
#include "workloads/routing/importers/token_sink.h"

namespace moesim::workloads {
namespace {

// Writes steps; all have the layers of the first.
class StepWriter {
 public:
  explicit StepWriter(TokenSink& sink) : sink_(sink) {}

  void add(const MegatronStep& step, const std::string& name) {
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
  void write(const MegatronStep& step, std::size_t batch, const std::string& where) {
    const MegatronRecord& first = step.by_layer.begin()->second[batch];
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

Layers layers_of(const MegatronStep& step) {
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
    MegatronStep first;
    MegatronFile(file, ignored).next(first);
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
  std::vector<std::unique_ptr<MegatronFile>> ranks;
  for (const auto& file : files) ranks.push_back(std::make_unique<MegatronFile>(file, summary));
  std::vector<MegatronStep> steps(ranks.size());
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
  sink.close(summary, files);
  return summary;
}

}  // namespace moesim::workloads
