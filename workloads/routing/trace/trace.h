// A routing trace: an HDF5 file in the format moe-routing-trace, version 1 (README.md).
//
// Two forms: per token (which experts each token chose in each MoE layer) and counts (how many
// selections each expert got in each step and layer). The file is untrusted: attributes, shapes,
// types and offsets are checked when it is opened, values as they are read. What is wrong is an
// InputError that names the dataset. A slab at a time is read; nothing is kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/io/hdf5_file.h"
#include "workloads/routing/routing.h"

namespace moesim::workloads {

inline constexpr const char* kTraceFormat = "moe-routing-trace";
inline constexpr std::int64_t kTraceVersion = 1;
inline constexpr std::int64_t kMostPhase = 2;  // 0 prefill, 1 decode, 2 mixed

// What a trace says of itself.
struct TraceInfo {
  std::string file;
  std::string model, source, created;  // empty where not given
  bool per_token = true;               // else counts
  std::uint64_t tokens = 0;            // per token form
  std::uint64_t steps = 0;             // count form; per token: where /step/token_offset is given
  std::uint32_t layers = 0;            // MoE layers
  std::uint32_t experts = 0;
  std::uint32_t top_k = 0;
  bool physical = false;  // ids are slots of a placement that the file does not give
  // The number that marks a missing selection, where it is an expert's, too (stored_ids.h): the
  // file cannot name that expert.
  std::optional<std::uint32_t> ambiguous_expert;
  std::vector<std::int64_t> layer_ids;  // of each MoE layer in the model; 0, 1, … where not given
  std::vector<std::string> domains;
  bool has_requests = false, has_positions = false, has_phases = false, has_domains = false;
  bool has_weights = false, has_gate_scores = false, has_gate_bias = false;
};

// For people, where there is an ambiguous expert. REQUIRES: info.ambiguous_expert
std::string ambiguity(const TraceInfo& info);

// What may be known of each token.
enum class TokenColumn { Request, Position, Phase, Domain };

class RoutingTrace {
 public:
  // Throws InputError where the file is missing, damaged, or not what the format says. Where the
  // layer axis holds all layers ("layer_axis" is "all"), those without a selection are left out;
  // to know them the file is read once, unless "moe_layer_ids" tells. Ids of a physical expert
  // space are given back as logical ones where the file has the map.
  static RoutingTrace open(const std::filesystem::path& file);

  const TraceInfo& info() const { return info_; }
  // How many tokens are stored together: reading multiples of it, from a multiple of it, is fast.
  std::uint64_t chunk_tokens() const;

  // Tokens [first, first + count): [count x layers x top_k], kMissingExpert where none (which
  // numbers mean that: stored_ids.h). REQUIRES: per_token
  void read_ids(std::uint64_t first, std::uint64_t count, std::vector<ExpertId>& out) const;
  // The same in one or two bytes an id, the type's largest number where none, and quicker. False,
  // and `out` of no use, where one is missing and no number is left to say so (one byte, 256
  // experts). REQUIRES: per_token, experts <= 256, or 65,535
  bool read_ids(std::uint64_t first, std::uint64_t count, std::vector<std::uint8_t>& out) const;
  bool read_ids(std::uint64_t first, std::uint64_t count, std::vector<std::uint16_t>& out) const;
  // The same shape; REQUIRES: has_weights
  void read_weights(std::uint64_t first, std::uint64_t count, std::vector<float>& out) const;
  // [count x layers x experts]; REQUIRES: has_gate_scores
  void read_gate_scores(std::uint64_t first, std::uint64_t count, std::vector<float>& out) const;
  // [layers x experts]; REQUIRES: has_gate_bias
  std::vector<float> gate_bias() const;

  // False, and `out` empty, where the file does not have the column. A domain is below the number
  // of domains, all else is not negative.
  bool read_column(TokenColumn column, std::uint64_t first, std::uint64_t count,
                   std::vector<std::uint32_t>& out) const;
  // [steps + 1], ascending from 0, at most tokens; empty where not given.
  std::vector<std::uint64_t> step_offsets() const;
  // [steps] the data-parallel rank of each step; empty where not given.
  std::vector<std::uint32_t> step_ranks() const;

  // Count form: selections of step `step`, [layers x experts]. REQUIRES: not per_token
  void read_counts(std::uint64_t step, std::vector<std::uint32_t>& out) const;
  // [steps] where the count form has /step/domain; else empty.
  std::vector<std::uint32_t> step_domains() const;

 private:
  RoutingTrace() = default;
  void read_header(const sim::io::Hdf5File& file);
  void read_layer_axis(const sim::io::Hdf5File& file);
  void read_columns(const sim::io::Hdf5File& file);
  void check_phases(const char* name, const std::optional<sim::io::Hdf5Dataset>& phases) const;
  void read_map(const sim::io::Hdf5File& file);
  void read_raw_ids(std::uint64_t first, std::uint64_t count, std::vector<std::int32_t>& out) const;
  template <class Id>
  bool read_narrow(std::uint64_t first, std::uint64_t count, std::vector<Id>& out) const;
  bool as_stored() const { return info_.layers == stored_layers_ && logical_.empty(); }
  [[noreturn]] void fail(const std::string& dataset, const std::string& what) const;

  TraceInfo info_;
  sim::io::Hdf5Dataset data_;  // /expert_ids or /counts
  std::optional<sim::io::Hdf5Dataset> weights_, scores_, bias_, offsets_, step_domain_, step_rank_;
  std::optional<sim::io::Hdf5Dataset> columns_[4];
  std::uint32_t stored_layers_ = 0;      // the layer axis of the file
  std::uint32_t stored_experts_ = 0;     // its expert space
  std::vector<std::uint32_t> layer_of_;  // of each MoE layer: where it is on that axis
  std::vector<ExpertId> logical_;        // [stored layers x stored experts]; empty: as stored
};

}  // namespace moesim::workloads
