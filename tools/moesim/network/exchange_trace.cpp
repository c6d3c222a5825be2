#include <nlohmann/json.hpp>

#include "sim/io/json.h"
#include "tools/moesim/network/network_commands.h"

namespace moesim::tools {

std::string exchange_trace(const sim::Exchange& exchange, const hardware::PlayedExchange& played) {
  using sim::io::Json;
  constexpr std::size_t kLinks = 64;
  Json events = Json::array();
  const auto named = [&](const char* what, int process, std::size_t thread,
                         const std::string& name) {
    events.push_back({{"ph", "M"},
                      {"name", what},
                      {"pid", process},
                      {"tid", thread},
                      {"args", {{"name", name}}}});
  };
  named("process_name", 0, 0, "ranks");
  named("process_name", 1, 0, "busiest links, at full capacity");
  for (std::size_t i = 0; i < played.done.size(); ++i) {
    named("thread_name", 0, i, "rank " + std::to_string(exchange.participants[i]));
    events.push_back({{"ph", "X"},
                      {"name", exchange.name},
                      {"pid", 0},
                      {"tid", i},
                      {"ts", 0},
                      {"dur", sim::to_us(played.done[i])}});
  }
  for (std::size_t i = 0; i < std::min(kLinks, played.links.size()); ++i) {
    const auto& link = played.links[i];
    named("thread_name", 1, i, link.name);
    events.push_back({{"ph", "X"},
                      {"name", link.name},
                      {"pid", 1},
                      {"tid", i},
                      {"ts", 0},
                      {"dur", sim::to_us(link.busy)},
                      {"args", {{"bytes", link.bytes.count()}}}});
  }
  return sim::io::to_text(Json{{"displayTimeUnit", "ns"}, {"traceEvents", std::move(events)}});
}

}  // namespace moesim::tools
