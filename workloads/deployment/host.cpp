#include "workloads/deployment/host.h"

namespace moesim::workloads {

void read_host(const sim::io::YamlNode& node, Host& host) {
  node.allow_only({"per_step", "per_sequence", "per_draft", "overlapped", "per_launch", "graphs"});
  const auto read = [&](const char* key, sim::Duration& time) {
    if (const auto found = node.find(key)) time = found->duration();
  };
  read("per_step", host.per_step);
  read("per_sequence", host.per_sequence);
  read("per_draft", host.per_draft);
  read("per_launch", host.per_launch);
  if (const auto found = node.find("overlapped")) host.overlapped = found->boolean();
  if (const auto found = node.find("graphs")) {
    host.graphs = static_cast<Graphs>(found->one_of(kGraphsNames));
  }
}

}  // namespace moesim::workloads
