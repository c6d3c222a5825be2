#include "tools/report/step_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/units_text.h"
#include "tools/report/number_text.h"
#include "tools/report/topology_layout.h"

namespace moesim::tools {
namespace {

using workloads::Phase;

constexpr std::uint32_t kMostNodes = 64;
constexpr sim::Rank kMostRanks = 16;  // of a timeline

std::vector<std::string> numbers(std::size_t n) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < n; ++i) names.push_back(std::to_string(i));
  return names;
}

Section& section_of(Page& page, const std::string& title, const std::string& before) {
  for (Section& section : page.sections) {
    if (section.title == title) return section;
  }
  const auto place = std::ranges::find_if(
      page.sections, [&](const Section& section) { return section.title == before; });
  return *page.sections.insert(place, Section{.title = title});
}

struct Excerpt {
  sim::Time from{}, to{};
  std::string what;
};

Excerpt excerpt_of(const workloads::Recording& recording) {
  const sim::OpGraph& graph = recording.graph;
  std::vector<std::pair<sim::Time, std::string>> dispatches;
  for (sim::ExchangeId id = 0; id < graph.exchanges().size(); ++id) {
    const sim::OpId part = graph.parts(id).front();
    const sim::Label& label = graph.label(graph.op(part).label);
    if (workloads::phase_of(label.phase) != Phase::Dispatch) continue;
    sim::Time start = sim::Time::max();
    for (const sim::OpId one : graph.parts(id)) {
      if (one != sim::kNoOp) start = std::min(start, recording.timeline.spans[one].start);
    }
    dispatches.emplace_back(start, label.name);
  }
  std::ranges::sort(dispatches);
  if (dispatches.size() < 3) return {{}, recording.timeline.finish, "The first step."};
  const auto& [from, first] = dispatches[(dispatches.size() - 1) / 2];
  const std::size_t end = std::min((dispatches.size() - 1) / 2 + 2, dispatches.size() - 1);
  const auto& [to, last] = dispatches[end];
  return {from, to, fmt::format("From {} to {} of the first step.", first, last)};
}

}  // namespace

std::optional<Figure> experts_figure(const workloads::Report& report) {
  if (report.layers.empty()) return {};
  Heat map{.x = "expert",
           .y = "layer",
           .unit = "x the mean",
           .columns = {},
           .rows = {},
           .values = {},
           .log2 = true};
  std::size_t experts = 0;
  for (const auto& layer : report.layers) experts = std::max(experts, layer.expert_counts.size());
  map.columns = numbers(experts);
  for (const auto& layer : report.layers) {
    map.rows.push_back(std::to_string(layer.layer));
    double sum = 0;
    for (const std::uint64_t count : layer.expert_counts) sum += static_cast<double>(count);
    for (std::size_t e = 0; e < experts; ++e) {
      const double count =
          e < layer.expert_counts.size() ? static_cast<double>(layer.expert_counts[e]) : 0;
      map.values.push_back(
          sum == 0 ? 0 : count * static_cast<double>(layer.expert_counts.size()) / sum);
    }
  }
  auto [chart, note] = binned(std::move(map));
  return Figure{.title = "Experts by layer",
                .sentence = "How often each expert is chosen, over its layer's mean, in all steps.",
                .chart = std::move(chart),
                .note = std::move(note)};
}

Figure rank_bytes_figure(
    sim::Rank ranks, std::string sentence,
    const std::function<void(const std::function<void(const sim::Transfer&)>&)>& visit) {
  std::vector<double> bytes(std::size_t{ranks} * ranks);
  visit([&](const sim::Transfer& transfer) {
    bytes[std::size_t{transfer.source} * ranks + transfer.destination] +=
        static_cast<double>(transfer.bytes.count());
  });
  const double most = *std::ranges::max_element(bytes);
  const auto [scale, unit] = most >= 1e9   ? std::pair{1e9, "GB"}
                             : most >= 1e6 ? std::pair{1e6, "MB"}
                                           : std::pair{1e3, "kB"};
  for (double& value : bytes) value /= scale;
  auto [chart, note] = binned({.x = "to rank",
                               .y = "from rank",
                               .unit = unit,
                               .columns = numbers(ranks),
                               .rows = numbers(ranks),
                               .values = std::move(bytes)});
  return {.title = "Bytes from rank to rank",
          .sentence = std::move(sentence),
          .chart = std::move(chart),
          .note = std::move(note)};
}

std::optional<Figure> rank_bytes_figure(const sim::OpGraph& graph) {
  const auto& exchanges = graph.exchanges();
  if (std::ranges::all_of(exchanges, [](const sim::Exchange& exchange) {
        return payload_of(exchange) == sim::Bytes{};
      })) {
    return {};
  }
  return rank_bytes_figure(
      graph.ranks(),
      "Payload of the first step from each rank (a line) to each (a column), all exchanges "
      "together.",
      [&](const std::function<void(const sim::Transfer&)>& add) {
        for (const sim::Exchange& exchange : exchanges) for_each_transfer(exchange, std::cref(add));
      });
}

std::optional<Figure> topology_figure(const hardware::Topology& topology,
                                      const std::map<std::string, double>& busy) {
  std::uint32_t nodes = 0;
  for (const std::uint32_t node : topology.node) nodes = std::max(nodes, node + 1);
  if (nodes > kMostNodes || topology.links.empty()) return {};
  Graph chart{.scale = "busy", .kinds = {"GPU", "NIC", "switch"}, .nodes = {}, .links = {}};
  const Places places = places_of(topology);
  for (std::size_t v = 0; v < topology.vertices.size(); ++v) {
    const auto& vertex = topology.vertices[v];
    chart.nodes.push_back(
        {vertex.name, static_cast<std::size_t>(vertex.kind), places.of[v].x, places.of[v].y});
  }
  // A line for both directions.
  std::map<std::pair<std::size_t, std::size_t>, std::pair<double, double>> lines;
  for (hardware::LinkId id = 0; id < topology.links.size(); ++id) {
    const auto& link = topology.links[id];
    const auto found = busy.find(topology.link_name(id));
    const double share = found == busy.end() ? 0 : found->second;
    const bool there = link.from < link.to;
    auto& [up, down] = lines[std::minmax<std::size_t>(link.from, link.to)];
    double& direction = there ? up : down;
    direction = std::max(direction, share);
  }
  double most = 0;
  for (const auto& [ends, shares] : lines) most = std::max({most, shares.first, shares.second});
  Table table{{"link", "there", "back"}, {}};
  for (const auto& [ends, shares] : lines) {
    const auto& [there, back] = shares;
    const std::string text =
        fmt::format("{} busy there, {} back", percent_text(there), percent_text(back));
    chart.links.push_back(
        {ends.first, ends.second, most == 0 ? 0 : std::max(there, back) / most, text});
    if (table.rows.size() < kMostTableRows) {
      table.rows.push_back(
          {topology.vertices[ends.first].name + " - " + topology.vertices[ends.second].name,
           percent_text(there), percent_text(back)});
    }
  }
  return Figure{
      .title = "The machine and its links",
      .sentence = fmt::format("Every link, the thicker and stronger in colour the busier; "
                              "the busiest is so {} of the time.",
                              percent_text(most)),
      .chart = std::move(chart),
      .table = std::move(table)};
}

Figure timeline_figure(const workloads::Recording& recording) {
  const sim::OpGraph& graph = recording.graph;
  const Excerpt excerpt = excerpt_of(recording);
  const sim::Rank ranks = std::min(graph.ranks(), kMostRanks);
  Slices chart{.unit = "us", .tracks = {}, .kinds = {}, .slices = {}};
  for (sim::Rank rank = 0; rank < ranks; ++rank) {
    chart.tracks.push_back(fmt::format("gpu{} compute", rank));
    chart.tracks.push_back(fmt::format("gpu{} network", rank));
  }
  std::array<std::size_t, workloads::kPhases> kind_of{};
  kind_of.fill(workloads::kPhases);
  Table table{{"rank", "what", "from", "takes"}, {}};
  std::size_t left_out = 0;
  for (sim::OpId id = 0; id < graph.size(); ++id) {
    const sim::Op& op = graph.op(id);
    const sim::Span& span = recording.timeline.spans[id];
    if (op.rank >= ranks || op.kind == sim::OpKind::Delay || span.start == span.end) continue;
    if (span.end <= excerpt.from || span.start >= excerpt.to) continue;
    if (chart.slices.size() == kMostSlices) {
      ++left_out;
      continue;
    }
    const sim::Label& label = graph.label(op.label);
    const Phase phase = workloads::phase_of(label.phase);
    std::size_t& kind = kind_of[index_of(phase)];
    if (kind == workloads::kPhases) {
      kind = chart.kinds.size();
      chart.kinds.emplace_back(name_of(phase));
    }
    const auto us = [&](sim::Time time) {
      const auto at = std::clamp(time, excerpt.from, excerpt.to) - excerpt.from;
      const std::int64_t nanoseconds = (at.count() + 500) / 1000;
      return static_cast<double>(nanoseconds) * 1e-3;
    };
    const std::string takes = sim::to_text(span.end - span.start);
    chart.slices.push_back({.track = 2 * op.rank + op.stream,
                            .kind = kind,
                            .from = us(span.start),
                            .to = us(span.end),
                            .text = fmt::format("{}, {}", label.name, takes)});
    if (table.rows.size() < kMostTableRows) {
      table.rows.push_back({fmt::format("gpu{}", op.rank), label.name,
                            sim::to_text(span.start.time_since_epoch()), takes});
    }
  }
  std::string note;
  if (ranks < graph.ranks()) note = fmt::format("The first {} of {} ranks. ", ranks, graph.ranks());
  if (left_out > 0) note += fmt::format("{} slices are left out. ", left_out);
  note += "All of the step: --timeline FILE, opened in ui.perfetto.dev.";
  return {.title = "In the middle of the step",
          .sentence = excerpt.what,
          .chart = std::move(chart),
          .table = std::move(table),
          .note = std::move(note)};
}

void add_step_figures(const workloads::RunResult& result, const hardware::Topology& topology,
                      Page& page) {
  if (auto experts = experts_figure(result.report))
    section_of(page, "Load", "Memory").figures.push_back(std::move(*experts));
  std::map<std::string, double> busy;
  for (const auto& link : result.report.links) busy[link.name] = link.busy_fraction;
  if (!busy.empty()) {
    if (auto machine = topology_figure(topology, busy))
      section_of(page, "Network", "Memory").figures.push_back(std::move(*machine));
  }
  if (!result.recording) return;
  if (auto bytes = rank_bytes_figure(result.recording->graph))
    section_of(page, "Network", "Memory").figures.push_back(std::move(*bytes));
  section_of(page, "Timeline", "Trust").figures.push_back(timeline_figure(*result.recording));
}

void add_exchange_figures(const sim::Exchange& exchange, const hardware::PlayedExchange& played,
                          const hardware::Topology& topology, Page& page) {
  const double took = sim::to_us(played.completion);
  const TimeUnit unit = time_unit(took);
  Lines done{.x = {.name = "rank", .whole = true},
             .y = {.name = fmt::format("done after, {}", unit.name)},
             .series = {{"done", {}}},
             .marks = true};
  Table table{{"rank", "done after"}, {}};
  for (std::size_t i = 0; i < played.done.size(); ++i) {
    const sim::Rank rank = exchange.participants[i];
    const double us = sim::to_us(played.done[i]);
    done.series[0].points.push_back(
        {static_cast<double>(rank), us / unit.us, fmt::format("rank {}: {}", rank, time_text(us))});
    if (table.rows.size() < kMostTableRows)
      table.rows.push_back({std::to_string(rank), time_text(us)});
  }
  section_of(page, "Time", "Network")
      .figures.push_back({.title = "When each rank is done",
                          .sentence = "From the arrival of all ranks until a rank has sent and "
                                      "received all that is its.",
                          .chart = std::move(done),
                          .table = std::move(table)});
  std::map<std::string, double> busy;
  for (const auto& link : played.links) busy[link.name] = sim::to_us(link.busy) / took;
  if (busy.empty()) return;
  Section& network = section_of(page, "Network", "");
  if (auto machine = topology_figure(topology, busy))
    network.figures.push_back(std::move(*machine));
  network.figures.push_back(rank_bytes_figure(
      exchange.participants.back() + 1, "Payload from each rank (a line) to each (a column).",
      [&](const std::function<void(const sim::Transfer&)>& add) {
        for_each_transfer(exchange, std::cref(add));
      }));
}

}  // namespace moesim::tools
