#include "hardware/power.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"

namespace moesim::hardware {
namespace {

using sim::io::YamlDocument;
using sim::io::YamlNode;

constexpr double kIdleOfLimit = 74.0 / 700;  // H100's
constexpr int kMostFamilies = 4;             // as load_device
const char* const kByUse = "power by use: H100's fit stands in";

// "700 W"
double read_watts(const YamlNode& node) {
  const std::string text = node.text();
  double watts = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), watts);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error != std::errc{} || rest != " W" || !(watts > 0) || watts > 1e5) {
    node.error(fmt::format("expected a power such as 700 W, not \"{}\"", text));
    return 0;
  }
  return watts;
}

void idle_as_h100(CardPower& power) {
  power.idle_w = kIdleOfLimit * power.limit_w;
  power.stand_ins.push_back(
      fmt::format("idle power {:.0f} W: of its limit as much as an H100", power.idle_w));
}

void read_parts(const YamlNode& node, CardPower& power) {
  node.allow_only({"busy", "memory", "compute", "half", "error"});
  power.busy = node.at("busy").number(0, 1);
  power.memory = node.at("memory").number(0, 2);
  power.compute = node.at("compute").number(0, 2);
  power.half = node.at("half").number(0.001, 10);
  power.error = node.at("error").number(0, 1);
}

CardPower read_power(const YamlNode& node) {
  node.allow_only({"limit", "idle", "parts", "source"});
  CardPower power{.limit_w = read_watts(node.at("limit")), .source = node.at("source").text()};
  if (const auto idle = node.find("idle")) {
    power.idle_w = read_watts(*idle);
    if (power.idle_w >= power.limit_w) idle->error("is not below the limit");
  } else {
    idle_as_h100(power);
  }
  if (const auto parts = node.find("parts"))
    read_parts(*parts, power);
  else
    power.stand_ins.emplace_back(kByUse);
  return power;
}

// `power: {parts: …, source: …}`: how it draws is its own, limit and idle power are its family's.
void read_own_parts(const YamlNode& node, CardPower& power) {
  node.allow_only({"parts", "source"});
  read_parts(node.at("parts"), power);
  power.source += "; " + node.at("source").text();
  std::erase(power.stand_ins, kByUse);
}

std::optional<CardPower> load(const std::filesystem::path& file, int families_left) {
  const YamlDocument document = YamlDocument::load(file);
  const YamlNode root = document.root();
  const auto node = root.find("power"), family = root.find("family");
  const bool has_family = family && families_left > 0;
  if (node && (!has_family || node->find("limit"))) {
    CardPower power = read_power(*node);
    document.throw_errors();
    return power;
  }
  if (!has_family) return {};
  auto power = load(document.folder() / (family->text() + ".yaml"), families_left - 1);
  if (power) {
    power->stand_ins.insert(power->stand_ins.begin(),
                            fmt::format("limit and idle power: those of {}", family->text()));
    if (node) read_own_parts(*node, *power);
    document.throw_errors();
  }
  return power;
}

}  // namespace

double power_of(const CardPower& card, const PowerUse& use) {
  const double compute = use.compute > 0 ? use.compute / (use.compute + card.half) : 0;
  const double part = card.busy * use.busy + card.memory * use.memory + card.compute * compute;
  return card.idle_w + (card.limit_w - card.idle_w) * std::min(1.0, part);
}

std::optional<CardPower> chosen_power(const std::optional<CardPower>& of_device,
                                      const PowerChoice& choice) {
  if (!of_device && !choice.limit_w) return {};
  CardPower power = of_device.value_or(CardPower{});
  if (!of_device) power.stand_ins.emplace_back(kByUse);
  if (choice.limit_w) {
    power.limit_w = *choice.limit_w;
    power.source = "limit: the scenario's";
    if (of_device && *choice.limit_w < of_device->limit_w) {
      power.stand_ins.emplace_back(
          "a limit below the card's makes it draw less here, and no kernel slower, which it would");
    }
  }
  if (choice.idle_w) {
    power.idle_w = *choice.idle_w;
  } else if (!of_device) {
    idle_as_h100(power);
  }
  if (power.idle_w >= power.limit_w) {
    throw sim::ConfigError(
        fmt::format("idle {:g} W is not below the limit {:g} W", power.idle_w, power.limit_w));
  }
  return power;
}

PowerChoice read_power_choice(const YamlNode& node) {
  node.allow_only({"limit", "idle", "host", "pue"});
  PowerChoice choice;
  if (const auto limit = node.find("limit")) choice.limit_w = read_watts(*limit);
  if (const auto idle = node.find("idle")) choice.idle_w = read_watts(*idle);
  if (const auto host = node.find("host")) choice.host_w = read_watts(*host);
  if (const auto pue = node.find("pue")) choice.pue = pue->number(1, 10);
  return choice;
}

std::optional<CardPower> load_power(const std::filesystem::path& device_file) {
  return load(device_file, kMostFamilies);
}

}  // namespace moesim::hardware
