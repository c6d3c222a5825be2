#include "tools/moesim/sweep/store_sensitivity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/error.h"
#include "sim/io/json.h"
#include "tools/study/grid_variance.h"
#include "tools/study/store.h"

namespace moesim::tools {

using sim::io::Json;

sim::ExitCode store_sensitivity(const std::filesystem::path& file, const Arguments& arguments,
                                const Console& console) {
  for (const char* option : {"over", "method", "samples", "set"}) {
    const bool usual =
        option == std::string_view("method") && arguments.text("method") == "tornado";
    if (arguments.has(option) && !usual)
      throw sim::ConfigError(
          fmt::format("--{}: {} has the points that were played: leave it out, or name a scenario",
                      option, file.string()));
  }
  const Store store = Store::open(file);
  const std::string measure = arguments.text("measure");
  std::vector<std::string> names, ends;
  std::vector<std::size_t> sizes;
  std::size_t all = 1;
  const Json spec = sim::io::parse_json(store.spec(), file.string());
  for (const Json& group : spec.at("axes")) {
    std::string name, first, last;
    for (const auto& [key, values] : group.items()) {
      const std::string comma = name.empty() ? "" : ", ";
      name += comma + key;
      first += comma + values.front().get<std::string>();
      last += comma + values.back().get<std::string>();
    }
    names.push_back(name);
    ends.push_back(first + " .. " + last);
    sizes.push_back(group.front().size());
    all *= sizes.back();
  }
  std::vector<std::optional<double>> there(all);
  std::size_t unfit = 0;
  store.each([&](const Point& point) {
    if (point.ord < all && point.status == PointStatus::Infeasible) ++unfit;
    const auto found =
        std::ranges::find(point.metrics, measure, &std::pair<std::string, double>::first);
    if (point.ord < all && found != point.metrics.end()) there[point.ord] = found->second;
  });
  const auto lacking = static_cast<std::size_t>(
      std::ranges::count_if(there, [](const auto& result) { return !result; }));
  if (lacking > 0) {
    throw sim::ConfigError(fmt::format(
        "{}: {} of the {} points of its grid have no {}: parts of a variance are of a whole grid; "
        "sweep sensitivity SCENARIO --over plays points of its own",
        file.string(), lacking, all, measure));
  }
  std::vector<double> results;
  for (const auto& result : there) results.push_back(*result);
  const GridVariance found = grid_variance(sizes, results);
  std::vector<std::size_t> order(names.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return found.factors[a].with_all > found.factors[b].with_all;
  });
  if (!arguments.json()) {
    std::size_t width = 6;
    for (std::size_t f = 0; f < names.size(); ++f)
      width = std::max(width, names[f].size() + ends[f].size() + 2);
    console.out << fmt::format(
        "{} of {}: all {} points{}; mean {:.6g}, deviation {:.6g}\n  {:<{}} {:>12} {:>12} {:>14} "
        "{:>14}\n",
        measure, file.stem().string(), all,
        unfit > 0 ? fmt::format(", {} that do not fit as they would be", unfit) : "", found.mean,
        std::sqrt(found.variance), "axis", width, "alone", "with others", "mean at first",
        "mean at last");
    for (const std::size_t f : order) {
      const GridFactor& factor = found.factors[f];
      console.out << fmt::format("  {:<{}} {:>12.3f} {:>12.3f} {:>14.6g} {:>14.6g}\n",
                                 names[f] + "  " + ends[f], width, factor.alone, factor.with_all,
                                 factor.means.front(), factor.means.back());
    }
    return sim::ExitCode::Ok;
  }
  Json json{{"schema_version", 1},        {"measure", measure},
            {"method", "grid"},           {"points", all},
            {"infeasible", unfit},        {"mean", found.mean},
            {"variance", found.variance}, {"axes", Json::array()}};
  for (const std::size_t f : order) {
    const GridFactor& factor = found.factors[f];
    json["axes"].push_back({{"key", names[f]},
                            {"values", sizes[f]},
                            {"alone", factor.alone},
                            {"with_all", factor.with_all},
                            {"means", factor.means}});
  }
  console.out << sim::io::to_text(json);
  return sim::ExitCode::Ok;
}

}  // namespace moesim::tools
