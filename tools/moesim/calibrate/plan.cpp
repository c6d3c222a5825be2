#include "validation/calibrate/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "sim/io/json.h"
#include "tools/moesim/calibrate/calibrate_commands.h"
#include "tools/moesim/shipped.h"
#include "validation/calibrate/plan_coverage.h"
#include "workloads/model/model_spec.h"

namespace moesim::tools {
namespace {

// The mixture models that a plan is made for where none is named.
const std::vector<std::string> kModels{"mixtral-8x7b",     "mixtral-8x22b",   "grok-1",
                                       "deepseek-v3",      "qwen3-235b-a22b", "qwen3-30b-a3b",
                                       "llama-4-maverick", "gpt-oss-120b"};
constexpr const char* kHeldOut = "qwen3-235b-a22b";  // and the one that judges

}  // namespace

validation::PlanOptions standard_plan() {
  validation::PlanOptions options;
  for (const std::string& name : kModels) {
    options.models.push_back(
        validation::expert_shape(workloads::load_model(find_config("models", name))));
    if (name == kHeldOut) options.holdout_model = options.models.back().model;
  }
  return options;
}

namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// "1,2,4,8": widths of a kind of parallelism.
std::vector<int> widths_of(const char* option, const std::string& text, int most) {
  std::vector<int> widths;
  for (const std::string& part : split(text)) {
    int width = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), width);
    if (error != std::errc() || end != part.data() + part.size() || width < 1 || width > most) {
      throw sim::ConfigError(
          fmt::format("{}: expected whole numbers from 1 to {} such as 1,2,4,8, not \"{}\"", option,
                      most, text));
    }
    widths.push_back(width);
  }
  return widths;
}

std::vector<std::string> implementations_of(const std::string& text) {
  std::vector<std::string> names = split(text);
  for (const std::string& name : names) {
    if (name != "moesim_mma" && name != "moesim_wgmma" && name != "moesim_fp8") {
      throw sim::ConfigError(fmt::format(
          "--impl: expected some of moesim_mma, moesim_wgmma, moesim_fp8, not \"{}\"", name));
    }
  }
  return names;
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  validation::PlanOptions options;
  std::vector<std::string> models = arguments.all("MODEL");
  if (models.empty()) models = kModels;
  const std::string held = arguments.text("holdout-model");
  for (const std::string& name : models) {
    options.models.push_back(
        validation::expert_shape(workloads::load_model(find_config("models", name))));
    if (name == held) options.holdout_model = options.models.back().model;
  }
  if (options.holdout_model.empty() && held != "none") options.holdout_model = held;
  options.tps = widths_of("--tp", arguments.text("tp"), 64);
  options.eps = widths_of("--ep", arguments.text("ep"), 512);
  options.holdout = static_cast<int>(arguments.integer("holdout", 0, 1000));
  options.points = static_cast<int>(arguments.integer("points", 8, 10'000)) - options.holdout;
  if (options.points < 8) {
    throw sim::ConfigError("--holdout: at least 8 of the points are to fit on");
  }
  options.implementations = implementations_of(arguments.text("impl"));
  options.power = arguments.has("power");
  options.seed = static_cast<std::uint64_t>(arguments.integer("seed", 0, 1'000'000'000));

  const validation::cuda::Plan plan = validation::make_plan(options);
  const validation::Coverage cover = validation::coverage(plan, options);
  const std::string text = validation::cuda::plan_text(plan);
  const auto output = arguments.find("output");
  if (output) {
    sim::io::write_file(*output, text);
  } else if (!arguments.json()) {
    console.out << text;
  }
  std::map<std::string, int> roles;
  for (const auto& point : plan.points) ++roles[point.role];
  if (arguments.json()) {
    console.out << sim::io::to_text(
        sim::io::Json{{"points", plan.points.size()},
                      {"roles", roles},
                      {"plan_hash", std::to_string(validation::cuda::text_hash(text))},
                      {"worst_ratio",
                       {{"shapes", cover.shapes},
                        {"rows", cover.rows},
                        {"active_experts", cover.active},
                        {"experts", cover.experts}}}});
  } else {
    console.err << fmt::format("{} points:", plan.points.size());
    for (const auto& [role, count] : roles) console.err << fmt::format(" {} {}", count, role);
    console.err << fmt::format(
        "; every shard lies within a factor {:.2f} of a shape fitted on, rows an expert within "
        "{:.2f}, active experts within {:.2f}, experts of a GPU within {:.2f}\n",
        cover.shapes, cover.rows, cover.active, cover.experts);
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command calibrate_plan_command() {
  return {
      .name = "calibrate plan",
      .summary = "chooses what to measure on a GPU",
      .description =
          "Writes the list of kernels and shapes that a calibration measures: grouped matrix "
          "products that fill the space of the models' tensor- and expert-parallel shards, whole "
          "layers, the "
          "parts of a layer, the card's ceilings, copies and memory. Hold-outs are named before "
          "anything is measured: shapes that are not fitted on, and one whole model. The same "
          "options give the same plan on every machine.",
      .options = {{.name = "MODEL",
                   .value = "",
                   .help = "models, by file or name; eight well-known mixtures where none is given",
                   .repeated = true,
                   .is_file = true},
                  {.name = "--tp",
                   .value = "LIST",
                   .help = "tensor-parallel widths of the shards",
                   .fallback = "1,2,4,8"},
                  {.name = "--ep",
                   .value = "LIST",
                   .help = "over how many GPUs the experts are spread",
                   .fallback = "1,2,4,8,16,32,64"},
                  {.name = "--points",
                   .value = "N",
                   .help = "grouped products of each implementation, hold-outs included",
                   .fallback = "128"},
                  {.name = "--holdout",
                   .value = "N",
                   .help = "how many of them are of shapes that are not fitted on",
                   .fallback = "32"},
                  {.name = "--holdout-model",
                   .value = "MODEL",
                   .help = "the model that nothing is fitted on, or none",
                   .fallback = kHeldOut},
                  {.name = "--impl",
                   .value = "LIST",
                   .help = "which of our kernels",
                   .fallback = "moesim_mma,moesim_wgmma,moesim_fp8"},
                  {.name = "--power", .help = "loads of three seconds too, for watts"},
                  {.name = "--seed", .value = "N", .help = "of the routings", .fallback = "1"},
                  {.name = "-o,--output",
                   .value = "FILE",
                   .help = "the plan; standard output where it is not given",
                   .is_file = true,
                   .is_output = true},
                  format_option()},
      .examples = {"moesim calibrate plan -o plan.csv",
                   "moesim calibrate plan deepseek-v3 --holdout-model none --tp 1 -o plan.csv"},
      .run = run};
}

}  // namespace moesim::tools
