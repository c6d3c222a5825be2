#include "workloads/step/program.h"

#include <algorithm>
#include <numeric>

#include "workloads/step/mixer_work.h"

namespace moesim::workloads {
namespace {

// Numbers a token that the ranks of a context-parallel group gather of a layer's keys and values:
// all that attention sees of other tokens. A state is passed on instead, and is small.
struct GatheredWidth {
  std::int64_t tp;
  std::int64_t operator()(const NoMixer&) const { return 0; }
  std::int64_t operator()(const GqaAttention& a) const {
    return (a.key_width() + a.value_width()) / tp;
  }
  std::int64_t operator()(const MlaAttention& a) const { return a.cache_width(); }
  std::int64_t operator()(const CompressedAttention&) const { return 0; }
  std::int64_t operator()(const LinearAttention&) const { return 0; }
  std::int64_t operator()(const MambaMixer&) const { return 0; }
  std::int64_t operator()(const LstmMixer&) const { return 0; }
};

// What is gathered and added up over a context-parallel group for every token that decodes, besides
// its key and value: the queries of a tp rank's heads, which meet the keys of every cp rank, and
// their results.
struct SpreadHeads {
  std::int64_t heads = 0, query = 0, result = 0;  // heads of a tp rank; numbers of a head

  std::int64_t query_bytes() const { return 2 * heads * query; }
  // With the log of the sum of exponentials in fp32, by which parts of a result are weighed.
  std::int64_t result_bytes() const { return heads * (2 * result + 4); }
};

struct HeadsOf {
  std::int64_t tp;
  SpreadHeads operator()(const GqaAttention& a) const {
    return {split(a.heads, tp), a.head_dim, a.value_head()};
  }
  SpreadHeads operator()(const MlaAttention& a) const {  // absorbed: queries of latent keys
    return {split(a.heads, tp), a.cache_width(), a.kv_lora_rank};
  }
  SpreadHeads operator()(const CompressedAttention& a) const {
    return {split(a.heads, tp), a.head_dim, a.head_dim};
  }
  SpreadHeads operator()(const NoMixer&) const { return {}; }
  SpreadHeads operator()(const LinearAttention&) const { return {}; }
  SpreadHeads operator()(const MambaMixer&) const { return {}; }
  SpreadHeads operator()(const LstmMixer&) const { return {}; }
};

// Adds a task, unless there is nothing to do.
void add(Task task, Turn& turn) {
  if (task.exchanges.empty() && task.work.is_nothing()) return;
  turn.push_back(std::move(task));
}

// A list in braces would copy them.
template <class... Turns>
std::vector<Turn> turns_of(Turns&&... turns) {
  std::vector<Turn> all;
  all.reserve(3);
  (all.push_back(std::forward<Turns>(turns)), ...);
  return all;
}

}  // namespace

bool RankWork::is_nothing() const {
  return std::ranges::all_of(works, [](const Work* w) { return w->time == sim::Duration{}; });
}

Program::Program(const Deployment& deployment, const RankLayout& layout,
                 const hardware::Kernels& kernels, const Communication& communication,
                 const LayerRoutes& routes)
    : deployment_(deployment),
      layout_(layout),
      communication_(communication),
      sharded_(tokens_are_sharded(deployment)),
      adds_at_once_(tensor_parallel_of(deployment.engine.composition) == TensorParallel::AllReduce),
      stage_ranks_(layout.ranks() / static_cast<Rank>(deployment.layout.pp)),
      pricing_{.kernels = kernels,
               .model = deployment.model,
               .precision = deployment.formats,
               .tp = deployment.layout.tp,
               .cp = deployment.layout.cp,
               .composition = deployment.engine.composition,
               // Beside a token exchange that holds multiprocessors, kernels have the rest.
               .share = deployment.overlap.two_batch ? communication.share_beside()
                                                     : hardware::DeviceShare()},
      traffic_(deployment, layout, communication, routes, pricing_),
      moe_index_(static_cast<std::size_t>(deployment.model.layer_count())),
      each_rank_(stage_ranks_) {
  std::size_t index = 0;
  for (const std::int64_t layer : deployment.model.moe_layers()) {
    moe_index_[static_cast<std::size_t>(layer)] = index++;
  }
  for (Rank r = 0; r < stage_ranks_; ++r) {
    dp_of_.push_back(static_cast<std::uint32_t>(layout.dense(r).dp));
  }
  std::iota(each_rank_.begin(), each_rank_.end(), 0u);
}

std::size_t Program::QuestionHash::operator()(const Question& question) const {
  const std::size_t where = 2 * question.kind + (question.sums ? 1 : 0);
  return hash_of(question.batch) + 8 * where + static_cast<std::size_t>(question.part);
}

// `price` of what each dp rank has; `layer` as in Task.
template <class Price>
RankWork Program::by_dp(Part part, std::int64_t layer, const MicroBatch& batch, Price price) const {
  Question question;
  question.part = part;
  if (layer >= 0) {
    question.sums = part == Part::Attention && sums_before(layer);
    question.kind = deployment_.model.layers[static_cast<std::size_t>(layer)];
  }
  RankWork work;
  work.works.reserve(batch.shape.ranks.size());
  for (const RankBatch& rank : batch.shape.ranks) {
    question.batch = rank;
    auto found = known_.find(question);
    if (found == known_.end()) found = known_.emplace(question, price(rank)).first;
    work.works.push_back(&found->second);
  }
  if (!batch.shape.same()) work.of = dp_of_;
  return work;
}

const RankBatch& Program::of(const MicroBatch& batch, Rank rank) const {
  return batch.shape.of(static_cast<std::size_t>(layout_.dense(rank).dp));
}

std::int64_t Program::tokens_of_cp_rank(const RankBatch& batch) const {
  return part_of(tokens_of(batch), deployment_.layout.cp, 0);
}

std::int64_t Program::routed_tokens_of_rank(const RankBatch& batch) const {
  const std::int64_t tokens = tokens_of_cp_rank(batch);
  return sharded_ ? part_of(tokens, deployment_.layout.tp, 0) : tokens;
}

sim::Bytes Program::activations(std::int64_t tokens) const {
  return sim::Bytes(tokens * deployment_.model.hidden * 2);
}

sim::Bytes Program::to_next_stage(const MicroBatch& batch, Rank rank) const {
  return activations(part_of(tokens_of_cp_rank(of(batch, rank)), deployment_.layout.tp, 0));
}

// Over each group of the stage that shares a dimension; `bytes` of what its dp rank has.
template <class Bytes>
void Program::dense_collective(const DenseDimension& over, Task task, const Place& at,
                               Collective collective, Bytes bytes, Turn& turn) const {
  if (deployment_.layout.*over.size == 1) return;
  task.phase = Phase::Collectives;
  for (Rank r = at.first; r < at.first + stage_ranks_; ++r) {
    if (layout_.dense(r).*over.place != 0) continue;
    const sim::Bytes amount = bytes(r);
    if (amount == sim::Bytes{}) continue;
    task.exchanges.push_back((communication_.*collective)((layout_.*over.group)(r), amount));
  }
  add(std::move(task), turn);
}

void Program::add_up(const char* what, std::int64_t layer, const Place& at, const MicroBatch& batch,
                     Turn& turn) const {
  const auto over_tensor = [&](const char* name, Collective collective) {
    dense_collective(
        kTensor, {.what = name, .layer = layer}, at, collective,
        [&](Rank r) { return activations(tokens_of_cp_rank(of(batch, r))); }, turn);
  };
  if (adds_at_once_) return over_tensor(what, &Communication::all_reduce);
  over_tensor("sum reduce-scatter", &Communication::reduce_scatter);
  over_tensor("sum all-gather", &Communication::all_gather);
}

// Over each etp group of the stage: the rows that its ranks received, in the experts' width.
void Program::expert_collective(Task task, const Place& at, Collective collective,
                                const std::vector<std::int64_t>& rows, Turn& turn) const {
  if (deployment_.layout.etp == 1) return;
  const MoeFfn& moe = *deployment_.model.moe(task.layer);
  const std::int64_t row_bytes = moe.dispatch_width(deployment_.model.hidden) * 2;
  task.phase = Phase::Collectives;
  for (Rank r = at.first; r < at.first + stage_ranks_; ++r) {
    if (layout_.expert(r).etp != 0) continue;
    task.exchanges.push_back((communication_.*collective)(
        layout_.etp_group(r), sim::Bytes(rows[r - at.first] * row_bytes)));
  }
  turn.push_back(std::move(task));
}

Turn Program::embedding(const Place& at, const MicroBatch& batch) const {
  constexpr std::size_t kMostKnown = 1 << 15;
  if (known_.size() > kMostKnown) known_.clear();
  ordered_.clear();
  Turn turn;
  add({.what = "embedding",
       .work = by_dp(
           Part::Embedding, -1, batch,
           [&](const RankBatch& rank) { return pricing_.embedding(tokens_of_cp_rank(rank)); })},
      turn);
  dense_collective(
      kTensor, {.what = "embedding all-reduce"}, at, &Communication::all_reduce,
      [&](Rank r) { return activations(tokens_of_cp_rank(of(batch, r))); }, turn);
  return turn;
}

Turn Program::head(const Place& at, const MicroBatch& batch) const {
  Turn turn;
  if (!deployment_.model.head) return turn;
  add({.what = "head",
       .phase = Phase::Head,
       .work =
           by_dp(Part::Head, -1, batch, [&](const RankBatch& rank) { return head_work(rank); })},
      turn);
  dense_collective(
      kTensor, {.what = "logits all-gather"}, at, &Communication::all_gather,
      [&](Rank r) { return logits_bytes(of(batch, r)); }, turn);
  return turn;
}

Work Program::head_work(const RankBatch& rank) const {
  return pricing_.head(logits_of(rank));
}

sim::Bytes Program::logits_bytes(const RankBatch& rank) const {
  return sim::Bytes(logits_of(rank) * deployment_.model.vocab * 2);
}

sim::Duration Program::gathering_logits(const RankBatch& rank) const {
  if (deployment_.layout.tp == 1 || !deployment_.model.head || logits_of(rank) == 0) return {};
  return communication_.all_gather(layout_.tp_group(0), logits_bytes(rank)).alone;
}

Turn Program::draft_input(const MicroBatch& batch) const {
  Turn turn;
  add({.what = "draft input",
       .phase = Phase::Head,
       .work =
           by_dp(Part::DraftInput, -1, batch,
                 [&](const RankBatch& rank) { return pricing_.draft_input(sequences_of(rank)); })},
      turn);
  return turn;
}

RankWork Program::kept(std::vector<Work> works) const {
  if (works.empty()) return {};
  RankWork rank{.of = each_rank_};
  for (const Work& work : ordered_.emplace_back(std::move(works))) rank.works.push_back(&work);
  return rank;
}

std::vector<Turn> Program::layer(std::int64_t layer, const Place& at, const MicroBatch& batch,
                                 StepAccount& account) {
  Turn before;
  attention(layer, at, batch, before);
  if (deployment_.model.moe(layer) == nullptr) {
    dense(layer, at, batch, before);
    return turns_of(std::move(before));
  }
  LayerTraffic traffic =
      traffic_.route(at.routing_step, moe_index_[static_cast<std::size_t>(layer)], layer, at.first,
                     batch, account);
  router(layer, batch, before);
  add({.what = "rows out",
       .layer = layer,
       .phase = Phase::Router,
       .work = kept(std::move(traffic.rows_out))},
      before);
  if (sharded_) {
    Task dispatch{.what = "dispatch", .layer = layer, .phase = Phase::Dispatch};
    for (TokenExchange& tokens : traffic.exchanges) {
      dispatch.exchanges.push_back(std::move(tokens.dispatch));
    }
    before.push_back(std::move(dispatch));
    expert_collective({.what = "rows all-gather", .layer = layer}, at, &Communication::all_gather,
                      traffic.rows, before);
  }

  Turn after;
  shared_expert(layer, batch, after);
  after.push_back({.what = "experts",
                   .layer = layer,
                   .phase = Phase::Experts,
                   .work = {.works = std::move(traffic.experts), .of = each_rank_}});
  if (!sharded_) {
    add_up("experts all-reduce", layer, at, batch, after);
    return turns_of(std::move(before), std::move(after));
  }
  expert_collective({.what = "rows reduce-scatter", .layer = layer}, at,
                    &Communication::reduce_scatter, traffic.rows, after);
  Task combine{.what = "combine", .layer = layer, .phase = Phase::Combine};
  for (TokenExchange& tokens : traffic.exchanges) {
    combine.exchanges.push_back(std::move(tokens.combine));
  }
  after.push_back(std::move(combine));
  // Where rows that came back are added up by a kernel, another micro-batch may compute before it.
  Turn last;
  const bool ends_apart = !traffic.rows_back.empty();
  add({.what = "rows back",
       .layer = layer,
       .phase = Phase::Experts,
       .work = kept(std::move(traffic.rows_back))},
      last);
  dense_collective(
      kTensor, {.what = "tokens all-gather", .layer = layer}, at, &Communication::all_gather,
      [&](Rank r) { return activations(tokens_of_cp_rank(of(batch, r))); },
      ends_apart ? last : after);
  std::vector<Turn> turns = turns_of(std::move(before), std::move(after));
  if (ends_apart) turns.push_back(std::move(last));
  return turns;
}

bool Program::sums_before(std::int64_t layer) const {
  const MoeFfn* last = layer == 0 ? nullptr : deployment_.model.moe(layer - 1);
  return last != nullptr && last->shared_width() + last->residual_inter > 0;
}

Work Program::attention_work(std::int64_t layer, const RankBatch& rank) const {
  const LayerKind& kind = deployment_.model.layer(layer);
  if (std::holds_alternative<NoMixer>(kind.mixer)) return {};
  Work sum;
  if (sums_before(layer)) sum = pricing_.sum(tokens_of_cp_rank(rank));
  sum += pricing_.mixer(kind, rank);
  return sum;
}

std::optional<Work> Program::core_work(std::int64_t layer, const BatchShape& part) const {
  const LayerKind& kind = deployment_.model.layer(layer);
  if (deployment_.layout.cp > 1 || kind.cross) return {};
  return workloads::core_work(pricing_, kind.mixer, part);
}

void Program::attention(std::int64_t layer, const Place& at, const MicroBatch& batch,
                        Turn& turn) const {
  const LayerKind& kind = deployment_.model.layer(layer);
  if (std::holds_alternative<NoMixer>(kind.mixer)) return;
  gather_context(layer, at, batch, turn);
  RankWork work = by_dp(Part::Attention, layer, batch,
                        [&](const RankBatch& rank) { return attention_work(layer, rank); });
  add({.what = "attention", .layer = layer, .phase = Phase::Attention, .work = std::move(work)},
      turn);
  merge_context(layer, at, batch, turn);
  // (It comes amid the attention's kernels: queries and keys are normalised before they meet.)
  dense_collective(
      kTensor, {.what = "query and key norm all-reduce", .layer = layer}, at,
      &Communication::all_reduce,
      [&](Rank r) { return pricing_.norm_sums(kind, tokens_of_cp_rank(of(batch, r))); }, turn);
  const bool scatters = sharded_ && deployment_.model.moe(layer) != nullptr;
  if (!scatters) return add_up("attention reduce", layer, at, batch, turn);
  dense_collective(
      kTensor, {.what = "attention reduce", .layer = layer}, at, &Communication::reduce_scatter,
      [&](Rank r) { return activations(tokens_of_cp_rank(of(batch, r))); }, turn);
}

// Every rank of the group sees all keys and values of the prompts (those that are there already lie
// divided in the cache), and the queries of all tokens that decode, with their keys and values.
void Program::gather_context(std::int64_t layer, const Place& at, const MicroBatch& batch,
                             Turn& turn) const {
  const Mixer& mixer = deployment_.model.layer(layer).mixer;
  const std::int64_t width = std::visit(GatheredWidth{deployment_.layout.tp}, mixer);
  const SpreadHeads heads = std::visit(HeadsOf{deployment_.layout.tp}, mixer);
  dense_collective(
      kContext, {.what = "context all-gather", .layer = layer}, at, &Communication::all_gather,
      [&](Rank r) {
        sim::Bytes bytes{};
        for (const BatchShape& part : of(batch, r)) {
          bytes += part.phase == StepPhase::Prefill
                       ? sim::Bytes(part.sequences * part.kv_length * 2 * width)
                       : sim::Bytes(part.tokens() * (2 * width + heads.query_bytes()));
        }
        return bytes;
      },
      turn);
}

// Results of a token that decodes, of each rank's part of its keys, are added up on its own rank.
void Program::merge_context(std::int64_t layer, const Place& at, const MicroBatch& batch,
                            Turn& turn) const {
  const SpreadHeads heads =
      std::visit(HeadsOf{deployment_.layout.tp}, deployment_.model.layer(layer).mixer);
  dense_collective(
      kContext, {.what = "context reduce-scatter", .layer = layer}, at,
      &Communication::reduce_scatter,
      [&](Rank r) {
        std::int64_t tokens = 0;
        for (const BatchShape& part : of(batch, r)) {
          if (part.phase == StepPhase::Decode) tokens += part.tokens();
        }
        return sim::Bytes(tokens * heads.result_bytes());
      },
      turn);
}

void Program::dense(std::int64_t layer, const Place& at, const MicroBatch& batch,
                    Turn& turn) const {
  RankWork work = by_dp(Part::Dense, layer, batch, [&](const RankBatch& rank) {
    return pricing_.dense(deployment_.model.layer(layer), tokens_of_cp_rank(rank));
  });
  if (work.is_nothing()) return;
  add({.what = "dense mlp", .layer = layer, .phase = Phase::DenseMlp, .work = std::move(work)},
      turn);
  add_up("mlp all-reduce", layer, at, batch, turn);
}

void Program::router(std::int64_t layer, const MicroBatch& batch, Turn& turn) const {
  const MoeFfn& moe = *deployment_.model.moe(layer);
  const auto format = communication_.quantised_before();
  RankWork work = by_dp(Part::Router, layer, batch, [&](const RankBatch& rank) {
    const std::int64_t tokens = routed_tokens_of_rank(rank);
    Work sum = pricing_.router(moe, tokens, !sharded_);
    if (sharded_ && format) {
      sum += pricing_.quantise(tokens, moe.dispatch_width(deployment_.model.hidden), *format);
    }
    return sum;
  });
  add({.what = "router",
       .layer = layer,
       .phase = Phase::Router,
       .work = std::move(work),
       .forks = true},
      turn);
}

// Beside the dispatch it waits only for the router; otherwise for the dispatched rows.
void Program::shared_expert(std::int64_t layer, const MicroBatch& batch, Turn& turn) const {
  const MoeFfn& moe = *deployment_.model.moe(layer);
  Task task{.what = "shared expert",
            .layer = layer,
            .phase = Phase::SharedExpert,
            .work = by_dp(Part::Shared, layer, batch, [&](const RankBatch& rank) {
              const std::int64_t tokens = routed_tokens_of_rank(rank);
              Work work = pricing_.shared(moe, tokens, sharded_);
              const auto& beside = deployment_.engine.composition.shared_beside_up_to;
              if (beside && tokens <= *beside) {
                work.shrink_to(work.bytes / deployment_.cluster.device.memory_bandwidth);
              }
              return work;
            })};
  task.beside = deployment_.overlap.shared_expert || deployment_.overlap.two_batch;
  add(std::move(task), turn);
}

}  // namespace moesim::workloads
