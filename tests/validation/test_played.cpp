// What `moesim predict` says of a collective and what a step plays of it are one number.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "hardware/collectives/collectives.h"
#include "hardware/collectives/multicast.h"
#include "hardware/network/play.h"
#include "sim/io/csv.h"
#include "validation/compare/table_prediction.h"

using namespace moesim;
using namespace moesim::validation;
using hardware::MulticastAlgorithm;
using hardware::PricedExchange;

namespace {

std::vector<sim::Rank> ranks(std::size_t count) {
  std::vector<sim::Rank> group(count);
  std::iota(group.begin(), group.end(), 0u);
  return group;
}

hardware::Cluster cluster_of(const std::string& name) {
  return hardware::load_cluster("configs/clusters/" + name + ".yaml");
}

// What a table of one row is predicted to take, for the variant that begins so.
hardware::Estimate predicted(std::string_view kind, const hardware::Device& device,
                             const std::string& columns, const std::string& row,
                             std::string_view variant) {
  const auto table = sim::io::CsvTable::parse(columns + "\n" + row + "\n", "t.csv");
  for (const TaskPrediction& p : predict_table(kind, table, device, ""))
    if (std::string_view(p.task->variant()).starts_with(variant)) return p.estimates[0];
  FAIL("no such variant");
  return {};
}

// To a picosecond, and the same percentiles.
void check_same(const hardware::Cluster& cluster, const PricedExchange& played,
                const hardware::Estimate& e) {
  CHECK(std::abs(sim::to_us(played.alone) - e.us) < 1e-6);
  CHECK(played.trust.p10 == e.p10);
  CHECK(played.trust.p90 == e.p90);
  CHECK(played.trust.outside == e.outside);
  CHECK(played.trust.extrapolated() == e.extrapolated);
  const auto completion =
      hardware::play_exchange(cluster, played.exchange, hardware::Fidelity::Bound).completion;
  CHECK(std::abs(sim::to_us(completion) - e.us) < 5e-6);
}

}  // namespace

TEST_CASE("what is predicted of NCCL and of the engines' all-reduce is what is played") {
  for (const char* name : {"h100-1x8", "h200-1x8", "a100-1x8", "b200-1x8"}) {
    const hardware::Cluster cluster = cluster_of(name);
    CAPTURE(std::string(name));
    for (const std::int64_t bytes : {4096, 1 << 18, 5 << 20, 1 << 28}) {
      CAPTURE(bytes);
      const auto of_nccl = [&](const char* operation) {
        return predicted("nccl", cluster.device, "op_name,num_gpus,bytes,latency_us",
                         fmt::format("{},8,{},", operation, bytes), operation);
      };
      const auto group = ranks(8);
      const sim::Bytes size(bytes);
      using hardware::AllReduceLibrary;
      check_same(cluster, hardware::all_reduce(cluster, group, size, AllReduceLibrary::Nccl),
                 of_nccl("all_reduce"));
      check_same(cluster, hardware::all_gather(cluster, group, size), of_nccl("all_gather"));
      check_same(cluster, hardware::reduce_scatter(cluster, group, size),
                 of_nccl("reduce_scatter"));
      check_same(cluster, hardware::all_to_all(cluster, group, size), of_nccl("alltoall"));
      for (const char* engine : {"trtllm", "vllm", "sglang"}) {
        CAPTURE(std::string(engine));
        check_same(
            cluster, hardware::all_reduce(cluster, group, size, hardware::all_reduce_named(engine)),
            predicted("custom_allreduce", cluster.device, "engine,mode,num_gpus,bytes,latency_us",
                      fmt::format("{},graph,8,{},", engine, bytes), "graph"));
      }
    }
  }
}

TEST_CASE("what is predicted of DeepEP's kernels for balanced rows is what is played") {
  // Balanced as the tables' formulas have it: of the normal kernels a row for each of n ranks, by
  // as many groups and choices; of low latency an equal part of the choices to each rank.
  for (const auto& [name, nodes] :
       {std::pair{"h100-1x8", 1u}, {"h800-1x8", 1u}, {"h100-2x8", 2u}}) {
    const hardware::Cluster cluster = cluster_of(name);
    const std::size_t n = 8 * nodes;
    const std::string of = name;
    CAPTURE(of);
    for (const std::uint32_t rows : {16u, 128u, 4096u}) {
      for (const bool back : {false, true}) {
        CAPTURE(rows);
        CAPTURE(back);
        const char* const way = back ? "combine" : "dispatch";
        const double row_bytes = 7168 * (back ? 2 : 33.0 / 32);
        const std::vector<std::uint32_t> copies(n * n, rows), node_copies(n * nodes, rows);
        check_same(
            cluster,
            (back ? hardware::combine : hardware::dispatch)(
                cluster, ranks(n), MulticastAlgorithm::DeepEpNormal, {nullptr, copies, node_copies},
                {.row_bytes = row_bytes,
                 .width = 7168,
                 .rows = rows,
                 .top_k = static_cast<std::int64_t>(n),
                 .groups = static_cast<std::int64_t>(n),
                 .sms = 20}),
            predicted("deepep_normal", cluster.device,
                      "node_num,hidden_size,num_token,num_topk,num_experts,sms",
                      fmt::format("{},7168,{},{},{},20", nodes, rows, n, n), way));
        const auto selections = std::make_shared<const std::vector<std::uint32_t>>(
            n * n, rows * 8 / static_cast<std::uint32_t>(n));
        check_same(
            cluster,
            (back ? hardware::combine : hardware::dispatch)(
                cluster, ranks(n), MulticastAlgorithm::DeepEpLowLatency, {selections, {}, {}},
                {.row_bytes = row_bytes,
                 .width = 7168,
                 .rows = rows,
                 .top_k = 8,
                 .groups = 256,
                 .sms = 20}),
            predicted("deepep_ll", cluster.device,
                      "node_num,hidden_size,num_token,num_topk,num_experts",
                      fmt::format("{},7168,{},8,256", nodes, rows), way));
      }
    }
  }
}

TEST_CASE("HybridEP is predicted by the defaults that are played") {
  const hardware::Cluster cluster = cluster_of("h100-1x8");
  const std::vector<std::uint32_t> copies(64, 4096), node_copies(8, 4096);
  check_same(
      cluster,
      hardware::dispatch(
          cluster, ranks(8), MulticastAlgorithm::HybridEp, {nullptr, copies, node_copies},
          {.row_bytes = 7392, .width = 7168, .rows = 4096, .top_k = 8, .groups = 8, .sms = 16}),
      predicted("hybrid_ep", cluster.device,
                "node_num,hidden_size,num_token,num_topk,num_experts,sms", "1,7168,4096,8,8,16",
                "dispatch"));
}
