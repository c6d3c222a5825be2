#include "tools/report/compare_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "sim/units_text.h"
#include "tools/report/number_text.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

double us(std::int64_t ps) {
  return static_cast<double>(ps) / 1e6;
}

// Where over all layers: a phase and a reason, with the layers that make most of it.
struct Row {
  std::string phase, reason, only;
  std::int64_t ps = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> layers = {};  // ps, layer
};

std::vector<Row> rows_of(const std::vector<WhereShare>& where) {
  std::map<std::pair<std::string, std::string>, Row> rows;
  for (const WhereShare& share : where) {
    Row& row = rows[{share.phase, share.reason}];
    if (row.phase.empty()) row = {share.phase, share.reason, share.only};
    if (row.only != share.only) row.only.clear();
    row.ps += share.ps;
    if (share.layer >= 0) row.layers.emplace_back(share.ps, share.layer);
  }
  std::vector<Row> sorted;
  for (auto& [key, row] : rows) sorted.push_back(std::move(row));
  std::ranges::stable_sort(
      sorted, [](const Row& x, const Row& y) { return std::abs(x.ps) > std::abs(y.ps); });
  return sorted;
}

std::string layers_text(Row row) {
  constexpr std::size_t kMost = 3;
  if (row.layers.size() < 2 || row.ps == 0) return {};
  const std::int64_t sign = row.ps < 0 ? -1 : 1;
  std::ranges::stable_sort(
      row.layers, [&](const auto& x, const auto& y) { return sign * x.first > sign * y.first; });
  // All alike: nothing to tell.
  if (row.layers.front().first == row.layers.back().first) return {};
  std::string text = "most in layers ";
  for (std::size_t i = 0; i < std::min(kMost, row.layers.size()); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", row.layers[i].second);
  return text;
}

// Of the side that waits more: the layer that is worst, its rank and its expert.
std::string load_text(const Json& report) {
  const Json none = Json::array();
  const Json& ranks = report.value("rank_load", Json::object()).value("per_layer", none);
  const Json& experts = report.value("expert_load", Json::object()).value("per_layer", none);
  std::size_t worst = 0;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i].at("max_over_mean") > ranks[worst].at("max_over_mean")) worst = i;
  }
  if (ranks.empty() || !ranks[worst].contains("busiest") || worst >= experts.size()) return {};
  return fmt::format("rank {} has {} x the mean rows in layer {}, expert {} most",
                     ranks[worst].at("busiest").get<std::int64_t>(),
                     factor_text(ranks[worst].at("max_over_mean")),
                     ranks[worst].at("layer").get<std::int64_t>(),
                     experts[worst].at("busiest").get<std::int64_t>());
}

std::string link_text(const Json& a, const Json& b) {
  const Json link = b.value("hottest_link", Json());
  if (!link.is_object()) return {};
  const std::string name = link.at("name");
  std::string before = "none";
  for (const Json& one : a.value("links", Json::array())) {
    if (one.at("name") == name)
      before = fmt::format("{}, {} busy", bytes_text(one.at("bytes")),
                           percent_text(one.at("busy_fraction")));
  }
  return fmt::format("{}: {} -> {}, {} busy", name, before, bytes_text(link.at("bytes")),
                     percent_text(link.at("busy_fraction")));
}

std::string keys_text(const std::vector<KeyChange>& keys) {
  constexpr std::size_t kMost = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(kMost, keys.size()); ++i)
    text += fmt::format("{}{}: {} -> {}", i == 0 ? "" : "; ", keys[i].key, keys[i].a, keys[i].b);
  if (keys.size() > kMost) text += fmt::format("; and {} more", keys.size() - kMost);
  return text;
}

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text + "\n";
}

}  // namespace

std::string signed_time(std::int64_t ps) {
  return (ps < 0 ? "-" : "+") + sim::to_text(sim::Duration(std::abs(ps)));
}

Json to_json(const Comparison& c, const std::string& a, const std::string& b) {
  const auto keys = [](const std::vector<KeyChange>& changes, const char* name) {
    Json list = Json::array();
    for (const KeyChange& change : changes)
      list.push_back({{name, change.key}, {"a", change.a}, {"b", change.b}});
    return list;
  };
  Json json{{"metric", c.metric}, {"a_name", a},     {"b_name", b},
            {"a", us(c.a_ps)},    {"b", us(c.b_ps)}, {"difference_us", us(c.difference_ps())}};
  if (c.has_interval) json["interval"] = {{"p10", c.low}, {"p90", c.high}};
  json["where"] = Json::array();
  for (const WhereShare& share : c.where) {
    json["where"].push_back({{"layer", share.layer},
                             {"phase", share.phase},
                             {"reason", share.reason},
                             {"us", us(share.ps)}});
    if (!share.only.empty()) json["where"].back()["only"] = share.only;
  }
  json["phases"] = Json::array();
  for (const PhasePair& pair : c.phases)
    json["phases"].push_back({{"phase", pair.phase}, {"a", us(pair.a_ps)}, {"b", us(pair.b_ps)}});
  json["why"] = Json::array();
  for (const WhyShare& share : c.why) {
    json["why"].push_back(
        {{"part", share.part}, {"us", us(share.ps)}, {"keys", keys(share.keys, "key")}});
  }
  json["keys"] = keys(c.keys, "key");
  json["figures"] = Json::array();
  for (const FigurePair& figure : c.figures) {
    json["figures"].push_back({{"what", figure.what},
                               {"a", figure.a},
                               {"b", figure.b},
                               {"key", figure.key},
                               {"a_value", figure.a_value},
                               {"b_value", figure.b_value}});
  }
  json["flags"] = c.flags;
  return json;
}

std::string difference_text(const Json& compare) {
  const double a = compare.at("a"), b = compare.at("b");
  const char* what = compare.at("metric") == "mean_ttft_us" ? "mean TTFT" : "step";
  if (a == b) return fmt::format("A and B take the same time: a {} of {}", what, time_text(a));
  const double ratio = a > 0 ? b / a - 1 : 0;
  std::string text =
      fmt::format("B is {:.1f} % {} than A: a {} of {} against {}, {}", 100 * std::abs(ratio),
                  b > a ? "slower" : "quicker", what, time_text(b), time_text(a),
                  signed_time(std::llround(compare.at("difference_us").get<double>() * 1e6)));
  if (compare.contains("interval")) {
    text += fmt::format(" (80 %: {:+.0f} to {:+.0f} %, where errors of one model are common)",
                        100 * compare["interval"].at("p10").get<double>(),
                        100 * compare["interval"].at("p90").get<double>());
  }
  return text;
}

std::string compare_text(const Comparison& c, const std::string& a, const std::string& b,
                         const Json& report_a, const Json& report_b) {
  std::string text = difference_text(to_json(c, a, b)) + "\n";
  text += fmt::format("  A  {}\n  B  {}\n", a, b);
  for (const std::string& flag : c.flags) text += fmt::format("  but {}\n", flag);
  if (!c.why.empty()) {
    text += fmt::format("\n  why{}\n", c.approximate_why ? " (the mean of two orders)" : "");
    for (const WhyShare& share : c.why)
      text += trimmed(fmt::format("    {:>10}  {:<14}  {}", signed_time(share.ps), share.part,
                                  keys_text(share.keys)));
  }
  const std::vector<Row> rows = rows_of(c.where);
  if (!rows.empty()) text += "\n  where\n";
  std::vector<std::int64_t> sizes;
  for (const Row& row : rows) sizes.push_back(row.ps);
  const std::size_t shown = largest_that_matter(sizes);
  std::int64_t rest = c.difference_ps();
  for (std::size_t i = 0; i < shown; ++i) {
    const Row& row = rows[i];
    rest -= row.ps;
    std::string note = layers_text(row);
    const auto add = [&](const std::string& more) {
      if (!more.empty()) note += (note.empty() ? "" : "; ") + more;
    };
    if (!row.only.empty()) add("only in " + row.only);
    if (row.reason == "slower_ranks") add(load_text(row.ps > 0 ? report_b : report_a));
    if (row.reason == "network") add(link_text(report_a, report_b));
    text += trimmed(fmt::format("    {:>10}  {:<14}  {:<13} {}", signed_time(row.ps), row.phase,
                                row.reason, note));
  }
  if (shown < rows.size()) text += fmt::format("    {:>10}  everything else\n", signed_time(rest));
  if (!c.figures.empty()) text += fmt::format("\n  {:<34} {:>16} {:>16}\n", "", "A", "B");
  for (const FigurePair& figure : c.figures)
    text += fmt::format("  {:<34} {:>16} {:>16}\n", figure.what, figure.a, figure.b);
  if (!c.keys.empty()) text += "\n  what differs\n";
  for (const KeyChange& change : c.keys)
    text += fmt::format("    {}: {} -> {}\n", change.key, change.a, change.b);
  return text;
}

}  // namespace moesim::tools
