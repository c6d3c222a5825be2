// A trace as the routing of a model's steps.
//
// Where trace and model agree (MoE layers, experts, top_k, enough tokens) a trace is used as it is.
// Where they do not, how the one is mapped onto the other has to be said in the scenario, and is
// said in the report: nothing is stretched silently.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "workloads/routing/routing.h"
#include "workloads/routing/trace/trace.h"

namespace moesim::workloads {

enum class LayerMapping {
  Exact,    // as many layers as the model
  Cycle,    // the model's layer l takes the trace's layer l mod L
  Stretch,  // the trace's layer floor(l x L / the model's layers)
};
enum class TokenMapping {
  Auto,      // as it is where it holds enough tokens and no mix is asked for, else Resample
  Exact,     // the trace holds as many tokens as the steps take
  Repeat,    // from the start again when it is through
  Resample,  // whole requests (or runs of 256 tokens) drawn with replacement
};
enum class ExpertMapping {
  Exact,
  Rescale,  // tokens drawn from the shape of the trace's loads; who goes with whom is lost
};
// Which tokens make up a step.
enum class TokenOrder {
  Recorded,       // consecutive ones, as in the file: a prefill, or a trace in the order of time
  OnePerRequest,  // each place in the batch follows a request, a token a step: a decode
};
// Which of its tokens steps take, by what a trace says of each (/token/phase).
enum class TokenPhase {
  Any,      // all, whatever they were read or written for
  Prefill,  // those of prompts
  Decode,   // those that were generated
  Own,      // a prompt's of prompts, a generated one's of generated ones: settled before it is used
};
// What selections are that the trace does not have (missing.h).
enum class MissingMapping {
  Refuse,  // not recorded: more than a few are refused
  Drop,    // dropped by the router (a full expert): they cost nothing
};
inline constexpr std::array<std::string_view, 3> kLayerMappings = {"exact", "cycle", "stretch"};
inline constexpr std::array<std::string_view, 4> kTokenMappings = {"auto", "exact", "repeat",
                                                                   "resample"};
inline constexpr std::array<std::string_view, 2> kExpertMappings = {"exact", "rescale"};
inline constexpr std::array<std::string_view, 2> kTokenOrders = {"recorded", "one_per_request"};
inline constexpr std::array<std::string_view, 4> kTokenPhases = {"any", "prefill", "decode", "own"};
inline constexpr std::array<std::string_view, 2> kMissingMappings = {"refuse", "drop"};

struct TraceMapping {
  LayerMapping layers = LayerMapping::Exact;
  TokenMapping tokens = TokenMapping::Exact;
  ExpertMapping experts = ExpertMapping::Exact;
  TokenOrder order = TokenOrder::Recorded;
  TokenPhase phase = TokenPhase::Any;
  MissingMapping missing = MissingMapping::Refuse;
  // With Resample: the share of each domain in the requests drawn; empty: as in the trace.
  std::vector<std::pair<std::string, double>> mix = {};
};

class TraceCache;

// What the model and the run ask for.
struct RoutingTarget {
  std::uint32_t layers = 1;  // MoE layers
  std::uint32_t experts = 1;
  std::uint32_t top_k = 1;
  std::uint32_t tokens_per_step = 1;
  std::uint32_t steps = 1;
  std::uint64_t seed = 1;
};

// The tokens of a trace that steps may take. Throws ConfigError where a phase is asked for that the
// trace does not tell, or has no token of. REQUIRES: phase is not Own
std::uint64_t tokens_of(const RoutingTrace& trace, TokenPhase phase);

// The routing that a trace gives. Throws InputError as RoutingTrace::open does, ConfigError where
// trace and model differ and the mapping does not say what to do; the message says what to write.
// The same routing with a cache and without. REQUIRES: the mapping's phase is not Own
std::unique_ptr<RoutingSource> open_trace_source(const std::filesystem::path& file,
                                                 const RoutingTarget& target,
                                                 const TraceMapping& mapping,
                                                 const TraceCache* cache = nullptr);

}  // namespace moesim::workloads
