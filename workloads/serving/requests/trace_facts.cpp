#include "workloads/serving/requests/trace_facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/error.h"
#include "workloads/serving/requests/trace_stream.h"

namespace moesim::workloads::serving {

namespace {

TraceFacts facts_of(const RequestTrace& trace) {
  constexpr std::uint64_t kSeed = 1;  // rates are drawn: what is asked here hardly follows the draw
  const auto stream = open_trace(trace, kSeed);
  TraceFacts facts;
  double input = 0, output = 0;
  sim::Time first{}, last{};
  while (stream->next_arrival()) {
    const Request request = stream->take();
    stream->answered(request, request.arrival);
    if (facts.requests++ == 0) {
      first = request.arrival;
      facts.least_input = request.input;
    }
    last = request.arrival;
    input += static_cast<double>(request.input);
    output += static_cast<double>(request.output);
    facts.least_input = std::min(facts.least_input, request.input);
    facts.longest_input = std::max(facts.longest_input, request.input);
    facts.longest_output = std::max(facts.longest_output, request.output);
    facts.longest = std::max(facts.longest, request.input + request.output);
  }
  if (facts.requests == 0) return facts;
  facts.mean_input = input / static_cast<double>(facts.requests);
  facts.mean_output = output / static_cast<double>(facts.requests);
  if (last > first)
    facts.rate_per_s =
        static_cast<double>(facts.requests - 1) / sim::to_seconds(last - first) / trace.scale;
  return facts;
}

}  // namespace

void read_facts(RequestTrace& trace) {
  trace.facts = facts_of(trace);
  if (!trace.rate) return;
  if (trace.facts.rate_per_s == 0) {
    throw sim::InputError(
        fmt::format("{}: all of its requests come at once, which no rate can change: leave out "
                    "requests.rate",
                    trace.file.generic_string()));
  }
  trace.scale = *trace.rate / trace.facts.rate_per_s;
}

std::string text_of(const RequestTrace& trace) {
  const TraceFacts& facts = trace.facts;
  std::string text =
      fmt::format("{} requests of {}, {:.0f} tokens in and {:.0f} out on average", facts.requests,
                  trace.file.filename().string(), facts.mean_input, facts.mean_output);
  if (trace.pace() == 0) return text + ", all at once";
  text += fmt::format(", {:.3g} a second", trace.pace());
  if (trace.scale != 1) text += fmt::format(" ({:.3g} times their own pace)", trace.scale);
  return text;
}

}  // namespace moesim::workloads::serving
