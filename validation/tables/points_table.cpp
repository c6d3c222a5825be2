#include "hardware/collectives/forms/nccl.h"
#include "hardware/collectives/switch_sums.h"
#include "hardware/kernels/attention.h"
#include "hardware/kernels/gemm.h"
#include "hardware/kernels/moe.h"
#include "hardware/kernels/routing.h"
#include "validation/cuda/protocol/points.h"
#include "validation/tables/kernel_tables.h"
#include "validation/tables/task_builder.h"

namespace moesim::validation {
namespace {

hardware::GroupRows rows_of(const TableReader& reader, std::size_t row) {
  const std::string text(reader.text(row, "loads"));
  std::vector<int> loads;
  try {
    loads = cuda::parse_loads(text);
  } catch (const cuda::PlanError&) {
    reader.fail(row, "loads", "rows of each group as 16x8;3;0x119");
  }
  const std::vector<std::int64_t> wide(loads.begin(), loads.end());
  const hardware::GroupRows rows = hardware::group_rows(wide);
  if (!(rows.rows > 0)) reader.fail(row, "loads", "a group that has rows");
  return rows;
}

bool is_dense(const TableReader& reader, std::size_t row) {
  return reader.has("detail") && reader.text(row, "detail").starts_with("dense");
}

Item item_of(const TableReader& reader, std::size_t row) {
  Item item = reader.item(row, "p50_us");
  if (reader.has("flags")) item.anomalous = !reader.text(row, "flags").empty();
  return item;
}

bool is_of(const TableReader& reader, std::size_t row, std::string_view op,
           const std::string& impl) {
  return reader.text(row, "op") == op && reader.text(row, "impl") == impl;
}

hardware::AttentionShape heads_of(const TableReader& reader, std::size_t row, bool prompt) {
  hardware::AttentionShape s;
  s.batch = reader.count(row, "tokens");
  s.prompt = prompt;
  if (prompt) s.query_length = reader.count(row, "n");
  s.heads = reader.count(row, "top_k");
  s.kv_heads = reader.count(row, "experts");
  s.kv_length = reader.count(row, "k");
  if (s.kv_heads > s.heads) reader.fail(row, "experts", "at most as many cache heads as heads");
  if (s.kv_length < s.query_length) reader.fail(row, "k", "at least as many keys as new tokens");
  return s;
}

std::vector<std::string> head_groups(const hardware::AttentionShape& s) {
  return {fmt::format("heads{:03}", s.heads), fmt::format("kv{:03}", s.kv_heads)};
}

}  // namespace

// Rows of other operations, and those of other implementations than `impl`, are passed over.
Tasks read_points(const sim::io::CsvTable& table, const hardware::Device& device,
                  const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::MoeModel> builder("moe", device, reader);
  const auto real = [&](std::size_t row, std::string_view column) {
    return static_cast<double>(reader.count(row, column));
  };
  reader.for_each_row([&](std::size_t row) {
    const std::string_view op = reader.text(row, "op");
    const bool layer = op == "layer";
    if (!layer && op != "gemm" && op != "grouped_gemm") return;
    if (reader.text(row, "impl") != impl || is_dense(reader, row)) return;
    hardware::MoeInput x;
    x.format = hardware::expert_format(reader.precision(row, "dtype"), device);
    x.rows = rows_of(reader, row);
    Item item = item_of(reader, row);
    if (layer) {
      x.tokens = real(row, "tokens");
      x.top_k = real(row, "top_k");
      x.hidden = real(row, "hidden");
      x.inter = real(row, "inter");
      x.experts = real(row, "experts");
      item.groups = {fmt::format("layer {}x{}", x.hidden, x.inter)};
    } else {
      x.single = true;
      x.hidden = real(row, "k");
      x.inter = real(row, "n");
      x.experts = x.rows.groups;
      x.tokens = x.rows.rows;
      item.groups = {fmt::format("{}x{}", x.inter, x.hidden)};
    }
    builder.add(impl, variant_of(x.format), x.format.activations, std::move(item), x);
  });
  return builder.take();
}

Tasks read_dense_points(const sim::io::CsvTable& table, const hardware::Device& device,
                        const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::GemmModel> builder("gemm", device, reader);
  reader.for_each_row([&](std::size_t row) {
    if (!is_of(reader, row, "gemm", impl) || !is_dense(reader, row)) return;
    const hardware::GemmShape shape{.m = static_cast<std::int64_t>(rows_of(reader, row).rows),
                                    .n = reader.count(row, "n"),
                                    .k = reader.count(row, "k"),
                                    .precision = reader.precision(row, "dtype")};
    Item item = item_of(reader, row);
    item.groups = {fmt::format("{:07}", shape.n), fmt::format("{:07}", shape.k)};
    builder.add(impl, std::string(name_of(shape.precision)), shape.precision, std::move(item),
                shape);
  });
  return builder.take();
}

Tasks read_attention_points(const sim::io::CsvTable& table, const hardware::Device& device,
                            const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::DecodeAttentionModel> builder("generation_attention", device, reader);
  reader.for_each_row([&](std::size_t row) {
    if (!is_of(reader, row, "attention_decode", impl)) return;
    const hardware::AttentionShape s = heads_of(reader, row, false);
    Item item = item_of(reader, row);
    item.groups = head_groups(s);
    builder.add(impl, "bf16_bf16", hardware::Precision::BF16, std::move(item),
                {.shape = s, .most_packed = hardware::most_packed_heads(impl)});
  });
  return builder.take();
}

Tasks read_prefill_points(const sim::io::CsvTable& table, const hardware::Device& device,
                          const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::ContextAttentionModel> builder("context_attention", device, reader);
  reader.for_each_row([&](std::size_t row) {
    if (!is_of(reader, row, "attention_prefill", impl)) return;
    const hardware::AttentionShape s = heads_of(reader, row, true);
    Item item = item_of(reader, row);
    item.groups = head_groups(s);
    builder.add(impl, "bf16_bf16", hardware::Precision::BF16, std::move(item), {.shape = s});
  });
  return builder.take();
}

Tasks read_router_points(const sim::io::CsvTable& table, const hardware::Device& device,
                         const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::RouterModel> builder("router", device, reader);
  reader.for_each_row([&](std::size_t row) {
    if (!is_of(reader, row, "router", impl)) return;
    const hardware::RouterShape s{.tokens = reader.count(row, "tokens"),
                                  .experts = reader.count(row, "experts"),
                                  .top_k = reader.count(row, "top_k")};
    Item item = item_of(reader, row);
    item.groups = {fmt::format("{} of {}", s.top_k, s.experts)};
    builder.add(impl, "softmax", hardware::Precision::BF16, std::move(item), s);
  });
  return builder.take();
}

namespace {

// Of rows in bf16, as many as selections.
Tasks read_rows(const sim::io::CsvTable& table, const hardware::Device& device,
                const std::string& impl, bool back) {
  const TableReader reader(table);
  TaskBuilder<hardware::PermuteModel> builder("permute", device, reader);
  reader.for_each_row([&](std::size_t row) {
    if (!is_of(reader, row, back ? "unpermute" : "permute", impl)) return;
    const std::int64_t tokens = reader.count(row, "tokens"), top_k = reader.count(row, "top_k"),
                       hidden = reader.count(row, "hidden");
    Item item = item_of(reader, row);
    item.groups = {fmt::format("{} copies of {}", top_k, hidden)};
    builder.add(impl, back ? "back" : "out", hardware::Precision::BF16, std::move(item),
                {.tokens = tokens,
                 .rows = tokens * top_k,
                 .row_bytes = 2 * static_cast<double>(hidden),
                 .back = back});
  });
  return builder.take();
}

}  // namespace

Tasks read_permute_points(const sim::io::CsvTable& table, const hardware::Device& device,
                          const std::string& impl) {
  return read_rows(table, device, impl, false);
}

Tasks read_unpermute_points(const sim::io::CsvTable& table, const hardware::Device& device,
                            const std::string& impl) {
  return read_rows(table, device, impl, true);
}

Tasks read_nccl_points(const sim::io::CsvTable& table, const hardware::Device& device,
                       const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::NcclModel> builder("nccl", device, reader);
  reader.for_each_row([&](std::size_t row) {
    if (reader.text(row, "impl") != impl) return;
    const std::string_view op = reader.text(row, "op");
    const std::string name = op == "all_to_all" ? "alltoall" : std::string(op);
    const auto operation = hardware::parse_nccl_operation(name);
    if (!operation) return;
    const hardware::NcclShape shape{.operation = *operation,
                                    .ranks = static_cast<double>(reader.count(row, "tokens", 2)),
                                    .bytes = static_cast<double>(reader.count(row, "bytes")),
                                    .has_switch = hardware::sums_in_switch(device),
                                    .through_host = hardware::links_through_host(device)};
    Item item = item_of(reader, row);
    item.groups = {fmt::format("bytes{:012}", shape.bytes)};
    builder.add(impl, name, hardware::Precision::BF16, std::move(item), shape);
  });
  return builder.take();
}

}  // namespace moesim::validation
