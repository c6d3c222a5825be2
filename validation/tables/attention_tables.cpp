#include "hardware/kernels/attention.h"
#include "hardware/kernels/mla.h"
#include "validation/tables/kernel_tables.h"
#include "validation/tables/task_builder.h"

namespace moesim::validation {
namespace {

using hardware::Precision;

std::string pair_name(Precision a, Precision b) {
  return fmt::format("{}_{}", name_of(a), name_of(b));
}

hardware::AttentionShape heads_of(const TableReader& reader, std::size_t row) {
  hardware::AttentionShape s;
  s.batch = reader.count(row, "batch_size");
  s.heads = reader.count(row, "num_heads");
  s.kv_heads = reader.count(row, "num_key_value_heads");
  s.head_dim = reader.count(row, "head_dim");
  if (s.kv_heads > s.heads) reader.fail(row, "num_key_value_heads", "at most num_heads");
  if (reader.has("window_size")) s.window = reader.count(row, "window_size", 0);
  s.kv_precision = reader.precision(row, "kv_cache_dtype");
  return s;
}

// An unseen number of heads holds out every shape that has it.
std::vector<std::string> head_groups(const hardware::AttentionShape& s) {
  return {fmt::format("heads{:03}", s.heads), fmt::format("kv{:03}", s.kv_heads)};
}

}  // namespace

Tasks read_context_attention(const sim::io::CsvTable& table, const hardware::Device& device,
                             const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::ContextAttentionModel> builder("context_attention", device, reader);
  reader.for_each_row([&](std::size_t row) {
    hardware::AttentionShape s = heads_of(reader, row);
    s.prompt = true;
    s.query_length = s.kv_length = reader.count(row, "isl");
    s.precision = reader.precision(row, "attn_dtype");
    Item item = reader.item(row, "latency_us");
    item.groups = head_groups(s);
    builder.add(impl, pair_name(s.precision, s.kv_precision), s.precision, std::move(item),
                {.shape = s, .repeated = true});
  });
  return builder.take();
}

Tasks read_generation_attention(const sim::io::CsvTable& table, const hardware::Device& device,
                                const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::DecodeAttentionModel> builder("generation_attention", device, reader);
  reader.for_each_row([&](std::size_t row) {
    hardware::AttentionShape s = heads_of(reader, row);
    s.query_length = 1;
    s.kv_length = reader.count(row, "kv_len");
    Item item = reader.item(row, "latency_us");
    item.groups = head_groups(s);
    builder.add(impl, pair_name(Precision::BF16, s.kv_precision), Precision::BF16, std::move(item),
                {.shape = s, .repeated = true, .most_packed = hardware::most_packed_heads(impl)});
  });
  return builder.take();
}

Tasks read_context_mla(const sim::io::CsvTable& table, const hardware::Device& device,
                       const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::ContextMlaModel> builder("context_mla", device, reader);
  reader.for_each_row([&](std::size_t row) {
    hardware::MlaShape s;
    s.batch = reader.count(row, "batch_size");
    s.prompt = true;
    s.query_length = reader.count(row, "isl");
    s.kv_length = s.query_length + (reader.has("kv_len") ? reader.count(row, "kv_len", 0) : 0);
    s.heads = reader.count(row, "num_heads");
    s.kv_precision = reader.precision(row, "kv_cache_dtype");
    Item item = reader.item(row, "latency_us");
    item.groups = {fmt::format("heads{:03}", s.heads)};
    builder.add(impl, pair_name(Precision::BF16, s.kv_precision), Precision::BF16, std::move(item),
                {.shape = s, .repeated = true});
  });
  return builder.take();
}

Tasks read_generation_mla(const sim::io::CsvTable& table, const hardware::Device& device,
                          const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::DecodeMlaModel> builder("generation_mla", device, reader);
  reader.for_each_row([&](std::size_t row) {
    hardware::MlaShape s;
    s.batch = reader.count(row, "batch_size");
    s.query_length = 1;
    s.kv_length = reader.count(row, "kv_len");
    s.heads = reader.count(row, "num_heads");
    s.kv_precision = reader.precision(row, "kv_cache_dtype");
    Item item = reader.item(row, "latency_us");
    item.groups = {fmt::format("heads{:03}", s.heads)};
    builder.add(impl, pair_name(Precision::BF16, s.kv_precision), Precision::BF16, std::move(item),
                {.shape = s, .repeated = true});
  });
  return builder.take();
}

}  // namespace moesim::validation
