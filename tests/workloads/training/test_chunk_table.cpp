// Passes of a stage worked out by hand, to the picosecond.
#include "workloads/training/chunk_table.h"

#include <doctest/doctest.h>

#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "tests/workloads/training/hand_training.h"

using namespace moesim;
using namespace moesim::testing;

TEST_CASE("a mixture layer forward takes the time that a hand computes") {
  // Embedding: 8,000 B                                                            1.008000 us
  // Router: norm 16,000 B, product 12,016 B, choice 128 B, and 7 small kernels of 2,048 B for each
  //   of 2 tokens                                                                10.056816
  // 11 small ones that say how many rows go where                                11.045056
  // At the dispatch                                                              22.109872
  // Dispatch: rank 0 sends 1 message of 2,016 B, rank 1 two:
  //   9 + 4.032 and for rank 0, which receives, the path's 1
  //   us                  36.141872, 35.141872
  // Experts: rows 3 and 2 on rank 0, 2 and 1 on rank 1; first product 2,000,000 + 4,000 r bytes,
  // second 1,000,000 + 3,000 r, activation 3,000 B a row, sorted and back 4,000 B a row each;
  // 5 small kernels:
  //   rank 0: 3.012 + 3.008 + 2.009 + 2.006 + 1.015 + 2 x 1.020 + 5 = 18.090      54.231872
  //   rank 1: 3.008 + 3.004 + 2.006 + 2.003 + 1.009 + 2 x 1.012 + 5 = 18.054      53.195872
  // Combine: rank 0 sends 2 x 2,000 B: 9 + 4, the receiver 1
  // more                 67.231872, 68.231872
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  const TrainingQuestion q = hand_question();
  for (const hardware::Fidelity fidelity : {hardware::Fidelity::Bound, hardware::Fidelity::Fluid}) {
    Deployment played = d;
    played.network.fidelity = fidelity;
    ChunkTable chunks(played, q);
    const PlayedChunk& forward = chunks.of({PassKind::Forward});
    CHECK(forward.time == 68'231'872_ps);
    CHECK(forward.rows == std::vector<std::int64_t>{5, 3});
    // Rank 1 is last: dispatch 13.032, combine from 53.195872 on.
    CHECK(forward.exposed[index_of(Phase::Dispatch)] == 13'032'000_ps);
    CHECK(forward.exposed[index_of(Phase::Combine)] == 15'036'000_ps);
    // Both come to the dispatch at once; at the combine rank 1 waits for 54.231872 - 53.195872.
    CHECK(forward.waiting[index_of(Phase::Dispatch)] == 0_ps);
    CHECK(forward.waiting[index_of(Phase::Combine)] == 1'036'000_ps);
    CHECK(std::accumulate(forward.exposed.begin(), forward.exposed.end(), forward.idle) ==
          forward.time);
  }
}

TEST_CASE("its backward pass sends gradients the other way and computes weights before") {
  // Combine's gradient goes the dispatch's way                                    14.032, 13.032
  // Experts: as forward, but for the activation's 5,000 B a row and 7 small: 20.100, 20.060
  // Weights: 8,000,000 + 4,000 r and 4,000,000 + 3,000 r bytes:
  //   rank 0: 9.012 + 9.008 + 5.009 + 5.006 = 28.035                              62.167
  //   rank 1: 9.008 + 9.004 + 5.006 + 5.003 = 28.021                              61.113
  // Dispatch's gradient goes the combine's way: 13, the receiver 14               75.167, 76.167
  // Router: norm 24,000 B, product 12,016 B, choice 1.000128, 8 small ones 8.032768: 11.068912;
  // weights 36,016 B                                                              88.271928
  // Embedding's table: 20,000 B                                                   89.291928
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  const TrainingQuestion q = hand_question();
  ChunkTable chunks(d, q);
  CHECK(chunks.of({PassKind::Backward}).time == 89'291'928_ps);
  // Weights apart: 28.035 and 1.036016 and 1.020 on rank 0.
  CHECK(chunks.of({PassKind::BackwardWeight}).time == 30'091'016_ps);
  // Without them: rank 0 comes to the dispatch at 34.132, rank 1 is done 14 later, and routes.
  CHECK(chunks.of({PassKind::BackwardInput}).time == 59'200'912_ps);
}

TEST_CASE("woven passes hide exchanges behind the other's computation") {
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  TrainingQuestion q = hand_question();
  q.overlap.expert = true;
  ChunkTable chunks(d, q);
  const sim::Duration forward = chunks.of({PassKind::Forward}).time;
  const sim::Duration backward = chunks.of({PassKind::Backward}).time;
  const sim::Duration woven =
      chunks.of({.kind = PassKind::Forward, .beside = ChunkPass::Beside{}}).time;
  CHECK(woven < forward + backward);
  // All computation is there: of rank 0 forward 1.008 + 10.056816 + 11.045056 + 18.09,
  // backward 20.1 + 28.035 + 11.068912 + 1.036016 + 1.02.
  CHECK(woven >= 40'199'872_ps + 61'259'928_ps);
}

TEST_CASE("collectives within a layer wait for no exchange of the other micro-batch") {
  // Woven, the backward pass starts with its combine's gradient, and the forward one with the
  // all-gather over tp before its attention: both at once.
  ModelSpec model = hand_model({layer_of(hand_attention(), hand_moe())});
  Deployment d = hand_deployment(model, {.tp = 2, .dp = 1, .ep = 2});
  d.network.fidelity = hardware::Fidelity::Bound;
  d.routing = {.law = Law::Balanced};
  TrainingQuestion q = hand_question();
  q.stages = {{.layers = 1}};
  q.overlap.expert = true;
  const ChunkTable::Recorded woven =
      ChunkTable(d, q).record({.kind = PassKind::Forward, .beside = ChunkPass::Beside{}});
  const auto span_of = [&](const std::string& name) {
    for (sim::OpId id = 0; id < woven.graph.size(); ++id)
      if (woven.graph.label(woven.graph.op(id).label).name == name) return woven.timeline.spans[id];
    FAIL("no operation of that name: ", name);
    return sim::Span{};
  };
  CHECK(span_of("combine backward L0").start == sim::Time{});
  CHECK(span_of("attention all-gather L0").start == sim::Time{});
  CHECK(span_of("attention L0").start == span_of("attention all-gather L0").end);
  // Exchanges of tokens are one after another.
  CHECK(span_of("dispatch L0").start >= span_of("combine backward L0").end);
}

TEST_CASE("two passes at one time follow each other where nothing may be woven") {
  // A mixture layer without attention, no ends; both ranks have two experts of two rows. Forward:
  // router 10.056816 us, maps 11.045056; each of 2 tokens goes to the other rank, dispatch 14.032;
  // experts 2 x (3.008 + 2.006), activation 1.012, sorted and back 2 x 1.016, 5 small: 18.072;
  // combine 14. Backward: combine's gradient 14.032, experts 20.080, their weights 28.028,
  // dispatch's gradient 14, router 11.068912, its weights 1.036016.
  ModelSpec model = hand_model();
  Deployment d = hand_deployment(model, {.dp = 2, .ep = 2});
  d.network.fidelity = hardware::Fidelity::Bound;
  TrainingQuestion q = hand_question();
  q.stages = {{.layers = 1}};
  const ChunkPass both{.kind = PassKind::Forward, .beside = ChunkPass::Beside{}};
  CHECK(ChunkTable(d, q).of(both).time == 67'205'872_ps + 88'244'928_ps);
  // Woven, they hide what they exchange.
  q.overlap.expert = true;
  CHECK(ChunkTable(d, q).of(both).time < 67'205'872_ps + 88'244'928_ps);
}

TEST_CASE("experts in 8 bits have rows by sixteens, and as many tokens are moved as there are") {
  // Rows 3 and 2, 2 and 1: each 16, so that ranks differ by two rows that are sorted and put back,
  // 4,000 B each way.
  const tests::TemporaryFolder folder;
  Deployment d = hand_training_deployment(write_hand_trace(folder));
  d.formats.experts = hardware::Precision::FP8;
  const TrainingQuestion q = hand_question();
  CHECK(ChunkTable(d, q).of({PassKind::Forward}).rows == std::vector<std::int64_t>{5, 3});
  const ChunkTable::Recorded pass = ChunkTable(d, q).record({PassKind::Forward});
  std::vector<sim::Duration> experts(2);
  for (sim::OpId id = 0; id < pass.graph.size(); ++id) {
    const sim::Op& op = pass.graph.op(id);
    if (pass.graph.label(op.label).name == "experts L0") experts[op.rank] += op.duration;
  }
  CHECK(experts[0] - experts[1] == 16'000_ps);
}

TEST_CASE("an all-to-all of context copies each tensor before and after") {
  // A sequence of 2 tokens over two ranks: of one token 400 numbers of queries, 200 of keys, 200 of
  // values and 400 of the result, read and written twice: 9,600 B in 8 kernels, 8.0096 us.
  Deployment d = hand_deployment(hand_model({layer_of(hand_attention(), hand_dense())}), {.cp = 2});
  give_default_collectives(d.cluster);
  d.network.fidelity = hardware::Fidelity::Bound;
  d.routing = {.law = Law::Balanced};
  TrainingQuestion q = hand_question();
  q.stages = {{.layers = 1}};
  q.context = ContextExchange::AllToAll;
  for (const PassKind kind : {PassKind::Forward, PassKind::Backward}) {
    const ChunkTable::Recorded pass = ChunkTable(d, q).record({kind});
    std::int64_t found = 0;
    for (sim::OpId id = 0; id < pass.graph.size(); ++id) {
      const sim::Op& op = pass.graph.op(id);
      if (pass.graph.label(op.label).name != "context copies L0") continue;
      ++found;
      CHECK(op.duration == 8'009'600_ps);
    }
    CHECK(found == 2);  // a rank each
  }
}

TEST_CASE("shared experts are computed while tokens and their gradients are under way") {
  // One as wide as a routed one, of 2 tokens: forward 3.008 + 1.006 + 2.006 = 6.020 us, gradients
  // of inputs 3.008 + 1.010 + 2.006, of weights 9.008 + 5.006 = 14.014.
  const tests::TemporaryFolder folder;
  Deployment d = hand_training_deployment(write_hand_trace(folder));
  MoeFfn& moe = std::get<MoeFfn>(d.model.kinds[0].ffn);
  moe.shared_experts = 1, moe.shared_inter = 500;
  TrainingQuestion q = hand_question();
  const auto time_of = [&](PassKind kind) { return ChunkTable(d, q).of({kind}).time; };
  // By themselves: before the experts, after them, after their weights.
  CHECK(time_of(PassKind::Forward) == 68'231'872_ps + 6'020'000_ps);
  CHECK(time_of(PassKind::Backward) == 89'291'928_ps + 6'024'000_ps + 14'014'000_ps);
  // Beside 12 to 14 us of the dispatch, and of the combine's gradient, nothing is seen of them. The
  // dispatch's gradient leaves rank 0 at 62.167 and rank 1 at 61.113; weights take rank 0 until
  // 76.181, when rank 1 has had all for 14 ns; the router's part takes 13.124928.
  q.overlap.shared_expert = true;
  CHECK(time_of(PassKind::Forward) == 68'231'872_ps);
  CHECK(time_of(PassKind::Backward) == 76'181'000_ps + 13'124'928_ps);
  // Where a pass has one kind of gradients: hidden; and nothing to hide behind.
  CHECK(time_of(PassKind::BackwardInput) == 59'200'912_ps);
  CHECK(time_of(PassKind::BackwardWeight) == 30'091'016_ps + 14'014'000_ps);
}

TEST_CASE("full recomputation plays the layer again, exchanges included") {
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  TrainingQuestion q = hand_question();
  q.recompute.full = true;
  ChunkTable chunks(d, q);
  // Ranks enter the repeated forward together, and what it ends with is 1 us apart: as the
  // backward's first exchange waits for the last one, all of the forward is added but the
  // embedding.
  CHECK(chunks.of({PassKind::Backward}).time == (89'291'928_ps + 68'231'872_ps - 1'008'000_ps));
}

TEST_CASE("a capacity makes every rank's experts as busy") {
  // 2 tokens a rank choose 2 of 4 experts: 1 row each of each rank; with 1.5 times that 2 rows.
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  TrainingQuestion q = hand_question();
  q.capacity = 1;
  CHECK(ChunkTable(d, q).of({PassKind::Forward}).rows == std::vector<std::int64_t>{4, 4});
  q.capacity = 1.5;
  CHECK(ChunkTable(d, q).of({PassKind::Forward}).rows == std::vector<std::int64_t>{8, 8});
  CHECK(ChunkTable(d, q).draws() == 1);
  // Not filled up, rows are those that were chosen, less 1 of 8 that is over.
  q.capacity = 1;
  q.fills_capacity = false;
  ChunkTable dropping(d, q);
  const PlayedChunk& played = dropping.of({PassKind::Forward});
  CHECK(played.rows == std::vector<std::int64_t>{4, 3});
  CHECK(played.selections == 8);
  CHECK(played.dropped == 1);
}

namespace {

// Four stages of one layer, of which the first has the embedding and the last the loss; 8 draws.
std::pair<Deployment, TrainingQuestion> four_stages() {
  ModelSpec model = hand_model();
  model.layers = {0, 0, 0, 0};
  Deployment d = hand_deployment(model, {.pp = 4, .dp = 2, .ep = 2});
  d.network.fidelity = hardware::Fidelity::Bound;
  TrainingQuestion q = hand_question();
  q.draws = 8;
  q.stages = {{.embedding = true, .layers = 1},
              {.first_layer = 1, .layers = 1},
              {.first_layer = 2, .layers = 1},
              {.first_layer = 3, .layers = 1, .loss = true}};
  return {d, q};
}

}  // namespace

TEST_CASE("stages whose layers differ by chance only share passes, each in an order of its own") {
  // The third stage is the second, 5 draws on for every stage: 5 x 2 = 10, of 8 draws the third.
  auto [d, q] = four_stages();
  const auto shares = [&d = d, &q = q](std::uint32_t stage, std::uint32_t draw) {
    ChunkTable chunks(d, q);
    REQUIRE(chunks.draws() == 8);
    return &chunks.of({PassKind::Forward, 2, 0}) == &chunks.of({PassKind::Forward, stage, draw});
  };
  d.routing = {.law = Law::Uniform};
  CHECK(shares(1, 2));
  CHECK_FALSE(shares(1, 0));
  CHECK_FALSE(shares(3, 0));  // it has the loss
  // Other laws have favourites of a layer, and placements that know loads are a layer's too.
  d.routing = {.law = Law::Zipf, .skew = 1};
  CHECK_FALSE(shares(1, 2));
  d.routing = {.law = Law::Uniform, .drift = 0.1};
  CHECK_FALSE(shares(1, 2));
  d.routing = {.law = Law::Uniform};
  d.placement.experts = "eplb";
  CHECK_FALSE(shares(1, 2));
}

TEST_CASE("a stage that shares its passes has its own layers' numbers") {
  // The third stage is the second one's pass, and its layer the model's third. Woven, each of the
  // two has its own.
  auto [d, q] = four_stages();
  const auto layers = [&d = d, &q = q](const ChunkPass& pass) {
    std::set<std::string> names;
    const ChunkTable::Recorded recorded = ChunkTable(d, q).record(pass);
    for (sim::OpId id = 0; id < recorded.graph.size(); ++id) {
      const std::string& name = recorded.graph.label(recorded.graph.op(id).label).name;
      const std::size_t at = name.rfind(" L");
      if (at != std::string::npos) names.insert(name.substr(at + 1));
    }
    return names;
  };
  using Names = std::set<std::string>;
  for (const Law law : {Law::Balanced, Law::Uniform}) {
    d.routing = {.law = law};
    CHECK(layers({PassKind::Forward, 1, 0}) == Names{"L1"});
    CHECK(layers({PassKind::Forward, 2, 0}) == Names{"L2"});
    CHECK(layers({PassKind::Backward, 2, 0}) == Names{"L2"});
    CHECK(layers({PassKind::Forward, 1, 0, ChunkPass::Beside{2, 0}}) == Names{"L1", "L2"});
  }
}

TEST_CASE("kernels of exchanges hold as many multiprocessors as they usually do, or are given") {
  const tests::TemporaryFolder folder;
  Deployment d = hand_training_deployment(write_hand_trace(folder));
  d.tokens = hardware::MulticastAlgorithm::HybridEp;
  give_default_collectives(d.cluster);
  d.cluster.device.multiprocessors = 100;
  TrainingQuestion q = hand_question();
  CHECK(ChunkTable(d, q).held() == 16);
  q.exchange_sms = 24;
  CHECK(ChunkTable(d, q).held() == 24);
  d.tokens = hardware::MulticastAlgorithm::DeepEpNormal;
  q.exchange_sms = {};
  CHECK(ChunkTable(d, q).held() == 20);
}

TEST_CASE("a host that launches and waits makes no pass shorter, and a capacity needs no wait") {
  const tests::TemporaryFolder folder;
  Deployment d = hand_training_deployment(write_hand_trace(folder));
  TrainingQuestion q = hand_question();
  const auto forward = [&](sim::Duration operation) {
    d.host = {.graphs = Graphs::None, .per_operation = operation};
    return ChunkTable(d, q).of({PassKind::Forward}).time;
  };
  // Without time of its own it is not there.
  CHECK(forward({}) == 68'231'872_ps);
  CHECK(forward(100ns) >= forward({}));
  // The GPU waits for what is launched after the host knows who sends what: three operations of the
  // dispatch, 30 us, and no launch of before is left to wait for.
  CHECK(forward(10us) > forward(1us) + 30us);
  q.capacity = 1;
  const sim::Duration alone = forward({}), launched = forward(100ns);
  // 100 ns a kernel of 1 us and more: the host stays ahead, but for the first.
  CHECK(launched - alone <= 100ns);
}

TEST_CASE("experts that choose their tokens are as busy, whatever the law") {
  ModelSpec model = hand_model();
  for (LayerKind& kind : model.kinds)
    if (auto* moe = std::get_if<MoeFfn>(&kind.ffn)) moe->router.kind = RouterKind::ExpertChoice;
  Deployment d = hand_deployment(model, {.dp = 2, .ep = 2});
  d.network.fidelity = hardware::Fidelity::Bound;
  d.routing = {.law = Law::Zipf, .skew = 2};
  // 4 tokens, two choices each, on two ranks.
  const TrainingQuestion q = hand_question();
  ChunkTable chunks(d, q);
  CHECK(chunks.draws() == 1);
  CHECK(chunks.of({PassKind::Forward}).rows == std::vector<std::int64_t>{4, 4});
}
