#include <fmt/format.h>

#include <array>
#include <ostream>

#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "tools/moesim/calibrate/cost_commands.h"
#include "validation/calibrate/import.h"

namespace moesim::tools {
namespace {

constexpr std::int64_t kMost = 1 << 20;

// An option, and whose output it says something of.
struct OptionOf {
  const char* option;
  const char* format;
};

constexpr std::array kOptionsOf{
    OptionOf{"role", "moesim-gpu"},  OptionOf{"operation", "nccl-tests"},
    OptionOf{"ranks", "nccl-tests"}, OptionOf{"nodes", "deepep"},
    OptionOf{"hidden", "deepep"},    OptionOf{"tokens", "deepep"},
    OptionOf{"top-k", "deepep"},     OptionOf{"experts", "deepep"}};

}  // namespace

void refuse_what_does_not_apply(const Arguments& arguments) {
  const std::string format = arguments.text("from");
  for (const auto& [option, of] : kOptionsOf) {
    if (format != of && arguments.has(option)) {
      throw sim::ConfigError(
          fmt::format("--{}: does not apply to --from {}; it is of --from {}", option, format, of));
    }
  }
}

std::string import_log(const Arguments& arguments, const std::string& file,
                       std::vector<std::string>& notes) {
  const std::string format = arguments.text("from");
  if (format == "aiconfigurator")
    return validation::import_aiconfigurator(sim::io::CsvTable::read(file));
  const std::string text = sim::io::read_text(file);
  if (format == "perftest") return validation::import_perftest(text, file, &notes);
  if (format == "deepep") {
    const auto of = [&](const char* option) {
      return arguments.has(option) ? static_cast<int>(arguments.integer(option, 1, kMost)) : 0;
    };
    return validation::import_deepep(text, file,
                                     {.nodes = of("nodes"),
                                      .hidden = of("hidden"),
                                      .tokens = of("tokens"),
                                      .top_k = of("top-k"),
                                      .experts = of("experts")},
                                     &notes);
  }
  const int ranks =
      arguments.has("ranks") ? static_cast<int>(arguments.integer("ranks", 2, kMost)) : 0;
  return validation::import_nccl_tests(text, file, arguments.find("operation").value_or(""), ranks,
                                       &notes);
}

std::vector<Option> log_import_options() {
  return {
      {.name = "--from",
       .value = "TOOL",
       .help = "whose output it is: a GPU's points of ours, or another tool's",
       .fallback = "moesim-gpu",
       .choices = {"moesim-gpu", "nccl-tests", "perftest", "deepep", "aiconfigurator"}},
      {.name = "--operation",
       .value = "NAME",
       .help = "of nccl-tests, where its log does not name it or has several",
       .choices = {"all_reduce", "all_gather", "reduce_scatter", "alltoall"}},
      {.name = "--ranks",
       .value = "N",
       .help = "GPUs, where nccl-tests' output does not list them"},
      {.name = "--nodes",
       .value = "N",
       .help = "of DeepEP's run; default 1, where its log speaks of no more"},
      {.name = "--hidden",
       .value = "N",
       .help = "of DeepEP's run, where its log does not say it; else 7168, as in DeepEP's tests"},
      {.name = "--tokens",
       .value = "N",
       .help = "of a rank in DeepEP's run, where its log does not say it; of low latency else 128"},
      {.name = "--top-k",
       .value = "N",
       .help = "of DeepEP's run, where its log does not say it; else 8"},
      {.name = "--experts",
       .value = "N",
       .help = "of DeepEP's run, where its log does not say it; else 256"}};
}

}  // namespace moesim::tools
