#include "workloads/deployment/read.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "hardware/named_device.h"
#include "sim/error.h"
#include "workloads/deployment/choose_kernels.h"
#include "workloads/deployment/elastic.h"
#include "workloads/deployment/engine_file.h"
#include "workloads/deployment/load_part.h"
#include "workloads/deployment/read_formats.h"
#include "workloads/deployment/read_routing.h"
#include "workloads/placement/balanced.h"
#include "workloads/placement/placement_file.h"

namespace moesim::workloads {
namespace {

using sim::io::YamlNode;

// In single quotes, as YAML text; a quote within is doubled.
std::string quoted(const std::string& text) {
  std::string all = "'";
  for (const char c : text) all += c == '\'' ? "''" : std::string(1, c);
  return all + "'";
}

// The slots are the file's: what else says some must say the same.
void read_slots_of_file(const YamlNode& node, const YamlNode& file, const ModelSpec& model,
                        PlacementChoice& placement) {
  placement.file = file.file();
  if (placement.experts != "linear") {
    node.error(
        fmt::format("{}: {} makes a placement, and the file has one: leave out one of the two",
                    placement.balancer == "none" ? "experts" : "balancer", placement.experts));
  }
  if (!model.is_moe()) return;
  const std::int64_t experts = model.moe(model.moe_layers().front())->experts;
  const std::int64_t slots = load_part<std::uint32_t>(file, placement.file, [&](const auto& path) {
    return slots_in_file(path, static_cast<std::uint32_t>(experts));
  });
  if (slots < experts) return;  // said, or placement_from_file() says which expert has none
  const auto said = node.find("redundant");
  if (said && placement.redundant != slots - experts) {
    said->error(
        fmt::format("the file has {} slots for {} experts, {} redundant ones: leave out redundant",
                    slots, experts, slots - experts));
  }
  placement.redundant = slots - experts;
}

PlacementChoice read_placement(const std::optional<YamlNode>& node, const ModelSpec& model) {
  PlacementChoice placement;
  if (!node) return placement;
  node->allow_only({"experts", "file", "redundant", "balancer", "survive"});
  if (const auto experts = node->find("experts")) {
    std::vector<std::string_view> names(placement_names().begin(), placement_names().end());
    placement.experts = names[experts->one_of(names)];
  }
  if (const auto redundant = node->find("redundant")) {
    placement.redundant = redundant->integer(0, kMostExperts);
  }
  if (const auto balancer = node->find("balancer")) {
    constexpr std::array<std::string_view, 2> kBalancers{"none", "eplb"};
    placement.balancer = kBalancers[balancer->one_of(kBalancers)];
    if (placement.balancer == "eplb") placement.experts = "eplb";
  }
  if (const auto survive = node->find("survive")) {
    placement.survive = static_cast<Survive>(survive->one_of(kSurviveNames));
    if (placement.survive != Survive::None && placement.experts != "eplb")
      survive->error("eplb puts replicas apart for it: experts: eplb would do");
  }
  if (const auto file = node->find("file")) read_slots_of_file(*node, *file, model, placement);
  return placement;
}

Network read_network(const std::optional<YamlNode>& node) {
  Network network;
  if (!node) return network;
  if (!node->is_map()) {
    network.fidelity = static_cast<hardware::Fidelity>(node->one_of(hardware::kFidelityNames));
    return network;
  }
  node->allow_only({"fidelity", "tolerance"});
  network.fidelity =
      static_cast<hardware::Fidelity>(node->at("fidelity").one_of(hardware::kFidelityNames));
  if (const auto tolerance = node->find("tolerance")) {
    network.tolerance = tolerance->number(0, 0.1);
  }
  return network;
}

Overlap read_overlap(const std::optional<YamlNode>& node) {
  Overlap overlap;
  if (!node) return overlap;
  node->allow_only({"two_batch", "shared_expert"});
  if (const auto two = node->find("two_batch")) overlap.two_batch = two->boolean();
  if (const auto shared = node->find("shared_expert")) overlap.shared_expert = shared->boolean();
  return overlap;
}

// A value as YAML text, on one line; every scalar in quotes, which readers do not mind.
std::string flow_text(const YamlNode& node) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (node.is_map()) {
    for (const auto& [key, value] : node.entries()) add(quoted(key) + ": " + flow_text(value));
    return "{" + text + "}";
  }
  if (node.is_list()) {
    for (const YamlNode& item : node.items()) add(flow_text(item));
    return "[" + text + "]";
  }
  return node.is_scalar() ? quoted(node.text()) : "null";
}

// What a map says beside `file`, as values to set in that file.
void collect(const YamlNode& node, const std::string& path, ClusterChanges& overrides) {
  if (!node.is_map()) {
    overrides.push_back({.path = path, .value = flow_text(node), .where = node.where()});
    return;
  }
  for (const auto& [key, value] : node.entries()) {
    if (path.empty() && key == "file") continue;
    collect(value, path.empty() ? key : fmt::format("{}.{}", path, key), overrides);
  }
}

// "h100:12x8", where that is no file.
std::optional<SizedCluster> read_size(const YamlNode& node, const Shipped& shipped) {
  std::error_code error;
  if (!shipped.sized || !node.is_scalar() || std::filesystem::exists(node.file(), error)) return {};
  try {
    return shipped.sized(node.text());
  } catch (const sim::ConfigError& wrong) {
    node.error(wrong.what());
    return SizedCluster{};
  }
}

hardware::NamedDevice named_device(const Shipped& shipped) {
  if (!shipped.find) return {};
  return [&](const std::string& name) { return shipped.find("devices", name); };
}

hardware::Cluster loaded(const std::filesystem::path& file, const ClusterChanges& changes,
                         const Shipped& shipped) {
  return shipped.cluster ? shipped.cluster(file, changes)
                         : hardware::load_cluster_with(file, changes, named_device(shipped));
}

// The node at a path such as "faults[0].node"; nothing where it is not there.
std::optional<YamlNode> node_at(const YamlNode& root, std::string_view path) {
  std::optional<YamlNode> node = root;
  while (node && !path.empty()) {
    if (path.front() == '[') {
      const std::size_t end = path.find(']');
      std::size_t index = 0;
      const auto [rest, error] = std::from_chars(path.data() + 1, path.data() + path.size(), index);
      if (end == std::string_view::npos || error != std::errc{} || !node->is_list()) return {};
      const auto items = node->items();
      if (index >= items.size()) return {};
      node = items[index];
      path.remove_prefix(end + 1);
    } else {
      const std::size_t end = std::min(path.find_first_of(".["), path.size());
      if (!node->is_map()) return {};
      node = node->find(path.substr(0, end));
      path.remove_prefix(end);
    }
    if (path.starts_with('.')) path.remove_prefix(1);
  }
  return node;
}

// Where all that is wrong was said beside the file, those values are: notes it there.
bool note_of_changes(const YamlNode& cluster, const ClusterChanges& changes, std::string_view all) {
  std::vector<std::pair<YamlNode, std::string>> mistakes;
  for (std::size_t start = 0; start < all.size();) {
    const std::size_t end = std::min(all.find('\n', start), all.size());
    std::string_view text = all.substr(start, end - start);
    start = end + 1;
    const auto change = std::ranges::find_if(
        changes, [&](const auto& one) { return text.starts_with(one.where + ": "); });
    if (change == changes.end()) return false;
    text.remove_prefix(change->where.size() + 2);
    const std::size_t colon = text.find(": ");
    auto node =
        colon == std::string_view::npos ? std::nullopt : node_at(cluster, text.substr(0, colon));
    if (node)
      text.remove_prefix(colon + 2);
    else
      node = node_at(cluster, change->path);
    if (!node) return false;
    mistakes.emplace_back(*node, text);
  }
  for (const auto& [node, text] : mistakes) node.error(text);
  return !mistakes.empty();
}

// A file, or {file: a file, and what is otherwise than in it}: `--set cluster.faults=...` makes the
// second of the first.
hardware::Cluster read_cluster(const YamlNode& node, const Shipped& shipped, Inputs& inputs) {
  if (!node.is_map()) {
    if (const auto sized = read_size(node, shipped)) {
      if (sized->file.empty()) return {};
      inputs.cluster = sized->file;
      inputs.cluster_changes = sized->changes;
      return load_part<hardware::Cluster>(node, sized->file, [&](const auto& path) {
        return loaded(path, sized->changes, shipped);
      });
    }
    inputs.cluster = shipped_file(node, "clusters", shipped);
    if (inputs.cluster.empty() && node.is_scalar()) return {};
    return load_part<hardware::Cluster>(
        node, inputs.cluster, [&](const auto& path) { return loaded(path, {}, shipped); });
  }
  const YamlNode file = node.at("file");
  inputs.cluster = shipped_file(file, "clusters", shipped);
  if (inputs.cluster.empty()) return {};
  collect(node, "", inputs.cluster_changes);
  return load_part<hardware::Cluster>(file, inputs.cluster, [&](const std::filesystem::path& path) {
    try {
      return loaded(path, inputs.cluster_changes, shipped);
    } catch (const sim::ConfigError& error) {
      if (note_of_changes(node, inputs.cluster_changes, error.what())) return hardware::Cluster{};
      throw;
    }
  });
}

// The file of `engines` that a name means. Throws ConfigError that says which there are.
std::filesystem::path named_engine(const std::filesystem::path& engines, const std::string& name) {
  std::filesystem::path file = find_engine(engines, name).file;
  if (!file.empty()) return file;
  const std::vector<std::string> names = engine_names(engines);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string meant = sim::io::did_you_mean(name, views);
  throw sim::ConfigError(fmt::format("expected the path of a file or one of {}, not \"{}\"{}",
                                     fmt::join(names, ", "), name,
                                     meant.empty() ? "" : "; did you mean \"" + meant + "\"?"));
}

// The path of a file, or the name of an engine. Empty where it is neither, which is noted.
std::filesystem::path engine_file(const YamlNode& node, const Shipped& shipped, Inputs& inputs) {
  if (!node.is_scalar() || (!shipped.find && shipped.engines.empty())) return node.file();
  Shipped known = shipped;
  if (!known.find) {
    known.find = [&](const std::string&, const std::string& name) {
      return named_engine(shipped.engines, name);
    };
  }
  std::filesystem::path file = shipped_file(node, "engines", known);
  const std::string name = node.text();
  // "vllm" means the newest of vllm-*.yaml.
  if (!file.empty() && file != node.file() && file.stem().string().size() > name.size()) {
    inputs.defaults.push_back(
        fmt::format("engine {}: {}, the newest of its files", name, file.filename().string()));
  }
  return file;
}

// The engine's own, then what the scenario says.
void read_engine(const YamlNode& root, const Shipped& shipped, Deployment& d, Inputs& inputs) {
  KernelNames names;
  if (const auto engine = root.find("engine")) {
    if (engine->is_map()) engine->allow_only({"file", "elastic", "dispatch_tokens"});
    const auto file = engine->is_map() ? engine->find("file") : engine;
    if (file) inputs.engine = engine_file(*file, shipped, inputs);
    if (!inputs.engine.empty()) {
      d.engine = load_part<Engine>(*file, inputs.engine, load_engine);
      const auto own = d.engine.composition_of.find(d.model.family);
      if (own != d.engine.composition_of.end()) d.engine.composition = own->second;
    }
  }
  if (!inputs.engine.empty()) {
    names = d.engine.kernels.on(d.cluster.device.generation);
    d.host = d.engine.host;
  } else {
    d.host.per_launch = d.cluster.device.host_launch;
  }
  if (const auto engine = root.find("engine"); engine && engine->is_map()) {
    if (const auto elastic = engine->find("elastic")) d.engine.elastic = elastic->boolean();
    if (const auto most = engine->find("dispatch_tokens"))
      d.engine.dispatch_tokens = read_dispatch_tokens(*most);
  }
  if (const auto host = root.find("host")) read_host(*host, d.host);
  if (const auto kernels = root.find("kernels")) {
    read_kernels(*kernels, names);
    if (root.find("training")) read_training_kernels(*kernels, names);
  }
  if (names.all_reduce.empty()) names.all_reduce = hardware::default_all_reduce(names.kernels.gemm);
  choose_kernels(names, d);
  check_kernels(root, d);
}

}  // namespace

// Without experts `etp` has no meaning; with them it is tp's where the experts are not divided
// otherwise, as engines do with tensor parallelism alone.
Parallelism read_parallelism(const std::optional<YamlNode>& node, bool has_experts) {
  Parallelism p;
  if (!node) return p;
  node->allow_only({"tp", "pp", "dp", "ep", "etp", "cp", "order"});
  const auto read = [&](const char* key, std::int64_t& size) {
    if (const auto value = node->find(key)) size = value->integer(1, kMostGpus);
  };
  read("tp", p.tp);
  read("pp", p.pp);
  read("dp", p.dp);
  read("ep", p.ep);
  p.etp = p.ep == 1 ? p.tp : 1;
  read("etp", p.etp);
  if (!has_experts && p.ep == 1) p.etp = p.tp;
  read("cp", p.cp);
  if (const auto order = node->find("order")) p.order = order->text();
  return p;
}

std::vector<std::int64_t> read_kept_layers(const YamlNode& node, const ModelSpec& model) {
  std::vector<std::int64_t> layers;
  const std::int64_t most = model.layer_count();
  if (node.is_list()) {
    for (const YamlNode& item : node.items()) layers.push_back(item.integer(0, most - 1));
  } else {
    layers.resize(static_cast<std::size_t>(node.integer(1, most)));
    for (std::size_t l = 0; l < layers.size(); ++l) layers[l] = static_cast<std::int64_t>(l);
  }
  return layers;
}

std::span<const std::string_view> deployment_keys() {
  static constexpr std::array<std::string_view, 14> kKeys{
      "model",   "keep_layers", "cluster", "precision", "parallelism", "routing", "placement",
      "kernels", "network",     "overlap", "engine",    "host",        "power",   "seed"};
  return kKeys;
}

std::filesystem::path shipped_file(const YamlNode& node, const std::string& kind,
                                   const Shipped& shipped) {
  if (node.is_missing() || !node.is_scalar()) return {};
  std::filesystem::path file = node.file();
  const std::string name = node.text();
  const std::filesystem::path path(name);
  // Of a path that leads nowhere the loader says so; a hub's id has a slash, too.
  const bool hub_id = kind == "models" && std::count(name.begin(), name.end(), '/') == 1 &&
                      name.front() != '.' && name.front() != '/';
  const bool is_path = (path.has_parent_path() && !hub_id) || path.extension() == ".yaml" ||
                       path.extension() == ".json" || path.extension() == ".h5";
  std::error_code error;
  const bool there = std::filesystem::exists(file, error);
  const bool checkpoint = std::filesystem::exists(file / "config.json", error);
  if (!shipped.find || name.empty() || is_path || checkpoint ||
      (there && !std::filesystem::is_directory(file, error))) {
    return file;
  }
  try {
    return shipped.find(kind, name);
  } catch (const sim::ConfigError& wrong) {
    node.error(wrong.what());
    return {};
  }
}

Deployment read_deployment(const YamlNode& root, const Shipped& shipped, Inputs& inputs) {
  Deployment d;
  const YamlNode model = root.at("model"), cluster = root.at("cluster");
  const std::filesystem::path model_path = shipped_file(model, "models", shipped);
  inputs.model = model_file(model_path);
  if (!model_path.empty() || !model.is_scalar()) {
    d.model = load_part<ModelSpec>(model, model_path, load_model);
  }
  if (const auto keep = root.find("keep_layers"); keep && d.model.layer_count() > 0) {
    inputs.keep_layers = read_kept_layers(*keep, d.model);
    if (!inputs.keep_layers.empty()) d.model = keep_layers(d.model, inputs.keep_layers);
  }
  d.cluster = read_cluster(cluster, shipped, inputs);
  d.formats = read_formats(root.find("precision"), d.model);
  d.layout = read_parallelism(root.find("parallelism"), d.model.is_moe());
  d.routing = read_routing(root.find("routing"), shipped);
  d.placement = read_placement(root.find("placement"), d.model);
  d.network = read_network(root.find("network"));
  d.overlap = read_overlap(root.find("overlap"));
  read_engine(root, shipped, d, inputs);
  if (const auto power = root.find("power")) {
    d.power = hardware::read_power_choice(*power);
    try {
      (void)hardware::chosen_power(d.cluster.device.power, d.power);
    } catch (const sim::ConfigError& wrong) {
      power->error(wrong.what());
    }
  }
  if (const auto seed = root.find("seed")) d.seed = static_cast<std::uint64_t>(seed->integer(0));
  // What keeps it from going on check() says.
  const std::vector<std::uint32_t> lost = lost_ranks(d);
  if (!lost.empty() && elastic_problem(d, lost.size()).empty())
    d = without_gpus(std::move(d), lost);
  return d;
}

}  // namespace moesim::workloads
