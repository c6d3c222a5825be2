#include "validation/cuda/protocol/selftest.h"

#include "validation/cuda/protocol/guarded_machine.h"

namespace moesim::validation::cuda {
namespace {

// Softmax over 8, top 2 (Mixtral); sigmoid, bias, 4 of 8 groups, scale 2.5 (DeepSeek-V3).
RouterRule softmax(int experts, int top_k) {
  return {experts, top_k, false, 1, 1, true, 1};
}
RouterRule deepseek(int experts, int top_k) {
  return {experts, top_k, true, 8, 4, true, 2.5};
}

std::vector<int> repeated(int value, int count) {
  return std::vector<int>(static_cast<std::size_t>(count), value);
}

// Rows fall off as in a skewed router, down to none.
std::vector<int> skewed(int groups, int most) {
  std::vector<int> loads;
  for (int g = 0; g < groups; ++g) loads.push_back(g % 5 == 3 ? 0 : most / (1 + g));
  return loads;
}

std::string kernel_of(GemmKind kind) {
  PlanPoint point;
  point.op = "grouped_gemm";
  point.impl = name_of(kind);
  return cuda::kernel_of(point);
}

std::vector<GemmCase> gemm_cases(SelftestSize size) {
  if (size == SelftestSize::Emulated) {
    return {
        {{3, 0, 70, 1, 0}, 96, 96, 16},    // widths under a tile; an empty last group
        {{0, 130, 5}, 200, 176, 64},       // tails in every direction, more steps than none
        {{129, 0, 0, 64}, 272, 320, 128},  // the widest tile, with a second column of tiles
        {{1}, 8, 16, 16},                  // as small as can be
        {{131, 20}, 128, 656, 128},        // a ring that goes round
        {{40, 30, 0, 20, 10, 5}, 136, 360, 16},
    };
  }
  return {
      {repeated(1, 8), 4096, 4096, 0},
      {repeated(16, 8), 7168, 4096, 0},
      {skewed(48, 4096), 1536, 2048, 0},
      {skewed(10, 700), 5760, 2880, 0},  // gpt-oss: 22.5 tiles of 128
      {skewed(12, 700), 2880, 2880, 0},
      {skewed(64, 300), 192, 2048, 0},  // Qwen3-30B at TP8
      {skewed(64, 300), 2048, 96, 0},
      {{1000, 0, 1, 3000}, 4096, 7168, 0},
      {repeated(0, 16), 256, 256, 16},
      {{1}, 8, 16, 16},
      {skewed(256, 900), 512, 720, 16},   // a small tile for large groups
      {skewed(256, 900), 512, 720, 256},  // and the other way round
  };
}

}  // namespace

std::vector<SelftestStep> selftest_steps(SelftestSize size) {
  const bool full = size == SelftestSize::Full;
  std::vector<SelftestStep> steps;
  const auto add = [&](const std::string& kernel, auto check) {
    steps.push_back({kernel, std::move(check)});
  };
  const auto add_router = [&](const RouterCase& c) {
    add("router", [c](Machine& m, std::uint64_t seed) { return check_router(m, c, seed); });
  };
  const auto add_sort = [&](const SortCase& c) {
    add("sort", [c](Machine& m, std::uint64_t seed) { return check_sort(m, c, seed); });
  };
  // A check of whole numbers: add_sized("fill_normal", check_fill, 5).
  const auto add_sized = [&](const std::string& kernel, auto check, auto... sizes) {
    add(kernel, [=](Machine& m, std::uint64_t seed) { return check(m, sizes..., seed); });
  };

  add_sized("fill_normal", check_fill, full ? 100'000'001 : 5'001);
  add_sized("stream_copy", check_copy, full ? 40'000'003 : 5'003);
  add_sized("stream_copy", check_copy, 1);

  const int tokens = full ? 5'000 : 9;
  add_router({softmax(8, 2), tokens, false, false});
  add_router({softmax(128, 8), tokens, false, false});
  add_router({softmax(60, 4), tokens, true, false});
  add_router({softmax(128, 8), tokens, false, true});
  add_router({deepseek(256, 8), tokens, true, false});
  add_router({{384, 8, true, 1, 1, true, 2.827}, tokens, true, false});
  add_router({{16, 1, true, 1, 1, false, 1}, tokens, false, false});

  add_sort({full ? 16'384 : 300, 8, 0, 256, 256});
  add_sort({full ? 9'999 : 77, 2, 0, 8, 8});
  add_sort({full ? 5'000 : 300, 8, 64, 32, 256});  // one of eight ranks
  add_sort({1, 1, 0, 128, 128});

  // Rows of two parts, the second of one piece; selections that are no multiple of those under way.
  add_sized("permute", check_permute, full ? 3'000 : 7, 4, full ? 2'880 : 2'056);
  add_sized("unpermute", check_unpermute, full ? 3'000 : 7, 6, full ? 2'880 : 2'056);
  add_sized("swiglu", check_swiglu, full ? 3'000 : 11, full ? 1'440 : 264);
  add_sized("quantise", check_quantise, full ? 3'001 : 7, full ? 2'880 : 296);

  for (const GemmKind kind : {GemmKind::Mma, GemmKind::Wgmma, GemmKind::Fp8, GemmKind::CublasLt,
                              GemmKind::CublasGrouped}) {
    for (const GemmCase& c : gemm_cases(size)) {
      add(kernel_of(kind), [kind, c](Machine& m, std::uint64_t seed) {
        return check_grouped_gemm(m, kind, c, seed);
      });
    }
  }

  const auto attention_cases =
      full ? std::vector<AttentionCase>{{8, 64, 8, 4'099, 7},
                                        {16, 32, 8, 8'192, 4},
                                        {3, 4, 4, 513},
                                        {1, 96, 4, 2'000, 33}}
           : std::vector<AttentionCase>{
                 {2, 8, 1, 150, 2}, {1, 4, 2, 5, 4}, {1, 2, 2, 17}, {1, 20, 1, 300}};
  for (const AttentionCase& c : attention_cases) {
    add("attention_decode",
        [c](Machine& m, std::uint64_t seed) { return check_attention(m, c, seed); });
  }
  // A prompt and a piece of one behind others, of whole and of partial tiles.
  const auto prefill_cases =
      full ? std::vector<AttentionPrefillCase>{{2, 8, 2, 400, 900},
                                               {1, 4, 4, 1'024, 1'024},
                                               {3, 8, 1, 65, 65},
                                               {16, 16, 4, 129, 133}}
           : std::vector<AttentionPrefillCase>{
                 {2, 2, 1, 70, 70}, {1, 4, 2, 5, 133}, {1, 1, 1, 1, 1}, {2, 6, 3, 130, 170}};
  for (const AttentionPrefillCase& c : prefill_cases) {
    add("attention_prefill",
        [c](Machine& m, std::uint64_t seed) { return check_attention_prefill(m, c, seed); });
  }

  const auto layer_cases = full ? std::vector<LayerCase>{{softmax(8, 2), 64, 1'024, 1'792},
                                                         {softmax(32, 4), 300, 720, 720}}
                                : std::vector<LayerCase>{{softmax(8, 2), 20, 64, 96}};
  for (const GemmKind kind : {GemmKind::Mma, GemmKind::Wgmma, GemmKind::Fp8}) {
    for (const LayerCase& c : layer_cases) {
      add("layer_" + name_of(kind).substr(std::string("moesim_").size()),
          [kind, c](Machine& m, std::uint64_t seed) { return check_layer(m, kind, c, seed); });
    }
  }
  return steps;
}

Check run_step(Machine& machine, const std::vector<SelftestStep>& steps, std::size_t step,
               std::uint64_t seed) {
  Check check;
  check.name = steps[step].kernel + " (check " + std::to_string(step) + ")";
  try {
    return steps[step].check(machine, seed + step);
  } catch (const LeftOut& left_out) {
    check.skipped = left_out.what();
  } catch (const std::exception& error) {
    check.trouble = error.what();
  }
  return check;
}

void run_selftest(Machine& machine, const std::vector<SelftestStep>& steps, std::size_t from,
                  std::uint64_t seed, KernelRecord& record, const SelftestListener& listener) {
  GuardedMachine guarded(machine, record, listener.at);
  for (std::size_t i = from; i < steps.size(); ++i) {
    const std::string& kernel = steps[i].kernel;
    guarded.step(std::to_string(i), kernel);
    listener.begin(i);
    Check check;
    if (const std::string why = record.why_not(kernel); !why.empty()) {
      check.name = kernel + " (check " + std::to_string(i) + ")";
      check.skipped = why;
    } else {
      check = run_step(guarded, steps, i, seed);
    }
    // Of a failure the machine has put the kernel on the record that it was at.
    if (!check.ok() && check.compared > 0) record.wrong(kernel, std::to_string(i));
    listener.done(i, check);
  }
}

bool selftest(Machine& machine, SelftestSize size, std::uint64_t seed,
              const std::function<void(const Check&)>& report) {
  const std::vector<SelftestStep> steps = selftest_steps(size);
  bool ok = true;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Check check = run_step(machine, steps, i, seed);
    ok = ok && check.ok();
    report(check);
  }
  return ok;
}

}  // namespace moesim::validation::cuda
