#include "tools/study/plan/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/error.h"
#include "sim/units_text.h"
#include "workloads/memory/step_memory.h"
#include "workloads/scenario.h"
#include "workloads/serving/service.h"

namespace moesim::tools {
namespace {

using workloads::Deployment;
using workloads::serving::Lengths;
using workloads::serving::RequestLaws;
using workloads::serving::ServingQuestion;

constexpr int kMostTries = 8;  // engines more, where a run misses the targets that it was to meet

std::string time_text(double seconds) {
  return sim::to_text(sim::picoseconds_rounded_up(seconds * 1e12));
}

std::optional<double> seconds_of(const std::string& text) {
  const auto time = sim::parse_duration(text);
  if (!time) return {};
  return sim::to_seconds(*time);
}

double smallest(const Lengths& lengths) {
  using workloads::serving::LengthLaw;
  const bool has_least = lengths.law == LengthLaw::Constant || lengths.law == LengthLaw::Uniform;
  return has_least ? static_cast<double>(lengths.low) : 1;
}

// All choices of what varies, the first key the slowest.
std::vector<std::vector<std::pair<std::string, std::string>>> varied_of(const PlanSpec& spec) {
  std::vector<std::vector<std::pair<std::string, std::string>>> all(1);
  for (const Axis& axis : spec.vary) {
    std::vector<std::vector<std::pair<std::string, std::string>>> more;
    for (const auto& before : all) {
      for (const std::string& value : axis.values) {
        more.push_back(before);
        more.back().emplace_back(axis.key, value);
      }
    }
    all = std::move(more);
  }
  return all;
}

class Planner {
 public:
  Planner(const PlanSpec& spec, const PlanOptions& options) : spec_(spec), options_(options) {}

  Plan make() {
    questions();
    settings();
    enumerate();
    sieve("layout", [&](std::size_t i) { return check_layout_of(i); });
    sieve("memory", [&](std::size_t i) { return check_memory(i); });
    sieve("floor", [&](std::size_t i) { return check_floor(i); });
    search_all();
    answer();
    return std::move(plan_);
  }

 private:
  // What is known of an engine beside what the plan tells.
  struct Known {
    std::optional<ServingQuestion> question;
    std::optional<workloads::serving::CachePlan> cache;
    double most = 0, ceiling = 0;
    double late =
        0;  // the time of one token or prompt over its target, where that is proved above 1
  };

  void questions() {
    asked_.push_back(spec_.demand);
    Demand fewest = spec_.demand;
    fewest.objective = Objective::Gpus;
    fewest.confidence = 0.5;
    fewest.spare = Spare::None;
    asked_.push_back(fewest);
    roles_ = {"chosen", "fewest"};
    if (spec_.currency.empty() || spec_.demand.objective == Objective::Cost) return;
    if (std::ranges::any_of(spec_.gpus, [](const GpuChoice& g) { return g.price == 0; })) return;
    Demand cheapest = spec_.demand;
    cheapest.objective = Objective::Cost;
    asked_.push_back(cheapest);
    roles_.push_back("cheapest");
  }

  void settings() {
    for (std::size_t gpu = 0; gpu < spec_.gpus.size(); ++gpu) {
      for (const auto& varied : varied_of(spec_))
        settings_.emplace_back(spec_, gpu, varied, options_.shipped, options_.traces);
    }
  }

  void enumerate() {
    for (std::size_t s = 0; s < settings_.size(); ++s) {
      const Deployment& base = settings_[s].base();
      const workloads::MoeFfn* moe = base.model.largest_moe();
      const std::int64_t node = base.cluster.gpus_per_node;
      const auto most = std::min<std::int64_t>(spec_.demand.limits.gpus,
                                               static_cast<std::int64_t>(base.cluster.ranks()));
      for (const std::int64_t redundant : spec_.space.redundant) {
        const std::int64_t slots = moe == nullptr ? 0 : moe->experts + redundant;
        for (const std::int64_t gpus : engine_sizes(node, most)) {
          for (const auto& layout : layouts_of(gpus, node, slots, spec_.space.layouts)) {
            if (is_several_engines(layout)) continue;  // it is there with fewer GPUs
            for (const bool two : spec_.space.two_batch)
              add({.setting = s, .layout = layout, .redundant = redundant, .two_batch = two});
          }
        }
      }
    }
    known_.resize(plan_.candidates.size());
    plan_.stages.push_back({"enumerated", plan_.candidates.size(), plan_.candidates.size()});
  }

  void add(const EngineChoice& choice) {
    // Experts that are not shared out are not held twice, and nothing is sent to them.
    const bool more = choice.redundant > spec_.space.redundant.front() ||
                      choice.two_batch != spec_.space.two_batch.front();
    if (choice.layout.ep == 1 && more) return;
    const PlanSetting& setting = settings_[choice.setting];
    plan_.candidates.push_back(
        {.choice = choice, .device = setting.device(), .name = setting.name_of(choice)});
  }

  const PlanSetting& setting(std::size_t i) const {
    return settings_[plan_.candidates[i].choice.setting];
  }
  Deployment deployment(std::size_t i) const {
    return setting(i).deployment(plan_.candidates[i].choice);
  }
  EngineTerms terms(std::size_t i) const { return setting(i).terms(plan_.candidates[i].gpus()); }
  double structure() const { return spec_.steps ? kStepStructure : kServingStructure; }

  void proceed(const std::string& what, std::size_t done, std::size_t all) const {
    if (options_.stop && options_.stop())
      throw sim::Error(sim::ExitCode::Interrupted, "moesim plan: interrupted");
    if (options_.progress) options_.progress(what, done, all);
  }

  template <class Check>
  void sieve(const std::string& name, Check check) {
    PlanStage stage{.name = name};
    for (std::size_t i = 0; i < plan_.candidates.size(); ++i) {
      if (plan_.candidates[i].rejected) continue;
      proceed(name, i, plan_.candidates.size());
      ++stage.in;
      plan_.candidates[i].rejected = check(i);
      if (!plan_.candidates[i].rejected) ++stage.out;
    }
    plan_.stages.push_back(std::move(stage));
  }

  std::optional<Rejection> check_layout_of(std::size_t i) const { return refuse(deployment(i)); }

  std::optional<Rejection> check_memory(std::size_t i) {
    const Deployment d = deployment(i);
    Known& known = known_[i];
    if (spec_.steps) {
      known.most = most_in_memory(d, *spec_.steps);
      if (known.most >= 1) return {};
      const auto batch = workloads::on_every_rank(
          {spec_.steps->decode ? workloads::decoding(1, spec_.steps->length)
                               : workloads::prompts(1, spec_.steps->length)});
      const auto plan = workloads::plan_step_memory(d, batch, 0);
      return Rejection{"memory", fmt::format("{} of {} for a batch of one",
                                             sim::to_text(sim::Bytes(plan.gpu().peak())),
                                             sim::to_text(sim::Bytes(plan.capacity)))};
    }
    known.question = setting(i).question(d);
    const ServingQuestion& q = *known.question;
    try {
      known.cache = workloads::serving::plan_cache(d, q.pool, q.mean_input() + q.mean_output() / 2);
      const auto& laws = std::get<RequestLaws>(q.requests);
      const double longest =
          static_cast<double>(laws.input.largest()) + static_cast<double>(laws.output.largest());
      const double held = static_cast<double>(known.cache->blocks * known.cache->block);
      if (held < longest) {
        return Rejection{
            "memory",
            fmt::format("the cache holds {:.0f} tokens of a request of {:.0f}", held, longest)};
      }
    } catch (const sim::InfeasibleError& error) {
      return Rejection{"memory", error.what()};
    }
    return {};
  }

  std::optional<Rejection> check_floor(std::size_t i) {
    const Deployment d = deployment(i);
    Known& known = known_[i];
    FloorLoad load;
    Floor alone;
    if (spec_.steps) {
      load = {.most_sequences = known.most};
      if (spec_.steps->decode) {
        load.output = 1;
        load.context = static_cast<double>(spec_.steps->length);
        load.tpot_s = seconds_of(spec_.tpot);
      } else {
        load.prompt = static_cast<double>(spec_.steps->length);
      }
      alone = floor_of(d, load);
    } else {
      const ServingQuestion& q = *known.question;
      const auto& laws = std::get<RequestLaws>(q.requests);
      double chance = 1;
      for (const double c : q.accepted) load.accepted += chance *= c;
      load.context = smallest(laws.input);
      load.prompt = laws.input.mean();
      load.output = laws.output.mean();
      load.most_sequences = most_sequences(q.pool, *known.cache, load.context);
      load.tpot_s = seconds_of(spec_.tpot);
      load.attained = spec_.attained;
      FloorLoad least = load;
      least.prompt = smallest(laws.input);
      alone = floor_of(d, least);
    }
    const auto tpot = seconds_of(spec_.tpot), ttft = seconds_of(spec_.ttft);
    known.late = std::max(tpot ? alone.tpot_s / *tpot : 0, ttft ? alone.ttft_s / *ttft : 0);
    if (tpot && alone.tpot_s > *tpot) {
      return Rejection{"floor_tpot", fmt::format("one token takes {} at least, of {}",
                                                 time_text(alone.tpot_s), spec_.tpot)};
    }
    if (ttft && alone.ttft_s > *ttft) {
      return Rejection{"floor_ttft", fmt::format("one prompt takes {} at least, of {}",
                                                 time_text(alone.ttft_s), spec_.ttft)};
    }
    // Of steps a prompt is all of its tokens.
    known.ceiling = floor_of(d, load).ceiling;
    if (spec_.steps && !spec_.steps->decode)
      known.ceiling *= static_cast<double>(spec_.steps->length);
    return over_the_limits(i, known.ceiling, structure(), "at most");
  }

  // Why an engine that carries so much is the answer to no question, because of limits.
  std::optional<Rejection> over_the_limits(std::size_t i, double capacity, double deviation,
                                           std::string_view how) const {
    for (const Demand& demand : asked_) {
      if (offer_of(terms(i), capacity, deviation, demand)) return {};
    }
    const auto needed = offer_without_limits(terms(i), capacity, deviation, asked_[1]);
    if (!needed) return Rejection{"capacity", "carries nothing within the targets"};
    const auto most = std::min(spec_.demand.limits.gpus, terms(i).most);
    const auto wanted = offer_without_limits(terms(i), capacity, deviation, asked_[0]);
    const std::string carries = fmt::format("an engine carries {} {:.3g} /s", how, capacity);
    if (wanted && wanted->gpus > most) {
      return Rejection{"limit_gpus",
                       fmt::format("{}: {} GPUs would do, of {}", carries, wanted->gpus, most)};
    }
    return Rejection{"limit_cost", fmt::format("{}: {:.2f} {}/h would do, of {:.2f}", carries,
                                               wanted ? wanted->cost : needed->cost, spec_.currency,
                                               spec_.demand.limits.cost)};
  }

  const Estimate& estimate(std::size_t i) {
    std::optional<Estimate>& found = plan_.candidates[i].estimate;
    if (found) return *found;
    const Deployment d = deployment(i);
    found = spec_.steps ? estimate_steps(d, *spec_.steps, known_[i].most, target())
                        : estimate_service(d, *known_[i].question, *known_[i].cache);
    return *found;
  }

  double target() const { return *seconds_of(spec_.steps->decode ? spec_.tpot : spec_.ttft); }

  const MeasuredEngine& measure(std::size_t i) {
    std::optional<MeasuredEngine>& found = plan_.candidates[i].measured;
    const Deployment d = deployment(i);
    found = spec_.steps
                ? measure_steps(d, *spec_.steps, estimate(i), target())
                : measure_service(d, *known_[i].question, estimate(i), spec_.counts_requests);
    return *found;
  }

  void search_all() {
    std::vector<std::size_t> left;
    std::vector<SearchItem> items;
    for (std::size_t i = 0; i < plan_.candidates.size(); ++i) {
      if (plan_.candidates[i].rejected) continue;
      left.push_back(i);
      items.push_back({.terms = terms(i), .ceiling = known_[i].ceiling, .group = setting(i).gpu()});
    }
    std::size_t estimated = 0, measured = 0;
    const SearchResult found = search(
        items, asked_,
        [&](std::size_t k) {
          proceed("estimated", estimated++, left.size());
          return estimate(left[k]).capacity;
        },
        [&](std::size_t k) {
          proceed("measured", measured++, left.size());
          return measure(left[k]).capacity;
        },
        {.margin = spec_.margin,
         .finalists = static_cast<std::size_t>(spec_.finalists),
         .structure = structure(),
         .exhaustive = spec_.exhaustive});
    plan_.margin_used = found.margin_used;
    plan_.largest_error = found.largest_error;
    plan_.stages.push_back({"estimate", left.size(), found.estimated});
    plan_.stages.push_back({"measure", found.estimated, found.measured});
    for (const auto& best : found.best)
      best_.push_back(best ? std::optional(left[*best]) : std::nullopt);
    for (std::size_t k = 0; k < left.size(); ++k) explain(left[k], found.items[k]);
    pareto();
  }

  // Why one that was searched is no answer.
  void explain(std::size_t i, const SearchedItem& item) {
    Candidate& candidate = plan_.candidates[i];
    if (std::ranges::find(best_, std::optional(i)) != best_.end()) {
      if (item.capacity) candidate.offer = offer(i, asked_[0]);
      return;
    }
    switch (item.fate) {
      case Fate::Dominated:
        candidate.rejected = Rejection{
            "dominated",
            fmt::format("an engine carries at most {:.3g} /s: proved worse", known_[i].ceiling)};
        return;
      case Fate::Margin:
        candidate.rejected =
            candidate.estimate->capacity > 0
                ? Rejection{"margin", fmt::format("an engine carries about {:.3g} /s: worse by "
                                                  "more than the margin",
                                                  candidate.estimate->capacity)}
                : Rejection{"capacity", no_capacity(*candidate.estimate)};
        return;
      case Fate::Measured:
        break;
    }
    const EngineCapacity& capacity = *item.capacity;
    candidate.offer = offer(i, asked_[0]);
    if (capacity.p50 <= 0) {
      candidate.rejected = Rejection{"capacity", no_capacity(*candidate.estimate)};
    } else if (auto over =
                   over_the_limits(i, capacity.p50, deviation_of(capacity, structure()), "about")) {
      candidate.rejected = std::move(over);
    } else if (candidate.offer) {
      candidate.rejected =
          Rejection{"dominated", fmt::format("measured: {} GPUs carry {:.3g} /s",
                                             candidate.offer->gpus, candidate.offer->capacity)};
    } else {
      candidate.rejected =
          Rejection{"probability",
                    fmt::format("measured: within the limits no number of engines has {:.2f}{}",
                                spec_.demand.confidence,
                                spec_.demand.spare == Spare::None ? "" : " with the spare lost")};
    }
  }

  std::string no_capacity(const Estimate& e) const {
    if (e.least_token_s > 0) {
      return spec_.steps && !spec_.steps->decode
                 ? fmt::format("one prompt takes {}", time_text(e.least_token_s))
                 : fmt::format("one sequence's token takes {}", time_text(e.least_token_s));
    }
    const auto ttft = seconds_of(spec_.ttft);
    if (ttft && e.first_s > *ttft) return fmt::format("one prompt takes {}", time_text(e.first_s));
    return "no rate attains the targets";
  }

  std::optional<Offer> offer(std::size_t i, const Demand& demand) const {
    const EngineCapacity& c = plan_.candidates[i].measured->capacity;
    return offer_of(terms(i), c.p50, deviation_of(c, structure()), demand);
  }

  double tokens_of_request() const {
    if (spec_.steps) return 1;
    for (const Known& known : known_)
      if (known.question) return std::max(1.0, known.question->mean_output());
    return 1;
  }

  void pareto() {
    struct Point {
      std::size_t candidate;
      double a_user, a_gpu;
    };
    std::vector<Point> points;
    for (std::size_t i = 0; i < plan_.candidates.size(); ++i) {
      const auto& e = plan_.candidates[i].estimate;
      if (!e || e->capacity <= 0 || e->token_s <= 0) continue;
      points.push_back(
          {i, 1 / e->token_s,
           e->capacity * tokens_of_request() / static_cast<double>(plan_.candidates[i].gpus())});
    }
    std::ranges::stable_sort(points, [](const Point& a, const Point& b) {
      return std::pair(-a.a_gpu, -a.a_user) < std::pair(-b.a_gpu, -b.a_user);
    });
    double fastest = 0;
    for (const Point& point : points) {
      if (point.a_user <= fastest) continue;
      fastest = point.a_user;
      plan_.pareto.push_back(point.candidate);
    }
  }

  void answer() {
    PlanStage stage{.name = "final"};
    for (std::size_t q = 0; q < asked_.size(); ++q) {
      if (!best_[q]) continue;
      ++stage.in;
      const std::size_t i = *best_[q];
      const Offer wanted = *offer(i, asked_[q]);
      const auto same_as = [&](const Offer& offer) {
        return std::ranges::find_if(plan_.answers, [&, i](const PlanAnswer& a) {
          return a.candidate == i && a.offer.engines == offer.engines;
        });
      };
      auto same = same_as(wanted);
      if (same == plan_.answers.end()) {
        proceed("final", q, asked_.size());
        PlanAnswer answer = answer_of(i, wanted, q);
        same = same_as(answer.offer);
        if (same == plan_.answers.end()) {
          plan_.answers.push_back(std::move(answer));
          ++stage.out;
          continue;
        }
      }
      same->roles.push_back(roles_[q]);
    }
    plan_.stages.push_back(std::move(stage));
    if (plan_.answers.empty() || plan_.answers.front().roles.front() != "chosen")
      find_nearest();
    else
      find_second();
  }

  PlanAnswer answer_of(std::size_t i, Offer wanted, std::size_t question) {
    const MeasuredEngine& engine = *plan_.candidates[i].measured;
    const EngineChoice& choice = plan_.candidates[i].choice;
    const auto& capacity = engine.capacity;
    PlanAnswer answer{
        .roles = {roles_[question]}, .candidate = i, .confidence = asked_[question].confidence};
    answer.deviation = deviation_of(capacity, structure());
    for (int tries = 0;; ++tries) {
      answer.scenario = spec_.steps ? setting(i).scenario(choice, engine.batch)
                                    : setting(i).scenario(choice, wanted.engines, engine.requests);
      auto document = sim::io::YamlDocument::parse(answer.scenario, "the plan's scenario");
      workloads::Scenario scenario = workloads::read_scenario(document.root(), options_.shipped);
      scenario.inputs.scenario.clear();
      scenario.deployment.routing.cache = options_.traces;
      answer.run = workloads::run(scenario, {.stop = options_.stop});
      if (!answer.run.serving) break;
      const auto& report = answer.run.serving->report;
      if (report.attained.value_or(0) >= spec_.attained || tries == kMostTries) break;
      // Engines are not loaded alike: one more takes the rest.
      const Offer more = with_one_more(i, wanted, asked_[question]);
      if (more.gpus > std::min(spec_.demand.limits.gpus, terms(i).most) ||
          more.cost > spec_.demand.limits.cost)
        break;
      wanted = more;
    }
    answer.offer = wanted;
    const auto engines = static_cast<double>(wanted.engines);
    const double decile = std::exp(normal_quantile(0.9) * answer.deviation);
    answer.capacity_p10 = engines * capacity.p50 / decile;
    answer.capacity_p90 = engines * capacity.p50 * decile;
    const std::int64_t node = terms(i).gpus_per_node;
    answer.nodes = (wanted.gpus + node - 1) / node;
    const std::int64_t lost = engines_lost(terms(i), Spare::Node);
    answer.without_spare =
        static_cast<double>(std::max<std::int64_t>(0, wanted.engines - lost)) * capacity.p50;
    if (wanted.cost > 0) write_cost(answer);
    return answer;
  }

  Offer with_one_more(std::size_t i, const Offer& offer, const Demand& demand) const {
    const EngineCapacity& c = plan_.candidates[i].measured->capacity;
    return offer_with(terms(i), offer.engines + 1, c.p50, deviation_of(c, structure()), demand);
  }

  void write_cost(PlanAnswer& answer) const {
    const double hour = spec_.demand.rate * 3600;
    double output = hour, total = hour;
    if (!spec_.steps) {
      const ServingQuestion& q = *known_[answer.candidate].question;
      output *= q.mean_output();
      total *= q.mean_output() + q.mean_input();
    }
    answer.cost_per_million_output = answer.offer.cost / output * 1e6;
    answer.cost_per_million_total = answer.offer.cost / total * 1e6;
  }

  void find_second() {
    const PlanAnswer& chosen = plan_.answers.front();
    const Candidate& first = plan_.candidates[chosen.candidate];
    std::optional<std::size_t> second;
    for (std::size_t i = 0; i < plan_.candidates.size(); ++i) {
      const Candidate& c = plan_.candidates[i];
      if (i == chosen.candidate || !c.offer) continue;
      if (!second || better(*c.offer, *plan_.candidates[*second].offer)) second = i;
    }
    if (!second) return;
    const Candidate& other = plan_.candidates[*second];
    const auto a_gpu = [](const Candidate& c) {
      return c.measured->capacity.p50 / static_cast<double>(c.gpus());
    };
    plan_.second = PlanTie{*second, probability_better(first.measured->capacity, a_gpu(first),
                                                       other.measured->capacity, a_gpu(other),
                                                       first.device == other.device, structure())};
  }

  // Where all were refused unseen, those that come nearest by their floors are looked at.
  void look_closer() {
    const auto seen = [](const Candidate& c) { return c.measured.has_value(); };
    if (std::ranges::any_of(plan_.candidates, seen)) return;
    struct Close {
      std::size_t candidate;
      bool misses;
      double by;  // GPUs that would do by the ceiling; where a target is missed, by how much
    };
    std::vector<Close> close;
    for (std::size_t i = 0; i < plan_.candidates.size(); ++i) {
      const Known& known = known_[i];
      if (known.late > 1) {
        close.push_back({i, true, known.late});
      } else if (known.ceiling > 0) {
        const auto offer = offer_without_limits(terms(i), known.ceiling, structure(), asked_[0]);
        if (offer) close.push_back({i, false, static_cast<double>(offer->gpus)});
      }
    }
    std::ranges::stable_sort(close, [](const Close& a, const Close& b) {
      return std::pair(a.misses, a.by) < std::pair(b.misses, b.by);
    });
    if (close.size() > static_cast<std::size_t>(spec_.finalists))
      close.resize(static_cast<std::size_t>(spec_.finalists));
    for (const Close& one : close) {
      proceed("nearest", 0, close.size());
      if (estimate(one.candidate).capacity > 0) measure(one.candidate);
    }
  }

  // The one that would do with the fewest GPUs beyond the limits, else whose tokens, or prompts,
  // are quickest.
  void find_nearest() {
    look_closer();
    std::optional<Nearest> best;
    for (std::size_t i = 0; i < plan_.candidates.size(); ++i) {
      const Candidate& c = plan_.candidates[i];
      if (!c.estimate) continue;
      Nearest one{.candidate = i};
      const EngineTerms t = terms(i);
      if (c.measured && c.measured->capacity.p50 > 0) {
        const EngineCapacity& capacity = c.measured->capacity;
        const double deviation = deviation_of(capacity, structure());
        one.would_do = offer_without_limits(t, capacity.p50, deviation, asked_[0]);
        one.carried =
            capacity.p50 * static_cast<double>(std::min(spec_.demand.limits.gpus, t.most) / t.gpus);
      } else if (c.estimate->least_token_s > 0) {
        one.least_token_s = c.estimate->least_token_s;
      } else if (c.estimate->capacity == 0 && c.estimate->first_s > 0) {
        one.least_first_s = c.estimate->first_s;
      } else if (!c.measured) {
        continue;
      }
      if (!best || nearer(one, *best)) best = one;
    }
    plan_.nearest = best;
  }

  static bool nearer(const Nearest& a, const Nearest& b) {
    if (a.would_do.has_value() != b.would_do.has_value()) return a.would_do.has_value();
    if (a.would_do) return a.would_do->gpus < b.would_do->gpus;
    const auto least = [](const Nearest& n) {
      return n.least_token_s.value_or(n.least_first_s.value_or(INFINITY));
    };
    return least(a) < least(b);
  }

  const PlanSpec& spec_;
  const PlanOptions& options_;
  std::vector<Demand> asked_;
  std::vector<std::string> roles_;
  std::vector<PlanSetting> settings_;
  std::vector<Known> known_;
  std::vector<std::optional<std::size_t>> best_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const PlanSpec& spec, const PlanOptions& options) {
  return Planner(spec, options).make();
}

}  // namespace moesim::tools
