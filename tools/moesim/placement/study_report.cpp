#include "tools/moesim/placement/study_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "sim/units_text.h"
#include "workloads/report/describe.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using workloads::Report;

std::string hottest_link(const Report& report) {
  return report.links.empty() ? "" : report.links.front().name;
}

std::string title(const PlacementEntry& entry) {
  return entry.redundant > 0 ? fmt::format("{} +{}", entry.name, entry.redundant) : entry.name;
}

// The step of the best placement that is never moved; infinite where none was asked for.
double unmoved_us(const std::vector<PlacementEntry>& entries) {
  double least = std::numeric_limits<double>::infinity();
  for (const PlacementEntry& entry : entries) {
    if (entry.intervals.empty()) least = std::min(least, entry.report.step_time_us.mean);
  }
  return least;
}

// How often rebalancing is worth its moves; never where nothing moves, or where a placement that
// stays is as fast as every interval that was tried.
std::string what_pays(const PlacementEntry& entry, std::uint32_t best, const PlacementStudy& study,
                      double unmoved) {
  if (entry.moves.total == 0) return "nothing moves";
  if (!(entry.intervals.at(best - 1).with_moves_us < unmoved)) return "none that was tried";
  return fmt::format("every {} steps{}", best * study.scenario.step()->count,
                     best + 1 == study.windows ? " or more" : "");
}

// Whose loss leaves every expert. With any node any of its GPUs may go.
std::string survives(const Report& report) {
  if (!report.survives) return "";
  if (report.survives->any_node) return "any node";
  return report.survives->any_gpu ? "any GPU" : "none";
}

// "Mixtral-8x7B on 8 of 8 H100 SXM (dp 8, ep 8): decode, 128 sequences of 4096 keys a dp rank"
std::string step_text(const PlacementStudy& study) {
  return workloads::describe(study.scenario.deployment, *study.scenario.step());
}

std::string bytes(double amount) {
  return sim::to_text(sim::Bytes(static_cast<std::int64_t>(amount)));
}

}  // namespace

Json to_json(const PlacementStudy& study, const std::vector<PlacementEntry>& entries,
             const std::string& routing) {
  Json placements = Json::array();
  for (const PlacementEntry& e : entries) {
    Json item = {{"name", e.name},
                 {"redundant", e.redundant},
                 {"rank_max_over_mean", e.score.rank_max_over_mean},
                 {"worst_rank_max_over_mean", e.score.worst_rank_max_over_mean},
                 {"ranks_per_token", e.score.ranks_per_token},
                 {"nodes_per_token", e.score.nodes_per_token},
                 {"nvlink_bytes", e.score.nvlink_copies * study.copy_bytes},
                 {"network_bytes", e.score.network_copies * study.copy_bytes},
                 {"busiest_network_port_bytes", e.score.busiest_network * study.copy_bytes},
                 {"busiest_nvlink_port_bytes", e.score.busiest_nvlink * study.copy_bytes},
                 {"hottest_link", hottest_link(e.report)},
                 {"step_time_us", e.report.step_time_us.mean},
                 {"replica_bytes", e.replica_bytes},
                 {"replica_kv_tokens", e.replica_kv_tokens}};
    if (const auto& s = e.report.survives)
      item["survives"] = {{"any_gpu", s->any_gpu}, {"any_node", s->any_node}};
    if (!e.report.links.empty())
      item["hottest_link_busy_fraction"] = e.report.links.front().busy_fraction;
    item["rebalance"] = {{"experts_moved", e.moves.total},
                         {"experts_moved_over_network", e.moves.over_network},
                         {"bytes_moved", static_cast<double>(e.moves.total) * study.expert_bytes},
                         {"move_time_us", e.move_us}};
    Json intervals = Json::array();
    for (const auto& interval : e.intervals) {
      intervals.push_back({{"windows", interval.windows},
                           {"rank_max_over_mean", interval.rank_max_over_mean},
                           {"step_time_us", interval.step_us},
                           {"with_moves_step_time_us", interval.with_moves_us}});
    }
    if (!e.intervals.empty()) {
      item["rebalance"]["intervals"] = intervals;
      item["rebalance"]["best_interval_windows"] = best_interval(e.intervals);
      item["rebalance"]["best_interval_steps"] =
          best_interval(e.intervals) * study.scenario.step()->count;
      // The longest that was tried: a longer one may pay more.
      item["rebalance"]["best_interval_is_longest"] =
          best_interval(e.intervals) + 1 == study.windows;
    }
    placements.push_back(item);
  }
  return {{"trace", study.scenario.deployment.routing.trace.generic_string()},
          {"model", study.scenario.deployment.model.name},
          {"cluster", study.scenario.deployment.cluster.name},
          {"ranks", study.sources.ranks()},
          {"nodes", study.sources.nodes()},
          {"tokens_per_step", study.sources.begin.back()},
          {"steps", study.scenario.step()->count},
          {"step", step_text(study)},
          {"routing", routing},
          {"expert_bytes", study.expert_bytes},
          {"copy_bytes", study.copy_bytes},
          {"notes", study.notes},
          {"placements", placements}};
}

std::string to_text(const PlacementStudy& study, const std::vector<PlacementEntry>& entries,
                    const std::string& routing) {
  std::string text = fmt::format("{} on {}: {} ranks on {} node{}, {} tokens a step\n{}\n{}\n\n",
                                 study.scenario.deployment.model.name,
                                 study.scenario.deployment.cluster.name, study.sources.ranks(),
                                 study.sources.nodes(), study.sources.nodes() == 1 ? "" : "s",
                                 study.sources.begin.back(), step_text(study), routing);
  text += fmt::format("  {:<16} {:>13} {:>11} {:>9} {:>9} {:>11} {:>9} {:>9}  {:<9}  {}\n",
                      "placement", "rank max/mean", "nodes/token", "NVLink", "network", "step",
                      "replicas", "KV tokens", "survives", "hottest link");
  for (const PlacementEntry& e : entries) {
    text += fmt::format(
        "  {:<16} {:>13.3f} {:>11.2f} {:>9} {:>9} {:>8.2f} ms {:>9} {:>9.0f}  {:<9}  {}\n",
        title(e), e.score.rank_max_over_mean, e.score.nodes_per_token,
        bytes(e.score.nvlink_copies * study.copy_bytes),
        bytes(e.score.network_copies * study.copy_bytes), e.report.step_time_us.mean / 1000,
        bytes(e.replica_bytes), e.replica_kv_tokens, survives(e.report), hottest_link(e.report));
  }
  text +=
      "\n  NVLink, network: dispatch and combine of all layers, a step, a token once a rank and "
      "once "
      "a node.\n"
      "  Replicas: memory of each GPU; KV tokens: those of the cache that it would hold "
      "instead.\n"
      "  Survives: the loss of any GPU, or of any node, leaves every expert somewhere.\n\n";
  text += fmt::format("  {:<16} {:>13} {:>11}  {:<20}  {}\n", "rebalancing", "experts moved",
                      "takes", "what pays", "busiest rank over the mean, 1, 2 … windows after");
  const double unmoved = unmoved_us(entries);
  for (const PlacementEntry& e : entries) {
    if (e.intervals.empty()) continue;
    std::string ages;
    for (const auto& interval : e.intervals)
      ages += fmt::format("{:.3f} ", interval.rank_max_over_mean);
    ages.pop_back();
    const std::uint32_t best = best_interval(e.intervals);
    text += fmt::format("  {:<16} {:>13} {:>8.2f} ms  {:<20}  {}\n", title(e), e.moves.total,
                        e.move_us / 1000, what_pays(e, best, study, unmoved), ages);
  }
  text += fmt::format("\n  A window is {} steps; up to {} windows were tried.\n",
                      study.scenario.step()->count, study.windows - 1);
  for (const std::string& note : study.notes) text += fmt::format("  Note: {}.\n", note);
  return text;
}

}  // namespace moesim::tools
