#include "tools/report/page_kinds.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "sim/error.h"

namespace moesim::tools {

namespace {

constexpr std::array kKinds{
    // Before those whose keys they have, too.
    PageKind{"capacity", "moesim capacity", "capacity", capacity_page},
    PageKind{"plan", "moesim plan", "plan", plan_page},
    PageKind{"serving", "moesim run", "serving", serving_page},
    PageKind{"training", "moesim run", "training", training_page},
    PageKind{"run", "moesim run", "phases_us", run_page},
    PageKind{"sweep", "moesim sweep export", "points", sweep_page},
    PageKind{"compare", "moesim compare", "compare", compare_page},
    PageKind{"exchange", "moesim exchange", "algbw_GBps", exchange_page},
    PageKind{"placement", "moesim placement", "placements", placement_page},
    PageKind{"routing", "moesim trace info", "top_k", routing_page},
};

}  // namespace

std::span<const PageKind> page_kinds() {
  return kKinds;
}

std::string page_commands() {
  std::string commands;
  for (const PageKind& kind : kKinds) {
    if (commands.find(kind.command) == std::string::npos)
      commands += fmt::format("{}{}", commands.empty() ? "" : ", ", kind.command);
  }
  return commands;
}

Page page_of(const sim::io::Json& report, const std::string& name) {
  for (const PageKind& kind : kKinds) {
    if (report.is_object() && report.contains(kind.key)) {
      try {
        return kind.page(report);
      } catch (const nlohmann::json::exception& error) {
        throw sim::InputError(
            fmt::format("{}: not a whole report of {}: {}", name, kind.command, error.what()));
      }
    }
  }
  throw sim::InputError(
      fmt::format("{}: no report: expected what one of these prints with --format json: {}", name,
                  page_commands()));
}

}  // namespace moesim::tools
