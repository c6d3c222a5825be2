// What a card draws, by how it is used.
//
//   P = idle + (limit - idle) x min(1, busy B + memory M + compute C / (C + half))
//
// B: the part of the time in which a kernel runs; M: bytes / (time x the datasheet's bandwidth);
// C: FLOP / the format's datasheet peak, summed over formats, / time. A device file says:
//
//   power:
//     limit: 700 W   # of its datasheet
//     idle: 74 W     # with a model loaded, nothing running
//     parts: {busy: 0.14, memory: 0.75, compute: 0.95, half: 0.2, error: 0.22}   # fitted on it
//     source: …
//
// What it does not say is an H100's, and is said to be.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace moesim::sim::io {
class YamlNode;
}

namespace moesim::hardware {

struct CardPower {
  double limit_w = 0, idle_w = 0;
  double busy = 0.14, memory = 0.75, compute = 0.95, half = 0.20;  // H100's (README)
  double error = 0.30;                      // a part: how far readings may lie off
  std::string source = {};                  // of its limit and its idle power
  std::vector<std::string> stand_ins = {};  // what is another's, as sentences
};

struct PowerUse {
  double busy = 0, memory = 0, compute = 0;
};

// Watts.
double power_of(const CardPower& card, const PowerUse& use);

// What a question says of power: of the card what its file does not, or otherwise (`power:` of a
// scenario); what stands beside the cards is the user's.
struct PowerChoice {
  std::optional<double> limit_w = {}, idle_w = {};
  double host_w = 0;  // a GPU's part of its host and the network
  double pue = 1;     // power drawn over power of the machines: what cooling and losses add
};

// The device's card with what the question says; nothing where neither says a limit.
// Throws ConfigError where idle is not below the limit.
std::optional<CardPower> chosen_power(const std::optional<CardPower>& of_device,
                                      const PowerChoice& choice);

// `power: {limit: 700 W, idle: 74 W, host: 350 W, pue: 1.2}`
PowerChoice read_power_choice(const sim::io::YamlNode& node);

// Of a device's file, or of the family that it names; nothing where neither says a limit. Throws
// ConfigError that lists every mistake, InputError where a file cannot be read.
std::optional<CardPower> load_power(const std::filesystem::path& device_file);

}  // namespace moesim::hardware
