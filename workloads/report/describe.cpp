#include "workloads/report/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace moesim::workloads {

std::string layout_text(const Parallelism& p) {
  const std::array<std::pair<const char*, std::int64_t>, 6> sizes{
      {{"tp", p.tp}, {"cp", p.cp}, {"pp", p.pp}, {"dp", p.dp}, {"ep", p.ep}, {"etp", p.etp}}};
  std::string text;
  for (const auto& [name, size] : sizes) {
    if (size > 1) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, size);
  }
  return text;
}

namespace {

const char* plural(std::int64_t count) {
  return count == 1 ? "" : "s";
}

std::string part_text(const BatchShape& part) {
  if (part.phase == StepPhase::Decode) {
    return fmt::format("decode, {} sequence{} of {} keys", part.sequences, plural(part.sequences),
                       part.kv_length);
  }
  std::string text = fmt::format("prefill, {} prompt{} of {} tokens", part.sequences,
                                 plural(part.sequences), part.query_length);
  const std::int64_t before = part.kv_length - part.query_length;
  if (before > 0) text += fmt::format(" after {} that are there", before);
  return text;
}

std::string rank_text(const RankBatch& rank) {
  std::string text;
  for (const BatchShape& part : rank) text += (text.empty() ? "" : "; ") + part_text(part);
  return text;
}

}  // namespace

std::string describe(const Deployment& d, const StepQuestion& question) {
  // The first that has something to do.
  const auto shown = std::ranges::find_if(
      question.ranks, [](const RankBatch& rank) { return tokens_of(rank) > 0; });
  if (shown == question.ranks.end()) return d.model.name;
  const std::string layout = layout_text(d.layout);
  std::string text = fmt::format("{} on {} of {} {}{}: {}", d.model.name, d.layout.gpus(),
                                 d.cluster.ranks(), d.cluster.device.name,
                                 layout.empty() ? "" : " (" + layout + ")", rank_text(*shown));
  text += question.ranks.size() == 1
              ? " a dp rank"
              : fmt::format(" on dp rank {} of {}, which differ", shown - question.ranks.begin(),
                            question.ranks.size());
  if (question.speculation.draft > 0) {
    text += fmt::format(", {} drafted and {} accepted a step", question.speculation.draft,
                        question.speculation.accepted);
  }
  if (question.refill.prompt > 0) {
    text += fmt::format(", with prompts of {} tokens beside it", question.refill.prompt);
  }
  return text;
}

}  // namespace moesim::workloads
