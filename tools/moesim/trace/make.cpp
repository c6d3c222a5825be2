#include <fmt/format.h>

#include <ostream>

#include "tools/moesim/trace/trace_commands.h"
#include "workloads/routing/trace/synthetic.h"

namespace moesim::tools {
namespace {

sim::ExitCode run(const Arguments& arguments, Console console) {
  const auto count = [&](const char* name, std::int64_t most) {
    return static_cast<std::uint32_t>(arguments.integer(name, 1, most));
  };
  workloads::SyntheticSpec spec;
  spec.law.law = workloads::law_from_name(arguments.text("law"));
  spec.law.skew = arguments.has("skew") ? arguments.number("skew", 0, 10)
                                        : workloads::default_skew(spec.law.law);
  spec.law.layers = count("layers", 10'000);
  spec.law.experts = count("experts", workloads::kMostExperts);
  spec.law.top_k = count("top-k", workloads::kMostExperts);
  spec.law.groups = count("groups", workloads::kMostExperts);
  spec.law.groups_per_token = arguments.has("groups-per-token")
                                  ? count("groups-per-token", workloads::kMostExperts)
                                  : spec.law.groups;
  if (spec.law.experts % spec.law.groups != 0) {
    throw sim::ConfigError(
        fmt::format("--groups: {} experts do not divide into {} groups of one size",
                    spec.law.experts, spec.law.groups));
  }
  if (spec.law.groups_per_token > spec.law.groups) {
    throw sim::ConfigError(fmt::format("--groups-per-token: {} of {} groups",
                                       spec.law.groups_per_token, spec.law.groups));
  }
  spec.law.seed = static_cast<std::uint64_t>(arguments.integer("seed", 0, INT64_MAX));
  spec.requests = static_cast<std::uint64_t>(arguments.integer("requests", 1, 4'000'000'000));
  spec.tokens_per_request = count("tokens-per-request", 1'000'000'000);
  spec.domains = count("domains", 65'535);
  spec.domain_share = arguments.number("domain-share", 0, 1);
  spec.repeat = arguments.number("repeat", 0, 1);
  spec.layer_link = arguments.number("layer-link", 0, 1);
  spec.first_layer = static_cast<std::uint32_t>(arguments.integer("first-layer", 0, 10'000));
  spec.model = arguments.has("model") ? arguments.text("model") : "";
  const std::string file = arguments.text("output");
  workloads::write_synthetic_trace(file, spec);
  console.err << fmt::format("{}: {} tokens, {} MoE layers, top-{} of {} experts\n", file,
                             spec.requests * spec.tokens_per_request, spec.law.layers,
                             spec.law.top_k, spec.law.experts);
  return sim::ExitCode::Ok;
}

}  // namespace

Command trace_make_command() {
  return {
      .name = "trace make",
      .summary = "makes a routing trace from a law",
      .description =
          "Loads by a law; domains with favourites of their own; tokens that repeat the choice of "
          "the one before; layers "
          "that follow each other. The same options give the same file.",
      .options =
          {{.name = "-o,--output",
            .value = "FILE",
            .help = "the trace to write",
            .required = true,
            .is_file = true,
            .is_output = true},
           {.name = "--law",
            .value = "LAW",
            .help = "how the experts' loads are spread",
            .fallback = "zipf",
            .choices = {"balanced", "uniform", "zipf", "power_law", "log_normal"}},
           {.name = "--skew",
            .value = "S",
            .help = "the law's skew; 1, 1.01, 0.5 for zipf, power_law, log_normal where not given"},
           {.name = "--layers", .value = "N", .help = "MoE layers", .fallback = "32"},
           {.name = "--experts", .value = "N", .help = "experts a layer", .fallback = "8"},
           {.name = "--top-k", .value = "K", .help = "experts a token", .fallback = "2"},
           {.name = "--requests", .value = "N", .help = "requests", .fallback = "8"},
           {.name = "--tokens-per-request",
            .value = "N",
            .help = "their length",
            .fallback = "256"},
           {.name = "--domains",
            .value = "N",
            .help = "domains, dealt to the requests in turn",
            .fallback = "1"},
           {.name = "--domain-share",
            .value = "X",
            .help = "how much of a domain's popularity is its own, 0 to 1",
            .fallback = "0"},
           {.name = "--repeat",
            .value = "X",
            .help = "chance of a token to choose as the one before, 0 to 1",
            .fallback = "0"},
           {.name = "--layer-link",
            .value = "X",
            .help = "chance of a layer's draw to be that of the layer before, 0 to 1",
            .fallback = "0"},
           {.name = "--groups",
            .value = "N",
            .help = "groups of experts (DeepSeek-V3: 8)",
            .fallback = "1"},
           {.name = "--groups-per-token",
            .value = "N",
            .help = "groups that a token's experts lie in (DeepSeek-V3: 4); all where not given"},
           {.name = "--first-layer",
            .value = "N",
            .help = "the model's layer that the first MoE layer is",
            .fallback = "0"},
           {.name = "--model", .value = "NAME", .help = "noted in the file"},
           {.name = "--seed",
            .value = "N",
            .help = "another seed, another trace",
            .fallback = "1"}},
      .examples = {"moesim trace make -o zipf.h5 --law zipf --skew 0.8 --layers 58 --experts 256 "
                   "--top-k 8"},
      .run = run,
  };
}

}  // namespace moesim::tools
