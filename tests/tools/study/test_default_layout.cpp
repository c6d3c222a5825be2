#include "tools/study/default_layout.h"

#include <doctest/doctest.h>

#include "workloads/scenario.h"

using namespace moesim;
using tools::default_layout;
using workloads::Deployment;

namespace {

Deployment deployment(const std::string& model, const std::string& cluster) {
  Deployment d;
  d.model = workloads::load_model("configs/models/" + model + ".yaml");
  d.cluster = hardware::load_cluster("configs/clusters/" + cluster + ".yaml");
  d.formats = d.model.stored;
  return d;
}

}  // namespace

TEST_CASE("a mixture has its experts over all GPUs, and the least tp that fits") {
  // 93.4 GB in bf16: a GPU holds 1.6 B of attention and the like, and one of eight experts of each
  // layer, 14.5 GB; and the cache of 32 x 4,096 tokens, 131 kB each, 17 GB.
  const auto chosen =
      default_layout(deployment("mixtral-8x7b", "h100-1x8"), workloads::decode_question(32, 4096));
  CHECK(chosen.fits);
  CHECK(chosen.layout.tp == 1);
  CHECK(chosen.layout.dp == 8);
  CHECK(chosen.layout.ep == 8);
  CHECK(chosen.layout.etp == 1);
}

TEST_CASE("a dense model has the least tp that fits, which depends on the batch") {
  // 138 GB in bf16, 327,680 bytes of cache a token, GPUs of 85.5 GB.
  const Deployment d = deployment("llama-2-70b", "h100-1x8");
  // tp 2: 69 GB and 8 x 4,096 x 327,680 / 2 = 5.4 GB.
  const auto few = default_layout(d, workloads::decode_question(8, 4096));
  CHECK(few.fits);
  CHECK(few.layout.tp == 2);
  CHECK(few.layout.dp == 4);
  CHECK(few.layout.etp == 2);
  // Of 32 sequences tp 2 needs 69 + 21.5 = 90.5 GB, tp 4 half of it.
  const auto many = default_layout(d, workloads::decode_question(32, 4096));
  CHECK(many.fits);
  CHECK(many.layout.tp == 4);
  CHECK(many.layout.dp == 2);
  CHECK(many.layout.gpus() == 8);
}

TEST_CASE("where no tp fits it is the one whose fullest GPU needs least, and that is said") {
  const auto chosen =
      default_layout(deployment("llama-3-405b", "h100-1x8"), workloads::decode_question(1, 1024));
  CHECK_FALSE(chosen.fits);  // 810 GB on 8 x 85.5
  CHECK(chosen.layout.tp == 8);
}

TEST_CASE("experts go over the most GPUs that divide GPUs and slots") {
  Deployment d = deployment("deepseek-v3", "h100-9x8");
  CHECK(tools::default_ep(d, 72) == 8);  // of 256 slots
  CHECK(tools::default_ep(d, 64) == 64);
  d.placement.redundant = 32;
  CHECK(tools::default_ep(d, 72) == 72);  // of 288
  CHECK(tools::default_ep(deployment("llama-2-70b", "h100-1x8"), 8) == 1);
}
