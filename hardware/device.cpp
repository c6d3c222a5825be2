#include "hardware/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "hardware/carry_over.h"
#include "hardware/collectives/check_fit.h"
#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/io/file_kind.h"
#include "sim/io/yaml_reader.h"

namespace moesim::hardware {
namespace {

using sim::io::YamlDocument;
using sim::io::YamlNode;

constexpr std::array<std::string_view, 5> kOrigins{"datasheet", "measured", "imported", "fitted",
                                                   "extrapolated"};
constexpr int kMostFamilies = 4;  // h200 -> h100; a longer chain is a circle

std::pair<double, double> read_range(const YamlNode& node) {
  const std::vector<YamlNode> items = node.items();
  if (items.size() != 2) {
    node.error("expected two numbers, such as [1, 4096]");
    return {};
  }
  const std::pair<double, double> range{items[0].number(), items[1].number()};
  if (range.first > range.second) node.error("the first number is the larger one");
  return range;
}

// [p05, p10, p90, p95] of true over predicted.
Interval read_interval(const YamlNode& node) {
  std::vector<double> values;
  for (const YamlNode& item : node.items()) values.push_back(item.number(0));
  if (values.size() != 4 || !std::ranges::is_sorted(values) || values[1] > 1 || values[2] < 1) {
    node.error(
        "expected the 5th, 10th, 90th and 95th percentile, ascending around 1, such as "
        "[0.8, 0.9, 1.1, 1.2]");
    return {};
  }
  return {values[0], values[1], values[2], values[3]};
}

Provenance read_provenance(const YamlNode& node) {
  node.allow_only({"origin", "source"});
  return {.origin = static_cast<Origin>(node.at("origin").one_of(kOrigins)),
          .source = node.at("source").text()};
}

// Integers in one text, between blanks: a YAML list of thousands is what starting the program would
// spend its time on.
std::vector<double> read_permille(const YamlNode& node) {
  std::vector<double> values;
  const std::string text = node.text();
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    if (*at == ' ') {
      ++at;
      continue;
    }
    int value = 0;
    const auto [stop, failure] = std::from_chars(at, end, value);
    if (failure != std::errc{} || (stop != end && *stop != ' ')) {
      node.error(fmt::format("expected integers between blanks, not \"{}\" after {} of them",
                             std::string(at, std::find(at, end, ' ')), values.size()));
      break;
    }
    values.push_back(value / 1000.0);
    at = stop;
  }
  return values;
}

ResidualTable read_residual(const YamlNode& node) {
  node.allow_only({"axes", "ln_permille"});
  ResidualTable table;
  std::size_t size = 1;
  for (const auto& [name, knots] : node.at("axes").entries()) {
    std::vector<double> values;
    for (const YamlNode& knot : knots.items()) values.push_back(knot.number(0));
    if (values.size() < 2 || !std::ranges::is_sorted(values, std::less_equal<>{}))
      knots.error("expected two knots or more, ascending");
    size *= values.size();
    table.axes.emplace_back(name, std::move(values));
  }
  const YamlNode list = node.at("ln_permille");
  table.values = read_permille(list);
  if (table.values.size() != size)
    list.error(fmt::format("expected {} values, one for each crossing of the axes' knots, not {}",
                           size, table.values.size()));
  return table;
}

FittedModel read_fitted(const YamlNode& node) {
  node.allow_only({"kind", "implementation", "variant", "parameters", "valid", "seen", "points",
                   "holdout", "interval", "residual", "provenance"});
  FittedModel model;
  model.kind = node.at("kind").text();
  model.implementation = node.at("implementation").text();
  if (const auto variant = node.find("variant")) model.variant = variant->text();
  for (const auto& [name, value] : node.at("parameters").entries())
    model.parameters[name] = value.number();
  if (const auto valid = node.find("valid"))
    for (const auto& [name, range] : valid->entries()) model.valid[name] = read_range(range);
  if (const auto seen = node.find("seen"))
    for (const auto& [name, list] : seen->entries())
      for (const YamlNode& value : list.items()) model.seen[name].push_back(value.number());
  if (const auto points = node.find("points")) model.points = points->integer(0);
  if (const auto holdout = node.find("holdout")) {
    holdout->allow_only({"median_percent", "p90_percent", "bias_percent"});
    model.median_error_percent = holdout->at("median_percent").number(0);
    model.p90_error_percent = holdout->at("p90_percent").number(0);
    model.bias_percent = holdout->at("bias_percent").number();
  }
  if (const auto interval = node.find("interval"))
    for (const auto& [regime, range] : interval->entries())
      model.interval[regime == "all" ? "" : regime] = read_interval(range);
  if (const auto residual = node.find("residual")) model.residual = read_residual(*residual);
  model.provenance = read_provenance(node.at("provenance"));
  check_collective_fit(model, node);
  return model;
}

Device load(const std::filesystem::path& file, int families_left);

void read_families(const YamlNode& root, const YamlDocument& document, int families_left,
                   Device& device) {
  if (const auto fitted = root.find("fitted")) {
    try {
      device.fitted = load_fitted(fitted->file());
    } catch (const sim::InputError& error) {
      fitted->error(error.what());
      document.throw_errors();
    }
    device.files.push_back(fitted->file());
  }
  const auto family = root.find("family");
  if (!family) return;
  const std::filesystem::path base = document.folder() / (family->text() + ".yaml");
  if (families_left == 0) {
    family->error("the families form a circle");
    document.throw_errors();
  }
  if (!sim::io::is_there(base)) {
    family->error(fmt::format("there is no device file {}", base.filename().string()));
    document.throw_errors();
  }
  const Device parent = load(base, families_left - 1);
  device.files.insert(device.files.end(), parent.files.begin(), parent.files.end());
  for (FittedModel model : parent.fitted) {
    if (find_fitted(device, model.kind, model.implementation, model.variant)) continue;
    if (model.carried_from.empty()) model.carried_from = parent.name;
    model.other_generation |= parent.generation != device.generation;
    device.fitted.push_back(carried_over(std::move(model), parent, device));
  }
}

Device load(const std::filesystem::path& file, int families_left) {
  const YamlDocument document = YamlDocument::load(file);
  const YamlNode root = document.root();
  root.allow_only({"name", "generation", "family", "multiprocessors", "peak", "memory", "links",
                   "launch", "allocator", "fitted", "power", "source"});  // power.h
  Device device;
  device.files.push_back(file);
  device.name = root.at("name").text();
  device.generation = root.at("generation").text();
  device.multiprocessors = root.at("multiprocessors").integer(1, 100'000);
  for (const auto& [name, value] : root.at("peak").entries()) {
    const std::optional<Precision> precision = parse_precision(name);
    if (precision)
      device.peak[*precision] = value.flop_rate();
    else
      value.error(fmt::format("\"{}\" is no number format; they are {}", name,
                              fmt::join(std::span<const std::string_view>(kPrecisionNames), ", ")));
  }
  if (device.peak.empty()) root.at("peak").error("expected a rate such as bf16: 989 TFLOP/s");
  const YamlNode memory = root.at("memory");
  memory.allow_only({"capacity", "bandwidth", "l2"});
  device.memory = memory.at("capacity").bytes();
  device.memory_bandwidth = memory.at("bandwidth").bandwidth();
  device.l2 = memory.at("l2").bytes();
  if (const auto links = root.find("links")) {
    links->allow_only({"scale_up", "scale_out"});
    device.scale_up = links->at("scale_up").bandwidth();
    device.scale_out = links->at("scale_out").bandwidth();
  }
  const YamlNode launch = root.at("launch");
  launch.allow_only({"graph", "host"});
  device.launch_latency = launch.at("graph").duration();
  device.host_launch = launch.at("host").duration();
  const YamlNode allocator = root.at("allocator");
  allocator.allow_only({"context", "granularity"});
  device.context = allocator.at("context").bytes();
  device.allocation_granularity = allocator.at("granularity").bytes();
  device.provenance = {.origin = Origin::Datasheet, .source = root.at("source").text()};
  document.throw_errors();
  read_families(root, document, families_left, device);
  return device;
}

}  // namespace

std::string_view name_of(Origin origin) {
  return kOrigins[static_cast<std::size_t>(origin)];
}

Device load_device(const std::filesystem::path& file) {
  Device device = load(file, kMostFamilies);
  device.power = load_power(file);
  return device;
}

namespace {

std::vector<FittedModel> parse_fitted(std::string_view text, std::string name) {
  const YamlDocument document = YamlDocument::parse(text, std::move(name));
  document.root().allow_only({"models"});
  std::vector<FittedModel> models;
  for (const YamlNode& node : document.root().at("models").items())
    models.push_back(read_fitted(node));
  document.throw_errors();
  return models;
}

// The last texts that were parsed, and what they hold: a study loads a device for each of its
// configurations. What a text means depends on nothing else.
class Parsed {
 public:
  std::vector<FittedModel> of(std::string text, std::string name) {
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [known, models] : texts_)
        if (known == text) return *models;
    }
    const auto models =
        std::make_shared<const std::vector<FittedModel>>(parse_fitted(text, std::move(name)));
    const std::lock_guard lock(mutex_);
    if (texts_.size() == kMost) texts_.pop_front();
    texts_.emplace_back(std::move(text), models);
    return *models;
  }

 private:
  static constexpr std::size_t kMost = 16;
  std::mutex mutex_;
  std::deque<std::pair<std::string, std::shared_ptr<const std::vector<FittedModel>>>> texts_;
};

}  // namespace

std::vector<FittedModel> load_fitted(const std::filesystem::path& file) {
  static Parsed parsed;
  return parsed.of(sim::io::read_text(file, std::size_t{64} << 20),
                   file.lexically_normal().string());
}

const FittedModel* find_fitted(const Device& device, std::string_view kind,
                               std::string_view implementation, std::string_view variant) {
  for (const FittedModel& model : device.fitted) {
    if (model.kind == kind && model.implementation == implementation && model.variant == variant)
      return &model;
  }
  return nullptr;
}

sim::FlopRate peak_rate(const Device& device, Precision precision) {
  // From what is asked for to what hardware without it computes in instead.
  const std::vector<Precision> chain = [&]() -> std::vector<Precision> {
    switch (precision) {
      case Precision::FP64:
        return {Precision::FP64};
      case Precision::TF32:
        return {Precision::TF32, Precision::FP32};
      case Precision::FP32:
        return {Precision::FP32};
      case Precision::NVFP4:
      case Precision::MXFP4:
        return {Precision::NVFP4, Precision::MXFP4, Precision::FP8,
                Precision::BF16,  Precision::FP16,  Precision::FP32};
      case Precision::FP8:
      case Precision::FP8Block:
        return {Precision::FP8, Precision::BF16, Precision::FP16, Precision::FP32};
      case Precision::INT4:  // of weights: kernels widen them on their way to the tensor cores
        return {Precision::BF16, Precision::FP16, Precision::FP32};
      case Precision::INT8:
        return {Precision::INT8, Precision::BF16, Precision::FP16, Precision::FP32};
      case Precision::BF16:
      case Precision::FP16:
        return {Precision::BF16, Precision::FP16, Precision::FP32};
    }
    return {};
  }();
  for (const Precision p : chain) {
    if (const auto found = device.peak.find(p); found != device.peak.end()) return found->second;
  }
  return {};
}

}  // namespace moesim::hardware
