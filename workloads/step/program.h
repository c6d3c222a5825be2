// What a stage's ranks do in one pass, as plain values: a list of tasks, which knows neither the
// order of micro-batches nor the graph that they become.
//
// A layer is attention, then a dense feed-forward network or router, dispatch, experts, combine.
// With tensor parallelism its collectives stand between. Where each rank routes its own tokens
// (token_split.h), attention ends in a reduce-scatter over the tp ranks and the mixture layer in an
// all-gather; otherwise both end in an all-reduce. Tensor parallelism inside experts gathers the
// rows that its ranks received and scatters the results.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "hardware/collectives/priced_exchange.h"
#include "workloads/deployment/deployment.h"
#include "workloads/step/communication.h"
#include "workloads/step/expert_traffic.h"
#include "workloads/step/layer_routes.h"
#include "workloads/step/layer_work.h"
#include "workloads/step/micro_batch.h"
#include "workloads/step/phases.h"
#include "workloads/step/step_account.h"

namespace moesim::workloads {

// The work of each rank of a stage, equal ones once. The program keeps what it points to until the
// next pass, which begins with an embedding.
struct RankWork {
  std::vector<const Work*> works = {};
  std::span<const std::uint32_t> of = {};  // rank of the stage -> work; empty: the first for all

  const Work& operator[](Rank rank) const { return *works[of.empty() ? 0 : of[rank]]; }
  bool is_nothing() const;
};

// One place of the program: every rank of the stage computes, or exchanges with others.
struct Task {
  const char* what = "";
  std::int64_t layer = -1;  // of the model; -1: none
  Phase phase = Phase::Other;
  RankWork work = {};
  std::vector<hardware::PricedExchange> exchanges =
      {};  // between ranks of the stage; none: it computes
  // What may run beside the exchanges that follow starts from here …
  bool forks = false;
  // … and is this: it waits for the fork alone, and what follows does not wait for it, but that
  // one stream computes.
  bool beside = false;
};

// Tasks one after another. Between two turns another micro-batch may compute, while this one's
// exchange is under way.
using Turn = std::vector<Task>;

// Where a pass happens: the first rank of the stage, and which step of the routing.
struct Place {
  Rank first = 0;
  std::uint32_t routing_step = 0;
};

class Program {
 public:
  // All arguments outlive the program. `routes` give as many tokens a step as the fullest has.
  Program(const Deployment& deployment, const RankLayout& layout, const hardware::Kernels& kernels,
          const Communication& communication, const LayerRoutes& routes);

  // Before the first layer, and after the last.
  Turn embedding(const Place& at, const MicroBatch& batch) const;
  Turn head(const Place& at, const MicroBatch& batch) const;
  // What a draft layer starts from: two norms, and two vectors made one.
  Turn draft_input(const MicroBatch& batch) const;
  // A layer of the model. The choices of its router are counted in the account.
  std::vector<Turn> layer(std::int64_t layer, const Place& at, const MicroBatch& batch,
                          StepAccount& account);

  // Parts of the above for one dp rank: a layer's attention, before its collectives; the head;
  // the time of gathering its logits alone.
  Work attention_work(std::int64_t layer, const RankBatch& rank) const;
  // What of it depends on the keys of a part, if that stands apart.
  std::optional<Work> core_work(std::int64_t layer, const BatchShape& part) const;
  Work head_work(const RankBatch& rank) const;
  sim::Duration gathering_logits(const RankBatch& rank) const;
  // Whether routed and shared experts of the layer before add up before this one's norm.
  bool sums_before(std::int64_t layer) const;

  // What goes from a rank to its like of the next stage.
  sim::Bytes to_next_stage(const MicroBatch& batch, Rank rank) const;
  Rank stage_ranks() const { return stage_ranks_; }

 private:
  using Collective = hardware::PricedExchange (Communication::*)(std::span<const Rank>,
                                                                 sim::Bytes) const;

  // What of a layer is priced for a dp rank by its batch, and remembered: of layers of one kind the
  // same, but that attention may begin with a sum.
  enum class Part : std::uint8_t { Embedding, Attention, Dense, Router, Shared, Head, DraftInput };
  struct Question {
    Part part{};
    bool sums = false;
    std::size_t kind = 0;  // of the layer
    RankBatch batch;
    friend bool operator==(const Question&, const Question&) = default;
  };
  struct QuestionHash {
    std::size_t operator()(const Question& question) const;
  };
  template <class Price>
  RankWork by_dp(Part part, std::int64_t layer, const MicroBatch& batch, Price price) const;
  std::int64_t tokens_of_cp_rank(const RankBatch& batch) const;
  std::int64_t routed_tokens_of_rank(const RankBatch& batch) const;
  const RankBatch& of(const MicroBatch& batch, Rank rank) const;
  sim::Bytes activations(std::int64_t tokens) const;
  sim::Bytes logits_bytes(const RankBatch& rank) const;
  // A dimension of the dense layout that ranks of a stage form groups along.
  struct DenseDimension {
    std::int64_t Parallelism::*size;
    std::int64_t DenseCoordinate::*place;
    std::vector<Rank> (RankLayout::*group)(Rank) const;
  };
  static constexpr DenseDimension kTensor{&Parallelism::tp, &DenseCoordinate::tp,
                                          &RankLayout::tp_group};
  static constexpr DenseDimension kContext{&Parallelism::cp, &DenseCoordinate::cp,
                                           &RankLayout::cp_group};
  template <class Bytes>
  void dense_collective(const DenseDimension& over, Task task, const Place& at,
                        Collective collective, Bytes bytes, Turn& turn) const;
  // Each tp rank's part of all tokens, so that every rank has the sum: at once, or scattered and
  // gathered again.
  void add_up(const char* what, std::int64_t layer, const Place& at, const MicroBatch& batch,
              Turn& turn) const;
  void expert_collective(Task task, const Place& at, Collective collective,
                         const std::vector<std::int64_t>& rows, Turn& turn) const;

  // A work a rank, which the program keeps.
  RankWork kept(std::vector<Work> works) const;
  void attention(std::int64_t layer, const Place& at, const MicroBatch& batch, Turn& turn) const;
  void gather_context(std::int64_t layer, const Place& at, const MicroBatch& batch,
                      Turn& turn) const;
  void merge_context(std::int64_t layer, const Place& at, const MicroBatch& batch,
                     Turn& turn) const;
  void dense(std::int64_t layer, const Place& at, const MicroBatch& batch, Turn& turn) const;
  void router(std::int64_t layer, const MicroBatch& batch, Turn& turn) const;
  void shared_expert(std::int64_t layer, const MicroBatch& batch, Turn& turn) const;

  const Deployment& deployment_;
  const RankLayout& layout_;
  const Communication& communication_;
  bool sharded_, adds_at_once_;
  Rank stage_ranks_;
  LayerPricing pricing_;
  ExpertTraffic traffic_;
  std::vector<std::size_t> moe_index_;    // of a layer that has experts: which of those it is
  std::vector<std::uint32_t> dp_of_;      // of each rank of a stage
  std::vector<std::uint32_t> each_rank_;  // 0, 1, 2, …
  mutable std::unordered_map<Question, Work, QuestionHash> known_;
  mutable std::deque<std::vector<Work>> ordered_;  // rows out and back, of the pass at hand
};

}  // namespace moesim::workloads
