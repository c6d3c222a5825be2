#include "workloads/routing/trace/trace_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "sim/check.h"
#include "sim/error.h"
#include "workloads/routing/counter_random.h"
#include "workloads/routing/laws/load_source.h"
#include "workloads/routing/trace/layer_ids.h"
#include "workloads/routing/trace/missing.h"
#include "workloads/routing/trace/token_rows.h"
#include "workloads/routing/trace/trace_cache.h"

namespace moesim::workloads {
namespace {

// Selections that are kept unpacked: a trace up to this size of which all is needed is read once,
// another a step at a time.
constexpr std::uint64_t kKept = std::uint64_t{1} << 25;
// Rows of tokens that are kept for steps that are asked for in turn.
constexpr std::uint64_t kRowsKept = std::uint64_t{1} << 22;

class TraceSource final : public RoutingSource {
 public:
  TraceSource(RoutingTrace trace, std::vector<RequestRun> runs, const RoutingTarget& target,
              const TraceMapping& mapping, std::string description)
      : info_(trace.info()),
        trace_(std::move(trace)),
        target_(target),
        mapping_(mapping),
        rows_(info_, std::move(runs), mapping, target.tokens_per_step, target.seed),
        description_(std::move(description)) {
    whole_ = info_.tokens <= kKept / (std::uint64_t{info_.layers} * info_.top_k) &&
             info_.tokens <= std::uint64_t{target.tokens_per_step} * target.steps;
  }
  TraceSource(std::shared_ptr<const UnpackedTrace> unpacked, const RoutingTarget& target,
              const TraceMapping& mapping, std::string description)
      : info_(unpacked->info),
        unpacked_(std::move(unpacked)),
        target_(target),
        mapping_(mapping),
        rows_(info_, unpacked_->runs, mapping, target.tokens_per_step, target.seed),
        description_(std::move(description)),
        whole_(true) {}

  std::uint32_t layers() const override { return target_.layers; }
  std::uint32_t experts() const override { return target_.experts; }
  std::uint32_t top_k() const override { return target_.top_k; }
  std::uint32_t tokens_per_step() const override { return target_.tokens_per_step; }
  std::string description() const override { return description_; }

  void route(const RoutingRange& range, LayerRouting& out) override { copy(view(range, out), out); }

  RoutingView view(const RoutingRange& range, LayerRouting&) override {
    SIM_CHECK(range.layer < target_.layers, "the layer is one of the model's");
    SIM_CHECK(range.first + range.count <= target_.tokens_per_step, "the tokens are the step's");
    if (!loaded_ || step_ != range.step) load(range.step);
    const std::vector<std::uint32_t>& index = indices_.at(range.step);
    RoutingView view;
    view.tokens = range.count;
    view.top_k = target_.top_k;
    view.experts = target_.experts;
    const std::uint32_t layer = trace_layer(range.layer);
    view.ids = unpacked_ ? unpacked_->layer(layer) : ids_.layer(layer);
    view.rows = index.data() + range.first;
    if (whole_) view.kept = static_cast<std::uint32_t>(info_.tokens);
    return view;
  }

 private:
  std::uint32_t trace_layer(std::uint32_t layer) const {
    const std::uint32_t layers = info_.layers;
    if (mapping_.layers == LayerMapping::Stretch) {
      return static_cast<std::uint32_t>(std::uint64_t{layer} * layers / target_.layers);
    }
    return layer % layers;
  }

  void load(std::uint32_t step) {
    step_ = step;
    if (!whole_ || (indices_.size() + 1) * target_.tokens_per_step > kRowsKept) indices_.clear();
    const auto [found, is_new] = indices_.try_emplace(step);
    std::vector<std::uint32_t>& index = found->second;
    if (!is_new) return;
    std::vector<std::uint64_t> rows;
    rows_.of_step(step, rows);
    index.resize(rows.size());
    if (whole_) {
      if (!loaded_ && !unpacked_) {
        ids_.start(*trace_, info_.tokens);
        ids_.read(*trace_, 0, info_.tokens, 0);
      }
      for (std::size_t i = 0; i < rows.size(); ++i) index[i] = static_cast<std::uint32_t>(rows[i]);
    } else {
      // Every row that is needed once, in the file's order; rows that lie close are read together.
      std::vector<std::uint64_t> needed = rows;
      std::sort(needed.begin(), needed.end());
      needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
      ids_.start(*trace_, needed.size());
      for (std::size_t i = 0; i < needed.size();) {
        std::size_t j = i + 1;
        while (j < needed.size() && needed[j] == needed[j - 1] + 1) ++j;
        ids_.read(*trace_, needed[i], j - i, i);
        i = j;
      }
      for (std::size_t i = 0; i < rows.size(); ++i) {
        index[i] = static_cast<std::uint32_t>(
            std::lower_bound(needed.begin(), needed.end(), rows[i]) - needed.begin());
      }
    }
    loaded_ = true;
  }

  TraceInfo info_;
  std::optional<RoutingTrace> trace_;              // that rows are read from,
  std::shared_ptr<const UnpackedTrace> unpacked_;  // where they do not lie here
  RoutingTarget target_;
  TraceMapping mapping_;
  TokenRows rows_;
  std::string description_;
  bool whole_ = false;
  bool loaded_ = false;
  std::uint32_t step_ = 0;
  LayerIds ids_;
  // By step, of each token: its place in ids_. Of one step where not all lie there.
  std::map<std::uint32_t, std::vector<std::uint32_t>> indices_;
};

// The loads of a trace: its first counts, as many as there are steps, or the selections of all its
// tokens that steps may take, as one window, less those that are missing.
ExpertLoads loads_of(const RoutingTrace& trace, std::uint32_t steps, TokenPhase phase,
                     TakenSelections& taken) {
  const TraceInfo& info = trace.info();
  ExpertLoads loads{1, info.layers, info.experts, {}};
  if (!info.per_token) {
    loads.windows = static_cast<std::uint32_t>(std::min<std::uint64_t>(info.steps, steps));
    std::vector<std::uint32_t> counts;
    for (std::uint64_t s = 0; s < loads.windows; ++s) {
      trace.read_counts(s, counts);
      loads.values.insert(loads.values.end(), counts.begin(), counts.end());
    }
    return loads;
  }
  loads.values.assign(std::size_t{info.layers} * info.experts, 0);
  std::vector<ExpertId> ids;
  std::vector<std::uint32_t> phases;
  const std::size_t row = std::size_t{info.layers} * info.top_k;
  const std::uint64_t slab = trace.chunk_tokens();
  for (std::uint64_t first = 0; first < info.tokens; first += slab) {
    const std::uint64_t count = std::min(slab, info.tokens - first);
    trace.read_ids(first, count, ids);
    if (phase != TokenPhase::Any) trace.read_column(TokenColumn::Phase, first, count, phases);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!phases.empty() && !is_of(phase, phases[i / row])) continue;
      ++taken.all;
      if (ids[i] == kMissingExpert) {
        ++taken.missing;
        continue;
      }
      loads.values[i / info.top_k % info.layers * info.experts + ids[i]] += 1;
    }
  }
  return loads;
}

// Layers and experts of the loads brought to those of the model.
// Throws InputError where a layer that is asked for has no selection: any choice would be made up.
ExpertLoads mapped(const ExpertLoads& from, const RoutingTarget& target, LayerMapping layers,
                   const TraceInfo& info) {
  ExpertLoads to{from.windows, target.layers, target.experts, {}};
  for (std::uint32_t w = 0; w < from.windows; ++w) {
    for (std::uint32_t l = 0; l < target.layers; ++l) {
      const std::uint32_t source =
          layers == LayerMapping::Stretch
              ? static_cast<std::uint32_t>(std::uint64_t{l} * from.layers / target.layers)
              : l % from.layers;
      const auto load = from.layer(w, source);
      if (std::all_of(load.begin(), load.end(), [](double x) { return x == 0; })) {
        throw sim::InputError(fmt::format(
            "{}: {}: layer {} has no selection from which tokens could be drawn", info.file,
            info.per_token ? "/expert_ids" : fmt::format("/counts: step {}", w),
            info.layer_ids[source]));
      }
      if (from.experts == target.experts) {
        to.values.insert(to.values.end(), load.begin(), load.end());
      } else {
        const auto scaled_load = rescaled_load(load, target.experts, counter_bits(target.seed, l));
        to.values.insert(to.values.end(), scaled_load.begin(), scaled_load.end());
      }
    }
  }
  return to;
}

std::uint64_t taken_by(const RoutingTarget& target) {
  return std::uint64_t{target.tokens_per_step} * target.steps;
}

// What Auto comes to. Where tokens are drawn from loads it comes to nothing.
TraceMapping settled(TraceMapping mapping, const TraceInfo& info, std::uint64_t held,
                     const RoutingTarget& target) {
  if (mapping.tokens != TokenMapping::Auto) return mapping;
  const bool drawn = !info.per_token || mapping.experts == ExpertMapping::Rescale;
  const bool enough = taken_by(target) <= held && mapping.mix.empty();
  mapping.tokens = drawn || enough ? TokenMapping::Exact : TokenMapping::Resample;
  return mapping;
}

// "36864 tokens", "152 tokens of decode"
std::string tokens_text(std::uint64_t held, TokenPhase phase) {
  if (phase == TokenPhase::Any) return fmt::format("{} tokens", held);
  return fmt::format("{} tokens of {}", held, kTokenPhases[static_cast<std::size_t>(phase)]);
}

// `held`: the tokens that steps may take.
void check_target(const TraceInfo& info, std::uint64_t held, const RoutingTarget& target,
                  const TraceMapping& mapping) {
  const auto need = [&](const std::string& what, const std::string& write) {
    throw sim::ConfigError(fmt::format("{}: {}: write {}", info.file, what, write));
  };
  if (mapping.layers == LayerMapping::Exact && info.layers != target.layers) {
    need(fmt::format("has {} MoE layers, the model {}", info.layers, target.layers),
         "routing.layers: cycle (the model's layer l takes the trace's layer l mod L) or stretch "
         "(layer l x L / the model's layers)");
  }
  if (mapping.experts == ExpertMapping::Exact &&
      (info.experts != target.experts || info.top_k != target.top_k)) {
    need(fmt::format("routes to {} of {} experts, the model to {} of {}", info.top_k, info.experts,
                     target.top_k, target.experts),
         "routing.experts: rescale (keeps the shape of the loads, not which experts go together)");
  }
  const bool drawn = !info.per_token || mapping.experts == ExpertMapping::Rescale;
  const std::uint64_t taken = taken_by(target);
  if (!drawn && mapping.tokens == TokenMapping::Exact && taken > held) {
    need(fmt::format("holds {}, but {} steps of {} take {}", tokens_text(held, mapping.phase),
                     target.steps, target.tokens_per_step, taken),
         "routing.tokens: repeat (from the start again) or resample (whole requests, drawn with "
         "replacement)");
  }
  if (!mapping.mix.empty() && (drawn || mapping.tokens != TokenMapping::Resample)) {
    need("a mix of domains is drawn request by request", "routing.tokens: resample");
  }
  if (mapping.order == TokenOrder::OnePerRequest && !drawn && !info.has_requests) {
    need("does not say which request a token is of (/token/request_id)", "routing.order: recorded");
  }
}

std::string describe(const TraceInfo& info, std::uint64_t held, const RoutingTarget& target,
                     const TraceMapping& mapping) {
  const std::string name = std::filesystem::path(info.file).filename().string();
  std::string text =
      info.per_token
          ? fmt::format("trace {} ({} tokens, {} MoE layers, {} of {} experts)", name, info.tokens,
                        info.layers, info.top_k, info.experts)
          : fmt::format(
                "trace {} ({} windows of counts, {} MoE layers, {} experts): tokens drawn from "
                "the loads, pairs at random",
                name, info.steps, info.layers, info.experts);
  if (info.physical) text += "; ids are of physical experts";
  if (info.ambiguous_expert) text += "; " + ambiguity(info);
  if (mapping.phase != TokenPhase::Any) {
    text += "; of it the " + tokens_text(held, mapping.phase);
  } else if (info.has_phases && info.per_token) {
    text += "; tokens of any phase";
  }
  if (info.layers != target.layers) {
    text += fmt::format("; layers {}: {} from {}",
                        mapping.layers == LayerMapping::Cycle ? "cycled" : "stretched",
                        target.layers, info.layers);
  }
  if (info.experts != target.experts || info.top_k != target.top_k) {
    text += fmt::format(
        "; rescaled to {} of {} experts: the loads keep their shape, pairs are drawn "
        "at random",
        target.top_k, target.experts);
    return text;
  }
  if (!info.per_token) return text;
  const auto taken = static_cast<double>(taken_by(target));
  if (mapping.tokens == TokenMapping::Resample) {
    text += info.has_requests ? "; requests resampled" : "; runs of 256 tokens resampled";
    if (taken > static_cast<double>(held)) {
      text += fmt::format(" for {:.3g} times its tokens", taken / static_cast<double>(held));
    }
    for (const auto& [domain, share] : mapping.mix) text += fmt::format(", {} {}", domain, share);
  } else if (taken > static_cast<double>(held)) {
    text += fmt::format("; tokens repeated {:.3g} times", taken / static_cast<double>(held));
  }
  if (mapping.order == TokenOrder::OnePerRequest) text += "; one token a request a step";
  return text;
}

}  // namespace

namespace {

// Those of a phase. Throws ConfigError as tokens_of() does.
std::vector<RequestRun> runs_of_phase(const RoutingTrace& trace, TokenPhase phase) {
  const TraceInfo& info = trace.info();
  const auto refuse = [&](const char* why) {
    throw sim::ConfigError(fmt::format("{}: {}: leave out routing.phase", info.file, why));
  };
  if (!info.per_token) refuse("holds counts, which are of all tokens");
  if (!info.has_phases) refuse("does not say which phase a token is of (/token/phase)");
  std::vector<RequestRun> runs = request_runs(trace, phase);
  if (runs.empty())
    throw sim::ConfigError(
        fmt::format("{}: /token/phase: has no token of {}: write routing.phase: any", info.file,
                    kTokenPhases[static_cast<std::size_t>(phase)]));
  return runs;
}

std::uint64_t tokens_in(const std::vector<RequestRun>& runs) {
  std::uint64_t tokens = 0;
  for (const RequestRun& run : runs) tokens += run.count;
  return tokens;
}

}  // namespace

std::uint64_t tokens_of(const RoutingTrace& trace, TokenPhase phase) {
  return phase == TokenPhase::Any ? trace.info().tokens : tokens_in(runs_of_phase(trace, phase));
}

std::unique_ptr<RoutingSource> open_trace_source(const std::filesystem::path& file,
                                                 const RoutingTarget& target,
                                                 const TraceMapping& asked,
                                                 const TraceCache* cache) {
  SIM_CHECK(asked.phase != TokenPhase::Own, "whose tokens is settled by who asks");
  // What is kept does not tell tokens' phases.
  const bool is_kept = cache != nullptr && asked.phase == TokenPhase::Any;
  std::shared_ptr<const UnpackedTrace> unpacked = is_kept ? cache->open(file) : nullptr;
  std::optional<RoutingTrace> trace;
  if (!unpacked) trace = RoutingTrace::open(file);
  const TraceInfo info = unpacked ? unpacked->info : trace->info();
  const bool of_phase = asked.phase != TokenPhase::Any;
  std::vector<RequestRun> runs;
  if (of_phase) runs = runs_of_phase(*trace, asked.phase);
  const std::uint64_t held = of_phase ? tokens_in(runs) : info.tokens;
  const TraceMapping mapping = settled(asked, info, held, target);
  check_target(info, held, target, mapping);
  std::string description = describe(info, held, target, mapping);
  const bool other = info.experts != target.experts || info.top_k != target.top_k;
  if (!info.per_token || other) {
    if (!trace) trace = RoutingTrace::open(file);
    TakenSelections taken;
    const ExpertLoads loads = loads_of(*trace, target.steps, mapping.phase, taken);
    if (taken.missing > 0) {
      description += fmt::format("; {} are missing and drawn as the others", missing_share(taken));
    }
    return std::make_unique<LoadSource>(
        mapped(loads, target, mapping.layers, info),
        LoadDraw{
            .top_k = target.top_k, .tokens_per_step = target.tokens_per_step, .seed = target.seed},
        std::move(description));
  }
  if (unpacked)
    return std::make_unique<TraceSource>(std::move(unpacked), target, mapping,
                                         std::move(description));
  if (!of_phase && needs_runs(mapping)) runs = request_runs(*trace);
  return std::make_unique<TraceSource>(std::move(*trace), std::move(runs), target, mapping,
                                       std::move(description));
}

}  // namespace moesim::workloads
