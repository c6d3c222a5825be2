#include <fmt/format.h>

#include <array>

#include "validation/calibrate/plan_sections.h"
#include "validation/cuda/protocol/layer_shape.h"

namespace moesim::validation {

using cuda::PlanPoint;

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
  for (double megabytes = 1; megabytes <= 1024; megabytes *= 2) {
    stream("extra", "read", "moesim", megabytes * 1'048'576, false);
    if (megabytes <= 256) stream("extra", "copy", "moesim", megabytes * 1'048'576, false);
  }
  const WeightShape large{8192, 8192, "8192 cubed"};
  for (const std::string& impl : options.implementations) {
    writer.add_gemm({"ceiling", "ceiling", impl, large, {8192}, true, ""});
  }
  writer.add_gemm({"ceiling", "ceiling", "cublaslt", large, {8192}, true, ""});
}

void plan_attention(PlanWriter& writer) {
  // Grouped-query attention of 64 heads, 8 of the cache, and of 32 with 8: `tokens` sequences of
  // `k`.
  for (const auto& [batch, heads, length] : {std::array{1, 64, 32768}, std::array{16, 64, 4096},
                                             std::array{64, 64, 2048}, std::array{32, 32, 8192}}) {
    PlanPoint p =
        writer.point("attention", "fit", "attention_decode", "moesim", "heads of 128, 8 cached");
    p.tokens = batch;
    p.top_k = heads;
    p.experts = 8;
    p.k = length;
    p.bytes = 2.0 * batch * 8 * length * 128 * 2;
    p.flops = 4.0 * batch * heads * length * 128;
    writer.add(std::move(p));
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
  for (const int gpus : {2, 4, 8}) {
    for (const double bytes : {65536.0, 4194304.0, 268435456.0}) {
      PlanPoint p =
          writer.point("a2a", "extra", "all_to_all", "nccl", fmt::format("{} GPUs", gpus));
      p.tokens = gpus;
      p.bytes = bytes;
      p.cold = false;
      writer.add(std::move(p));
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
