#include <array>
#include <filesystem>
#include <map>
#include <tuple>

#include "hardware/kernels/moe.h"
#include "sim/check.h"
#include "validation/tables/kernel_tables.h"
#include "validation/tables/slow_tasks.h"
#include "validation/tables/task_builder.h"
#include "validation/tables/words.h"
#include "workloads/routing/laws/table_routing.h"

namespace moesim::validation {
namespace {

using hardware::GroupRows;
using workloads::TableRouting;

constexpr std::uint64_t kDraws = 8;  // of a random routing, averaged

// Tables repeat a routing for every width and precision.
class RoutingCache {
 public:
  const GroupRows& rows(const TableRouting& r) {
    const auto key =
        std::tuple(r.tokens, r.experts, r.top_k, r.ranks, r.law, r.alpha, r.eplb, r.slots);
    const auto [at, fresh] = cache_.try_emplace(key);
    if (!fresh) return at->second;
    std::vector<GroupRows> draws;
    const std::uint64_t count = r.law == workloads::TableLaw::PowerLaw ? kDraws : 1;
    for (std::uint64_t draw = 0; draw < count; ++draw)
      draws.push_back(hardware::group_rows(workloads::table_rows(r, draw)));
    return at->second = hardware::average(draws);
  }

 private:
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, workloads::TableLaw,
                      double, bool, std::int64_t>,
           GroupRows>
      cache_;
};

TableRouting routing_of(const TableReader& reader, std::size_t row) {
  TableRouting r{.tokens = reader.count(row, "num_tokens"),
                 .experts = reader.count(row, "num_experts"),
                 .top_k = reader.count(row, "topk"),
                 .ranks = reader.count(row, "moe_ep_size")};
  constexpr std::int64_t kMostTokens = 1 << 26, kMostExperts = 1 << 16;
  if (r.tokens > kMostTokens) reader.fail(row, "num_tokens", "at most 2^26 tokens");
  if (r.experts > kMostExperts) reader.fail(row, "num_experts", "at most 2^16 experts");
  if (r.top_k > r.experts) reader.fail(row, "topk", "at most num_experts");
  if (r.experts % r.ranks != 0) reader.fail(row, "moe_ep_size", "a divisor of num_experts");
  if (!workloads::parse_table_law(reader.word(row, "distribution"), r)) {
    const std::string law = nearest_law(reader.text(row, "distribution"));
    SIM_CHECK(workloads::parse_table_law(law, r), "the nearest law is one");
    reader.guess(row, "distribution", law);
  }
  if (reader.has("num_slots")) {
    r.slots = reader.count(row, "num_slots");
    if (r.slots < r.experts || r.slots > kMostExperts || r.slots % r.ranks != 0)
      reader.fail(row, "num_slots", "at least num_experts, and as many on every rank");
  }
  return r;
}

// Two-matrix experts, squared ReLU in place of a gated activation: Nemotron's, by their shapes.
bool is_gated(double hidden, double inter) {
  return !((hidden == 2688 && inter == 1856) || (hidden == 2048 && inter == 5120) ||
           (hidden == 8192 && inter == 5120));
}

std::string model_of(const TableReader& reader, std::size_t row) {
  return fmt::format("{}x{}x{}x{}", reader.text(row, "hidden_size"), reader.text(row, "inter_size"),
                     reader.text(row, "topk"), reader.text(row, "num_experts"));
}

// Words of both sides with the kernels' name behind, which is no part of a format; and those that
// no table has been fitted in: four bits, with scales of another kind than theirs.
struct MixedWord {
  std::string_view word, format;
  bool guessed;
};
constexpr std::array<MixedWord, 4> kMixedWords{
    {{"w4a16_mxfp4_cutlass", "w4a16_mxfp4", false},
     {"w4a8_mxfp4_mxfp8_trtllm", "w4a8_mxfp4_mxfp8", false},
     {"w4a8_mxfp4_fp8", "w4a8_mxfp4_mxfp8", true},
     {"w4a8_nvfp4_fp8", "w4a8_mxfp4_mxfp8", true}}};

// By both sides where the table says them; else what that device runs for such weights.
hardware::ExpertFormat format_of(const TableReader& reader, std::size_t row,
                                 const hardware::Device& device) {
  std::string_view word = reader.text(row, "moe_dtype");
  for (const MixedWord& mixed : kMixedWords) {
    if (word != mixed.word) continue;
    word = mixed.format;
    if (mixed.guessed) reader.guess(row, "moe_dtype", word);
  }
  if (const auto both = hardware::parse_expert_format(word)) return *both;
  return hardware::expert_format(reader.precision(row, "moe_dtype"), device);
}

hardware::MoeInput input_of(const TableReader& reader, std::size_t row, const TableRouting& routing,
                            RoutingCache& cache) {
  const auto real = [](std::int64_t n) { return static_cast<double>(n); };
  hardware::MoeInput x;
  x.tokens = real(routing.tokens);
  x.hidden = real(reader.count(row, "hidden_size"));
  x.inter = real(reader.count(row, "inter_size"));
  x.top_k = real(routing.top_k);
  x.experts = real(routing.experts);
  x.rows = cache.rows(routing);
  x.gated = is_gated(x.hidden, x.inter);
  return x;
}

// Which of the kernels for dispatched rows a row is of.
class Phases {
 public:
  // A part of a prefill table may have few tokens in every row: its name says more.
  explicit Phases(const std::string& name) {
    const std::string file = std::filesystem::path(name).filename().string();
    const auto named = [&](std::string_view word) { return file.find(word) != std::string::npos; };
    if (named("prefill") || named("context")) named_ = "prefill";
    if (named("decode") || named("generation")) named_ = "decode";
  }
  // A decode buffer holds 128 tokens a rank at most (low-latency dispatch).
  std::string of(const TableRouting& r) const {
    constexpr std::int64_t kMostInDecode = 128;
    if (!named_.empty()) return named_;
    return r.tokens / r.ranks > kMostInDecode ? "prefill" : "decode";
  }

 private:
  std::string named_;
};

}  // namespace

Tasks read_moe(const sim::io::CsvTable& table, const hardware::Device& device,
               const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::MoeModel> builder("moe", device, reader);
  RoutingCache cache;
  // Where the table has no flags of its own.
  const std::vector<bool> slow = reader.has("anomalous") || !reader.has("latency_us")
                                     ? std::vector<bool>(reader.rows())
                                     : slow_tasks(reader);
  reader.for_each_row([&](std::size_t row) {
    Item item = reader.item(row, "latency_us");
    item.screened = slow[row];
    item.groups = {model_of(reader, row)};
    hardware::MoeInput x = input_of(reader, row, routing_of(reader, row), cache);
    x.format = format_of(reader, row, device);
    const std::int64_t split = reader.count(row, "moe_tp_size");
    if (split > static_cast<std::int64_t>(x.inter))
      reader.fail(row, "moe_tp_size", "at most inter_size");
    x.inter /= static_cast<double>(split);
    x.whole_buffers = hardware::has_whole_buffers(impl);
    item.finer = {fmt::format("tp{} ep{}", split, reader.text(row, "moe_ep_size"))};
    builder.add(impl, variant_of(x.format), x.format.activations, std::move(item), x);
  });
  return builder.take();
}

Tasks read_wideep_moe(const sim::io::CsvTable& table, const hardware::Device& device,
                      const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::MoeModel> builder("wideep_moe", device, reader);
  RoutingCache cache;
  const Phases phases(table.name());
  reader.for_each_row([&](std::size_t row) {
    Item item = reader.item(row, "latency_us");
    const TableRouting routing = routing_of(reader, row);
    hardware::MoeInput x = input_of(reader, row, routing, cache);
    // SGLang's rows are of experts alone, in blocks of fp8; TensorRT-LLM's of whole layers, of the
    // tokens that reach the measured rank.
    const bool whole = reader.has("moe_dtype");
    x.format = whole ? format_of(reader, row, device) : hardware::Precision::FP8Block;
    x.routed = whole;
    if (reader.has("rank0_num_tokens"))
      x.tokens = static_cast<double>(reader.count(row, "rank0_num_tokens", 0));
    const std::string ep = fmt::format("ep{}", reader.text(row, "moe_ep_size"));
    item.groups = {whole ? model_of(reader, row) : ep};
    item.finer = {ep};
    builder.add(impl, whole ? variant_of(x.format) : phases.of(routing), x.format.activations,
                std::move(item), x);
  });
  return builder.take();
}

}  // namespace moesim::validation
