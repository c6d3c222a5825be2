#include "workloads/memory/engine_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/check.h"
#include "sim/units_text.h"
#include "workloads/memory/largest.h"

namespace moesim::workloads {
namespace {

// What stands in a stage beside the cache.
struct Fixed {
  std::int64_t within = 0;  // of what the fraction holds
  std::int64_t beside = 0;  // room that the rest must have
};

std::string amount(std::int64_t bytes) {
  return sim::to_text(sim::Bytes(bytes));
}

// Of a stage: what its fraction may take, and what of that is left for the cache.
struct Room {
  std::int64_t budget = 0, for_cache = 0;
};

class Asker {
 public:
  Asker(const EngineMemory& memory, const ModelSpec& model, const Parallelism& layout,
        const ServingOptions& options, const ServingLoad& full_pass, const hardware::Device& device,
        std::optional<sim::Bytes> weights)
      : memory_(memory),
        model_(model),
        layout_(layout),
        options_(options),
        load_(full_pass),
        device_(device),
        plan_(plan_serving(model, layout, options, full_pass, device)) {
    if (!weights) return;
    // What is more than counted is of no part, what is less of all of them.
    for (GpuMemory& gpu : plan_.stages) {
      const double share =
          std::min(1.0, static_cast<double>(weights->count()) / static_cast<double>(gpu.weights()));
      for (std::int64_t* part : {&gpu.attention, &gpu.dense_ffn, &gpu.experts, &gpu.shared_experts,
                                 &gpu.embedding, &gpu.other_weights}) {
        *part = static_cast<std::int64_t>(static_cast<double>(*part) * share);
      }
      gpu.other_weights += weights->count() - gpu.weights();
    }
  }

  std::size_t stages() const { return plan_.stages.size(); }
  const GpuMemory& stage(std::size_t s) const { return plan_.stages[s]; }
  std::int64_t capacity() const { return plan_.capacity; }

  Fixed fixed(std::size_t s) const {
    const GpuMemory& gpu = plan_.stages[s];
    const std::int64_t beside = gpu.activations + gpu.graphs;
    const std::int64_t rest = gpu.peak() - gpu.kv_cache - beside;
    const std::int64_t reserve = memory_.reserve.count();
    if (memory_.holds == FractionHolds::WeightsAndCache) return {rest + reserve, beside};
    return {rest + beside + reserve, 0};
  }

  Room room(std::size_t s, double fraction) const {
    const Fixed f = fixed(s);
    const auto card = static_cast<double>(capacity());
    if (memory_.of == FractionOf::Free) {
      const double left = (card - static_cast<double>(f.within)) * fraction;
      const auto room = static_cast<std::int64_t>(std::floor(left));
      return {f.within + std::max<std::int64_t>(room, 0), room};
    }
    const auto budget = static_cast<std::int64_t>(std::floor(card * fraction));
    return {budget, budget - f.within};
  }

  // The stages' caches of so many sequences of one length.
  std::vector<std::int64_t> caches(std::int64_t sequences, std::int64_t context) const {
    ServingLoad load = load_;
    load.sequences = sequences;
    load.context = context;
    std::vector<std::int64_t> bytes;
    for (const GpuMemory& gpu : plan_serving(model_, layout_, options_, load, device_).stages) {
      bytes.push_back(gpu.kv_cache);
    }
    return bytes;
  }

  bool holds(double fraction, std::int64_t sequences, std::int64_t context) const {
    const std::vector<std::int64_t> bytes = caches(sequences, context);
    for (std::size_t s = 0; s < stages(); ++s) {
      if (bytes[s] > room(s, fraction).for_cache) return false;
      if (fixed(s).beside > capacity() - room(s, fraction).budget) return false;
    }
    return true;
  }

 private:
  const EngineMemory& memory_;
  const ModelSpec& model_;
  const Parallelism& layout_;
  const ServingOptions& options_;
  const ServingLoad& load_;
  const hardware::Device& device_;
  MemoryPlan plan_;
};

constexpr std::int64_t kThousandths = 1000;

// Where more of the card no longer helps (activations want room beside it) there may be none.
std::optional<double> least_fraction(const Asker& asker, std::int64_t context) {
  for (std::int64_t f = 1; f <= kThousandths; ++f) {
    const double fraction = static_cast<double>(f) / kThousandths;
    if (asker.holds(fraction, 1, context)) return fraction;
  }
  return std::nullopt;
}

std::string why_not(const Asker& asker, const EngineMemoryAnswer& a, std::size_t stage,
                    std::int64_t context) {
  const Fixed f = asker.fixed(stage);
  const std::string otherwise =
      a.least_fraction
          ? fmt::format("a fraction of {:.3f} would do", *a.least_fraction)
          : std::string(
                "no fraction would do: more ranks (tp, pp, ep), fewer bytes a weight, or a "
                "smaller token budget would");
  const std::int64_t rest = asker.capacity() - a.budget;
  if (f.beside > rest) {
    return fmt::format(
        "activations of {} tokens and graphs take {}, but {} of the card leave {}; {}",
        a.step_tokens, amount(f.beside), a.fraction, amount(std::max<std::int64_t>(rest, 0)),
        otherwise);
  }
  if (a.for_cache <= 0) {
    return fmt::format("weights and what stands beside them take {}, the fraction {} holds {}; {}",
                       amount(f.within), a.fraction, amount(a.budget), otherwise);
  }
  return fmt::format("{} are left for the cache, one sequence of {} tokens takes {}; {}",
                     amount(a.for_cache), context, amount(asker.caches(1, context)[stage]),
                     otherwise);
}

}  // namespace

EngineMemoryAnswer ask_engine(const Engine& of_any_card, const ModelSpec& model,
                              const Parallelism& layout, ServingOptions options,
                              const EngineQuestion& question, const hardware::Device& device) {
  Engine engine = started_on(of_any_card, device, layout);
  SIM_CHECK(engine.memory.has_value(), "the engine's file says what memory it takes");
  const EngineMemory& memory = *engine.memory;
  if (question.step_tokens && engine.scheduler && engine.scheduler->chunk) {
    engine.scheduler->chunk = question.step_tokens;
  }
  const EngineScheduler scheduler = engine.scheduler.value_or(EngineScheduler{});
  EngineMemoryAnswer a;
  a.fraction = question.fraction.value_or(fraction_of(engine, device, layout).value_or(0.9));
  std::int64_t budget = scheduler.tokens.value_or(8192);
  if (scheduler.chunk) budget = std::min(budget, *scheduler.chunk);
  a.step_tokens = question.step_tokens.value_or(budget);
  // Where one budget of tokens is for all of a pass, a sequence takes at least one of it.
  const bool of_all = engine.scheduler && !scheduler.chunk;
  const std::int64_t most_sequences = scheduler.sequences.value_or(256);
  a.sequences = question.sequences.value_or(of_all ? std::min(most_sequences, a.step_tokens)
                                                   : most_sequences);
  a.block = memory.block.value_or(16);
  options.page_tokens = a.block;
  if (engine.graphs)
    options.cuda_graphs = static_cast<std::int64_t>(engine.graphs->captured().size());
  ServingLoad full_pass{.sequences = 0, .step_tokens = a.step_tokens};
  full_pass.logits = std::min(a.sequences, a.step_tokens);
  const Asker asker(memory, model, layout, options, full_pass, device, question.weights_loaded);

  // Tokens at the lengths that were asked for: windows and states do not grow with them.
  const std::int64_t context = std::max<std::int64_t>(question.context, 1);
  const std::int64_t asked = question.context > 0 ? question.context : 4096;
  const std::int64_t length = (asked + a.block - 1) / a.block * a.block;
  constexpr std::int64_t kSequences = 1 << 16;  // over which an allocation granule is nothing
  const std::vector<std::int64_t> bytes = asker.caches(kSequences, length);
  std::size_t tightest = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t s = 0; s < asker.stages(); ++s) {
    const Room room = asker.room(s, a.fraction);
    const double per_token =
        static_cast<double>(bytes[s]) / static_cast<double>(kSequences * length);
    const double tokens = per_token > 0 ? static_cast<double>(room.for_cache) / per_token
                                        : std::numeric_limits<double>::max();
    if (tokens >= least) continue;
    least = tokens;
    tightest = s;
    a.budget = room.budget;
    a.for_cache = room.for_cache;
  }
  constexpr double kMostTokens = 1e15;
  const auto blocks =
      static_cast<std::int64_t>(std::clamp(least, 0.0, kMostTokens) / static_cast<double>(a.block));
  a.cache_tokens = blocks * a.block;
  a.gpu = asker.stage(tightest);
  a.gpu.kv_cache = std::max<std::int64_t>(a.for_cache, 0);
  a.starts = asker.holds(a.fraction, 1, context);
  a.least_fraction = least_fraction(asker, context);
  if (!a.starts) a.why = why_not(asker, a, tightest, context);
  if (of_all && a.sequences > a.step_tokens) {
    a.starts = false;
    a.why = fmt::format(
        "{0} sequences at once are more than the {1} tokens of a pass; {1} sequences or {0} tokens "
        "would do",
        a.sequences, a.step_tokens);
  }
  const std::int64_t most = model.max_context > 0 ? model.max_context : std::int64_t{1} << 24;
  a.largest_context = largest_that_fits(
      most, [&](std::int64_t tokens) { return asker.holds(a.fraction, 1, tokens); });
  a.largest_batch = largest_that_fits(a.sequences, [&](std::int64_t sequences) {
    return asker.holds(a.fraction, sequences, context);
  });
  return a;
}

std::int64_t engines_of(const Parallelism& layout) {
  return layout.dp / dp_of_engine(layout);
}

std::vector<std::string> flags_of(const Engine& engine, const Parallelism& layout,
                                  const EngineMemoryAnswer& answer, std::int64_t context,
                                  hardware::Precision kv_cache) {
  std::vector<std::string> flags;
  if (!engine.memory) return flags;
  const auto add = [&](const char* what, const std::string& value) {
    const auto flag = engine.memory->flags.find(what);
    if (flag == engine.memory->flags.end()) return;
    flags.push_back(value.empty() ? flag->second : flag->second + " " + value);
  };
  const auto size = [&](const char* what, std::int64_t ranks) {
    if (ranks > 1) add(what, fmt::format("{}", ranks));
  };
  size("tp", layout.tp);
  const std::int64_t dp = dp_of_engine(layout);
  size("ranks", layout.tp * dp);
  size("pp", layout.pp);
  size("dp", dp);
  size("ep", layout.ep);
  if (dp > 1) add("attention_dp", "");
  if (layout.ep > 1) add("expert_parallel", "");
  if (kv_cache == hardware::Precision::FP8) add("kv_fp8", "");
  add("fraction", fmt::format("{}", answer.fraction));
  if (context > 0) add("context", fmt::format("{}", context));
  add("sequences", fmt::format("{}", answer.sequences));
  add("tokens", fmt::format("{}", answer.step_tokens));
  add("block", fmt::format("{}", answer.block));
  return flags;
}

std::string log_line(const Engine& engine, const EngineMemoryAnswer& answer) {
  if (!engine.memory || engine.memory->log.empty()) return {};
  std::string line = engine.memory->log;
  const std::string_view place = "{tokens}";
  line.replace(line.find(place), place.size(), fmt::format("{}", answer.cache_tokens));
  return line;
}

}  // namespace moesim::workloads
