#include "validation/tables/slow_tasks.h"

#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "validation/statistics.h"
#include "workloads/routing/laws/table_routing.h"

namespace moesim::validation {
namespace {

constexpr std::size_t kLeastCommon = 5;  // token counts

struct Layout {
  std::int64_t tp = 1, ep = 1;
  double skew = 0;  // alpha of a power law
  auto operator<=>(const Layout&) const = default;
};
using Times = std::map<std::int64_t, double>;  // ln, by tokens
using Layouts = std::map<Layout, Times>;       // of one model and format

std::string model_of(const TableReader& reader, std::size_t row) {
  std::string model;
  for (const char* column : {"moe_dtype", "hidden_size", "inter_size", "topk", "num_experts"})
    model += std::string(reader.text(row, column)) + ' ';
  return model;
}

Layout layout_of(const TableReader& reader, std::size_t row) {
  workloads::TableRouting routing;
  const bool law = workloads::parse_table_law(reader.text(row, "distribution"), routing);
  const bool skewed = law && routing.law == workloads::TableLaw::PowerLaw;
  return {reader.count(row, "moe_tp_size"), reader.count(row, "moe_ep_size"),
          skewed ? routing.alpha : 0};
}

bool asks_for_no_less(const Layout& than, const Layout& other) {
  if (other.tp == than.tp && other.ep == than.ep) return other.skew > than.skew;
  return other.skew == than.skew && than.tp % other.tp == 0 && than.ep % other.ep == 0;
}

bool is_slow(const Layouts& layouts, const Layout& layout, const Times& times) {
  for (const auto& [other, its] : layouts) {
    if (other == layout || !asks_for_no_less(layout, other)) continue;
    std::vector<double> ratios;
    for (const auto& [tokens, ln] : times)
      if (const auto same = its.find(tokens); same != its.end())
        ratios.push_back(ln - same->second);
    if (ratios.size() >= kLeastCommon && quantile(std::move(ratios), 0.5) > std::log(kSlowTask))
      return true;
  }
  return false;
}

}  // namespace

std::vector<bool> slow_tasks(const TableReader& reader) {
  std::map<std::string, Layouts> models;
  const auto known = [&](std::size_t row) {  // a row whose law we guess judges no other
    workloads::TableRouting routing;
    return workloads::parse_table_law(reader.text(row, "distribution"), routing);
  };
  for (std::size_t row = 0; row < reader.rows(); ++row)
    if (const double us = reader.time_us(row, "latency_us"); us > 0 && known(row))
      models[model_of(reader, row)][layout_of(reader, row)][reader.count(row, "num_tokens")] =
          std::log(us);
  std::map<std::pair<std::string, Layout>, bool> slow;
  for (const auto& [model, layouts] : models)
    for (const auto& [layout, times] : layouts)
      slow[{model, layout}] = is_slow(layouts, layout, times);
  std::vector<bool> rows(reader.rows());
  for (std::size_t row = 0; row < reader.rows(); ++row)
    rows[row] = known(row) && slow[{model_of(reader, row), layout_of(reader, row)}];
  return rows;
}

}  // namespace moesim::validation
