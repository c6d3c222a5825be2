// One accelerator: what its data sheet says, and what was fitted for it. configs/devices/*.yaml.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "hardware/precision.h"
#include "sim/units.h"

namespace moesim::sim::io {
class YamlNode;
}

namespace moesim::hardware {

// How a number came to be.
enum class Origin { Datasheet, Measured, Imported, Fitted, Extrapolated };

struct Provenance {
  Origin origin = Origin::Datasheet;
  std::string source;  // what, version, date: "NVIDIA H100 datasheet, 2023-03"
};

// The parameters of one fitted cost model, by name; the model gives them their meaning and unit.
struct FittedModel {
  std::string kind;            // "gemm", "moe", "nccl", …
  std::string implementation;  // "trtllm", …
  std::string variant;         // what it was fitted apart for: "fp8_block", "all_reduce"; or empty
  std::map<std::string, double> parameters;
  // The range of each input that the fit has seen: "m" -> [1, 32768].
  std::map<std::string, std::pair<double, double>> valid;
  // Of the hold-out: absolute percentage errors, and the factor that covers 90 % of the points on
  // each side, by regime ("" for all).
  std::int64_t points = 0;
  double median_error_percent = 0, p90_error_percent = 0, bias_percent = 0;
  std::map<std::string, std::pair<double, double>>
      interval;  // regime -> (low, high) over predicted
  Provenance provenance;
};

struct Device {
  std::string name;
  std::string
      generation;  // "ampere", "hopper", "blackwell", …: what fitted constants carry over to
  std::int64_t multiprocessors = 0;
  std::map<Precision, sim::FlopRate> peak;  // dense, without sparsity
  sim::Bytes memory;
  sim::Bandwidth memory_bandwidth;
  sim::Bytes l2;
  sim::Duration launch_latency{};  // of a kernel in a graph, from end to end of an empty one
  sim::Duration host_launch{};     // of a kernel launched by the host
  sim::Bytes context;              // memory that the driver and the runtime take
  sim::Bytes allocation_granularity;
  std::vector<FittedModel> fitted;
  Provenance provenance;
};

// Throws ConfigError that lists every mistake of the file, InputError where it cannot be read.
Device load_device(const std::filesystem::path& file);

// The fitted parameters, or null where the device has none of that kind.
const FittedModel* find_fitted(const Device& device, const std::string& kind,
                               const std::string& implementation, const std::string& variant);

}  // namespace moesim::hardware
