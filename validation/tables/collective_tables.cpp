#include "validation/tables/collective_tables.h"

#include <array>
#include <utility>

#include "hardware/collectives/forms/custom_all_reduce.h"
#include "hardware/collectives/forms/deepep_low_latency.h"
#include "hardware/collectives/forms/hybrid_ep.h"
#include "hardware/collectives/forms/nccl.h"
#include "hardware/collectives/forms/nvlink_all_to_all.h"
#include "hardware/collectives/switch_sums.h"
#include "validation/tables/task_builder.h"

namespace moesim::validation {
namespace {

constexpr std::int64_t kMostRanks = 1 << 20;
constexpr std::string_view kBroadcast = "broadcast";

// nccl-tests' and PyTorch's spellings.
std::string nccl_name(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kSpellings{
      {{"allreduce", "all_reduce"},
       {"allgather", "all_gather"},
       {"reducescatter", "reduce_scatter"},
       {"all_to_all", "alltoall"},
       {"all2all", "alltoall"},
       {"bcast", kBroadcast}}};
  for (const auto& [spelling, name] : kSpellings)
    if (word == spelling) return std::string(name);
  return std::string(word);
}

// GPUs that NVLink joins: racks of 72, DGX-2's 16, else boards of 8.
std::int64_t largest_node(const hardware::Device& device) {
  if (device.name.starts_with("GB") || device.name.starts_with("VR")) return 72;
  return device.name.starts_with("V100") ? 16 : 8;
}

// Rows have no nodes: more GPUs than a node has are taken as one all the same, in doubt.
double ranks(const TableReader& reader, std::size_t row, const hardware::Device& device) {
  const std::int64_t n = reader.count(row, "num_gpus", 2);
  if (n > kMostRanks) reader.fail(row, "num_gpus", "at most 2^20 GPUs");
  const std::int64_t most = largest_node(device);
  if (n > most)
    reader.guess(row, "num_gpus",
                 fmt::format("one node of {}, where a node of {} has {} at most (between nodes: "
                             "moesim exchange CLUSTER)",
                             n, device.name, most));
  return static_cast<double>(n);
}

hardware::DeepEpShape deepep_shape(const TableReader& reader, std::size_t row) {
  hardware::DeepEpShape shape;
  const auto real = [&](std::string_view column) {
    return static_cast<double>(reader.count(row, column));
  };
  shape.nodes = real("node_num");
  shape.hidden = real("hidden_size");
  shape.tokens = real("num_token");
  shape.top_k = real("num_topk");
  shape.groups = real("num_experts");
  if (shape.top_k > shape.groups) reader.fail(row, "num_topk", "at most num_experts");
  if (reader.has("sms")) shape.sms = real("sms");
  return shape;
}

// Kernels within a node and between nodes are different ones.
std::string deepep_variant(const hardware::DeepEpShape& shape) {
  return fmt::format("{}{}", shape.combine ? "combine" : "dispatch",
                     shape.nodes > 1 ? "_internode" : "");
}

std::vector<std::string> deepep_groups(const hardware::DeepEpShape& shape, std::string extra) {
  if (shape.nodes > 1) return {fmt::format("nodes{}", shape.nodes)};
  return {fmt::format("hidden{}", shape.hidden), std::move(extra)};
}

}  // namespace

Tasks read_nccl(const sim::io::CsvTable& table, const hardware::Device& device,
                const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::NcclModel> builder("nccl", device, reader);
  reader.for_each_row([&](std::size_t row) {
    const std::string name = nccl_name(reader.word(row, "op_name"));
    const auto operation = name == kBroadcast ? hardware::NcclOperation::Broadcast
                                              : hardware::parse_nccl_operation(name);
    if (!operation) reader.set_apart(row, "op_name");
    const hardware::NcclShape shape{.operation = *operation,
                                    .ranks = ranks(reader, row, device),
                                    .bytes = static_cast<double>(reader.count(row, "bytes")),
                                    .has_switch = hardware::sums_in_switch(device),
                                    .through_host = hardware::links_through_host(device)};
    Item item = reader.item(row, "latency_us");
    // Of a group size that the table has. Whole group sizes are held out beside (fit_task.h).
    item.groups = {fmt::format("bytes{:012}", shape.bytes)};
    builder.add(impl, name, hardware::Precision::BF16, std::move(item), shape);
  });
  return builder.take();
}

Tasks read_custom_allreduce(const sim::io::CsvTable& table, const hardware::Device& device,
                            const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::CustomAllReduceModel> builder("custom_allreduce", device, reader);
  reader.for_each_row([&](std::size_t row) {
    const hardware::AllReduceShape shape{.ranks = ranks(reader, row, device),
                                         .bytes = static_cast<double>(reader.count(row, "bytes"))};
    Item item = reader.item(row, "latency_us");
    item.groups = {fmt::format("bytes{:012}", shape.bytes)};
    const std::string engine =
        reader.has("engine") ? std::string(reader.text(row, "engine")) : impl;
    std::string mode = reader.has("mode") ? std::string(reader.word(row, "mode")) : "graph";
    if (mode != "graph" && mode != "eager") {
      // Whatever is not launched call by call is replayed.
      mode = "graph";
      reader.guess(row, "mode", mode);
    }
    builder.add(engine, mode, hardware::Precision::BF16, std::move(item), shape);
  });
  return builder.take();
}

namespace {

// Rows that go by nodes: what notifies counts to what transmits.
template <class M>
Tasks read_by_nodes(const sim::io::CsvTable& table, const hardware::Device& device,
                    const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<M> builder(M::kKind, device, reader);
  reader.for_each_row([&](std::size_t row) {
    hardware::DeepEpShape shape = deepep_shape(reader, row);
    for (const std::string part : {"dispatch", "combine"}) {
      shape.combine = part == "combine";
      Item item = reader.item(row, part + "_transmit_us");
      if (item.measured_us > 0)
        item.measured_us += reader.time_us(row, part + "_notify_us", /*zero_allowed=*/true);
      item.groups = deepep_groups(shape, fmt::format("groups{}", shape.groups));
      if (shape.nodes > 1) item.groups = {fmt::format("sms{}", shape.sms)};
      builder.add(impl, deepep_variant(shape), hardware::Precision::BF16, std::move(item), shape);
    }
  });
  return builder.take();
}

}  // namespace

Tasks read_deepep_normal(const sim::io::CsvTable& table, const hardware::Device& device,
                         const std::string& impl) {
  return read_by_nodes<hardware::DeepEpNormalModel>(table, device, impl);
}

Tasks read_hybrid_ep(const sim::io::CsvTable& table, const hardware::Device& device,
                     const std::string& impl) {
  return read_by_nodes<hardware::HybridEpModel>(table, device, impl);
}

Tasks read_trtllm_alltoall(const sim::io::CsvTable& table, const hardware::Device& device,
                           const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::NvlinkAllToAllModel> builder("trtllm_alltoall", device, reader);
  reader.for_each_row([&](std::size_t row) {
    constexpr std::string_view kPrefix = "alltoall_";
    std::string_view op = reader.word(row, "op_name");
    if (!op.starts_with(kPrefix)) reader.set_apart(row, "op_name");
    op.remove_prefix(kPrefix.size());
    const auto real = [&](std::string_view column, std::int64_t least) {
      return static_cast<double>(reader.count(row, column, least));
    };
    // Results come back in 16 bits, or in 8 where the kernel says so.
    const hardware::Precision sent = reader.precision(row, "moe_dtype");
    const double width = op == "prepare"                       ? 0
                         : op == "dispatch"                    ? bytes_per_element(sent)
                         : op.find("low_precision") != op.npos ? 1
                                                               : 2;
    const hardware::NvlinkAllToAllShape shape{.ranks = real("moe_ep_size", 2),
                                              .tokens = real("num_tokens", 1),
                                              .token_bytes = width * real("hidden_size", 1),
                                              .top_k = real("topk", 1)};
    Item item = reader.item(row, "latency_us");
    item.groups = {fmt::format("ep{:04}", shape.ranks)};
    builder.add(impl, fmt::format("{}_{}", op, reader.text(row, "kernel_source")),
                hardware::Precision::BF16, std::move(item), shape);
  });
  return builder.take();
}

Tasks read_deepep_ll(const sim::io::CsvTable& table, const hardware::Device& device,
                     const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::DeepEpLlModel> builder("deepep_ll", device, reader);
  reader.for_each_row([&](std::size_t row) {
    hardware::DeepEpShape shape = deepep_shape(reader, row);
    for (const std::string part : {"dispatch", "combine"}) {
      shape.combine = part == "combine";
      Item item = reader.item(row, part + "_us");
      item.groups = deepep_groups(shape, fmt::format("topk{}", shape.top_k));
      builder.add(impl, deepep_variant(shape), hardware::Precision::BF16, std::move(item), shape);
    }
  });
  return builder.take();
}

}  // namespace moesim::validation
