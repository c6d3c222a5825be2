#include "workloads/deployment/host.h"

#include <array>
#include <string_view>

namespace moesim::workloads {

void read_host(const sim::io::YamlNode& node, HostChoice& host) {
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
    constexpr std::array<std::string_view, 3> kNames{"none", "decode", "all"};
    host.graphs = static_cast<Graphs>(found->one_of(kNames));
  }
}

HostChoice load_engine(const std::filesystem::path& file) {
  const auto document = sim::io::YamlDocument::load(file);
  const auto root = document.root();
  root.allow_only({"name", "source", "host"});
  HostChoice host;
  host.engine = root.at("name").text();
  host.source = root.at("source").text();
  read_host(root.at("host"), host);
  document.throw_errors();
  return host;
}

}  // namespace moesim::workloads
