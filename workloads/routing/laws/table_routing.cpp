#include "workloads/routing/laws/table_routing.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>

#include "sim/check.h"
#include "sim/random.h"

namespace moesim::workloads {
namespace {

using Loads = std::vector<std::int64_t>;

Loads balanced(const TableRouting& r) {
  Loads loads(static_cast<std::size_t>(r.experts), 0);
  const std::int64_t stride = (r.experts + r.top_k - 1) / r.top_k;
  for (std::int64_t t = 0; t < r.tokens; ++t) {
    const std::int64_t first = r.tokens < stride ? t * stride / r.tokens : t;
    for (std::int64_t j = 0; j < r.top_k; ++j)
      ++loads[static_cast<std::size_t>((first + j * stride) % r.experts)];
  }
  return loads;
}

Loads uniform(const TableRouting& r) {
  const std::int64_t selections = r.tokens * r.top_k;
  Loads loads(static_cast<std::size_t>(r.experts));
  for (std::int64_t e = 0; e < r.experts; ++e)
    loads[static_cast<std::size_t>(e)] =
        (e + 1) * selections / r.experts - e * selections / r.experts;
  return loads;
}

// Inverse of the cumulated density x^-alpha on [low, high].
double truncated_pareto(double u, double alpha, double low, double high) {
  if (std::abs(alpha - 1) < 1e-9) return low * std::pow(high / low, u);
  const double power = 1 - alpha;
  const double a = std::pow(low, power), b = std::pow(high, power);
  return std::pow((b - a) * u + a, 1 / power);
}

// Brings the sum to `target`: one row at a time, the ranks in turn.
void settle(Loads& loads, std::int64_t ranks, std::int64_t tokens, std::int64_t target) {
  std::int64_t left = target - std::accumulate(loads.begin(), loads.end(), std::int64_t{0});
  const std::size_t local = loads.size() / static_cast<std::size_t>(ranks);
  for (std::size_t rank = 0; left != 0; rank = (rank + 1) % static_cast<std::size_t>(ranks)) {
    const std::span<std::int64_t> mine(loads.data() + rank * local, local);
    if (left > 0) {
      std::int64_t& least = *std::ranges::min_element(mine);
      if (least < tokens) ++least, --left;
    } else {
      std::int64_t& most = *std::ranges::max_element(mine);
      if (most > 0) --most, ++left;
    }
  }
}

Loads power_law(const TableRouting& r, std::uint64_t draw) {
  const double tokens = static_cast<double>(r.tokens);
  const double selections = tokens * static_cast<double>(r.top_k);
  const bool many = selections > static_cast<double>(r.experts);
  const double low = many ? 1 : 0.01, high = many ? std::max(1.0, 0.8 * tokens) : 2;
  sim::Random random(draw, "table routing");
  std::vector<double> drawn(static_cast<std::size_t>(r.experts));
  double sum = 0;
  for (double& x : drawn) sum += x = truncated_pareto(random.uniform(), r.alpha, low, high);
  Loads loads(drawn.size());
  for (std::size_t e = 0; e < drawn.size(); ++e)  // halves to the even number, as torch.round
    loads[e] = std::min(r.tokens, std::int64_t(std::nearbyint(drawn[e] / sum * selections)));
  settle(loads, r.ranks, r.tokens, r.tokens * r.top_k);
  return loads;
}

// The rows of each slot: the hottest expert a slot gets another, in turn.
Loads replicated(const Loads& loads, std::int64_t slots) {
  std::vector<std::int64_t> replicas(loads.size(), 1);
  for (std::int64_t more = slots - static_cast<std::int64_t>(loads.size()); more > 0; --more) {
    std::size_t hottest = 0;
    for (std::size_t e = 1; e < loads.size(); ++e)
      if (loads[e] * replicas[hottest] > loads[hottest] * replicas[e]) hottest = e;
    ++replicas[hottest];
  }
  Loads rows;
  for (std::size_t e = 0; e < loads.size(); ++e)
    for (std::int64_t i = 0; i < replicas[e]; ++i)
      rows.push_back((i + 1) * loads[e] / replicas[e] - i * loads[e] / replicas[e]);
  return rows;
}

// The slots of each rank, of which each has room for as many.
std::vector<Loads> balanced_over_ranks(Loads slots, std::int64_t ranks) {
  std::ranges::stable_sort(slots, std::greater<>{});
  const std::size_t room = slots.size() / static_cast<std::size_t>(ranks);
  std::vector<Loads> placed(static_cast<std::size_t>(ranks));
  std::vector<std::int64_t> sums(placed.size(), 0);
  for (const std::int64_t rows : slots) {
    std::size_t least = placed.size();
    for (std::size_t rank = 0; rank < placed.size(); ++rank)
      if (placed[rank].size() < room && (least == placed.size() || sums[rank] < sums[least]))
        least = rank;
    placed[least].push_back(rows);
    sums[least] += rows;
  }
  return placed;
}

std::int64_t sum_of(const Loads& loads) {
  return std::accumulate(loads.begin(), loads.end(), std::int64_t{0});
}

}  // namespace

bool parse_table_law(std::string_view text, TableRouting& routing) {
  constexpr std::string_view kPowerLaw = "power_law_";
  if (text == "balanced") return routing.law = TableLaw::Balanced, true;
  if (text == "uniform") return routing.law = TableLaw::Uniform, true;
  if (!text.starts_with(kPowerLaw)) return false;
  text.remove_prefix(kPowerLaw.size());
  constexpr std::string_view kEplb = "_eplb";
  routing.eplb = text.ends_with(kEplb);
  if (routing.eplb) text.remove_suffix(kEplb.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), routing.alpha);
  if (error != std::errc{} || end != text.data() + text.size()) return false;
  if (!(routing.alpha > 0 && routing.alpha <= 10)) return false;
  return routing.law = TableLaw::PowerLaw, true;
}

std::vector<std::int64_t> table_loads(const TableRouting& r, std::uint64_t draw) {
  SIM_CHECK(r.top_k >= 1 && r.top_k <= r.experts && r.ranks >= 1 && r.experts % r.ranks == 0,
            "a table's experts are spread evenly and chosen once a token");
  switch (r.law) {
    case TableLaw::Balanced:
      return balanced(r);
    case TableLaw::Uniform:
      return uniform(r);
    case TableLaw::PowerLaw:
      return power_law(r, draw);
  }
  return {};
}

std::vector<std::int64_t> table_rows(const TableRouting& r, std::uint64_t draw) {
  const Loads loads = table_loads(r, draw);
  if (r.eplb) {
    const std::int64_t slots = r.slots > 0 ? r.slots : r.experts;
    SIM_CHECK(slots >= r.experts && slots % r.ranks == 0, "every rank has as many slots");
    return std::ranges::max(balanced_over_ranks(replicated(loads, slots), r.ranks), {}, sum_of);
  }
  const std::ptrdiff_t local = r.experts / r.ranks;
  std::ptrdiff_t measured = 0;
  if (r.law == TableLaw::PowerLaw) {
    std::int64_t most = -1;
    for (std::ptrdiff_t rank = 0; rank < r.ranks; ++rank) {
      const auto first = loads.begin() + rank * local;
      const std::int64_t sum = std::accumulate(first, first + local, std::int64_t{0});
      if (sum > most) most = sum, measured = rank;
    }
  }
  return {loads.begin() + measured * local, loads.begin() + (measured + 1) * local};
}

}  // namespace moesim::workloads
