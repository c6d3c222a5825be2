// The further a shape lies beyond what its fit has seen, the wider its interval.
#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "hardware/kernels/kernels.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim;
using namespace moesim::hardware;

namespace {

// Prices with one size going out of the fits' range, from within.
struct Way {
  std::string what;
  std::vector<std::int64_t> sizes;
  std::function<Trust(const Kernels& kernels, std::int64_t size)> trust;
};

const std::vector<std::int64_t> kOut{64,      128,       200,       256,      999,
                                     4096,    65536,     131072,    200'000,  1 << 20,
                                     1 << 24, 1LL << 28, 1LL << 32, 1LL << 36};
const std::vector<std::int64_t> kIn{512, 128, 63, 32, 16, 8, 1};

std::vector<Way> ways() {
  const AttentionShape decode{.batch = 4, .kv_length = 1024, .heads = 32, .kv_heads = 8};
  const AttentionShape prompt{.batch = 4,
                              .prompt = true,
                              .query_length = 1024,
                              .kv_length = 1024,
                              .heads = 32,
                              .kv_heads = 8};
  const MlaShape latent{.batch = 4, .kv_length = 1024, .heads = 64};
  return {
      {"decode: head size", kOut,
       [=](const Kernels& k, std::int64_t size) {
         AttentionShape s = decode;
         s.head_dim = size;
         return k.attention(s).trust;
       }},
      {"decode: head size down",
       {128, 64, 63, 32, 8, 1},
       [=](const Kernels& k, std::int64_t size) {
         AttentionShape s = decode;
         s.head_dim = size;
         return k.attention(s).trust;
       }},
      {"decode: keys", kOut,
       [=](const Kernels& k, std::int64_t size) {
         AttentionShape s = decode;
         s.kv_length = size;
         return k.attention(s).trust;
       }},
      {"prompt: head size", kOut,
       [=](const Kernels& k, std::int64_t size) {
         AttentionShape s = prompt;
         s.head_dim = size;
         return k.attention(s).trust;
       }},
      {"latent: width", kIn,
       [=](const Kernels& k, std::int64_t size) {
         MlaShape s = latent;
         s.kv_lora_rank = size;
         return k.mla(s).trust;
       }},
      {"gemm: depth", kOut,
       [=](const Kernels& k, std::int64_t size) {
         return k.gemm({.m = 64, .n = 4096, .k = size}).trust;
       }},
      {"experts: number",
       {128, 256, 512, 1024, 4096, 1 << 20},
       [=](const Kernels& k, std::int64_t size) {
         const std::array<std::int64_t, 2> rows{32, 32};
         return k
             .moe({.tokens = 64,
                   .hidden = 4096,
                   .inter = 2048,
                   .top_k = 8,
                   .experts = size,
                   .rows = rows})
             .trust;
       }},
      {"experts: width",
       {4096, 7168, 8192, 16384, 1 << 20},
       [=](const Kernels& k, std::int64_t size) {
         const std::array<std::int64_t, 2> rows{32, 32};
         return k
             .moe({.tokens = 64,
                   .hidden = size,
                   .inter = 2048,
                   .top_k = 8,
                   .experts = 128,
                   .rows = rows})
             .trust;
       }},
  };
}

}  // namespace

TEST_CASE("further outside is never a narrower interval, and outside never one of the inside") {
  for (const char* name : {"h100", "h200", "a100"}) {
    for (const char* engine : {"trtllm", "vllm"}) {
      CAPTURE(name);
      CAPTURE(engine);
      const Kernels kernels(shipped(name), {.gemm = engine, .moe = engine, .attention = engine});
      for (const Way& way : ways()) {
        CAPTURE(way.what);
        Trust before;
        // A100's attention has seen one head size: a walk may come into the range first.
        bool inside = false, told = false;
        for (const std::int64_t size : way.sizes) {
          CAPTURE(size);
          const Trust trust = way.trust(kernels, size);
          CHECK(trust.low <= trust.p10);
          CHECK(trust.p10 <= 1);
          CHECK(trust.p90 >= 1);
          CHECK(trust.high >= trust.p90);
          // Within the range an interval is of its regime, and may be of any width.
          if (trust.outside == 0) {
            CHECK(!(told && inside));
            inside = true;
            told = false;
          } else {
            told = true;
            CHECK(trust.low <= before.low);
            CHECK(trust.p10 <= before.p10);
            CHECK(trust.p90 >= before.p90);
            CHECK(trust.high >= before.high);
          }
          before = trust;
        }
        CHECK(told);
      }
    }
  }
}
