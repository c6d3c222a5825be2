// One accelerator: what its data sheet says, and what was fitted for it. configs/devices/*.yaml.
//
// A device file names the file of its fitted parameters (`fitted:`) and the device whose fitted
// parameters it takes over where it has none of its own (`family:`): constants of the architecture
// carry over, rates are the device's own. hardware/README.md has the format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hardware/kernels/residual.h"
#include "hardware/power.h"
#include "hardware/precision.h"
#include "sim/units.h"

namespace moesim::hardware {

// How a number came to be.
enum class Origin { Datasheet, Measured, Imported, Fitted, Extrapolated };
std::string_view name_of(Origin origin);

struct Provenance {
  Origin origin = Origin::Datasheet;
  std::string source = {};  // what, version, date: "NVIDIA H100 datasheet, 2023-03"
};

// True over predicted at four percentiles: the outer two hold 90 % of the points.
struct Interval {
  double p05 = 1, p10 = 1, p90 = 1, p95 = 1;
};

// The parameters of one fitted cost model, by name; the model gives them their meaning and unit.
struct FittedModel {
  std::string kind;            // "gemm", "moe", "nccl", …
  std::string implementation;  // "trtllm", …
  std::string variant;         // what it was fitted apart for: "fp8_block", "all_reduce"; or empty
  std::map<std::string, double> parameters;
  // The range of each input that the fit has seen: "m" -> [1, 32768].
  std::map<std::string, std::pair<double, double>> valid;
  // Of inputs that are counted and never held out, the values that it has seen: "ranks" -> 2, 8.
  std::map<std::string, std::vector<double>> seen;
  // Of the hold-out: absolute percentage errors, and true over predicted at its percentiles, by
  // regime ("" for all).
  std::int64_t points = 0;
  double median_error_percent = 0, p90_error_percent = 0, bias_percent = 0;
  std::map<std::string, Interval> interval;
  ResidualTable residual;  // what the formula leaves over, by shape
  Provenance provenance;
  std::string carried_from;       // the device it was fitted on, where that is not this one
  bool other_generation = false;  // and that device's architecture is another one
};

struct Device {
  std::string name;
  std::string generation;  // "ampere", "hopper", …: what fitted constants carry over to
  std::int64_t multiprocessors = 0;
  std::map<Precision, sim::FlopRate> peak;  // dense, without sparsity
  sim::Bytes memory;
  sim::Bandwidth memory_bandwidth;
  sim::Bytes l2;
  sim::Bandwidth scale_up, scale_out;  // of its links, each way; a cluster file has its own
  sim::Duration launch_latency{};      // of a kernel in a graph, from end to end of an empty one
  sim::Duration host_launch{};         // of a kernel launched by the host
  sim::Bytes context;                  // memory that the driver and the runtime take
  sim::Bytes allocation_granularity;
  std::vector<FittedModel> fitted;
  Provenance provenance;
  std::optional<CardPower> power = {};       // nothing where no file says a limit
  std::vector<std::filesystem::path> files;  // it was read from: its own, its fits', its family's
};

// Throws ConfigError that lists every mistake of the file, InputError where it cannot be read.
Device load_device(const std::filesystem::path& file);

// The fitted models of one file (`fitted:`). Throws as load_device.
std::vector<FittedModel> load_fitted(const std::filesystem::path& file);

// The fitted parameters, or null where the device has none of that kind.
const FittedModel* find_fitted(const Device& device, std::string_view kind,
                               std::string_view implementation, std::string_view variant);

// The dense peak at a precision; where the device has no units for it, that of the next wider one
// it computes in (fp8 on Ampere runs as bf16). Zero only where it has none of them.
sim::FlopRate peak_rate(const Device& device, Precision precision);

}  // namespace moesim::hardware
