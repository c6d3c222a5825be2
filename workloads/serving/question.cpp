#include "workloads/serving/question.h"

namespace moesim::workloads::serving {
namespace {

// What a trace's lengths are taken to be where nothing but a typical one is needed.
constexpr double kTraceInput = 1024, kTraceOutput = 256;

double prefix_tokens(const RequestLaws& laws) {
  const Prefixes& p = laws.prefixes;
  // The conversation before the middle turn.
  const double before = static_cast<double>(p.turns - 1) / 2;
  return (p.groups > 0 ? static_cast<double>(p.tokens) : 0) +
         before * (laws.input.mean() + laws.output.mean());
}

}  // namespace

double ServingQuestion::mean_input() const {
  if (const auto* laws = std::get_if<RequestLaws>(&requests)) {
    return laws->input.mean() + prefix_tokens(*laws);
  }
  const auto& trace = std::get<RequestTrace>(requests);
  return trace.format == TraceFormat::ServeGen ? trace.input.mean() : kTraceInput;
}

double ServingQuestion::mean_output() const {
  if (const auto* laws = std::get_if<RequestLaws>(&requests)) return laws->output.mean();
  const auto& trace = std::get<RequestTrace>(requests);
  return trace.format == TraceFormat::ServeGen ? trace.output.mean() : kTraceOutput;
}

std::int64_t ServingQuestion::gpus() const {
  return pool.most_replicas() * pool.layout.gpus() +
         (prefill ? prefill->most_replicas() * prefill->layout.gpus() : 0);
}

Deployment deployment_of(const Deployment& all, const Pool& pool) {
  Deployment d = all;
  d.layout = pool.layout;
  return d;
}

}  // namespace moesim::workloads::serving
