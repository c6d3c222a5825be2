#include "tools/moesim/serving/request_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "sim/error.h"
#include "workloads/serving/requests/detect_format.h"

namespace moesim::tools {
namespace {

using workloads::serving::Request;
using workloads::serving::Span;

// Beginnings that prompts have had, each by a hash of its texts.
class Beginnings {
 public:
  // Tokens of the prompt that an earlier one began with; then its own beginnings are known, too.
  std::int64_t reused(const Request& request) {
    std::int64_t reused = 0, left = request.input;
    std::uint64_t hash = 0xcbf29ce484222325u;
    bool known = true;
    for (const Span& span : request.prompt) {
      const std::int64_t tokens = std::min(span.tokens, left);
      if (tokens <= 0) continue;
      hash = (hash ^ span.text) * 0x100000001b3u;
      hash ^= hash >> 29;
      std::int64_t& longest = seen_[hash];  // of the span's text, after what stands before it
      if (known) reused += std::min(tokens, longest);
      known = known && tokens <= longest;
      longest = std::max(longest, tokens);
      left -= tokens;
    }
    return reused;
  }

 private:
  std::unordered_map<std::uint64_t, std::int64_t> seen_;
};

sim::io::Json lengths(const workloads::Distribution& d, std::int64_t sum, std::int64_t longest) {
  return {{"sum", sum}, {"mean", d.mean}, {"p50", d.p50}, {"p99", d.p99}, {"max", longest}};
}

}  // namespace

RequestInfo request_info(const std::filesystem::path& file) {
  RequestInfo info;
  info.format = workloads::serving::detect_format(file);
  if (info.format == workloads::serving::TraceFormat::ServeGen) {
    throw sim::ConfigError(fmt::format(
        "{}: holds rates of clients, from which a scenario draws requests (serving.requests.trace, "
        "with input and output lengths): there are none to look at",
        file.string()));
  }
  const auto stream = workloads::serving::open_trace({.file = file, .format = info.format}, 1);
  std::vector<double> input, output;
  std::set<std::int64_t> sessions;
  Beginnings beginnings;
  std::int64_t reused = 0;
  sim::Time first{}, last{};
  while (const auto arrival = stream->next_arrival()) {
    const Request request = stream->take();
    if (info.requests++ == 0) first = *arrival;
    last = std::max(last, *arrival);
    input.push_back(static_cast<double>(request.input));
    output.push_back(static_cast<double>(request.output));
    info.input_tokens += request.input;
    info.output_tokens += request.output;
    info.longest_input = std::max(info.longest_input, request.input);
    info.longest_output = std::max(info.longest_output, request.output);
    if (request.session >= 0) sessions.insert(request.session);
    info.knows_prefixes = info.knows_prefixes || !request.prompt.empty();
    reused += beginnings.reused(request);
    stream->answered(request, *arrival);
  }
  info.notes = stream->notes();
  if (info.requests == 0) throw sim::InputError(fmt::format("{}: holds no request", file.string()));
  info.sessions = static_cast<std::int64_t>(sessions.size());
  info.span_s = sim::to_us(last - first) / 1e6;
  if (info.span_s > 0) info.rate_per_s = static_cast<double>(info.requests - 1) / info.span_s;
  info.input = workloads::distribution_of(std::move(input));
  info.output = workloads::distribution_of(std::move(output));
  if (info.input_tokens > 0) {
    info.prefix_reuse = static_cast<double>(reused) / static_cast<double>(info.input_tokens);
  }
  return info;
}

sim::io::Json to_json(const RequestInfo& info) {
  sim::io::Json json;
  json["schema_version"] = 1;
  json["format"] = workloads::serving::kTraceFormatNames[static_cast<std::size_t>(info.format)];
  json["requests"] = info.requests;
  json["sessions"] = info.sessions;
  json["span_s"] = info.span_s;
  json["rate_per_s"] = info.rate_per_s;
  json["input_tokens"] = lengths(info.input, info.input_tokens, info.longest_input);
  json["output_tokens"] = lengths(info.output, info.output_tokens, info.longest_output);
  json["prefix_reuse"] = info.knows_prefixes ? sim::io::Json(info.prefix_reuse) : sim::io::Json();
  json["notes"] = info.notes;
  return json;
}

std::string to_text(const RequestInfo& info, const std::string& name) {
  const auto line = [](const char* what, const workloads::Distribution& d, std::int64_t sum,
                       std::int64_t longest) {
    return fmt::format("  {:<14}{} in all, mean {:.1f}, p50 {:.0f}, p99 {:.0f}, longest {}\n", what,
                       sum, d.mean, d.p50, d.p99, longest);
  };
  std::string text = fmt::format(
      "{}: {} requests over {:.3f} s{}, in {}'s format\n", name, info.requests, info.span_s,
      info.rate_per_s > 0 ? fmt::format(", {:.3f} a second", info.rate_per_s) : "",
      workloads::serving::kTraceFormatNames[static_cast<std::size_t>(info.format)]);
  text += line("input tokens", info.input, info.input_tokens, info.longest_input);
  text += line("output tokens", info.output, info.output_tokens, info.longest_output);
  if (info.sessions > 0) text += fmt::format("  conversations {}\n", info.sessions);
  text += info.knows_prefixes ? fmt::format("  prefix reuse  {:.1f} % of the prompts' tokens\n",
                                            100 * info.prefix_reuse)
                              : "  prefix reuse  not recorded\n";
  for (const std::string& note : info.notes) text += fmt::format("  note: {}\n", note);
  return text;
}

}  // namespace moesim::tools
