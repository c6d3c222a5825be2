#include "tools/moesim/shipped.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <system_error>
#include <vector>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/config_folder.h"
#include "tools/moesim/hub_folder.h"
#include "tools/moesim/sized_cluster.h"
#include "tools/study/store_file.h"
#include "workloads/deployment/engine_file.h"
#include "workloads/model/model_spec.h"

namespace moesim::tools {

namespace fs = std::filesystem;

namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// "x" of "configs/KIND/x.yaml": so the documents name what ships, wherever the program is run.
std::string name_of(const std::string& kind, const std::string& text) {
  const fs::path path(text);
  const bool shipped = path.parent_path() == fs::path("configs") / kind;
  const bool known = path.extension() == ".yaml" || path.extension() == ".h5";
  return shipped && known ? path.stem().string() : text;
}

// The file of the same folder whose name is nearest; empty where none is near.
std::string near_file(const fs::path& path) {
  std::error_code error;
  std::vector<std::string> names;
  constexpr std::size_t kMost = 10'000;
  for (const auto& entry : fs::directory_iterator(path.parent_path(), error)) {
    if (names.size() < kMost) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string meant = sim::io::did_you_mean(path.filename().string(), views);
  return meant.empty() ? meant : (path.parent_path() / meant).string();
}

// Where none of a kind is found at all: where it was looked for.
std::string no_configs() {
  std::vector<std::string> places;
  for (const fs::path& place : config_places()) places.push_back(place.string());
  return fmt::format("; no such folder is in {}; MOESIM_CONFIGS may name one",
                     fmt::join(places, ", "));
}

}  // namespace

fs::path shipped_folder(const std::string& kind) {
  std::error_code error;
  for (const fs::path& place : config_places()) {
    if (fs::is_directory(place / kind, error)) return place / kind;
  }
  return {};
}

std::map<std::string, fs::path> named_files(const std::string& kind) {
  std::map<std::string, fs::path> files;
  std::error_code error;
  const std::string_view extension = kind == "traces" ? ".h5" : ".yaml";
  for (const fs::path& place : config_places()) {
    for (const auto& entry : fs::directory_iterator(place / kind, error)) {
      const fs::path& file = entry.path();
      const std::string name = file.stem().string();
      // h100.fitted.yaml is a part of h100.yaml.
      if (file.extension() != extension || (kind == "devices" && name.ends_with(".fitted")))
        continue;
      files.try_emplace(name, file);
    }
  }
  return files;
}

fs::path find_config(const std::string& kind, const std::string& text) {
  if (is_database(text)) {
    throw sim::ConfigError(fmt::format(
        "{0}: is a database such as a sweep's store, of which moesim sweep show {0} tells more; "
        "expected a file or a name of configs/{1}",
        text, kind));
  }
  std::error_code error;
  if (kind == "scenarios" && text == "-") return "/dev/stdin";
  // A pipe is a file, too.
  if (fs::exists(text, error) && !fs::is_directory(text, error)) return text;
  // A checkpoint's folder.
  if (kind == "models" && fs::is_regular_file(fs::path(text) / "config.json", error)) return text;
  try {
    return find_shipped(kind, text);
  } catch (const sim::ConfigError&) {
    // No name here is like it, and it is there.
    if (!fs::is_directory(text, error)) throw;
    throw sim::ConfigError(
        fmt::format("\"{}\" is a folder; expected {} or a name of configs/{}", text,
                    kind == "models" ? "a file, a checkpoint's folder" : "a file", kind));
  }
}

fs::path find_shipped(const std::string& kind, const std::string& text) {
  const std::map<std::string, fs::path> files = named_files(kind);
  std::vector<std::string> names;
  const std::string wanted = lower(name_of(kind, text));
  for (const auto& [name, file] : files) {
    if (lower(name) == wanted) return file;
    names.push_back(name);
  }
  if (kind == "engines") {
    // A name without a version is the newest of the first place that has one.
    for (const fs::path& place : config_places()) {
      const fs::path newest = workloads::find_engine(place / kind, wanted).file;
      if (!newest.empty()) return newest;
      for (std::string& name : workloads::engine_names(place / kind))
        names.push_back(std::move(name));
    }
  }
  const bool hub_id = kind == "models" && std::ranges::count(text, '/') == 1 &&
                      text.find_first_of("./") != 0 && text.back() != '/';
  if (hub_id) {
    for (const auto& [name, file] : files) {
      for (const std::string& alias : workloads::load_model(file).aliases) {
        if (lower(alias) == lower(text)) return file;
      }
    }
    if (const fs::path checkpoint = hub_checkpoint(text); !checkpoint.empty()) return checkpoint;
  }
  std::vector<std::string_view> views(names.begin(), names.end());
  std::string meant = sim::io::did_you_mean(wanted, views);
  // A device is part of a cluster's name.
  if (meant.empty() && kind == "clusters" && named_files("devices").contains(wanted))
    meant = fmt::format("{}:1x8 (device : nodes x GPUs a node)", wanted);
  if (meant.empty()) {
    constexpr std::size_t kMost = 6;
    std::size_t found = 0;
    for (const std::string& name : names) {
      if (wanted.empty() || name.find(wanted) == std::string::npos) continue;
      if (++found <= kMost) meant += (meant.empty() ? "" : " or ") + name;
    }
    if (found > kMost) meant += fmt::format(" or another of {}", found);
  }
  // A path that leads nowhere: perhaps to a file beside.
  if (meant.empty() && fs::path(text).has_parent_path()) meant = near_file(text);
  std::string looked;
  if (hub_id && meant.empty()) {
    looked = fmt::format(", nor a checkpoint in {} (hf download {} config.json would bring it)",
                         hub_folder(text).string(), text);
  }
  throw sim::ConfigError(fmt::format("\"{}\" is neither a file nor one of {}{}{}", text,
                                     (fs::path("configs") / kind).string(), looked,
                                     !meant.empty()  ? "; did you mean " + meant + "?"
                                     : files.empty() ? no_configs()
                                                     : ""));
}

workloads::Shipped shipped() {
  return {.engines = shipped_folder("engines"), .find = find_shipped, .sized = sized_cluster};
}

}  // namespace moesim::tools
