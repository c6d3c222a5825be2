#include "workloads/step/prices.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "workloads/step/group_price.h"
#include "workloads/step/micro_batch.h"
#include "workloads/step/step_table.h"
#include "workloads/step/token_kernels.h"

namespace moesim::workloads {
namespace {

using sim::Duration;

// Points of a table whose contexts are not an axis, and where the tokens' cells are made.
constexpr std::int64_t kReferenceContext = 1024;

// The mean; parts of it sum to it: what rounding leaves goes to the largest.
StepPrice mean_of(const std::vector<StepPrice>& prices) {
  const auto count = static_cast<std::int64_t>(prices.size());
  StepPrice mean{.low = prices.front().low, .high = prices.front().high};
  for (const StepPrice& price : prices) {
    mean.time += price.time;
    mean.low = std::min(mean.low, price.low);
    mean.high = std::max(mean.high, price.high);
    for (std::size_t f = 0; f < kFactors; ++f) mean.parts[f] += price.parts[f];
  }
  mean.time = (mean.time + Duration(count / 2)) / count;
  for (Duration& part : mean.parts) part /= count;
  return mean;
}

void make_parts_sum(StepPrice& price) {
  Duration left = price.time;
  for (const Duration part : price.parts) left -= part;
  *std::ranges::max_element(price.parts) += left;
}

// How a batch is looked up.
struct Family {
  bool prompts = false;    // its points are of prompts, not of sequences that decode
  std::int64_t query = 1;  // tokens of a sequence that decodes
  std::int64_t drafted = 0;
  bool adds_up = true;          // attention and the rest do
  bool launched = false;        // kernel by kernel, after the host has thought
  bool decode_kernels = false;  // that carry its tokens (token_kernels.h)
  auto operator<=>(const Family&) const = default;
};

// Orders questions that are played one by one.
std::vector<std::int64_t> key_of(const Batch& batch) {
  std::vector<std::int64_t> key{batch.drafted};
  for (const RankBatch& rank : batch.ranks) {
    key.push_back(static_cast<std::int64_t>(rank.size()));
    for (const BatchShape& part : rank) {
      key.insert(key.end(), {static_cast<std::int64_t>(part.phase), part.sequences,
                             part.query_length, part.kv_length, part.encoder_length});
    }
  }
  return key;
}

}  // namespace

double PriceCheck::error() const {
  return std::abs(static_cast<double>(priced.count()) / static_cast<double>(played.count()) - 1);
}

struct StepPrices::State {
  State(StepPlayer& p, const PriceOptions& o)
      : player(p), options(o), deployment(p.deployment()), pricer(p) {}

  std::optional<Family> family_of(const Batch& batch) const;
  Batch batch_of(const Family& family, const TablePoint& point) const;
  TableSample play(const Family& family, const TablePoint& point);
  Duration attention_of(const Batch& batch, const std::vector<std::size_t>& group);
  StepTable& table_of(const Family& family);
  StepPrice outcome(const Batch& batch, std::int64_t routing);
  StepPrice price_of(const Family& family, const ExactPart& exact, const ExactPart& placed,
                     const TableBlend& blend, std::size_t group, std::size_t routing) const;
  std::vector<StepPrice> prices(const Batch& batch, std::int64_t first, std::int64_t last);
  std::optional<std::vector<StepPrice>> from_table(const Batch& batch, std::int64_t first,
                                                   std::int64_t last);
  std::optional<std::vector<StepPrice>> in_pipeline(const Batch& batch, std::int64_t first,
                                                    std::int64_t last);
  std::vector<StepPrice> looked_up(const Family& family, const Batch& batch, std::int64_t first,
                                   std::int64_t last);
  StepPrice remembered(const Batch& batch, std::int64_t routing);
  void keep_within_bounds();

  StepPlayer& player;
  PriceOptions options;
  const Deployment& deployment;
  GroupPricer pricer;
  std::map<Family, StepTable> tables;
  // Of batches that no table is for.
  std::map<std::vector<std::int64_t>, StepPrice> played;
  std::size_t played_bytes = 0;
};

// Nothing where each batch is played: what ranks have beside their tokens moves the rest.
std::optional<Family> StepPrices::State::family_of(const Batch& batch) const {
  std::int64_t prompts = 0, decodes = 0, query = 0;
  bool alike = true;
  for (const RankBatch& rank : batch.ranks) {
    for (const BatchShape& part : rank) {
      if (part.tokens() == 0) continue;
      if (part.phase == StepPhase::Prefill) {
        prompts += part.tokens();
        continue;
      }
      decodes += part.tokens();
      alike = alike && (query == 0 || query == part.query_length);
      query = part.query_length;
    }
  }
  const Parallelism& p = deployment.layout;
  Family family{.launched = is_launched(deployment.host, batch),
                .decode_kernels = decode_kernels_carry(deployment, batch)};
  family.adds_up = p.pp == 1 && !deployment.overlap.two_batch && !family.launched;
  if (p.cp > 1 && prompts > 0) return {};  // keys and values of the prompts are gathered
  if (batch.drafted > 0) {
    if (prompts > 0 || !alike || query != 1 + batch.drafted) return {};
    family.query = query;
    family.drafted = batch.drafted;
    family.adds_up = false;  // drafts attend, too
    return family;
  }
  const ModelSpec& model = deployment.model;
  const bool same_layers = model.prefill_layers() == model.decode_layers();
  family.prompts =
      decodes == 0 || (same_layers && (family.launched ? prompts > 0 : prompts > decodes));
  if (family.launched && prompts > 0 && !family.prompts) return {};
  return family;
}

// As many prompts on a rank as a step is cut in parts.
Batch StepPrices::State::batch_of(const Family& family, const TablePoint& point) const {
  const std::int64_t cuts = deployment.layout.pp * (deployment.overlap.two_batch ? 2 : 1);
  const auto rank_with = [&](std::int64_t count) {
    RankBatch rank;
    if (count == 0) return rank;
    if (!family.prompts) {
      rank.push_back(decoding(count, point.context + family.query - 1));
      rank.back().query_length = family.query;
      return rank;
    }
    const std::int64_t each = count / cuts, left = count % cuts;
    if (each > 0) rank.push_back(moesim::workloads::prompts(cuts - left, each, point.context - 1));
    if (left > 0) rank.push_back(moesim::workloads::prompts(left, each + 1, point.context - 1));
    return rank;
  };
  const auto size = static_cast<std::int64_t>(pricer.groups().front().size());
  Batch batch{.ranks = {}, .drafted = family.drafted};
  if (point.fullest * size == point.total) {
    batch.ranks = {rank_with(point.fullest)};
    return batch;
  }
  batch.ranks.resize(pricer.dp_ranks());
  for (const auto& group : pricer.groups()) {
    for (std::int64_t i = 0, other = 0; i < size; ++i) {
      const std::int64_t count =
          is_full(i, size, point.full)
              ? point.fullest
              : part_of(point.total - point.full * point.fullest, size - point.full, other++);
      batch.ranks[group[static_cast<std::size_t>(i)]] = rank_with(count);
    }
  }
  return batch;
}

TableSample StepPrices::State::play(const Family& family, const TablePoint& point) {
  const Batch batch = batch_of(family, point);
  const ExactPart exact = pricer.exact_part(batch, pricer.groups().front(), false);
  TableSample sample;
  for (std::int64_t r = 0; r < player.routing_steps(); ++r) {
    const StepOutcome step = player.outcome(batch, r,
                                            {.ranks = false,
                                             .path = true,
                                             .links = false,
                                             .host = family.launched,
                                             .meetings = family.adds_up,
                                             .decode_kernels = family.decode_kernels});
    TableRest rest{.time = step.time - exact.time(family.adds_up),
                   .parts = factors_of(step.path, step.account)};
    exact.add_to(rest.parts, family.adds_up, -1);
    sample.mean_rest += static_cast<double>(rest.time.count());
    sample.mean_time += static_cast<double>(step.time.count());
    sample.routings.push_back(rest);
    if (!step.meetings.done.empty())
      sample.meetings.push_back(pricer.meetings_of(step.meetings, batch));
  }
  sample.mean_rest /= static_cast<double>(player.routing_steps());
  sample.mean_time /= static_cast<double>(player.routing_steps());
  return sample;
}

// By which steps are looked up where attention and the rest do not add up: in a pipeline that of a
// micro-batch, whose kernels are launched for it.
Duration StepPrices::State::attention_of(const Batch& batch,
                                         const std::vector<std::size_t>& group) {
  const std::int64_t stages = deployment.layout.pp;
  return pricer.exact_part(stages == 1 ? batch : cut(batch, stages).front(), group, false)
      .attention;
}

StepTable& StepPrices::State::table_of(const Family& family) {
  if (const auto found = tables.find(family); found != tables.end()) return found->second;
  const StepTable::Axes axes{.ranks = static_cast<std::int64_t>(pricer.groups().front().size()),
                             .most = player.most_tokens() / (deployment.layout.dp * family.query),
                             .tolerance = options.tolerance,
                             .adds_up = family.adds_up,
                             .reference_context = family.prompts ? 1 : kReferenceContext};
  return tables
      .emplace(family, StepTable(
                           axes, [this, family](const TablePoint& at) { return play(family, at); },
                           [this, family](const TablePoint& at) {
                             return attention_of(batch_of(family, at), pricer.groups().front());
                           }))
      .first->second;
}

StepPrice StepPrices::State::outcome(const Batch& batch, std::int64_t routing) {
  const StepOutcome step =
      player.outcome(batch, routing, {.ranks = false, .path = true, .links = false});
  return {.time = step.time,
          .low = step.time,
          .high = step.time,
          .parts = factors_of(step.path, step.account)};
}

// A group's, of one routing. Ranks are exposed to what is priced exactly as far as others wait for
// it.
StepPrice StepPrices::State::price_of(const Family& family, const ExactPart& exact,
                                      const ExactPart& placed, const TableBlend& blend,
                                      std::size_t group, std::size_t routing) const {
  const TableRest rest = blend.of(routing);
  Duration exposed = exact.time(family.adds_up);
  if (!blend.parts.front().sample->meetings.empty()) {
    double time = 0;
    for (const TableBlend::Part& part : blend.parts) {
      time += part.weight *
              time_of(part.sample->meetings[routing][group], part.full > 0 ? placed : exact);
    }
    exposed = Duration(std::llround(time)) - rest.time;
  }
  const Duration pass = rest.time + exposed;
  FactorTimes own{};
  exact.add_to(own, family.adds_up, 1);
  StepPrice price{.time = pass, .parts = rest.parts};
  const Duration whole = exact.time(family.adds_up);
  const double seen =
      whole > Duration{} ? static_cast<double>(exposed.count()) / static_cast<double>(whole.count())
                         : 0;
  for (std::size_t f = 0; f < kFactors; ++f) {
    price.parts[f] += exposed == whole
                          ? own[f]
                          : Duration(std::llround(seen * static_cast<double>(own[f].count())));
  }
  // Beside the pass the host is seen where it takes longer.
  const Duration host = family.launched ? Duration{} : exact.host;
  if (!deployment.host.overlapped) {
    price.time += host;
    workloads::of(price.parts, Factor::Host) += host;
  } else if (host > pass) {
    price.time = host;
    price.parts = {};
    workloads::of(price.parts, Factor::Host) = host;
  }
  make_parts_sum(price);
  price.low = price.high = price.time;
  return price;
}

// The slowest group's.
std::vector<StepPrice> StepPrices::State::looked_up(const Family& family, const Batch& batch,
                                                    std::int64_t first, std::int64_t last) {
  StepTable& table = table_of(family);
  std::vector<StepPrice> prices(static_cast<std::size_t>(last - first));
  for (std::size_t g = 0; g < pricer.groups().size(); ++g) {
    const ExactPart exact = pricer.exact_part(batch, pricer.groups()[g], family.adds_up);
    if (exact.total == 0) continue;
    const auto query = static_cast<double>(family.query);
    const TablePoint at{.prompts = family.prompts,
                        .query = family.query,
                        .total = exact.total / family.query,
                        .fullest = exact.fullest / family.query,
                        .full = full_ranks(static_cast<std::int64_t>(pricer.groups()[g].size()),
                                           exact.total / family.query, exact.fullest / family.query,
                                           exact.squares / (query * query))};
    const TableBlend blend =
        table.blend(at, family.adds_up ? exact.attention : attention_of(batch, pricer.groups()[g]));
    const ExactPart placed = as_in_a_point(exact, at.full);
    for (std::int64_t r = first; r < last; ++r) {
      const StepPrice price =
          price_of(family, exact, placed, blend, g, static_cast<std::size_t>(r));
      StepPrice& slowest = prices[static_cast<std::size_t>(r - first)];
      if (price.time > slowest.time) slowest = price;
    }
  }
  return prices;
}

StepPrice StepPrices::State::remembered(const Batch& batch, std::int64_t routing) {
  std::vector<std::int64_t> key = key_of(batch);
  key.push_back(routing);
  if (const auto found = played.find(key); found != played.end()) return found->second;
  played_bytes += sizeof(StepPrice) + key.size() * sizeof(key.front());
  return played.emplace(std::move(key), outcome(batch, routing)).first->second;
}

// Everything is forgotten at once: what is made anew is the same.
void StepPrices::State::keep_within_bounds() {
  std::size_t bytes = played_bytes;
  for (const auto& [family, table] : tables) bytes += table.bytes();
  if (bytes < options.most_bytes) return;
  for (auto& [family, table] : tables) table.forget();
  played.clear();
  played_bytes = 0;
}

// Of the routings [first, last); nothing where a batch is in no table.
std::optional<std::vector<StepPrice>> StepPrices::State::from_table(const Batch& batch,
                                                                    std::int64_t first,
                                                                    std::int64_t last) {
  const std::optional<Family> family = family_of(batch);
  if (!family || tokens_of(batch, deployment.layout.dp) == 0) return {};
  const std::int64_t most =
      player.most_tokens() / (deployment.layout.dp * family->query) * family->query;
  const bool fits = std::ranges::all_of(pricer.groups(), [&](const auto& group) {
    std::int64_t total = 0;
    for (const std::size_t dp : group) total += tokens_of(batch.of(dp));
    return total <= most * static_cast<std::int64_t>(group.size());
  });
  if (!fits) return {};
  return looked_up(*family, batch, first, last);
}

// In a pipeline: as many micro-batches as stages go round, each only when it is back. So all wait
// for the one that takes longest, and the step takes as long as if all were like that one.
std::optional<std::vector<StepPrice>> StepPrices::State::in_pipeline(const Batch& batch,
                                                                     std::int64_t first,
                                                                     std::int64_t last) {
  const std::int64_t stages = deployment.layout.pp;
  std::vector<Batch> known;
  std::optional<std::vector<StepPrice>> slowest;
  for (Batch& part : cut(batch, stages)) {
    if (tokens_of(part, deployment.layout.dp) == 0 || std::ranges::count(known, part) > 0) continue;
    known.push_back(part);
    for (RankBatch& rank : part.ranks) {
      for (BatchShape& shape : rank) shape.sequences *= stages;
    }
    const auto prices = from_table(part, first, last);
    if (!prices) return {};
    if (!slowest) slowest = prices;
    for (std::size_t r = 0; r < prices->size(); ++r) {
      if ((*prices)[r].time > (*slowest)[r].time) (*slowest)[r] = (*prices)[r];
    }
  }
  return slowest;
}

std::vector<StepPrice> StepPrices::State::prices(const Batch& batch, std::int64_t first,
                                                 std::int64_t last) {
  keep_within_bounds();
  const auto known =
      deployment.layout.pp == 1 ? from_table(batch, first, last) : in_pipeline(batch, first, last);
  if (known) return *known;
  std::vector<StepPrice> prices;
  for (std::int64_t r = first; r < last; ++r) prices.push_back(remembered(batch, r));
  return prices;
}

StepPrices::StepPrices(StepPlayer& player, const PriceOptions& options)
    : state_(std::make_unique<State>(player, options)) {}
StepPrices::~StepPrices() = default;
StepPrices::StepPrices(StepPrices&&) noexcept = default;

std::int64_t StepPrices::routings() const {
  return state_->player.routing_steps();
}

StepPrice StepPrices::exact(const Batch& batch, std::int64_t routing) {
  return state_->outcome(batch, routing);
}

StepPrice StepPrices::of(const Batch& batch, std::int64_t routing) {
  return state_->prices(batch, routing, routing + 1).front();
}

StepPrice StepPrices::of(const Batch& batch) {
  StepPrice mean = mean_of(state_->prices(batch, 0, routings()));
  make_parts_sum(mean);
  return mean;
}

PriceCheck StepPrices::check(const Batch& batch, std::int64_t routing) {
  return {.priced = of(batch, routing).time, .played = exact(batch, routing).time};
}

}  // namespace moesim::workloads
