#include <doctest/doctest.h>

#include "workloads/report/describe.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

Deployment on_eight() {
  Deployment d;
  d.model.name = "Mixtral-8x7B";
  d.cluster.device.name = "H100 SXM";
  d.cluster.nodes = 2;
  d.cluster.gpus_per_node = 8;
  d.cluster.topology = hardware::make_topology(d.cluster);
  d.layout = {.dp = 8, .ep = 8};
  return d;
}

}  // namespace

TEST_CASE("a report said 72 H100 of a cluster of B200") {
  Deployment d = on_eight();
  CHECK(
      describe(d, decode_question(32, 2048)) ==
      "Mixtral-8x7B on 8 of 16 H100 SXM (dp 8, ep 8): decode, 32 sequences of 2048 keys a dp rank");
  d.cluster.device.name = "B200";
  CHECK(describe(d, decode_question(1, 2048)) ==
        "Mixtral-8x7B on 8 of 16 B200 (dp 8, ep 8): decode, 1 sequence of 2048 keys a dp rank");
}

TEST_CASE("a batch is described by its parts, and by how it differs") {
  Deployment d = on_eight();
  CHECK(
      describe(d, prefill_question(4096, 1024)) ==
      "Mixtral-8x7B on 8 of 16 H100 SXM (dp 8, ep 8): prefill, 4 prompts of 1024 tokens a dp rank");
  StepQuestion question = decode_question(8, 100);
  question.ranks.front().push_back(prompts(1, 512, 1536));
  question.speculation = {.draft = 2, .accepted = 2.5};
  d.layout = {};
  CHECK(
      describe(d, question) ==
      "Mixtral-8x7B on 1 of 16 H100 SXM: decode, 8 sequences of 100 keys; prefill, 1 prompt of 512 "
      "tokens after 1536 that are there a dp rank, 2 drafted and 2.5 accepted a step");
  question = decode_question(8, 100);
  question.ranks.push_back({decoding(9, 100)});
  CHECK(
      describe(d, question) ==
      "Mixtral-8x7B on 1 of 16 H100 SXM: decode, 8 sequences of 100 keys on dp rank 0 of 2, which "
      "differ");
  question.ranks.front().clear();
  CHECK(
      describe(d, question) ==
      "Mixtral-8x7B on 1 of 16 H100 SXM: decode, 9 sequences of 100 keys on dp rank 1 of 2, which "
      "differ");
}
