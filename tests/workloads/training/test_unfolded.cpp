// The two levels against one: every rank of every stage in one graph, its passes one after another,
// so that a rank goes on as soon as it is done itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"
#include "sim/engine.h"
#include "sim/executor.h"
#include "workloads/scenario.h"
#include "workloads/step/communication.h"
#include "workloads/step/rank_ops.h"
#include "workloads/training/step_time.h"
#include "workloads/training/weaver.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

Scenario job(const std::string& training) {
  auto document = sim::io::YamlDocument::parse(
      "name: test\nmodel: configs/models/mixtral-8x7b.yaml\nkeep_layers: 8\n"
      "cluster: configs/clusters/h100-4x8.yaml\nparallelism: {pp: 4, dp: 8, ep: 8}\n"
      "routing: {law: uniform}\nnetwork: bound\nhost: {graphs: all}\n"
      "training: {sequence: 4096, global_batch: 64, draws: 2, " +
          training + "}\n",
      "x.yaml");
  return read_scenario(document.root());
}

class Unfolded {
 public:
  Unfolded(const Scenario& scenario, const PipelineSchedule& schedule, ChunkTable& chunks)
      : scenario_(scenario),
        schedule_(schedule),
        chunks_(chunks),
        group_(chunks.ranks()),
        graph_(group_ * schedule.size(), kTrainingStreams),
        label_(graph_.add_label({})) {
    const Deployment& d = scenario.deployment;
    const Communication communication(d.cluster, d.all_reduce, d.tokens, d.formats.dispatch,
                                      d.formats.combine);
    send_ = communication
                .send(0, group_, sim::Bytes(2 * scenario.training()->sequence * d.model.hidden))
                .alone;
  }

  sim::Duration time(const StepTime& folded) {
    // What an action waits for has ended before it starts.
    std::vector<std::tuple<sim::Time, sim::Time, std::uint32_t, std::size_t>> order;
    for (std::uint32_t r = 0; r < schedule_.size(); ++r)
      for (std::size_t i = 0; i < folded.pipeline.ranks[r].size(); ++i) {
        const PlayedAction& action = folded.pipeline.ranks[r][i];
        order.emplace_back(action.start, action.end, r, i);
      }
    std::sort(order.begin(), order.end());
    for (const auto& [start, end, r, i] : order)
      add(r, folded.pipeline.ranks[r][i].action.pass, folded.passes[r][i]);
    sim::Engine engine;
    hardware::ClusterNetwork network(scenario_.deployment.cluster.topology);
    const auto model =
        hardware::make_network_model(network, hardware::Fidelity::Bound, engine,
                                     scenario_.deployment.network.tolerance, graph_.exchanges());
    return sim::execute(graph_, engine, *model).finish - sim::Time{};
  }

 private:
  using Ops = std::vector<sim::OpId>;  // of each rank of a group
  using Done = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, bool>;

  // A pass of a stage, on every rank of its group.
  void add(std::uint32_t r, const Pass& pass, const ChunkPass& chunk) {
    const bool forward = pass.kind == PassKind::Forward;
    const bool weights = pass.kind == PassKind::BackwardWeight;  // waits for nobody, nobody for it
    const ChunkPlace here{r, pass.chunk};
    auto from = forward ? schedule_.before(here) : schedule_.after(here);
    if (weights) from.reset();
    const Rank first = r * group_;
    Ops enter(group_, sim::kNoOp);
    for (Rank q = 0; q < group_; ++q) {
      if (from) {
        const sim::OpId sent = done_.at({from->rank, from->chunk, pass.micro_batch, forward})[q];
        enter[q] = graph_.add_delay(first + q, label_, from->rank == r ? sim::Duration{} : send_,
                                    std::array{sent});
      }
      if (last_.contains(r))
        enter[q] = graph_.add_delay(first + q, label_, {}, std::array{enter[q], last_[r][q]});
    }
    auto found = known_.find(chunk);
    if (found == known_.end()) found = known_.emplace(chunk, chunks_.record(chunk)).first;
    last_[r] = copy(found->second.graph, first, enter);
    if (!weights) done_[{r, pass.chunk, pass.micro_batch, forward}] = last_[r];
  }

  // What each rank is done with last.
  Ops copy(const sim::OpGraph& from, Rank first, const Ops& enter) {
    std::vector<sim::ExchangeId> exchanges;
    for (sim::Exchange exchange : from.exchanges()) {
      for (Rank& rank : exchange.participants) rank += first;
      for (sim::Transfer& transfer : exchange.transfers)
        transfer.source += first, transfer.destination += first;
      exchanges.push_back(graph_.add_exchange(std::move(exchange)));
    }
    Ops copies;
    std::vector<Ops> all(group_);
    for (sim::OpId id = 0; id < from.size(); ++id) {
      const sim::Op& op = from.op(id);
      Ops after;
      for (const sim::OpId before : from.waits_for(id)) after.push_back(copies[before]);
      if (after.empty()) after.push_back(enter[op.rank]);
      const Rank rank = first + op.rank;
      switch (op.kind) {
        case sim::OpKind::Delay:
          copies.push_back(graph_.add_delay(rank, label_, op.duration, after));
          break;
        case sim::OpKind::Compute:
          copies.push_back(graph_.add_compute(rank, op.stream, label_, op.duration, after));
          break;
        case sim::OpKind::Exchange:
          copies.push_back(graph_.add_part(exchanges[op.exchange], rank, op.stream, label_, after));
          break;
      }
      all[op.rank].push_back(copies.back());
    }
    Ops done;
    for (Rank q = 0; q < group_; ++q)
      done.push_back(graph_.add_delay(first + q, label_, {}, all[q]));
    return done;
  }

  const Scenario& scenario_;
  const PipelineSchedule& schedule_;
  ChunkTable& chunks_;
  Rank group_;
  sim::OpGraph graph_;
  sim::LabelId label_;
  sim::Duration send_{};
  std::map<Done, Ops> done_;  // rank, chunk, micro-batch, forward
  std::map<std::uint32_t, Ops> last_;
  std::map<ChunkPass, ChunkTable::Recorded> known_;
};

}  // namespace

TEST_CASE("a folded step is no shorter than that of all ranks in one graph, and within 1 percent") {
  for (const char* training :
       {"schedule: gpipe", "schedule: 1f1b", "schedule: zb_h1", "schedule: zb_v",
        "schedule: interleaved, virtual_stages: 2", "schedule: 1f1b, micro_batch: 2"}) {
    CAPTURE(std::string(training));
    const Scenario scenario = job(training);
    const Deployment& d = scenario.deployment;
    const TrainingQuestion& q = *scenario.training();
    const hardware::Kernels kernels(d.cluster.device, d.kernels);
    ChunkTable chunks(d, q);
    const PipelineSchedule schedule = schedule_of(q, d.layout, chunks);
    REQUIRE(chunks.ranks() * schedule.size() == 32);
    const DataParallel replicas(d, q, schedule, kernels);
    const StepTime folded = time_step(d, q, schedule, replicas, chunks);
    const sim::Duration all = Unfolded(scenario, schedule, chunks).time(folded);
    CHECK(all <= folded.pipeline.step);
    CHECK(sim::to_us(all) >= 0.99 * sim::to_us(folded.pipeline.step));
  }
}

TEST_CASE("where the routing is balanced a folded step is that of all ranks, to the picosecond") {
  Scenario scenario = job("schedule: 1f1b");
  scenario.deployment.routing = {.law = Law::Balanced};
  const Deployment& d = scenario.deployment;
  const TrainingQuestion& q = *scenario.training();
  const hardware::Kernels kernels(d.cluster.device, d.kernels);
  ChunkTable chunks(d, q);
  const PipelineSchedule schedule = schedule_of(q, d.layout, chunks);
  const DataParallel replicas(d, q, schedule, kernels);
  const StepTime folded = time_step(d, q, schedule, replicas, chunks);
  CHECK(Unfolded(scenario, schedule, chunks).time(folded) == folded.pipeline.step);
}
