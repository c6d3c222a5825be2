#include <doctest/doctest.h>

#include <algorithm>
#include <iostream>
#include <set>

#include "sim/error.h"
#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/laws/load_source.h"
#include "workloads/routing/trace/token_rows.h"
#include "workloads/routing/trace/trace_source.h"

using namespace moesim::workloads;
using moesim::sim::ConfigError;
using moesim::tests::Folder;
using Ids = std::vector<ExpertId>;

namespace {

// 6 tokens, 2 layers, top-1 of 8: token t goes to t in layer 0, to 7 - t in layer 1. Requests of 3.
std::filesystem::path six_tokens(const Folder& folder) {
  TraceWriter writer(folder / "six.h5",
                     {.layers = 2, .experts = 8, .top_k = 1, .domains = {"a", "b"}});
  Ids ids;
  for (ExpertId t = 0; t < 6; ++t) ids.insert(ids.end(), {t, static_cast<ExpertId>(7 - t)});
  const std::vector<std::uint32_t> requests{0, 0, 0, 1, 1, 1};
  writer.append({.ids = ids, .requests = requests, .domains = requests});
  writer.close();
  return folder / "six.h5";
}

Ids layer_of(RoutingSource& source, std::uint32_t step, std::uint32_t layer) {
  LayerRouting routing;
  source.route({step, layer, 0, source.tokens_per_step()}, routing);
  return routing.ids;
}

std::string refusal(const std::filesystem::path& file, const RoutingTarget& target,
                    const TraceMapping& mapping) {
  try {
    open_trace_source(file, target, mapping);
  } catch (const ConfigError& error) {
    return std::string(error.what()).substr(file.string().size() + 2);
  }
  return "";
}

}  // namespace

TEST_CASE("ids are seen where they lie, in as few bytes as tell experts and missing ones apart") {
  // Three tokens of top-1; the last expert of 255, of 256, of 300. Of 256 and a missing one, one
  // byte has no number for the missing one, and two are taken.
  struct Case {
    std::uint32_t experts;
    ExpertId last;
    std::size_t type;  // of RoutingView::ids: 4, 2, 1 bytes
  };
  for (const Case& known :
       {Case{255, 254, 2}, Case{255, kMissingExpert, 2}, Case{256, 255, 2},
        Case{256, kMissingExpert, 1}, Case{300, 299, 1}, Case{65'536, 65'535, 0}}) {
    const std::uint32_t experts = known.experts;
    const ExpertId last = known.last;
    CAPTURE(experts);
    CAPTURE(last);
    const Folder folder;
    TraceWriter writer(folder / "t.h5", {.layers = 1, .experts = experts, .top_k = 1});
    const Ids ids{3, last, experts - 2};
    writer.append({.ids = ids});
    writer.close();
    const auto source =
        open_trace_source(folder / "t.h5", {.experts = experts, .tokens_per_step = 5},
                          {.tokens = TokenMapping::Repeat, .missing = MissingMapping::Drop});
    LayerRouting room;
    const RoutingView view = source->view({0, 0, 1, 4}, room);
    CHECK(view.ids.index() == known.type);
    CHECK(room.ids.empty());
    LayerRouting copied;
    copy(view, copied);
    CHECK(copied.ids == Ids{last, experts - 2, 3, last});  // tokens 1, 2, and 0, 1 again
    CHECK(copied.tokens == 4);
  }
}

TEST_CASE("a trace that fits its model is played token by token") {
  const Folder folder;
  const auto source = open_trace_source(
      six_tokens(folder), {.layers = 2, .experts = 8, .top_k = 1, .tokens_per_step = 3, .steps = 2},
      {});
  CHECK(layer_of(*source, 0, 0) == Ids{0, 1, 2});
  CHECK(layer_of(*source, 1, 0) == Ids{3, 4, 5});
  CHECK(layer_of(*source, 1, 1) == Ids{4, 3, 2});
  CHECK(layer_of(*source, 0, 1) == Ids{7, 6, 5});  // back again
  CHECK(source->description() == "trace six.h5 (6 tokens, 2 MoE layers, 1 of 8 experts)");
}

TEST_CASE("a trace that differs from its model says what to write") {
  const Folder folder;
  const auto file = six_tokens(folder);
  CHECK(refusal(file, {.layers = 5, .experts = 8, .tokens_per_step = 6}, {}) ==
        "has 2 MoE layers, the model 5: write routing.layers: cycle (the model's layer l takes the "
        "trace's layer l mod L) or stretch (layer l x L / the model's layers)");
  CHECK(refusal(file, {.layers = 2, .experts = 16, .top_k = 2, .tokens_per_step = 6}, {}) ==
        "routes to 1 of 8 experts, the model to 2 of 16: write routing.experts: rescale (keeps the "
        "shape of the loads, not which experts go together)");
  CHECK(refusal(file, {.layers = 2, .experts = 8, .tokens_per_step = 4, .steps = 2}, {}) ==
        "holds 6 tokens, but 2 steps of 4 take 8: write routing.tokens: repeat (from the start "
        "again) or resample (whole requests, drawn with replacement)");
  CHECK(refusal(file, {.layers = 2, .experts = 8, .tokens_per_step = 4}, {.mix = {{"a", 1}}}) ==
        "a mix of domains is drawn request by request: write routing.tokens: resample");
  moesim::tests::write_trace(folder / "plain.h5", 1, 8, 1, {1, 2});
  CHECK(refusal(folder / "plain.h5", {.experts = 8, .tokens_per_step = 2},
                {.order = TokenOrder::OnePerRequest}) ==
        "does not say which request a token is of (/token/request_id): write routing.order: "
        "recorded");
}

TEST_CASE("layers are cycled or stretched as the mapping says, and the report tells") {
  const Folder folder;
  const RoutingTarget target{.layers = 4, .experts = 8, .tokens_per_step = 2};
  const auto cycled =
      open_trace_source(six_tokens(folder), target, {.layers = LayerMapping::Cycle});
  CHECK(layer_of(*cycled, 0, 1) == Ids{7, 6});
  CHECK(layer_of(*cycled, 0, 2) == Ids{0, 1});
  CHECK(cycled->description() ==
        "trace six.h5 (6 tokens, 2 MoE layers, 1 of 8 experts); layers cycled: 4 from 2");
  const auto stretched =
      open_trace_source(six_tokens(folder), target, {.layers = LayerMapping::Stretch});
  CHECK(layer_of(*stretched, 0, 1) == Ids{0, 1});
  CHECK(layer_of(*stretched, 0, 2) == Ids{7, 6});
}

TEST_CASE("tokens are repeated from the start") {
  const Folder folder;
  const auto source = open_trace_source(
      six_tokens(folder), {.layers = 2, .experts = 8, .tokens_per_step = 4, .steps = 3},
      {.tokens = TokenMapping::Repeat});
  CHECK(layer_of(*source, 1, 0) == Ids{4, 5, 0, 1});
  CHECK(source->description() ==
        "trace six.h5 (6 tokens, 2 MoE layers, 1 of 8 experts); tokens repeated 2 times");
}

TEST_CASE("of a trace that is too short whole requests are drawn again, unless told otherwise") {
  const Folder folder;
  const auto file = six_tokens(folder);
  // Two steps of three are its six tokens.
  RoutingTarget target{.layers = 2, .experts = 8, .tokens_per_step = 3, .steps = 2};
  const auto whole = open_trace_source(file, target, {.tokens = TokenMapping::Auto});
  CHECK(layer_of(*whole, 1, 0) == Ids{3, 4, 5});
  CHECK(whole->description() == "trace six.h5 (6 tokens, 2 MoE layers, 1 of 8 experts)");
  // 60 are ten times as many, and no two steps are alike by necessity.
  target = {.layers = 2, .experts = 8, .tokens_per_step = 30, .steps = 2};
  const auto drawn = open_trace_source(file, target, {.tokens = TokenMapping::Auto});
  const auto asked = open_trace_source(file, target, {.tokens = TokenMapping::Resample});
  for (const std::uint32_t step : {0u, 1u}) {
    CHECK(layer_of(*drawn, step, 1) == layer_of(*asked, step, 1));
  }
  CHECK(layer_of(*drawn, 0, 0) != layer_of(*drawn, 1, 0));
  CHECK(
      drawn->description() ==
      "trace six.h5 (6 tokens, 2 MoE layers, 1 of 8 experts); requests resampled for 10 times its "
      "tokens");
  // A mix is drawn, however long the trace is; what is drawn from loads needs no tokens.
  target.tokens_per_step = 3;
  const auto mixed =
      open_trace_source(file, target, {.tokens = TokenMapping::Auto, .mix = {{"b", 1}}});
  for (const ExpertId id : layer_of(*mixed, 0, 0)) CHECK(id >= 3);
  CHECK(mixed->description().ends_with("; requests resampled, b 1"));
  target = {.layers = 2, .experts = 4, .tokens_per_step = 30, .steps = 2};
  CHECK(open_trace_source(file, target,
                          {.tokens = TokenMapping::Auto, .experts = ExpertMapping::Rescale})
            ->description()
            .find("resampled") == std::string::npos);
}

TEST_CASE("steps that are asked for in turn have the tokens that they have alone") {
  // Of one token a step not all of the trace is there at once; of 1.5 million, rows of two steps
  // are kept.
  const Folder folder;
  const auto file = six_tokens(folder);
  for (const std::uint32_t tokens : {1u, 30u, 1'500'000u}) {
    CAPTURE(tokens);
    const RoutingTarget target{.layers = 2, .experts = 8, .tokens_per_step = tokens, .steps = 4};
    const TraceMapping mapping{.tokens = TokenMapping::Resample};
    const auto in_turn = open_trace_source(file, target, mapping);
    std::set<Ids> different;
    for (const std::uint32_t step : {0u, 1u, 2u, 0u, 2u, 1u}) {
      const auto alone = open_trace_source(file, target, mapping);
      const Ids ids = layer_of(*alone, step, 1);
      CHECK((layer_of(*in_turn, step, 1) == ids));
      different.insert(ids);
    }
    if (tokens > 1) CHECK(different.size() == 3);
  }
}

TEST_CASE("requests are resampled whole, and domains by the mix") {
  const Folder folder;
  const RoutingTarget target{.layers = 2, .experts = 8, .tokens_per_step = 30, .steps = 40};
  const auto source =
      open_trace_source(six_tokens(folder), target, {.tokens = TokenMapping::Resample});
  // Tokens 0 1 2 are a request, 3 4 5 the other. Within a step each goes on to its end, and after
  // it one or the other begins; the step's first is entered anywhere, or steps of one token would
  // see no other than 0 and 3.
  std::set<ExpertId> begun, entered;
  for (std::uint32_t step = 0; step < 40; ++step) {
    const Ids ids = layer_of(*source, step, 0);
    entered.insert(ids.front());
    for (std::size_t i = 1; i < ids.size(); ++i) {
      if (ids[i - 1] % 3 == 2) {
        begun.insert(ids[i]);
      } else {
        CHECK(ids[i] == ids[i - 1] + 1);
      }
    }
  }
  CHECK(begun == std::set<ExpertId>{0, 3});
  CHECK(entered == std::set<ExpertId>{0, 1, 2, 3, 4, 5});
  // All of the domain "b": the second request alone.
  const auto only = open_trace_source(six_tokens(folder), target,
                                      {.tokens = TokenMapping::Resample, .mix = {{"b", 2}}});
  for (const ExpertId id : layer_of(*only, 0, 0)) CHECK(id >= 3);
  CHECK(
      only->description() ==
      "trace six.h5 (6 tokens, 2 MoE layers, 1 of 8 experts); requests resampled for 200 times its "
      "tokens, b 2");
  CHECK(refusal(six_tokens(folder), target, {.tokens = TokenMapping::Resample, .mix = {{"c", 1}}})
            .ends_with("has no tokens of the domain \"c\"; it has a, b"));
}

TEST_CASE("in a decode each place in the batch follows its request") {
  const Folder folder;
  const auto trace = RoutingTrace::open(six_tokens(folder));
  const TokenRows rows(trace, {.order = TokenOrder::OnePerRequest}, 2, 1);
  std::vector<std::uint64_t> now, next;
  rows.of_step(0, now);
  rows.of_step(1, next);
  CHECK(now[0] < 3);   // place 0 is request 0
  CHECK(now[1] >= 3);  // place 1 is request 1
  CHECK(next[0] == (now[0] + 1) % 3);
  CHECK(next[1] == 3 + (now[1] - 3 + 1) % 3);
  // 6 places over 2 requests of 3 tokens: every token once.
  const TokenRows all(trace, {.order = TokenOrder::OnePerRequest}, 6, 1);
  all.of_step(0, now);
  CHECK(std::set<std::uint64_t>(now.begin(), now.end()).size() == 6);
}

namespace {

// 8 tokens, one layer, top-1 of 8: token t goes to t. Two requests of two prompt tokens and two
// that were generated: 0 1 and 4 5 of prompts, 2 3 and 6 7 generated.
std::filesystem::path two_phases(const Folder& folder) {
  TraceWriter writer(folder / "phases.h5", {.layers = 1, .experts = 8, .top_k = 1});
  const std::vector<std::uint32_t> requests{0, 0, 0, 0, 1, 1, 1, 1};
  const std::vector<std::uint32_t> phases{0, 0, 1, 1, 0, 0, 1, 1};
  const Ids ids{0, 1, 2, 3, 4, 5, 6, 7};
  writer.append({.ids = ids, .requests = requests, .phases = phases});
  writer.close();
  return folder / "phases.h5";
}

}  // namespace

TEST_CASE("steps take the tokens of a phase alone where one is asked for, and say so") {
  const Folder folder;
  const auto file = two_phases(folder);
  const RoutingTarget target{.layers = 1, .experts = 8, .tokens_per_step = 3, .steps = 1};
  const auto any = open_trace_source(file, target, {});
  CHECK(layer_of(*any, 0, 0) == Ids{0, 1, 2});
  CHECK(any->description() ==
        "trace phases.h5 (8 tokens, 1 MoE layers, 1 of 8 experts); tokens of any phase");
  const auto prompts = open_trace_source(file, target, {.phase = TokenPhase::Prefill});
  CHECK(layer_of(*prompts, 0, 0) == Ids{0, 1, 4});
  const auto generated = open_trace_source(file, target, {.phase = TokenPhase::Decode});
  CHECK(layer_of(*generated, 0, 0) == Ids{2, 3, 6});
  CHECK(generated->description() ==
        "trace phases.h5 (8 tokens, 1 MoE layers, 1 of 8 experts); of it the 4 tokens of decode");
  // Steps of three go on where the last ended, and begin again: 2 3 6, 7 2 3, 6 7 2.
  const RoutingTarget many{.layers = 1, .experts = 8, .tokens_per_step = 3, .steps = 3};
  const auto repeated =
      open_trace_source(file, many, {.tokens = TokenMapping::Repeat, .phase = TokenPhase::Decode});
  CHECK(layer_of(*repeated, 1, 0) == Ids{7, 2, 3});
  CHECK(layer_of(*repeated, 2, 0) == Ids{6, 7, 2});
  CHECK(repeated->description().ends_with("; tokens repeated 2.25 times"));
  // Four are held, nine are taken; the trace's eight are not what counts.
  CHECK(refusal(file, {.layers = 1, .experts = 8, .tokens_per_step = 5, .steps = 1},
                {.phase = TokenPhase::Decode}) ==
        "holds 4 tokens of decode, but 1 steps of 5 take 5: write routing.tokens: repeat (from the "
        "start again) or resample (whole requests, drawn with replacement)");
  // Drawn again, whole requests of the phase: each pair in its order.
  const auto drawn =
      open_trace_source(file, {.layers = 1, .experts = 8, .tokens_per_step = 40, .steps = 1},
                        {.tokens = TokenMapping::Resample, .phase = TokenPhase::Decode});
  const Ids ids = layer_of(*drawn, 0, 0);
  for (std::size_t i = 1; i < ids.size(); ++i) {
    CHECK(std::set<ExpertId>{2, 3, 6, 7}.contains(ids[i]));
    if (ids[i - 1] % 2 == 0) CHECK(ids[i] == ids[i - 1] + 1);
  }
  // Its places follow requests of the phase.
  const TokenRows places(RoutingTrace::open(file),
                         {.order = TokenOrder::OnePerRequest, .phase = TokenPhase::Prefill}, 4, 1);
  std::vector<std::uint64_t> rows;
  places.of_step(0, rows);
  CHECK(std::set<std::uint64_t>(rows.begin(), rows.end()) == std::set<std::uint64_t>{0, 1, 4, 5});
}

TEST_CASE("loads that are rescaled are of the phase, and a phase that is not told is refused") {
  const Folder folder;
  // Generated tokens go to four of the eight experts, all tokens to all eight: stretched over 16
  // experts fewer get any of the one than of the other.
  const auto source = open_trace_source(
      two_phases(folder), {.layers = 1, .experts = 16, .top_k = 1, .tokens_per_step = 400},
      {.experts = ExpertMapping::Rescale, .phase = TokenPhase::Decode});
  const Ids ids = layer_of(*source, 0, 0);
  const auto all = open_trace_source(
      two_phases(folder), {.layers = 1, .experts = 16, .top_k = 1, .tokens_per_step = 400},
      {.experts = ExpertMapping::Rescale});
  const Ids whole = layer_of(*all, 0, 0);
  const std::size_t few = std::set<ExpertId>(ids.begin(), ids.end()).size();
  CHECK(few < std::set<ExpertId>(whole.begin(), whole.end()).size());
  const RoutingTarget target{.layers = 2, .experts = 8, .tokens_per_step = 3};
  CHECK(refusal(six_tokens(folder), target, {.phase = TokenPhase::Prefill}) ==
        "does not say which phase a token is of (/token/phase): leave out routing.phase");
  TraceWriter writer(folder / "prompts.h5", {.layers = 1, .experts = 8, .top_k = 1});
  const std::vector<std::uint32_t> phases{0, 0};
  const Ids two{0, 1};
  writer.append({.ids = two, .phases = phases});
  writer.close();
  CHECK(refusal(folder / "prompts.h5", {.layers = 1, .experts = 8, .tokens_per_step = 1},
                {.phase = TokenPhase::Decode}) ==
        "/token/phase: has no token of decode: write routing.phase: any");
}

TEST_CASE("a load keeps its shape over another number of experts") {
  // 4 loads 0 1 2 3 stand at 1/8, 3/8, 5/8, 7/8; 2 experts stand at 1/4 and 3/4: 0.5 and 2.5.
  const std::vector<double> load{3, 0, 2, 1};
  auto two = rescaled_load(load, 2, 1);
  std::sort(two.begin(), two.end());
  CHECK(two == std::vector<double>{0.5, 2.5});
  auto same = rescaled_load(load, 4, 1);
  std::sort(same.begin(), same.end());
  CHECK(same == std::vector<double>{0, 1, 2, 3});
}

TEST_CASE("counts become tokens with those loads") {
  const Folder folder;
  // 2 of 4 experts a token, loads 5 3 2 0 of 10: shares 1.0 0.6 0.4 0 of a token.
  write_counts(folder / "c.h5", {.header = {.layers = 1, .experts = 4, .top_k = 2},
                                 .counts = {50, 30, 20, 0, 0, 0, 7, 7}});
  const auto source = open_trace_source(
      folder / "c.h5", {.experts = 4, .top_k = 2, .tokens_per_step = 10'000, .steps = 2}, {});
  LayerRouting routing;
  source->route({0, 0, 0, 10'000}, routing);
  auto counts = expert_counts(routing);
  CHECK(counts[0] == 10'000);
  CHECK(counts[1] == doctest::Approx(6000).epsilon(0.03));
  CHECK(counts[3] == 0);
  source->route({1, 0, 0, 10'000}, routing);  // the next window
  CHECK(expert_counts(routing) == std::vector<std::uint32_t>{0, 0, 10'000, 10'000});
  CHECK(source->description() ==
        "trace c.h5 (2 windows of counts, 1 MoE layers, 4 experts): tokens drawn from the loads, "
        "pairs at random");
}

TEST_CASE("counts of a layer without a selection are refused, not drawn alike") {
  const Folder folder;
  write_counts(folder / "c.h5",
               {.header = {.layers = 2, .experts = 2, .top_k = 1, .layer_ids = {3, 4}},
                .counts = {1, 2, 3, 4, 5, 6, 0, 0}});
  const RoutingTarget target{.layers = 2, .experts = 2, .tokens_per_step = 5, .steps = 2};
  CHECK_THROWS_WITH_AS(open_trace_source(folder / "c.h5", target, {}),
                       ((folder / "c.h5").string() +
                        ": /counts: step 1: layer 4 has no selection from which tokens could be "
                        "drawn")
                           .c_str(),
                       moesim::sim::InputError);
  // What is not asked for may be empty.
  CHECK(open_trace_source(folder / "c.h5", {.layers = 2, .experts = 2, .tokens_per_step = 5}, {})
            ->layers() == 2);
}

TEST_CASE("a rescaled trace says which share of its selections was missing, and needs some") {
  const Folder folder;
  constexpr ExpertId no = kMissingExpert;
  const RoutingTarget target{.layers = 2, .experts = 8, .tokens_per_step = 4};
  moesim::tests::write_trace(folder / "t.h5", 2, 4, 1, {0, 1, no, 2, 3, 3, 1, no});
  CHECK(open_trace_source(folder / "t.h5", target, {.experts = ExpertMapping::Rescale})
            ->description() ==
        "trace t.h5 (4 tokens, 2 MoE layers, 1 of 4 experts); rescaled to 1 of 8 experts: the "
        "loads keep their shape, pairs are drawn at random; 2 of 8 selections (25 %) are missing "
        "and drawn as the others");
  moesim::tests::write_trace(folder / "e.h5", 2, 4, 1, {0, no, 1, no});
  CHECK_THROWS_WITH_AS(
      open_trace_source(folder / "e.h5", target, {.experts = ExpertMapping::Rescale}),
      ((folder / "e.h5").string() +
       ": /expert_ids: layer 1 has no selection from which tokens could be drawn")
          .c_str(),
      moesim::sim::InputError);
}

TEST_CASE("a rescaled trace routes over the model's experts") {
  const Folder folder;
  const auto source = open_trace_source(
      six_tokens(folder), {.layers = 2, .experts = 64, .top_k = 4, .tokens_per_step = 100},
      {.experts = ExpertMapping::Rescale});
  LayerRouting routing;
  source->route({0, 1, 0, 100}, routing);
  CHECK(routing.experts == 64);
  for (std::uint32_t t = 0; t < 100; ++t) {
    CHECK(std::set<ExpertId>(routing.token(t), routing.token(t) + 4).size() == 4);
  }
  CHECK(source->description() ==
        "trace six.h5 (6 tokens, 2 MoE layers, 1 of 8 experts); rescaled to 4 of 64 experts: the "
        "loads keep their shape, pairs are drawn at random");
}
