// What importers hold a recording against: its shape against what the options say of it, and its
// counts against a router's.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "workloads/routing/importers/importers.h"
#include "workloads/routing/trace/trace_writer.h"

namespace moesim::workloads {

// Each throws InputError where the option is given and says another number: "stat.pt: has 4 layers,
// but --layers says 9". `name` is the file.
void check_said_layers(const std::string& name, std::uint64_t found, const ImportOptions& options);
void check_said_experts(const std::string& name, std::uint64_t found, const ImportOptions& options);
void check_said_top_k(const std::string& name, std::uint64_t found, const ImportOptions& options);
// Of layers that have numbers: as many as there are, or as the last one's number tells.
void check_named_layers(const std::string& name, std::span<const std::int64_t> layers,
                        const ImportOptions& options);

// Adds the tokens of one step to `summary`: its first layer's selections over top_k, as traces of
// counts are read, and the layers that have not as many. `counts`: [layers x experts]. Throws
// InputError where a layer has more selections than those tokens can make; by 5 % it may, since the
// first layer's router drops tokens, too.
void add_tokens(std::span<const std::uint32_t> counts, const TraceHeader& header,
                const std::string& step, ImportSummary& summary);
// Throws InputError where there were none.
void check_tokens(const ImportSummary& summary, const Files& files);

}  // namespace moesim::workloads
