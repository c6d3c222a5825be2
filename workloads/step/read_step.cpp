#include "workloads/step/read_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace moesim::workloads {
namespace {

using sim::io::YamlNode;

constexpr std::int64_t kMostTokens = std::int64_t{1} << 26;
constexpr std::int64_t kMostDraft = 7;  // beyond 8 queries kernels are not those of decode
// Engines' default of tokens a pass (TensorRT-LLM, SGLang).
constexpr std::int64_t kMostChunk = 8192;

Speculation read_speculation(const YamlNode& node) {
  Speculation speculation;
  node.allow_only({"draft", "accepted"});
  speculation.draft = node.at("draft").integer(1, kMostDraft);
  const YamlNode accepted = node.at("accepted");
  speculation.accepted = accepted.number(1);
  if (speculation.draft > 0 && speculation.accepted > static_cast<double>(speculation.draft + 1)) {
    accepted.error(fmt::format("{} tokens a step of {} drafted and one of the model's own",
                               speculation.accepted, speculation.draft));
  }
  return speculation;
}

Refill read_refill(const YamlNode& node) {
  Refill refill;
  node.allow_only({"prompt", "output", "chunk"});
  refill.prompt = node.at("prompt").integer(1, kMostTokens);
  refill.output = node.at("output").integer(1, kMostTokens);
  refill.chunk = std::min(refill.prompt, kMostChunk);
  if (const auto chunk = node.find("chunk")) {
    refill.chunk = std::min(refill.prompt, chunk->integer(1, kMostTokens));
  }
  return refill;
}

StepQuestion read_decode(const YamlNode& node) {
  const std::int64_t sequences = node.at("batch_per_rank").integer(1, kMostTokens);
  Refill refill;
  if (const auto found = node.find("refill")) refill = read_refill(*found);
  // Sequences that begin and end all the time are half-way through their output on the mean.
  const auto given = node.find("context");
  const std::int64_t context = refill.prompt > 0 && !given
                                   ? refill.prompt + refill.output / 2
                                   : node.at("context").integer(1, kMostTokens);
  StepQuestion step = decode_question(sequences, context);
  step.refill = refill;
  return step;
}

StepQuestion read_prefill(const YamlNode& node) {
  const std::int64_t tokens = node.at("tokens_per_rank").integer(1, kMostTokens);
  const auto given = node.find("prompt");
  const std::int64_t prompt = given ? given->integer(1, kMostTokens) : tokens;
  // A number that could not be read is 0, and has its own message.
  if (tokens < 1 || prompt < 1) return {};
  if (prompt < tokens && tokens % prompt != 0) {
    node.error(fmt::format("tokens_per_rank {} is no whole number of prompts of {}; {} would be",
                           tokens, prompt, tokens / prompt * prompt));
  }
  return prefill_question(tokens, prompt);
}

// {decode: 32, context: 4096} or {prefill: 2, tokens: 512, after: 3584}.
BatchShape read_part(const YamlNode& node) {
  node.allow_only({"decode", "context", "prefill", "tokens", "after"});
  if (const auto sequences = node.find("decode")) {
    for (const char* key : {"prefill", "tokens", "after"}) {
      if (const auto found = node.find(key)) found->error("belongs to prefill, not beside decode");
    }
    return decoding(sequences->integer(0, kMostTokens), node.at("context").integer(1, kMostTokens));
  }
  if (const auto found = node.find("context")) found->error("belongs to decode");
  const std::int64_t sequences = node.at("prefill").integer(0, kMostTokens);
  const std::int64_t tokens = node.at("tokens").integer(1, kMostTokens);
  const auto after = node.find("after");
  return prompts(sequences, tokens, after ? after->integer(0, kMostTokens) : 0);
}

RankBatch read_rank(const std::vector<YamlNode>& parts) {
  RankBatch rank;
  for (const YamlNode& part : parts) rank.push_back(read_part(part));
  return rank;
}

// One list of parts for all dp ranks, or a list of such lists, one a dp rank.
StepQuestion read_batch(const YamlNode& node) {
  StepQuestion step;
  step.ranks.clear();
  const std::vector<YamlNode> items = node.items();
  if (!items.empty() && items.front().is_list()) {
    for (const YamlNode& item : items) step.ranks.push_back(read_rank(item.items()));
  } else {
    step.ranks.push_back(read_rank(items));
  }
  std::int64_t most = 0;
  for (const RankBatch& rank : step.ranks) most = std::max(most, tokens_of(rank));
  if (most < 1) node.error("holds no token: give a rank {decode: 1, context: 1024}, for one");
  if (most > kMostTokens) {
    node.error(fmt::format("{} tokens of a rank; {} at most", most, kMostTokens));
  }
  return step;
}

// Keys that belong to another form of the question.
void refuse(const YamlNode& node, std::initializer_list<const char*> keys, const char* why) {
  for (const char* key : keys) {
    if (const auto found = node.find(key)) found->error(why);
  }
}

// Nothing where it says neither, which is a mistake noted.
std::optional<StepPhase> read_phase(const YamlNode& node) {
  if (node.one_of({"prefill", "decode"}) == 1) return StepPhase::Decode;
  if (node.is_scalar() && node.text() == "prefill") return StepPhase::Prefill;
  return {};
}

// Keys that a sequence of that phase sees, at most.
std::int64_t longest_context(const StepQuestion& question, StepPhase phase) {
  std::int64_t longest = 0;
  for (const RankBatch& rank : question.ranks) {
    for (const BatchShape& part : rank) {
      if (part.phase == phase) longest = std::max(longest, part.kv_length);
    }
  }
  return longest;
}

}  // namespace

StepQuestion read_step(const YamlNode& node) {
  node.allow_only({"phase", "batch_per_rank", "context", "refill", "speculation", "tokens_per_rank",
                   "prompt", "batch", "count"});
  StepQuestion step;
  if (const auto batch = node.find("batch")) {
    refuse(node, {"phase", "batch_per_rank", "context", "refill", "tokens_per_rank", "prompt"},
           "stands beside batch, which says all of it");
    step = read_batch(*batch);
  } else if (const auto phase = read_phase(node.at("phase")); !phase) {
    return {};
  } else if (phase == StepPhase::Prefill) {
    refuse(node, {"batch_per_rank", "context", "refill", "speculation"},
           "belongs to decode; prefill has tokens_per_rank and prompt");
    step = read_prefill(node);
  } else {
    refuse(node, {"tokens_per_rank", "prompt"},
           "belongs to prefill; decode has batch_per_rank and context");
    step = read_decode(node);
  }
  if (const auto found = node.find("speculation")) step.speculation = read_speculation(*found);
  if (const auto count = node.find("count")) step.count = count->integer(1, 100'000);
  return step;
}

std::vector<Problem> check(const Deployment& d, const StepQuestion& question) {
  std::vector<Problem> problems;
  if (question.speculation.draft > 0 && d.model.moe_layers().empty()) {
    problems.push_back({"step", fmt::format("speculation drafts with a mixture layer, {} has none",
                                            d.model.name)});
  }
  const auto ranks = static_cast<std::int64_t>(question.ranks.size());
  if (ranks != 1 && ranks != d.layout.dp) {
    problems.push_back({"step", fmt::format("batch lists {} ranks; dp = {} has {}", ranks,
                                            d.layout.dp, d.layout.dp)});
  }
  // The routing of every token of a layer is held and counted: gigabytes and minutes beyond this.
  constexpr double kMostTokensOfStep = 8'388'608;
  double tokens = 0;
  for (const auto& rank : question.ranks) {
    for (const BatchShape& shape : rank) {
      tokens += static_cast<double>(shape.sequences) * static_cast<double>(shape.query_length);
    }
  }
  if (ranks == 1) tokens *= static_cast<double>(d.layout.dp);
  if (d.model.is_moe() && tokens > kMostTokensOfStep) {
    problems.push_back(
        {"step",
         fmt::format("{:.4g} tokens in a step over dp = {} ranks; at most {:.0f} are routed",
                     tokens, d.layout.dp, kMostTokensOfStep)});
  }
  const std::int64_t longest =
      std::max(longest_context(question, StepPhase::Decode), question.refill.prompt);
  if (d.model.max_context > 0 && longest > d.model.max_context) {
    problems.push_back({"step", fmt::format("a context of {} tokens, but {} has at most {}",
                                            longest, d.model.name, d.model.max_context)});
  }
  return problems;
}

std::optional<std::string> note_of_context(const Deployment& d, const StepQuestion& question) {
  const std::int64_t longest = longest_context(question, StepPhase::Prefill);
  if (d.model.max_context == 0 || longest <= d.model.max_context) return {};
  return fmt::format("prompts of {} tokens: {} has at most {}, so its positions must be extended",
                     longest, d.model.name, d.model.max_context);
}

}  // namespace moesim::workloads
