#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <ostream>

#include "tools/moesim/trace/trace_commands.h"
#include "tools/moesim/trace/trace_file.h"
#include "workloads/routing/trace/resample.h"

namespace moesim::tools {

Command trace_resample_command() {
  return {
      .name = "trace resample",
      .summary = "a trace of other length or mix, of whole requests drawn with replacement",
      .description =
          "Loads, co-activation and the correlation in time are those of the requests drawn; "
          "without request ids, of runs of 256 tokens.",
      .options = {{.name = "TRACE",
                   .value = "",
                   .help = "a routing trace, per token",
                   .required = true,
                   .is_file = true},
                  {.name = "-o,--output",
                   .value = "FILE",
                   .help = "the new trace to write",
                   .required = true,
                   .is_file = true,
                   .is_output = true},
                  {.name = "--tokens", .value = "N", .help = "its length", .required = true},
                  {.name = "--mix",
                   .value = "DOMAIN=SHARE",
                   .help = "the share of a domain in the requests; may be given for several",
                   .repeated = true},
                  {.name = "--seed",
                   .value = "N",
                   .help = "another seed, other requests",
                   .fallback = "1"}},
      .examples = {"moesim trace resample trace.h5 --tokens 100000 --mix python=0.7 --mix "
                   "english=0.3 -o code.h5"},
      .run =
          [](const Arguments& arguments, Console console) {
            const auto trace = workloads::RoutingTrace::open(trace_file(arguments.text("TRACE")));
            std::vector<std::pair<std::string, double>> mix;
            for (const std::string& part : arguments.all("mix")) {
              const std::size_t at = part.rfind('=');
              double share = 0;
              const char* end = part.data() + part.size();
              const auto parsed = at == std::string::npos
                                      ? std::from_chars_result{end, std::errc::invalid_argument}
                                      : std::from_chars(part.data() + at + 1, end, share);
              if (parsed.ec != std::errc{} || parsed.ptr != end || !(share > 0) || !(share < 1e9)) {
                throw sim::ConfigError(fmt::format(
                    "--mix: expected DOMAIN=SHARE such as python=0.7, not \"{}\"", part));
              }
              mix.emplace_back(part.substr(0, at), share);
            }
            double sum = 0;
            for (const auto& [domain, share] : mix) sum += share;
            // Thirds are given with two digits, too.
            if (!mix.empty() && std::abs(sum - 1) > 0.011)
              throw sim::ConfigError(
                  fmt::format("--mix: shares sum to {:.6g}: expected 1, of which a domain that is "
                              "not named has "
                              "none",
                              sum));
            const std::string out = arguments.text("output");
            const auto requests = workloads::resample(
                trace,
                {static_cast<std::uint64_t>(arguments.integer("tokens", 1, 10'000'000'000)), mix,
                 static_cast<std::uint64_t>(arguments.integer("seed", 0, INT64_MAX))},
                out);
            console.err << fmt::format("{}: {} requests\n", out, requests);
            return sim::ExitCode::Ok;
          },
  };
}

}  // namespace moesim::tools
