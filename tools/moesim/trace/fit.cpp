#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/error.h"
#include "tools/moesim/trace/trace_commands.h"
#include "tools/moesim/trace/trace_file.h"
#include "workloads/routing/statistics/law_fit.h"
#include "workloads/routing/trace/missing.h"

namespace moesim::tools {

Command trace_fit_command() {
  return {
      .name = "trace fit",
      .summary = "which law a trace's loads follow, and how well",
      .description =
          "The sorted loads of all layers against what each law expects; one skew for all layers. "
          "The error is in units of the mean load. "
          "trace make makes a trace of a law.",
      .options = {{.name = "TRACE",
                   .value = "",
                   .help = "a routing trace",
                   .required = true,
                   .is_file = true},
                  format_option()},
      .examples = {"moesim trace fit trace.h5"},
      .run =
          [](const Arguments& arguments, Console console) {
            const auto trace = workloads::RoutingTrace::open(trace_file(arguments.text("TRACE")));
            const auto& info = trace.info();
            const auto loads =
                workloads::read_loads(trace, 0, info.per_token ? info.tokens : info.steps);
            std::uint64_t recorded = 0, tokens = info.tokens;
            for (const std::uint64_t load : loads.counts) recorded += load;
            if (recorded == 0) {
              throw sim::InputError(fmt::format("{}: {}: has no selection, so there is no law",
                                                info.file,
                                                info.per_token ? "/expert_ids" : "/counts"));
            }
            const std::uint64_t all =
                info.per_token ? info.tokens * info.layers * info.top_k : recorded;
            if (recorded < all) {
              console.err << fmt::format(
                  "{}: {} are missing\n", info.file,
                  workloads::missing_share(
                      {static_cast<std::int64_t>(all), static_cast<std::int64_t>(all - recorded)}));
            }
            for (const std::uint64_t load : loads.layer(0))
              tokens += info.per_token ? 0 : load / info.top_k;
            const auto fits = workloads::fit_laws(
                loads, info.top_k,
                static_cast<std::uint32_t>(std::min<std::uint64_t>(tokens, 1u << 30)));
            const double actual = workloads::mean_max_over_mean(loads);
            sim::io::Json laws = sim::io::Json::array();
            std::string text = fmt::format(
                "{}: busiest expert {:.2f} times the mean (mean of {} layers)\n\n  {:<12} {:>7} "
                "{:>8} {:>10} {:>10}\n",
                info.file, actual, info.layers, "law", "skew", "error", "explained", "max/mean");
            for (const auto& fit : fits) {
              laws.push_back({{"law", workloads::name_of(fit.law)},
                              {"skew", fit.skew},
                              {"error", fit.error},
                              {"explained", fit.explained},
                              {"max_over_mean", fit.max_over_mean}});
              text += fmt::format("  {:<12} {:>7.3f} {:>8.3f} {:>9.1f}% {:>10.2f}\n",
                                  workloads::name_of(fit.law), fit.skew, fit.error,
                                  100 * fit.explained, fit.max_over_mean);
            }
            console.out << (arguments.json()
                                ? sim::io::to_text(sim::io::Json{{"file", info.file},
                                                                 {"max_over_mean", actual},
                                                                 {"laws", laws}})
                                : text);
            return sim::ExitCode::Ok;
          },
  };
}

}  // namespace moesim::tools
