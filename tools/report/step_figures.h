// What a run or an exchange knows beside its JSON, as figures: who chooses which expert, which rank
// sends how much to which, the machine with its busy links, and a layer of the timeline.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hardware/network/play.h"
#include "hardware/network/topology.h"
#include "tools/report/page.h"
#include "workloads/run.h"

namespace moesim::tools {

// Selections of each expert over its layer's mean. Nothing without mixtures.
std::optional<Figure> experts_figure(const workloads::Report& report);

// Payload between ranks; `visit` calls its argument for each transfer.
Figure rank_bytes_figure(
    sim::Rank ranks, std::string sentence,
    const std::function<void(const std::function<void(const sim::Transfer&)>&)>& visit);
// Of all exchanges of a recorded step. Nothing where nobody sends.
std::optional<Figure> rank_bytes_figure(const sim::OpGraph& graph);

// `busy`: by link name, a share of the time. Nothing beyond 64 nodes.
std::optional<Figure> topology_figure(const hardware::Topology& topology,
                                      const std::map<std::string, double>& busy);

// From the middle dispatch of the step to the second after it, of the first ranks; all of the step
// where it has none.
Figure timeline_figure(const workloads::Recording& recording);

// All of them in their sections of a run's page.
void add_step_figures(const workloads::RunResult& result, const hardware::Topology& topology,
                      Page& page);

// Of an exchange's page: when each rank is done, bytes from rank to rank, the machine.
void add_exchange_figures(const sim::Exchange& exchange, const hardware::PlayedExchange& played,
                          const hardware::Topology& topology, Page& page);

}  // namespace moesim::tools
