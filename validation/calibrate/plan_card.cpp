#include <fmt/format.h>

#include <array>

#include "validation/calibrate/plan_sections.h"
#include "validation/cuda/protocol/layer_shape.h"

namespace moesim::validation {

using cuda::PlanPoint;

namespace {

// Grouped-query attention: heads and cache heads of shards of tp 1 to 8; those with 16 judge.
constexpr std::array<std::pair<int, int>, 5> kHeads{{{64, 8}, {32, 8}, {8, 1}, {32, 32}, {16, 2}}};
constexpr int kJudging = 16;

}  // namespace

void plan_ceilings(PlanWriter& writer, const PlanOptions& options) {
  writer.add(writer.point("empty", "ceiling", "empty", "moesim", "kernel in a chain of 100"));
  const auto stream = [&](const char* role, const char* op, const char* impl, double bytes,
                          bool cold) {
    PlanPoint p = writer.point(op, role, op, impl, fmt::format("{:g} MB", bytes / 1e6));
    p.bytes = bytes;
    p.cold = cold;
    writer.add(std::move(p));
  };
  stream("ceiling", "copy", "moesim", 8'192'000'000, true);
  stream("ceiling", "copy", "cuda", 8'192'000'000, true);
  stream("ceiling", "read", "moesim", 8'192'000'000, true);
  // What the L2 gives, and how much it holds: the same buffer again and again.
  for (std::int64_t megabytes = 1; megabytes <= 1024; megabytes *= 2) {
    const auto bytes = static_cast<double>(megabytes * 1'048'576);
    stream("extra", "read", "moesim", bytes, false);
    if (megabytes <= 256) stream("extra", "copy", "moesim", bytes, false);
  }
  const WeightShape large{8192, 8192, "8192 cubed"};
  for (const std::string& impl : options.implementations) {
    writer.add_gemm({"ceiling", "ceiling", impl, large, {8192}, true, ""});
  }
  writer.add_gemm({"ceiling", "ceiling", "cublaslt", large, {8192}, true, ""});
}

void plan_dense(PlanWriter& writer) {
  // Projections of attention and of the vocabulary, as tensor-parallel shards have them; the last
  // one judges. By the library that everybody uses, and in fp8 by ours.
  const std::array<WeightShape, 7> shapes{{{4096, 4096, "dense"},
                                           {1280, 8192, "dense"},
                                           {8192, 1024, "dense"},
                                           {16384, 2048, "dense"},
                                           {32768, 4096, "dense"},
                                           {512, 7168, "dense"},
                                           {7168, 3072, "dense"}}};
  for (const char* impl : {"cublaslt", "moesim_fp8"}) {
    for (const WeightShape& shape : shapes) {
      const char* role = &shape == &shapes.back() ? "holdout" : "fit";
      for (const int rows : {1, 8, 32, 128, 512, 2048, 8192}) {
        writer.add_gemm({"dense", role, impl, shape, {rows}, true, ""});
      }
    }
  }
}

void plan_attention(PlanWriter& writer) {
  constexpr std::array<std::pair<int, int>, 8> kCaches{
      {{1, 512}, {1, 32768}, {4, 16384}, {8, 4096}, {16, 1024}, {64, 256}, {64, 2048}, {256, 512}}};
  for (const auto& [heads, kv_heads] : kHeads) {
    for (const auto& [batch, length] : kCaches) {
      PlanPoint p =
          writer.point("attention", heads == kJudging ? "holdout" : "fit", "attention_decode",
                       "moesim", fmt::format("heads of 128, {} cached", kv_heads));
      p.tokens = batch;
      p.top_k = heads;
      p.experts = kv_heads;
      p.k = length;
      p.bytes = 2.0 * batch * kv_heads * length * 128 * 2;
      p.flops = 4.0 * batch * heads * length * 128;
      writer.add(std::move(p));
    }
  }
}

void plan_prefill(PlanWriter& writer) {
  // Prompts, alone and several; pieces of one behind what is there already. The same heads.
  struct Prompts {
    int batch, queries, before;
  };
  constexpr std::array<Prompts, 9> kPrompts{{{1, 128, 0},
                                             {1, 512, 0},
                                             {1, 2048, 0},
                                             {1, 8192, 0},
                                             {8, 256, 0},
                                             {64, 64, 0},
                                             {4, 2048, 0},
                                             {1, 512, 7680},
                                             {2, 2048, 14336}}};
  for (const auto& [heads, kv_heads] : kHeads) {
    for (const auto& [batch, queries, before] : kPrompts) {
      PlanPoint p =
          writer.point("prefill", heads == kJudging ? "holdout" : "fit", "attention_prefill",
                       "moesim", fmt::format("heads of 128, {} cached", kv_heads));
      p.tokens = batch;
      p.top_k = heads;
      p.experts = kv_heads;
      p.n = queries;
      p.k = before + queries;
      p.bytes = 4.0 * batch * 128 * (kv_heads * p.k + heads * queries);
      p.flops = 4.0 * batch * heads * 128 *
                (double{1} * queries * before + 0.5 * queries * (queries + 1));
      writer.add(std::move(p));
    }
  }
}

void plan_transfers(PlanWriter& writer) {
  for (const char* op : {"h2d", "d2h", "p2p"}) {
    for (const double bytes : {65536.0, 1048576.0, 16777216.0, 268435456.0}) {
      PlanPoint p = writer.point(op, "extra", op, "cuda", "pinned memory");
      p.bytes = bytes;
      p.cold = false;
      writer.add(std::move(p));
    }
  }
  for (const char* op : {"all_to_all", "all_gather", "reduce_scatter", "all_reduce"}) {
    for (const int gpus : {2, 4, 8}) {
      for (const double bytes : {8192.0, 65536.0, 524288.0, 4194304.0, 33554432.0, 268435456.0}) {
        PlanPoint p = writer.point("nccl", "fit", op, "nccl", fmt::format("{} GPUs", gpus));
        p.tokens = gpus;
        p.bytes = bytes;
        p.cold = false;
        writer.add(std::move(p));
      }
    }
  }
}

void plan_power(PlanWriter& writer, const PlanOptions& options) {
  for (const char* op : {"copy", "read"}) {
    PlanPoint p = writer.point("power", "power", op, "moesim", op);
    p.bytes = 8'192'000'000;
    writer.add(std::move(p));
  }
  const WeightShape large{8192, 8192, "8192 cubed"};
  for (const std::string& impl : options.implementations) {
    writer.add_gemm({"power", "power", impl, large, {8192}, true, ""});
  }
}

void plan_memory(PlanWriter& writer, const PlanModels& models) {
  const auto add = [&](const char* detail, double bytes) {
    PlanPoint p = writer.point("memory", "extra", "memory", "cuda", detail);
    p.bytes = bytes;
    p.cold = false;
    writer.add(std::move(p));
  };
  add("context", 0);
  add("cublas_handle", 0);
  add("graph", 0);
  for (const double bytes : {256.0, 65536.0, 1048576.0, 2097152.0, 3145728.0, 33554432.0}) {
    add("allocation", bytes);
  }
  for (const int tokens : {256, 8192}) {
    const ExpertShape& m = models.fitted.front();
    PlanPoint p = writer.point("memory", "extra", "memory", "moesim", "layer peak");
    p.tokens = tokens;
    p.top_k = m.top_k;
    p.experts = m.experts;
    p.hidden = m.hidden;
    p.inter = m.inter;
    p.cold = false;
    cuda::LayerShape shape;
    shape.rule.experts = m.experts;
    shape.rule.top_k = m.top_k;
    shape.tokens = tokens;
    shape.hidden = m.hidden;
    shape.inter = m.inter;
    p.bytes = static_cast<double>(cuda::layer_bytes(shape));
    writer.add(std::move(p));
  }
}

}  // namespace moesim::validation
