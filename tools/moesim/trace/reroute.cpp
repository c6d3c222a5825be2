#include "workloads/routing/statistics/reroute.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "tools/moesim/trace/trace_commands.h"
#include "tools/moesim/trace/trace_file.h"

namespace moesim::tools {
namespace {

sim::ExitCode run(const Arguments& arguments, Console console) {
  const auto trace = workloads::RoutingTrace::open(trace_file(arguments.text("TRACE")));
  workloads::RerouteRules rules;
  const auto number = [&](const char* name, std::uint32_t otherwise) {
    return arguments.has(name) ? static_cast<std::uint32_t>(arguments.integer(name, 1, 100'000'000))
                               : otherwise;
  };
  rules.top_k = number("top-k", 0);
  rules.groups = number("groups", 1);
  rules.groups_per_token = number("groups-per-token", rules.groups);
  rules.expert_choice = arguments.has("expert-choice");
  rules.capacity_factor =
      arguments.has("capacity-factor") ? arguments.number("capacity-factor", 0.01, 1000) : 0;
  rules.recorded_bias = !arguments.has("no-bias");
  rules.bias_rate =
      arguments.has("balance") ? static_cast<float>(arguments.number("balance", 1e-9, 100)) : 0;
  rules.batch = number("batch", 2048);
  rules.passes = number("passes", 1);
  const auto result =
      workloads::reroute(trace, rules, arguments.has("output") ? arguments.text("output") : "");
  const double before =
      workloads::mean_max_over_mean(workloads::read_loads(trace, 0, trace.info().tokens));
  const double after = workloads::mean_max_over_mean(result.loads);
  const double dropped = result.selections + result.dropped == 0
                             ? 0
                             : static_cast<double>(result.dropped) /
                                   static_cast<double>(result.selections + result.dropped);
  if (arguments.json()) {
    console.out << sim::io::to_text(sim::io::Json{
        {"file", trace.info().file},
        {"tokens", result.tokens},
        {"selections", result.selections},
        {"dropped", result.dropped},
        {"dropped_share", dropped},
        {"same_share", result.same},
        {"max_over_mean",
         {{"recorded", before}, {"rerouted", after}, {"by_batch", result.max_over_mean}}}});
    return sim::ExitCode::Ok;
  }
  console.out << fmt::format(
      "{}: {} tokens\n  busiest expert over the mean {:.2f}, as recorded {:.2f}\n  {:.1f} % of the "
      "recorded choices are made again\n",
      trace.info().file, result.tokens, after, before, 100 * result.same);
  if (rules.capacity_factor > 0)
    console.out << fmt::format("  {:.2f} % of the choices dropped\n", 100 * dropped);
  if (rules.bias_rate > 0) {
    console.out << "  busiest expert over the mean, by batch:";
    const std::size_t every = std::max<std::size_t>(result.max_over_mean.size() / 16, 1);
    for (std::size_t i = 0; i < result.max_over_mean.size(); i += every)
      console.out << fmt::format(" {}: {:.2f} ", i, result.max_over_mean[i]);
    console.out << "\n";
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command trace_reroute_command() {
  return {
      .name = "trace reroute",
      .summary = "what a router would have chosen by other rules",
      .description =
          "From the gate scores in the trace: other top-k, group limits, a capacity with dropping, "
          "experts that choose tokens, and the "
          "controller that balances by a bias, batch by batch.",
      .options =
          {{.name = "TRACE",
            .value = "",
            .help = "a routing trace with gate scores",
            .required = true,
            .is_file = true},
           {.name = "-o,--output",
            .value = "FILE",
            .help = "the new trace to write",
            .is_file = true,
            .is_output = true},
           {.name = "--top-k",
            .value = "K",
            .help = "experts a token; as recorded where not given"},
           {.name = "--groups", .value = "N", .help = "groups of experts"},
           {.name = "--groups-per-token",
            .value = "N",
            .help = "groups that a token may choose from"},
           {.name = "--expert-choice",
            .value = "",
            .help = "experts choose their tokens; a token keeps at most twice its number"},
           {.name = "--capacity-factor",
            .value = "C",
            .help = "an expert takes C times its fair share of a batch, the rest is dropped"},
           {.name = "--no-bias", .value = "", .help = "without the bias that the file holds"},
           {.name = "--balance",
            .value = "RATE",
            .help = "moves each expert's bias by RATE after a batch (DeepSeek-V3: 0.001)"},
           {.name = "--batch",
            .value = "TOKENS",
            .help = "tokens that balance, capacity and experts look at",
            .fallback = "2048"},
           {.name = "--passes", .value = "N", .help = "times through the trace", .fallback = "1"},
           format_option()},
      .examples = {"moesim trace reroute gates.h5 --no-bias --balance 0.001 --passes 50",
                   "moesim trace reroute gates.h5 --capacity-factor 1.25 -o dropped.h5"},
      .run = run,
  };
}

}  // namespace moesim::tools
