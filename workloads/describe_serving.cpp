#include "workloads/describe_serving.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/units_text.h"
#include "workloads/deployment/layout_rules.h"
#include "workloads/report/describe.h"
#include "workloads/step/token_kernels.h"

namespace moesim::workloads {
namespace {

using serving::ServingQuestion;

std::string lengths_text(const serving::Lengths& l) {
  using serving::LengthLaw;
  switch (l.law) {
    case LengthLaw::Constant:
      return fmt::format("{}", l.low);
    case LengthLaw::Uniform:
      return fmt::format("{} to {}", l.low, l.high);
    case LengthLaw::LogNormal:
      return fmt::format("about {:.0f} (log-normal)", l.median);
    case LengthLaw::Table:
    case LengthLaw::Histogram:
      break;
  }
  return fmt::format("{:.0f} on average ({})", l.mean(), l.file.filename().string());
}

// "a closed loop of 32 clients": each sends when it has its answer.
std::string clients_text(const ServingQuestion& q, const serving::Arrivals& arrivals) {
  std::string text = fmt::format("a closed loop of {} clients", q.client.concurrency.value_or(1));
  if (arrivals.think > sim::Duration{})
    text += fmt::format(", each {} after an answer", sim::to_text(arrivals.think));
  return text;
}

std::string load_text(const ServingQuestion& q) {
  std::string text;
  bool closed = false;
  if (const auto* laws = std::get_if<serving::RequestLaws>(&q.requests)) {
    const auto& arrivals = laws->arrivals;
    if (arrivals.has_rate() && arrivals.stages.size() == 1) {
      text = fmt::format("{:g} requests/s ({})", arrivals.stages[0].from,
                         serving::kArrivalLawNames[static_cast<std::size_t>(arrivals.law)]);
    } else if (arrivals.has_rate()) {
      text = fmt::format("{} stages of rates ({})", arrivals.stages.size(),
                         serving::kArrivalLawNames[static_cast<std::size_t>(arrivals.law)]);
    } else if (arrivals.law == serving::ArrivalLaw::Closed) {
      closed = true;
      text = clients_text(q, arrivals);
    } else {
      text = "all requests at once";
    }
    text += fmt::format(", {} tokens in, {} out", lengths_text(laws->input),
                        lengths_text(laws->output));
  } else {
    text = serving::text_of(std::get<serving::RequestTrace>(q.requests));
  }
  if (q.client.concurrency && !closed)
    text += fmt::format(", {} in flight at most", *q.client.concurrency);
  return text;
}

std::string engines_text(const Deployment& d, const serving::Pool& pool) {
  const std::string layout = layout_text(pool.layout);
  const std::int64_t most = pool.most_replicas();
  const std::string count = pool.scale
                                ? fmt::format("{} to {}", pool.scale->least * pool.together, most)
                                : std::to_string(most);
  return fmt::format("{} engine{} of {} {}{}", count, most == 1 ? "" : "s", pool.layout.gpus(),
                     d.cluster.device.name, layout.empty() ? "" : ", " + layout);
}

// Engines are priced as one, the first: a slow GPU counts for all of them, or for none.
std::optional<std::string> note_of_slow(const Deployment& d, const ServingQuestion& q) {
  const std::int64_t one = q.pool.layout.gpus();
  if (d.cluster.slow.empty() || q.gpus() == one) return {};
  return fmt::format(
      "engines are priced as one on the first {} GPUs: a slow GPU of cluster.faults counts for all "
      "engines if it is among those, and for none elsewhere",
      one);
}

// Prompts are held back by iterations and by a share of the budget; the time has no part in it.
std::optional<std::string> note_of_wait(const serving::Pool& pool) {
  const sim::Duration timeout = pool.scheduler.batch_wait.timeout;
  if (timeout == sim::Duration{}) return {};
  return fmt::format("{}: batch_wait.timeout of {} is not played: no request waits for that time",
                     pool.name, sim::to_text(timeout));
}

}  // namespace

std::string deployment_text(const Deployment& d, const ServingQuestion& q) {
  std::string text = d.model.name + ": ";
  if (q.prefill) {
    text += fmt::format("prompts on {}; tokens on {}", engines_text(d, *q.prefill),
                        engines_text(d, q.pool));
  } else {
    text += engines_text(d, q.pool);
  }
  return text;
}

std::string what_of(const Deployment& d, const ServingQuestion& q) {
  return deployment_text(d, q) + "; " + load_text(q);
}

std::string targets_text(const serving::Targets& t) {
  const std::string text = text_of(t);
  return t.of_requests() ? fmt::format("{}, {:.1f} % of requests", text, 100 * t.attained) : text;
}

std::vector<std::string> notes_of_engines(const Deployment& d, const ServingQuestion& q) {
  Engine engine = d.engine;  // a service plays these three
  engine.graphs.reset();
  engine.memory.reset();
  engine.scheduler.reset();
  std::vector<std::string> notes = notes_of(engine);
  if (auto note = note_of_slow(d, q)) notes.push_back(std::move(*note));
  const auto add = [&](const serving::Pool& pool) {
    for (std::string& note : block_notes(d.engine, d.model, pool.layout, d.formats))
      if (std::ranges::find(notes, note) == notes.end()) notes.push_back(std::move(note));
    if (auto note = note_of_wait(pool)) notes.push_back(std::move(*note));
    const std::int64_t most = std::min(pool.scheduler.sequences, pool.scheduler.tokens);
    if (auto note =
            note_of_large_decodes(deployment_of(d, pool), most * (1 + pool.scheduler.draft)))
      notes.push_back(std::move(*note));
  };
  if (q.prefill) add(*q.prefill);
  add(q.pool);
  return notes;
}

std::optional<std::string> note_of_context(const std::deque<serving::RequestRecord>& records,
                                           std::int64_t most) {
  if (most <= 0) return {};
  const auto longer = std::ranges::count_if(
      records, [&](const serving::RequestRecord& r) { return r.input + r.output > most; });
  if (longer == 0) return {};
  return fmt::format(
      "{} of {} requests are longer than the model's {} tokens: they are served here, and an "
      "engine refuses them",
      longer, records.size(), most);
}

}  // namespace moesim::workloads
