// One exchange alone: what each algorithm carries, and what cannot be asked.
#include "workloads/exchange/exchange_question.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/error.h"
#include "tests/support/clusters.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

sim::Exchange made(const hardware::Cluster& cluster, const ExchangeQuestion& question) {
  return make_exchange(cluster, question).exchange;
}

// Four ranks on two nodes with 4 tokens of 2,048 B each; token t chooses experts t and t + 4 of 8,
// two a rank: one on each node. Of the 32 choices 8 are for the token's own rank.
ExchangeQuestion tokens(const std::string& algorithm) {
  return {.ranks = 4,
          .algorithm = algorithm,
          .buffer = {},
          .tokens = {.tokens_per_rank = 4,
                     .hidden = 1024,
                     .top_k = 2,
                     .experts = 8,
                     .law = Law::Balanced,
                     .precision = hardware::Precision::BF16}};
}

std::int64_t payload(const ExchangeQuestion& question, std::int64_t nodes = 2) {
  return sim::payload_of(made(testing::small_cluster(nodes, 4 / nodes), question)).count();
}

std::string refused(const ExchangeQuestion& question) {
  const auto cluster = testing::small_cluster(2, 2);
  return tests::thrown<sim::ConfigError>([&] { (void)made(cluster, question); });
}

}  // namespace

TEST_CASE("every algorithm carries transfers, a buffer or tokens") {
  std::map<ExchangeInput, int> count;
  for (const std::string_view name : exchange_algorithms()) ++count[input_of(name)];
  CHECK(count[ExchangeInput::Transfers] == 2);
  CHECK(count[ExchangeInput::Buffer] == 12);
  CHECK(count[ExchangeInput::Tokens] == 5);
  CHECK(input_of("direct") == ExchangeInput::Transfers);
  CHECK(input_of("broadcast") == ExchangeInput::Buffer);
  CHECK(input_of("nccl_tokens") == ExchangeInput::Tokens);
}

TEST_CASE("transfers are carried as they are") {
  const std::vector<sim::Transfer> given{{0, 3, sim::Bytes(5)}, {3, 0, sim::Bytes(7)}};
  const auto cluster = testing::small_cluster(2, 2);
  const auto exchange = made(cluster, {.ranks = 4, .transfers = given, .buffer = {}, .tokens = {}});
  CHECK(exchange.name == "direct");
  CHECK(exchange.participants == std::vector<sim::Rank>{0, 1, 2, 3});
  CHECK(exchange.startup == sim::Duration{});
  CHECK(sim::payload_of(exchange) == sim::Bytes(12));
  CHECK(
      payload({.ranks = 4, .algorithm = "nccl", .transfers = given, .buffer = {}, .tokens = {}}) ==
      12);
}

TEST_CASE("a buffer is carried as its collective needs") {
  // Of S = 1,200 B on 4 ranks: in rings each sends 2 x 3/4 S of an all-reduce, 3/4 S of a gather or
  // a scatter, S of a broadcast; in the switch S and its own part once more; in one shot S to each
  // of the others, in two S / 2; an all-to-all a quarter to each.
  const auto cluster = hardware::load_cluster("configs/clusters/h100-1x8.yaml");
  const auto carried = [&](const std::string& name) {
    return sim::payload_of(
               made(cluster,
                    {.ranks = 4, .algorithm = name, .buffer = sim::Bytes(1200), .tokens = {}}))
        .count();
  };
  CHECK(carried("all_reduce_ring") == 7200);
  CHECK(carried("all_reduce_nvls") == 6000);
  CHECK(carried("all_reduce_one_shot") == 14400);
  CHECK(carried("all_reduce_two_shot") == 7200);
  CHECK(carried("all_gather") == 3600);
  CHECK(carried("reduce_scatter") == 3600);
  CHECK(carried("all_to_all") == 3600);
  CHECK(carried("broadcast") == 4800);
  // Of so few bytes an engine's own is one shot, and NCCL's a ring.
  CHECK(carried("all_reduce") == 14400);
  CHECK(carried("all_reduce_vllm") == 14400);
  CHECK(carried("all_reduce_sglang") == 14400);
  CHECK(carried("all_reduce_nccl") == 7200);
}

TEST_CASE("tokens are carried to their experts by each kernel's way") {
  // Low latency: 24 messages of 2,048 + 16 B. To ranks: 24 rows, since both choices are on
  // different ones. All-gather: 4 ranks x 4 rows to the 3 others. Over nodes: 16 rows once to
  // the other node, and 16 from there, or at home, to the other rank.
  CHECK(payload(tokens("deepep_low_latency")) == 24 * 2064);
  CHECK(payload(tokens("nccl_tokens")) == 24 * 2048);
  CHECK(payload(tokens("all_gather_tokens")) == 4 * 4 * 3 * 2048);
  CHECK(payload(tokens("deepep_normal")) == 32 * 2048);
  CHECK(payload(tokens("hybrid_ep")) == 32 * 2048);
}

TEST_CASE("what comes back is of the combine's format, without a header") {
  ExchangeQuestion back = tokens("deepep_low_latency");
  back.tokens.back = true;
  CHECK(payload(back) == 24 * 2048);
  // fp8 with a scale for 128 numbers: 1024 x 33 / 32 = 1,056 B.
  back.tokens.precision = hardware::Precision::FP8Block;
  CHECK(payload(back) == 24 * 1056);
  const auto cluster = testing::small_cluster(2, 2);
  CHECK(made(cluster, back).name == "combine");
  CHECK(made(cluster, tokens("nccl_tokens")).name == "dispatch");
}

TEST_CASE("what a rank's tokens ask for is the mean of all ranks, its own included") {
  // 4 tokens: 8 choices on 8 ranks and 8 nodes.
  const auto cluster = testing::small_cluster(2, 2);
  const TokenVolumes two = token_volumes(cluster, tokens("nccl_tokens"));
  CHECK(two.message_bytes == 8 * 2048);
  CHECK(two.copy_bytes == 8 * 2048);
  CHECK(two.node_bytes == 8 * 2048);
  // On one node: 4.
  CHECK(token_volumes(testing::small_cluster(1, 4), tokens("nccl_tokens")).node_bytes == 4 * 2048);
  // All 8 experts: 8 messages a token, 4 ranks, 2 nodes.
  ExchangeQuestion all = tokens("nccl_tokens");
  all.tokens.top_k = 8;
  const TokenVolumes eight = token_volumes(cluster, all);
  CHECK(eight.message_bytes == 32 * 2048);
  CHECK(eight.copy_bytes == 16 * 2048);
  CHECK(eight.node_bytes == 8 * 2048);
}

TEST_CASE("low-latency kernels carry 1024 tokens of a rank at most") {
  ExchangeQuestion question = tokens("deepep_low_latency");
  question.tokens.tokens_per_rank = 1024;
  CHECK(payload(question) == 1024 / 4 * 24 * 2064);
  question.tokens.tokens_per_rank = 1025;
  CHECK(refused(question) ==
        "deepep_low_latency carries 1024 tokens of a rank at most, not 1025: its kernels count no "
        "further; deepep_normal would do");
}

TEST_CASE("an exchange that cannot be asked says what there is") {
  ExchangeQuestion question = tokens("deepep");
  CHECK(refused(question) == fmt::format("there is no algorithm \"deepep\"; there are {}",
                                         fmt::join(exchange_algorithms(), ", ")));
  CHECK_THROWS_AS(input_of("deepep"), sim::ConfigError);
  question = tokens("nccl_tokens");
  question.ranks = 5;
  CHECK(refused(question) == "5 ranks, but \"\" has 4");
  question.ranks = 0;
  CHECK(refused(question) == "0 ranks, but \"\" has 4");
  question.ranks = 3;
  CHECK(refused(question) == "8 experts cannot be dealt out evenly to 3 ranks");
}

TEST_CASE("uniform transfers are one to every other rank") {
  const auto transfers = uniform_transfers(3, sim::Bytes(10));
  REQUIRE(transfers.size() == 6);
  for (const sim::Transfer& t : transfers) {
    CHECK(t.source != t.destination);
    CHECK(t.bytes == sim::Bytes(10));
  }
}

TEST_CASE("transfers to popular ranks have the mean that was asked for") {
  // 4 ranks by weights 1, 1/2, 1/3, 1/4, of which the sum is 25/12: 1,000 x 4 x 12/25 = 1,920 B to
  // the most popular, 960, 640 and 480 to the others.
  const auto transfers = zipf_transfers(4, sim::Bytes(1000), 1, 7);
  std::map<sim::Rank, std::int64_t> to;
  for (const sim::Transfer& t : transfers) to[t.destination] = t.bytes.count();
  std::vector<std::int64_t> sizes;
  for (const auto& [rank, bytes] : to) sizes.push_back(bytes);
  std::sort(sizes.begin(), sizes.end());
  CHECK(sizes == std::vector<std::int64_t>{480, 640, 960, 1920});
  // Which is popular is the seed's: some seed says otherwise, the same says the same.
  const auto destinations = [](std::uint64_t seed) {
    std::vector<std::int64_t> bytes;
    for (const sim::Transfer& t : zipf_transfers(4, sim::Bytes(1000), 1, seed))
      bytes.push_back(t.bytes.count());
    return bytes;
  };
  CHECK(destinations(7) == destinations(7));
  bool differs = false;
  for (std::uint64_t seed = 1; seed < 5; ++seed) differs |= destinations(seed) != destinations(7);
  CHECK(differs);
}
