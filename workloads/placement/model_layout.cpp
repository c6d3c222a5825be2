#include "workloads/placement/model_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace moesim::workloads {

namespace {

using hardware::Precision;

enum class Axis { Tp, Etp };

std::string_view name_of(Axis axis) {
  return axis == Axis::Tp ? "tp" : "etp";
}
std::int64_t ranks_of(const Parallelism& layout, Axis axis) {
  return axis == Axis::Tp ? layout.tp : layout.etp;
}

// What a model asks of the ranks along an axis: that they divide a number, ...
struct Division {
  Axis axis = Axis::Tp;
  std::string what;  // "32 heads"
  std::int64_t count = 0;
  // ... or that one of the two divides the other: key heads of so many query heads are replicated,
  std::int64_t replicated_over = 0;
  // ... or that each rank has whole blocks.
  std::int64_t block = 1;

  bool is_met_by(std::int64_t ranks) const {
    if (replicated_over > 0)
      return replicated_over % ranks != 0 || count % ranks == 0 || ranks % count == 0;
    if (block > 1) return ranks == 1 || count / ranks % block == 0;
    return count % ranks == 0;
  }
};
using Divisions = std::vector<Division>;

class OfLayers {
 public:
  void operator()(const NoMixer&) {}
  void operator()(const LstmMixer&) {}
  void operator()(const GqaAttention& a) {
    heads("heads", a.heads);
    add({.what = fmt::format("{} key heads", a.kv_heads),
         .count = a.kv_heads,
         .replicated_over = a.heads});
  }
  void operator()(const MlaAttention& a) { heads("heads", a.heads); }
  void operator()(const CompressedAttention& a) { heads("heads", a.heads); }
  void operator()(const LinearAttention& a) {
    if (a.kind == LinearKind::ShortConvolution) return;
    heads("value heads of linear attention", a.value_heads);
  }
  void operator()(const MambaMixer& m) {
    if (m.dt_rank > 0) return;
    heads("heads of Mamba", m.heads);
    if (m.groups > 1) heads("groups of Mamba", m.groups);  // one is on every rank
  }

  void operator()(const NoFfn&) {}
  void operator()(const DenseFfn& dense) { width("a dense FFN", dense.inter, Axis::Tp); }
  void operator()(const MoeFfn& moe) {
    width("experts", moe.inter, Axis::Etp);
    width("shared experts", moe.shared_width(), Axis::Tp);
    width("the FFN beside experts", moe.residual_inter, Axis::Tp);
  }

  Divisions take() { return std::move(all_); }

 private:
  void heads(const char* what, std::int64_t count) {
    add({.what = fmt::format("{} {}", count, what), .count = count});
  }
  void width(const char* what, std::int64_t inter, Axis axis) {
    add({.axis = axis, .what = fmt::format("{} of width {}", what, inter), .count = inter});
  }
  void add(Division division) {
    const bool known = std::ranges::any_of(
        all_, [&](const Division& other) { return other.what == division.what; });
    if (!known) all_.push_back(std::move(division));
  }

  Divisions all_;
};

Divisions divisions_of(const ModelSpec& model) {
  OfLayers divisions;
  std::vector<bool> seen(model.kinds.size());
  for (const std::size_t kind : model.layers) {
    if (seen[kind]) continue;
    seen[kind] = true;
    std::visit(divisions, model.kinds[kind].mixer);
    if (model.kinds[kind].cross) divisions(*model.kinds[kind].cross);
    std::visit(divisions, model.kinds[kind].ffn);
  }
  return divisions.take();
}

// "tp 4 or 2": the largest sizes below that all along the axis are met by.
std::string would_do(const Divisions& all, const Parallelism& layout, Axis axis) {
  std::int64_t most = 1;
  for (const Division& d : all) {
    if (d.axis == axis) most = std::max(most, d.count);
  }
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = std::min(most, ranks_of(layout, axis) - 1); size >= 1; --size) {
    const bool met = std::ranges::all_of(
        all, [&](const Division& d) { return d.axis != axis || d.is_met_by(size); });
    if (met) sizes.push_back(size);
    if (sizes.size() == 2) break;
  }
  return fmt::format("{} {} would do", name_of(axis), fmt::join(sizes, " or "));
}

// Numbers that share a scale along the width that is divided; 1 where there are none.
std::int64_t block_of(Precision precision, const Formats& formats) {
  switch (precision) {
    case Precision::FP8Block:
      return 128;
    case Precision::MXFP4:
      return 32;
    case Precision::NVFP4:
      return 16;
    case Precision::INT4:
      // A scale of 2 bytes a group.
      return formats.int4_scale_bytes > 0 ? std::llround(2 / formats.int4_scale_bytes) : 1;
    default:
      return 1;
  }
}

struct BlockDivision {
  Division division;
  Precision precision = Precision::BF16;
};

std::vector<BlockDivision> block_divisions_of(const ModelSpec& model, const Formats& formats) {
  std::vector<BlockDivision> all;
  const auto part = [&](const char* what, std::int64_t width, Precision precision, Axis axis) {
    const std::int64_t block = block_of(precision, formats);
    std::string text = fmt::format("{} of width {}", what, width);
    const bool known = std::ranges::any_of(
        all, [&](const BlockDivision& other) { return other.division.what == text; });
    if (block == 1 || known) return;
    all.push_back(
        {{.axis = axis, .what = std::move(text), .count = width, .block = block}, precision});
  };
  for (const std::size_t kind : model.layers) {
    if (const auto* dense = std::get_if<DenseFfn>(&model.kinds[kind].ffn)) {
      part("dense FFNs", dense->inter, formats.dense_ffn, Axis::Tp);
    } else if (const auto* moe = std::get_if<MoeFfn>(&model.kinds[kind].ffn)) {
      part("experts", moe->inter, formats.experts, Axis::Etp);
      if (moe->shared_experts > 0) {
        part("shared experts", moe->shared_width(), formats.shared_experts, Axis::Tp);
      }
    }
  }
  return all;
}

}  // namespace

std::vector<std::string> layout_problems(const ModelSpec& model, const Parallelism& layout) {
  const Divisions all = divisions_of(model);
  std::vector<std::string> problems;
  for (const Division& d : all) {
    const std::int64_t ranks = ranks_of(layout, d.axis);
    if (d.is_met_by(ranks)) continue;
    problems.push_back(fmt::format(
        "{} {} over {} = {} ranks; {}", d.what,
        d.replicated_over > 0 ? "are neither divided nor replicated evenly" : "do not divide",
        name_of(d.axis), ranks, would_do(all, layout, d.axis)));
  }
  return problems;
}

std::string slots_problem(std::int64_t experts, std::int64_t redundant, std::int64_t ep) {
  if ((experts + redundant) % ep == 0) return {};
  return fmt::format(
      "{} experts and {} redundant ones do not divide over ep = {} ranks; {} redundant ones would "
      "do",
      experts, redundant, ep, (ep - experts % ep) % ep);
}

std::vector<CutBlocks> cut_blocks(const ModelSpec& model, const Parallelism& layout,
                                  const Formats& formats) {
  const std::vector<BlockDivision> blocks = block_divisions_of(model, formats);
  Divisions all = divisions_of(model);
  for (const BlockDivision& b : blocks) all.push_back(b.division);
  std::vector<CutBlocks> cuts;
  for (const auto& [d, precision] : blocks) {
    const std::int64_t ranks = ranks_of(layout, d.axis), each = d.count / ranks;
    if (d.is_met_by(ranks)) continue;
    const std::int64_t padded = (each + d.block - 1) / d.block * d.block;
    CutBlocks cut;
    cut.precision = precision;
    cut.what =
        fmt::format("{} over {} = {} are {} wide on a rank, no whole number of {}'s blocks of {}",
                    d.what, name_of(d.axis), ranks, each, hardware::name_of(precision), d.block);
    cut.halved = precision == Precision::INT4 && d.axis == Axis::Etp;
    cut.padding =
        cut.halved
            ? std::string("halve the groups until they do")
            : fmt::format("pad it to {}, {:.0f} % more", padded,
                          100 * (static_cast<double>(padded) / static_cast<double>(each) - 1));
    cut.would_do = would_do(all, layout, d.axis);
    cuts.push_back(std::move(cut));
  }
  return cuts;
}

}  // namespace moesim::workloads
