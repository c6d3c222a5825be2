#include "tools/report/chrome_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/report/trace_counters.h"

namespace moesim::tools {
namespace {

using sim::OpId;
using sim::OpKind;

// Rows of a rank: streams, what it waits for by itself, and a further stream where there is one.
constexpr std::array<const char*, 3> kStreamNames{"compute", "network", "collectives"};
constexpr std::size_t kDelays = 2;
constexpr std::size_t row_of(std::size_t stream) {
  return stream < kDelays ? stream : stream + 1;
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump();
}

// Microseconds with all picoseconds.
std::string us(sim::Duration time) {
  return fmt::format("{}.{:06}", time.count() / 1'000'000, time.count() % 1'000'000);
}

class Writer {
 public:
  Writer(const workloads::Recording& recording, const hardware::Cluster& cluster,
         std::span<const Counter> memory)
      : recording_(recording),
        graph_(recording.graph),
        timeline_(recording.timeline),
        cluster_(cluster),
        memory_(memory) {}

  std::string write() {
    for (sim::Rank rank = 0; rank < graph_.ranks(); ++rank) name(rank);
    for (OpId id = 0; id < graph_.size(); ++id) slice(id);
    for (sim::ExchangeId id = 0; id < graph_.exchanges().size(); ++id) in_flight(id);
    flows();
    counters();
    links();
    memory();
    return fmt::format("{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{}\n]}}\n", out_);
  }

 private:
  void event(const std::string& text) {
    if (!out_.empty()) out_ += ",\n";
    out_ += text;
  }

  void name(sim::Rank rank) {
    event(fmt::format(
        R"({{"ph":"M","pid":{},"name":"process_name","args":{{"name":"node{}/gpu{}"}}}})", rank,
        cluster_.node_of(rank), rank));
    event(fmt::format(
        R"({{"ph":"M","pid":{},"name":"process_sort_index","args":{{"sort_index":{}}}}})", rank,
        rank));
    const std::size_t streams = std::max<std::size_t>(kDelays, graph_.streams());
    for (std::size_t stream = 0; stream < streams; ++stream) {
      event(fmt::format(
          R"({{"ph":"M","pid":{},"tid":{},"name":"thread_name","args":{{"name":"{}"}}}})", rank,
          row_of(stream), kStreamNames.at(stream)));
      event(fmt::format(
          R"({{"ph":"M","pid":{},"tid":{},"name":"thread_sort_index","args":{{"sort_index":{}}}}})",
          rank, row_of(stream), row_of(stream)));
    }
  }

  void slice(OpId id) {
    const sim::Op& op = graph_.op(id);
    const sim::Span& span = timeline_.spans[id];
    if (span.start == span.end) return;
    const sim::Label& label = graph_.label(op.label);
    event(fmt::format(R"({{"ph":"X","pid":{},"tid":{},"ts":{},"dur":{},"name":{},"cat":"{}"{}}})",
                      op.rank, op.kind == OpKind::Delay ? kDelays : row_of(op.stream),
                      us(span.start.time_since_epoch()), us(span.end - span.start),
                      quoted(label.name), name_of(workloads::phase_of(label.phase)),
                      arguments(op)));
  }

  // Of a rank's part of an exchange: what it sends and receives.
  std::string arguments(const sim::Op& op) const {
    if (op.kind != OpKind::Exchange) return "";
    sim::Bytes sent, received;
    sim::for_each_transfer(graph_.exchanges()[op.exchange], [&](const sim::Transfer& transfer) {
      if (transfer.source == op.rank) sent += transfer.bytes;
      if (transfer.destination == op.rank) received += transfer.bytes;
    });
    return fmt::format(R"(,"args":{{"exchange":{},"sent_bytes":{},"received_bytes":{}}})",
                       op.exchange, sent.count(), received.count());
  }

  // The bytes of an exchange are in flight from its first part's start to its last part's end.
  void in_flight(sim::ExchangeId id) {
    const std::int64_t bytes = sim::payload_of(graph_.exchanges()[id]).count();
    if (bytes == 0) return;
    sim::Time start = sim::Time::max(), end{};
    for (const OpId part : graph_.parts(id)) {
      if (part == sim::kNoOp) continue;
      start = std::min(start, timeline_.spans[part].start);
      end = std::max(end, timeline_.spans[part].end);
    }
    changes_.push_back({start, bytes});
    changes_.push_back({end, -bytes});
  }

  void counters() {
    std::stable_sort(changes_.begin(), changes_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const sim::Rank pid = graph_.ranks();
    event(fmt::format(R"({{"ph":"M","pid":{},"name":"process_name","args":{{"name":"network"}}}})",
                      pid));
    std::int64_t bytes = 0;
    for (const auto& [time, change] : changes_) {
      bytes += change;
      event(fmt::format(
          R"({{"ph":"C","pid":{},"ts":{},"name":"bytes in flight","args":{{"bytes":{}}}}})", pid,
          us(time.time_since_epoch()), bytes));
    }
  }

  // An arrow from each rank's part of a dispatch to the experts that work on what it brought.
  void flows() {
    const std::vector<OpId> experts = experts_of_dispatches(graph_);
    for (OpId id = 0; id < graph_.size(); ++id) {
      if (experts[id] == sim::kNoOp) continue;
      const auto end = [&](OpId op, const char* kind) {
        event(fmt::format(
            R"({{"ph":{},"id":{},"pid":{},"tid":{},"ts":{},"name":"dispatch","cat":"a2a"}})", kind,
            id, graph_.op(op).rank, graph_.op(op).stream,
            us(timeline_.spans[op].start.time_since_epoch())));
      };
      if (timeline_.spans[id].start == timeline_.spans[id].end) continue;  // has no slice
      end(id, R"("s")");
      end(experts[id], R"("f","bp":"e")");
    }
  }

  void counter(sim::Rank pid, const Counter& counter, const char* key) {
    for (const auto& [time, value] : counter.values) {
      event(fmt::format(R"({{"ph":"C","pid":{},"ts":{},"name":{},"args":{{"{}":{:.6g}}}}})", pid,
                        us(time.time_since_epoch()), quoted(counter.name), key, value));
    }
  }

  void links() {
    constexpr std::size_t kMostLinks = 64;
    const sim::Rank pid = graph_.ranks() + 1;
    event(fmt::format(
        R"({{"ph":"M","pid":{},"name":"process_name","args":{{"name":"links, the {} busiest: share of capacity"}}}})",
        pid, kMostLinks));
    for (const Counter& link : link_counters(recording_, cluster_, kMostLinks))
      counter(pid, link, "use");
  }

  void memory() {
    for (const Counter& one : memory_) counter(one.rank, one, "bytes");
  }

  const workloads::Recording& recording_;
  const sim::OpGraph& graph_;
  const sim::Timeline& timeline_;
  const hardware::Cluster& cluster_;
  std::span<const Counter> memory_;
  std::vector<std::pair<sim::Time, std::int64_t>> changes_;
  std::string out_;
};

}  // namespace

std::string chrome_trace(const workloads::Recording& recording, const hardware::Cluster& cluster,
                         std::span<const Counter> memory) {
  return Writer(recording, cluster, memory).write();
}

}  // namespace moesim::tools
