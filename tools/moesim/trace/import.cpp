#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <ostream>

#include "sim/check.h"
#include "tools/moesim/trace/trace_commands.h"
#include "workloads/routing/importers/importers.h"

namespace moesim::tools {
namespace {

using workloads::ImportOptions;

// "3-60,62": whole numbers and ranges of them, ascending.
std::vector<std::uint32_t> layer_list(const std::string& text) {
  std::vector<std::uint32_t> layers;
  const char* at = text.data();
  const char* end = at + text.size();
  const auto number = [&] {
    std::uint32_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || value > 100'000) {
      throw sim::ConfigError(
          fmt::format("--keep-layers: expected layers such as 3-60 or 1,3,5, not \"{}\"", text));
    }
    at = next;
    return value;
  };
  while (true) {
    const std::uint32_t first = number();
    std::uint32_t last = first;
    if (at != end && *at == '-') {
      ++at;
      last = number();
    }
    if (last < first || (!layers.empty() && first <= layers.back())) {
      throw sim::ConfigError(
          fmt::format("--keep-layers: expected ascending layers, not \"{}\"", text));
    }
    for (std::uint32_t l = first; l <= last; ++l) layers.push_back(l);
    if (at == end) return layers;
    if (*at++ != ',') {
      throw sim::ConfigError(
          fmt::format("--keep-layers: expected layers such as 3-60 or 1,3,5, not \"{}\"", text));
    }
  }
}

const workloads::Importer& importer_of(const std::string& name) {
  const auto* found =
      std::find_if(std::begin(workloads::kImporters), std::end(workloads::kImporters),
                   [&](const workloads::Importer& importer) { return importer.name == name; });
  SIM_CHECK(found != std::end(workloads::kImporters), "--from is one of its choices");
  return *found;
}

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const auto& importer : workloads::kImporters) list.emplace_back(importer.name);
  return list;
}

std::string what_is_read() {
  std::string text;
  for (const auto& importer : workloads::kImporters) {
    text += fmt::format("{}: {}. ", importer.name, importer.reads);
  }
  return text + "Parquet: tools/import.";
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  ImportOptions options;
  const auto optional = [&](const char* name, std::int64_t most) {
    return arguments.has(name) ? static_cast<std::uint32_t>(arguments.integer(name, 1, most)) : 0u;
  };
  options.experts = optional("experts", workloads::kMostExperts);
  options.layers = optional("layers", 100'000);
  options.top_k = optional("top-k", workloads::kMostExperts);
  if (arguments.has("keep-layers")) options.keep = layer_list(arguments.text("keep-layers"));
  if (arguments.has("model")) options.model = arguments.text("model");
  workloads::Files files;
  for (const std::string& file : arguments.all("FILE")) files.emplace_back(file);
  const std::filesystem::path out = arguments.text("output");
  const workloads::Importer& importer = importer_of(arguments.text("from"));
  const workloads::ImportSummary summary = importer.run(files, out, options);
  console.err << fmt::format(
      "{}: {} tokens from {} records{}\n", out.string(), summary.tokens, summary.records,
      summary.skipped > 0 ? fmt::format(", {} records without routing passed over", summary.skipped)
                          : "");
  if (summary.repeated > 0) {
    console.err << fmt::format(
        "{}: {} tokens choose an expert twice in a layer, which no router does: they are kept, as "
        "an "
        "engine computes them twice; is it padding? (what was not recorded is -1)\n",
        out.string(), summary.repeated);
  }
  if (summary.padding) {
    console.err << fmt::format(
        "{}: the columns after the first {} hold {} for every token: they are left out, as "
        "padding\n",
        out.string(), options.top_k, *summary.padding);
  }
  if (summary.uneven > 0) {
    console.err << fmt::format(
        "{}: {} layers of steps have not as many choices as the step's first layer, of which the "
        "tokens are counted: they are kept, as of a router that drops tokens; or was a part not "
        "recorded?\n",
        out.string(), summary.uneven);
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command trace_import_command() {
  return {
      .name = "trace import",
      .summary = "makes a routing trace of what a serving or training system recorded",
      .description = what_is_read(),
      .options =
          {{.name = "FILE",
            .value = "",
            .help = "the recording's files, in order",
            .required = true,
            .repeated = true,
            .is_file = true},
           {.name = "--from",
            .value = "RECORDER",
            .help = "who wrote them",
            .required = true,
            .choices = names()},
           {.name = "-o,--output",
            .value = "TRACE",
            .help = "the trace to write",
            .required = true,
            .is_file = true,
            .is_output = true},
           {.name = "--experts",
            .value = "N",
            .help = "experts a layer, where the recording does not say"},
           {.name = "--layers",
            .value = "N",
            .help = "layers in the recording, where it does not say"},
           {.name = "--top-k",
            .value = "K",
            .help = "experts a token, where the recording does not say"},
           {.name = "--keep-layers",
            .value = "LIST",
            .help = "the MoE layers of the recording, counted from 0: 3-60; all where not given"},
           {.name = "--model", .value = "NAME", .help = "noted in the trace"}},
      .examples = {"moesim trace import responses.jsonl --from vllm --experts 256 -o trace.h5",
                   "moesim trace import out.json --from sglang --experts 256 --layers 61 --top-k 8 "
                   "--keep-layers 3-60 -o trace.h5",
                   "moesim trace import expert_distribution_recorder_1.pt --from sglang --top-k 8 "
                   "-o trace.h5",
                   "moesim trace import router_trace_rank0.jsonl --from megatron --experts 128 -o "
                   "trace.h5"},
      .run = run,
  };
}

}  // namespace moesim::tools
