// What the points of a card say as a whole: what was measured, what the card can do, its clocks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/io/csv.h"

namespace moesim::validation {

struct Range {
  std::int64_t n = 0;
  double least = 0, median = 0, most = 0;
};

// "bf16 by moesim_wgmma": FLOP/s of the largest product; its share of cuBLASLt's speed is apart.
struct ProductCeiling {
  std::string precision, implementation;
  double flop_per_second = 0;
};

struct TakenMemory {
  std::string what;
  double measured = 0, formula = 0;  // bytes; no formula: 0
};

struct PointsSummary {
  std::string device, driver;  // of the metadata; empty: not said
  std::int64_t rows = 0, measured = 0, skipped = 0;
  std::map<std::string, std::int64_t> flags;  // "noisy" -> how many; "failed" without its reason
  std::map<std::string, std::int64_t> skipped_for;  // the reason -> how many
  std::optional<double> copy, read;                 // bytes/s, of 8 GB
  std::optional<double> launch_us;                  // an empty kernel in a chain
  std::optional<double> context_bytes;
  std::vector<ProductCeiling> products;
  // Of our kernels, by implementation: the median of cuBLASLt's time over ours on the same shapes,
  // and the median share of the copy ceiling where rows are few (under 4 FLOP a byte).
  std::map<std::string, double> to_cublaslt, share_of_copy;
  std::map<std::string, double> watts;  // under a long load: "copy" -> 450
  Range sm_mhz, power_watts, celsius;
  double drift_percent = 0;  // the median difference between the two passes
  std::vector<TakenMemory> memory;
};

// Throws InputError for a column that is missing.
PointsSummary summarise_points(const std::string& text, const std::string& name);

}  // namespace moesim::validation
