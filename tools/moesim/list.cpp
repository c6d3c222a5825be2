// moesim list: what may be named, a line each.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/error.h"
#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/command.h"
#include "tools/moesim/shipped.h"
#include "workloads/model/counts.h"
#include "workloads/routing/trace/trace.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;

struct Entry {
  std::string name, what, file;
  std::string also = {};  // what it is found by, too
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string of_model(const fs::path& file) {
  const workloads::ModelSpec model = workloads::load_model(file);
  const workloads::HeadlineParams params = workloads::headline_params(model);  // as on its card
  const auto billion = [](std::int64_t count) { return static_cast<double>(count) * 1e-9; };
  std::string text = fmt::format("{}: {:.3g} B parameters", model.name, billion(params.total));
  if (model.is_moe()) {
    const workloads::MoeFfn& moe = *model.moe(model.moe_layers().front());
    text += fmt::format(", {:.3g} B active, {} of {} experts", billion(params.active), moe.top_k,
                        moe.experts);
  }
  return text;
}

std::string of_trace(const fs::path& file) {
  const workloads::TraceInfo info = workloads::RoutingTrace::open(file).info();
  return fmt::format(
      "{} {}, {} MoE layers, {} of {} experts", info.per_token ? info.tokens : info.steps,
      info.per_token ? "tokens" : "steps of counts", info.layers, info.top_k, info.experts);
}

std::string of_device(const sim::io::YamlNode& root) {
  const auto memory = root.at("memory");
  return fmt::format("{}: {}, {}", root.at("name").text(), memory.at("capacity").text(),
                     memory.at("bandwidth").text());
}

std::string of_cluster(const sim::io::YamlNode& root) {
  const std::int64_t nodes = root.at("nodes").integer(), gpus = root.at("gpus_per_node").integer();
  return fmt::format("{}: {} GPU{}", root.at("name").text(), nodes * gpus,
                     nodes * gpus == 1 ? "" : "s");
}

std::string of_file(const fs::path& file, std::string (*what)(const sim::io::YamlNode&)) {
  const auto document = sim::io::YamlDocument::load(file);
  std::string text = what(document.root());
  document.throw_errors();
  return text;
}

std::string named(const sim::io::YamlNode& root) {
  return root.at("name").text();
}

struct Kind {
  const char* name;
  std::string (*what)(const fs::path& file);
};
constexpr std::array<Kind, 6> kKinds{{
    {"models", of_model},
    {"clusters", [](const fs::path& file) { return of_file(file, of_cluster); }},
    {"devices", [](const fs::path& file) { return of_file(file, of_device); }},
    {"engines", [](const fs::path& file) { return of_file(file, named); }},
    {"scenarios", [](const fs::path& file) { return of_file(file, named); }},
    {"traces", of_trace},
}};

// The hub's ids of a model; none of a file that is wrong.
std::string aliases_of(const fs::path& file) {
  std::string text;
  try {
    for (const std::string& alias : workloads::load_model(file).aliases) text += alias + " ";
  } catch (const sim::Error&) {
    return {};
  }
  return text;
}

// Of a file that is wrong, what is: a list does not end at it.
std::string said_of(const Kind& kind, const fs::path& file) {
  try {
    return kind.what(file);
  } catch (const sim::Error& error) {
    const std::string_view text = error.what();
    return fmt::format("cannot be read: {}", text.substr(0, text.find('\n')));
  }
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const std::string kind = arguments.text("KIND");
  std::vector<std::string_view> names;
  for (const Kind& one : kKinds) names.emplace_back(one.name);
  const auto found = std::ranges::find(names, kind);
  if (found == names.end()) {
    const std::string near = sim::io::did_you_mean(kind, names);
    throw sim::ConfigError(
        fmt::format("list: expected one of {}, not \"{}\"{}", fmt::join(names, ", "), kind,
                    near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near)));
  }
  const std::string wanted = lower(arguments.find("TEXT").value_or(""));
  std::vector<Entry> entries;
  for (const auto& [name, file] : named_files(kind)) {
    Entry entry{name, said_of(kKinds[static_cast<std::size_t>(found - names.begin())], file),
                file.string()};
    if (kind == "models") entry.also = aliases_of(file);
    if (lower(entry.name + " " + entry.what + " " + entry.also).find(wanted) != std::string::npos)
      entries.push_back(std::move(entry));
  }
  if (arguments.json()) {
    sim::io::Json json = sim::io::Json::array();
    for (const Entry& entry : entries)
      json.push_back({{"name", entry.name}, {"what", entry.what}, {"file", entry.file}});
    console.out << sim::io::to_text({{kind, std::move(json)}});
    return sim::ExitCode::Ok;
  }
  std::size_t widest = 0, longest = 0;
  for (const Entry& entry : entries) {
    widest = std::max(widest, entry.name.size());
    longest = std::max(longest, std::min<std::size_t>(entry.what.size(), 72));
  }
  for (const Entry& entry : entries)
    console.out << fmt::format("{:<{}}  {:<{}}  {}\n", entry.name, widest, entry.what, longest,
                               entry.file);
  if (entries.empty()) {
    console.err << fmt::format("moesim list: no {} {}\n", kind,
                               wanted.empty() ? "are here" : fmt::format("with \"{}\"", wanted));
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command list_command() {
  return {.name = "list",
          .summary = "what may be named: models, clusters, devices, engines, scenarios, traces",
          .description =
              "Looks in configs/ of the working directory, in the folders of $MOESIM_CONFIGS (with "
              "':' between them), in ~/.config/moesim, among what moesim calibrate made, and in "
              "what ships; the first that has a name counts.",
          .options = {{.name = "KIND",
                       .help = "models, clusters, devices, engines, scenarios or traces",
                       .required = true},
                      {.name = "TEXT", .help = "only what has this in its name or line"},
                      format_option()},
          .examples = {"moesim list models", "moesim list clusters h100"},
          .run = run};
}

}  // namespace moesim::tools
