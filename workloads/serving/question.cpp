#include "workloads/serving/question.h"

#include "sim/check.h"
#include "workloads/deployment/choose_kernels.h"

namespace moesim::workloads::serving {
namespace {

double prefix_tokens(const RequestLaws& laws) {
  const Prefixes& p = laws.prefixes;
  // The conversation before the middle turn.
  const double before = static_cast<double>(p.turns - 1) / 2;
  return (p.groups > 0 ? static_cast<double>(p.tokens) : 0) +
         before * (laws.input.mean() + laws.output.mean());
}

const TraceFacts& facts_of(const std::variant<RequestLaws, RequestTrace>& requests) {
  const TraceFacts& facts = std::get<RequestTrace>(requests).facts;
  SIM_CHECK(facts.requests > 0, "a trace that has been read");
  return facts;
}

}  // namespace

double ServingQuestion::tokens_a_step() const {
  double tokens = 1, chance = 1;
  for (const double each : accepted) tokens += chance *= each;
  return tokens;
}

double ServingQuestion::mean_input() const {
  if (const auto* laws = std::get_if<RequestLaws>(&requests))
    return laws->input.mean() + prefix_tokens(*laws);
  return facts_of(requests).mean_input;
}

double ServingQuestion::own_input() const {
  if (const auto* laws = std::get_if<RequestLaws>(&requests)) return laws->input.mean();
  return facts_of(requests).mean_input;
}

double ServingQuestion::mean_output() const {
  if (const auto* laws = std::get_if<RequestLaws>(&requests)) return laws->output.mean();
  return facts_of(requests).mean_output;
}

double ServingQuestion::least_input() const {
  const auto* laws = std::get_if<RequestLaws>(&requests);
  if (laws == nullptr) return static_cast<double>(facts_of(requests).least_input);
  const Lengths& input = laws->input;
  const bool has_least = input.law == LengthLaw::Constant || input.law == LengthLaw::Uniform;
  return has_least ? static_cast<double>(input.low) : 1;
}

std::int64_t ServingQuestion::longest() const {
  if (const auto* laws = std::get_if<RequestLaws>(&requests))
    return laws->input.largest() + laws->output.largest();
  return facts_of(requests).longest;
}

std::int64_t ServingQuestion::gpus() const {
  return pool.most_replicas() * pool.layout.gpus() +
         (prefill ? prefill->most_replicas() * prefill->layout.gpus() : 0);
}

std::optional<double> rate_of(const ServingQuestion& question) {
  if (const auto* laws = std::get_if<RequestLaws>(&question.requests)) {
    const Arrivals& arrivals = laws->arrivals;
    if (!arrivals.has_rate() || arrivals.stages.size() != 1) return {};
    return arrivals.stages.front().from;
  }
  const double pace = std::get<RequestTrace>(question.requests).pace();
  if (pace == 0) return {};
  return pace;
}

void set_rate(ServingQuestion& question, double rate_per_s) {
  if (auto* laws = std::get_if<RequestLaws>(&question.requests)) {
    laws->arrivals.stages = {{.from = rate_per_s, .to = rate_per_s}};
    return;
  }
  auto& trace = std::get<RequestTrace>(question.requests);
  trace.scale = rate_per_s / trace.facts.rate_per_s;
}

Deployment deployment_of(const Deployment& all, const Pool& pool) {
  Deployment d = all;
  d.layout = pool.layout;
  choose_kernels(pool.kernels, d);
  if (d.routing.mapping.phase == TokenPhase::Own) d.routing.mapping.phase = pool.phase;
  return d;
}

}  // namespace moesim::workloads::serving
