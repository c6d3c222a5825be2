// A made-up trace that behaves like a recorded one: loads by a law, domains with favourites of
// their own, tokens that choose as the one before them did, layers that follow each other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "workloads/routing/laws/laws.h"

namespace moesim::workloads {

struct SyntheticSpec {
  LawSpec law;  // layers, experts, top_k, skew, groups, seed; tokens_per_step is set from below
  std::uint64_t requests = 8;
  std::uint32_t tokens_per_request = 256;
  // Requests belong to domains in turn. A domain's popularity is (1 - share) x the common one +
  // share x its own, both by the law and of equal sum.
  std::uint32_t domains = 1;
  double domain_share = 0;
  // The chance that a token chooses in a layer what its predecessor chose there.
  double repeat = 0;
  // The chance that a token's draw in a layer is that of the layer before: who agrees there agrees
  // here, on other experts.
  double layer_link = 0;
  std::string model = {};         // attribute "model"
  std::uint32_t first_layer = 0;  // of the model: dense layers before the first MoE layer
};

// Throws ConfigError where a field is out of range.
void check(const SyntheticSpec& spec);

// Writes the trace, a request at a time. Throws ConfigError, InputError.
void write_synthetic_trace(const std::filesystem::path& file, const SyntheticSpec& spec);

}  // namespace moesim::workloads
