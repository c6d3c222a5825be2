// Choosing experts and moving rows, by hand.
#include "hardware/kernels/routing.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "hardware/kernels/kernels.h"
#include "hardware/kernels/work.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim;
using namespace moesim::hardware;

namespace {

// 10 multiprocessors, 1 MB a microsecond, an L2 of 1 MB.
Rates rates() {
  Rates r;
  r.multiprocessors = 10;
  r.bandwidth = 1e6;
  r.l2 = 1e6;
  r.launch = 2;
  return r;
}

FittedModel fit(const char* kind, const char* variant, std::map<std::string, double> parameters) {
  FittedModel model;
  model.kind = kind;
  model.implementation = "moesim";
  model.variant = variant;
  model.parameters = std::move(parameters);
  return model;
}

Device measured() {
  Device device = shipped("h100");
  device.fitted.push_back(
      fit("router", "softmax",
          {{"launch_us", 7}, {"choice_us", 0.5}, {"round_ns", 10}, {"memory_fraction", 0.5}}));
  for (const char* way : {"out", "back"}) {
    device.fitted.push_back(fit("permute", way,
                                {{"launch_us", *way == 'o' ? 11.0 : 13.0},
                                 {"memory_fraction", 0.5},
                                 {"l2_gain", 1},
                                 {"repeated", 0.5},
                                 {"added_us", 0.25}}));
  }
  return device;
}

}  // namespace

TEST_CASE(
    "a router takes a launch, its choices one after another, and its rounds over the tokens") {
  const RouterParameters p{
      .launch_us = 2, .choice_us = 0.5, .round_ns = 10, .memory_fraction = 0.5};
  // Of 64 experts a warp has two rounds, once to read them and for each of three choices: 8. 100
  // tokens on 10 multiprocessors, 10 ns a round: 0.8 us. 100 x (4 x 64 + 8 x 3) B at 0.5 MB/us:
  // 0.056 us. Three choices: 1.5 us.
  CHECK(RouterModel::us({.tokens = 100, .experts = 64, .top_k = 3}, rates(), p) ==
        doctest::Approx(2 + 1.5 + 0.8 + 0.056));
  // An expert more is a round more of each: 12 for 8, and 400 B.
  CHECK(RouterModel::us({.tokens = 100, .experts = 65, .top_k = 3}, rates(), p) ==
        doctest::Approx(2 + 1.5 + 1.2 + 0.0568));
}

TEST_CASE("rows out are read from memory once a token, and back each once") {
  const PermuteParameters p{
      .launch_us = 2, .memory_fraction = 0.5, .l2_gain = 2.57, .repeated = 0.5, .added_us = 0.25};
  // 8 rows of 4 tokens, 1 MB each: 8 written, 4 read from memory and 4 again at half the price: 14.
  // All 16 MB are 16 times the L2, which makes the transfer 1 + 2.57 / 257 = 1.01 times as fast.
  CHECK(PermuteModel::us({.tokens = 4, .rows = 8, .row_bytes = 1e6}, rates(), p) ==
        doctest::Approx(2 + 14 / 0.5 / 1.01));
  // Back: 8 read and 4 written, 12 times the L2: 1 + 2.57 / 145; and two copies of each token.
  CHECK(PermuteModel::us({.tokens = 4, .rows = 8, .row_bytes = 1e6, .back = true}, rates(), p) ==
        doctest::Approx(2 + 0.5 + 12 / 0.5 / (1 + 2.57 / 145)));
}

TEST_CASE("what fits in the L2 twice may cost no traffic, what does not takes the memory's time") {
  // 1.8 MB of 2; and 12 MB at 1 MB/us.
  CHECK(PermuteModel::least_us({.tokens = 4, .rows = 8, .row_bytes = 0.15e6}, rates()) == 0);
  CHECK(PermuteModel::least_us({.tokens = 4, .rows = 8, .row_bytes = 1e6}, rates()) ==
        doctest::Approx(12));
  // 20,000 x (4 x 256 + 8 x 8) B = 21.76 MB.
  CHECK(RouterModel::least_us({.tokens = 20'000, .experts = 256, .top_k = 8}, rates()) ==
        doctest::Approx(21.76));
}

TEST_CASE("a router reads its scores and writes its choices, and rows move once each") {
  CHECK(work_of(RouterShape{.tokens = 10, .experts = 8, .top_k = 2}).bytes == 10 * (32 + 16));
  // 4 tokens read, 8 rows written, and the other way round; one row of four tokens reads one.
  CHECK(work_of(RowsShape{.tokens = 4, .rows = 8, .row_bytes = 100}).bytes == 1200);
  CHECK(work_of(RowsShape{.tokens = 4, .rows = 8, .row_bytes = 100, .back = true}).bytes == 1200);
  CHECK(work_of(RowsShape{.tokens = 4, .rows = 1, .row_bytes = 100}).bytes == 200);
}

TEST_CASE("a device with fits of routing prices by them, another as a copy and no rows") {
  const RouterShape choice{.tokens = 64, .experts = 8, .top_k = 2};
  const RowsShape out{.tokens = 64, .rows = 128, .row_bytes = 8192},
      back{.tokens = 64, .rows = 128, .row_bytes = 8192, .back = true};
  const Kernels own(measured(), {}), plain(shipped("h100"), {});
  // 64 x (4 x 8 + 8 x 2) B.
  CHECK(plain.router(choice).time == plain.elementwise({.bytes = sim::Bytes(3072)}).time);
  CHECK_FALSE(plain.moves_rows());
  CHECK(own.moves_rows());
  // A launch of 7 us, two choices of 0.5; then 64 tokens of 3 rounds on 132 multiprocessors and
  // 3 KB, which is little.
  CHECK(sim::to_us(own.router(choice).time) == doctest::Approx(8.02).epsilon(0.002));
  CHECK(own.router(choice).trust.use->used == "moesim softmax");
  // 128 rows written, 64 read and 64 again at half: 224 x 8 KB = 1.84 MB at 3.35 TB/s x 0.5 x (1 +
  // 1 / (1 + (2.1 MB / 50 MiB)^2)): 0.55 us. Back 192 rows: 0.47 us, and two copies added to each
  // token.
  CHECK(sim::to_us(own.rows(out).time) == doctest::Approx(11.549).epsilon(0.001));
  CHECK(sim::to_us(own.rows(back).time) == doctest::Approx(13.97).epsilon(0.001));
  CHECK(own.rows(back).trust.use->used == "moesim back");
  const auto uses = own.uses();
  CHECK(std::ranges::count_if(uses, [](const ModelUse* use) {
          return use->kind == "router" || use->kind == "permute";
        }) == 3);
  CHECK(uses.size() == plain.uses().size() + 3);
  // The roofline asks no fit.
  const Kernels roofline(measured(), {.gemm = "roofline"});
  CHECK_FALSE(roofline.moves_rows());
  CHECK(roofline.router(choice).trust.use->used == "roofline");
}

TEST_CASE("a layer that was measured with its router has the choice in it") {
  Device mine = measured();
  FittedModel layer = *find_fitted(mine, "moe", "trtllm", "bf16");
  layer.implementation = "moesim_mma";
  mine.fitted.push_back(layer);
  CHECK(Kernels(mine, {.moe = "moesim_mma"}).layer_chooses(Precision::BF16));
  CHECK_FALSE(Kernels(mine, {.moe = "trtllm"}).layer_chooses(Precision::BF16));
  CHECK_FALSE(Kernels(mine, {.moe = "roofline"}).layer_chooses(Precision::BF16));
}
