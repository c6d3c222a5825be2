#include "workloads/deployment/host.h"

namespace moesim::workloads {

void read_host(const sim::io::YamlNode& node, Host& host) {
  node.allow_only({"per_step", "per_sequence", "per_draft", "per_request", "front_end",
                   "overlapped", "per_launch", "per_operation", "graphs"});
  const auto read = [&](const char* key, sim::Duration& time) {
    if (const auto found = node.find(key)) time = found->duration();
  };
  read("per_step", host.per_step);
  read("per_sequence", host.per_sequence);
  read("per_draft", host.per_draft);
  read("per_request", host.per_request);
  read("front_end", host.front_end);
  read("per_launch", host.per_launch);
  if (const auto found = node.find("overlapped")) host.overlapped = found->boolean();
  if (const auto found = node.find("per_operation")) {
    host.per_operation = found->duration();
    host.operation_given = true;
  }
  if (const auto found = node.find("graphs")) {
    host.graphs_given = true;
    if (!found->is_list()) {
      host.graphs = static_cast<Graphs>(found->one_of(kGraphsNames));
      return;
    }
    host.graphs = Graphs::None;
    for (const sim::io::YamlNode& item : found->items()) {
      const std::size_t scope = item.one_of(std::span<const std::string_view>(kGraphScopeNames));
      if (scope < host.recorded.size()) host.recorded[scope] = true;
    }
  }
}

}  // namespace moesim::workloads
