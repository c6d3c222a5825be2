#include "workloads/placement/model_layout.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::workloads {

namespace {

using hardware::Precision;

// "tp 2 or 4": the sizes up to `most` that divide `count`, the largest few.
std::string would_do(const char* name, std::int64_t count, std::int64_t most) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = std::min(most, count); size >= 1 && sizes.size() < 2; --size) {
    if (count % size == 0) sizes.push_back(size);
  }
  std::string text = fmt::format("{} {}", name, sizes.front());
  if (sizes.size() > 1) text += fmt::format(" or {}", sizes.back());
  return text;
}

class Checker {
 public:
  explicit Checker(const Parallelism& layout) : layout_(layout) {}

  void operator()(const NoMixer&) {}
  void operator()(const LstmMixer&) {}
  void operator()(const GqaAttention& a) {
    heads("heads", a.heads);
    shared_heads("key heads", a.kv_heads, a.heads);
  }
  void operator()(const MlaAttention& a) { heads("heads", a.heads); }
  void operator()(const CompressedAttention& a) { heads("heads", a.heads); }
  void operator()(const LinearAttention& a) {
    if (a.kind == LinearKind::ShortConvolution) return;
    heads("value heads of linear attention", a.value_heads);
  }
  void operator()(const MambaMixer& m) {
    if (m.dt_rank == 0) heads("heads of Mamba", m.heads);
  }

  void operator()(const NoFfn&) {}
  void operator()(const DenseFfn& dense) { width("a dense FFN", dense.inter, "tp", layout_.tp); }
  void operator()(const MoeFfn& moe) {
    width("experts", moe.inter, "etp", layout_.etp);
    width("shared experts", moe.shared_width(), "tp", layout_.tp);
    width("the FFN beside experts", moe.residual_inter, "tp", layout_.tp);
  }

  std::vector<std::string> take() { return std::move(problems_); }

 private:
  void heads(const char* what, std::int64_t count) {
    if (count % layout_.tp == 0) return;
    add(fmt::format("{} {} do not divide over tp = {} ranks; {} would do", count, what, layout_.tp,
                    would_do("tp", count, layout_.tp)));
  }
  // Fewer than ranks are replicated, where their number divides the ranks.
  void shared_heads(const char* what, std::int64_t count, std::int64_t all) {
    const std::int64_t tp = layout_.tp;
    if (all % tp != 0 || count % tp == 0 || tp % count == 0) return;
    add(
        fmt::format("{} {} are neither divided nor replicated evenly over tp = {} ranks; {} would "
                    "do",
                    count, what, tp, would_do("tp", count, tp)));
  }
  void width(const char* what, std::int64_t inter, const char* name, std::int64_t ranks) {
    if (inter % ranks == 0) return;
    add(fmt::format("{} of width {} do not divide over {} = {} ranks; {} would do", what, inter,
                    name, ranks, would_do(name, inter, ranks)));
  }
  void add(std::string problem) {
    if (std::find(problems_.begin(), problems_.end(), problem) == problems_.end()) {
      problems_.push_back(std::move(problem));
    }
  }

  const Parallelism& layout_;
  std::vector<std::string> problems_;
};

// Numbers that share a scale along the width that is divided; 1 where there are none.
std::int64_t block_of(Precision precision) {
  switch (precision) {
    case Precision::FP8Block:
      return 128;
    case Precision::MXFP4:
      return 32;
    case Precision::NVFP4:
      return 16;
    default:
      return 1;
  }
}

}  // namespace

std::vector<std::string> layout_problems(const ModelSpec& model, const Parallelism& layout) {
  Checker checker(layout);
  for (const std::size_t kind : model.layers) {
    std::visit(checker, model.kinds[kind].mixer);
    if (model.kinds[kind].cross) checker(*model.kinds[kind].cross);
    std::visit(checker, model.kinds[kind].ffn);
  }
  return checker.take();
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
  std::vector<CutBlocks> all;
  const auto part = [&](const char* what, std::int64_t width, Precision precision, const char* name,
                        std::int64_t ranks) {
    const std::int64_t block = block_of(precision), each = width / ranks;
    if (ranks == 1 || each % block == 0) return;
    const std::int64_t padded = (each + block - 1) / block * block;
    CutBlocks cut;
    cut.precision = precision;
    cut.what = fmt::format(
        "{} of width {} over {} = {} are {} wide on a rank, no whole number of {}'s blocks of {}",
        what, width, name, ranks, each, hardware::name_of(precision), block);
    cut.padding = fmt::format("pad it to {}, {:.0f} % more", padded,
                              100 * (static_cast<double>(padded) / static_cast<double>(each) - 1));
    cut.would_do = would_do(name, std::max<std::int64_t>(width / block, 1), ranks);
    const bool known =
        std::any_of(all.begin(), all.end(), [&](const CutBlocks& c) { return c.what == cut.what; });
    if (!known) all.push_back(std::move(cut));
  };
  for (const std::size_t kind : model.layers) {
    if (const auto* dense = std::get_if<DenseFfn>(&model.kinds[kind].ffn)) {
      part("dense FFNs", dense->inter, formats.dense_ffn, "tp", layout.tp);
    } else if (const auto* moe = std::get_if<MoeFfn>(&model.kinds[kind].ffn)) {
      part("experts", moe->inter, formats.experts, "etp", layout.etp);
      if (moe->shared_experts > 0) {
        part("shared experts", moe->shared_width(), formats.shared_experts, "tp", layout.tp);
      }
    }
  }
  return all;
}

}  // namespace moesim::workloads
