#include "validation/calibrate/import_points.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "sim/error.h"

namespace moesim::validation {
namespace {

// Whether no flag speaks against the time itself: a noisy one has its twin of the other pass, and a
// card at its power cap runs as it does under a long load.
bool harmless(std::string_view flags) {
  return flags.empty() || flags == "noisy" || flags == "power_cap" || flags == "noisy;power_cap";
}

struct Passes {
  std::vector<std::size_t> rows;
  std::vector<double> us;
};

}  // namespace

Imported import_points(const sim::io::CsvTable& table, const ImportOptions& options) {
  const std::size_t id = table.column("id"), role = table.column("role"),
                    flags = table.column("flags"), p50 = table.column("p50_us");
  Imported imported;
  std::vector<std::string> order;
  std::map<std::string, Passes> points;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (std::ranges::find(options.roles, table.text(row, role)) == options.roles.end()) continue;
    const std::string name(table.text(row, id));
    const std::string_view why = table.text(row, flags);
    if (!harmless(why) || table.text(row, p50).empty()) {
      imported.left_out.push_back(
          fmt::format("{}: {}: {}", table.where(row), name, why.empty() ? "no time" : why));
      continue;
    }
    const auto [at, fresh] = points.try_emplace(name);
    if (fresh) order.push_back(name);
    at->second.rows.push_back(row);
    at->second.us.push_back(table.number(row, p50));
  }
  sim::io::CsvWriter writer(table.columns());
  std::sort(order.begin(), order.end());  // not the order in which they were measured
  for (const std::string& name : order) {
    const Passes& passes = points.at(name);
    const auto [least, most] = std::ranges::minmax(passes.us);
    if (!(least > 0) || most > options.most_drift * least) {
      imported.left_out.push_back(fmt::format("{}: {}: passes of {:.4g} and {:.4g} us",
                                              table.where(passes.rows.front()), name, least, most));
      continue;
    }
    double logs = 0;
    for (const double us : passes.us) logs += std::log(us);
    const double mean = std::exp(logs / static_cast<double>(passes.us.size()));
    for (std::size_t c = 0; c < table.columns().size(); ++c) {
      if (c == p50) {
        writer.add(std::round(mean * 1e4) / 1e4);
      } else if (c == flags) {
        writer.add("");
      } else {
        writer.add(table.text(passes.rows.front(), c));
      }
    }
    writer.end_row();
    ++imported.points;
  }
  if (imported.points == 0) {
    throw sim::InputError(fmt::format("{}: no point of the roles {} is left ({} left out)",
                                      table.name(), fmt::join(options.roles, ", "),
                                      imported.left_out.size()));
  }
  imported.csv = writer.text();
  return imported;
}

}  // namespace moesim::validation
