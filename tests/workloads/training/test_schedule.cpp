// Schedules as lists, drawn: F a forward, B and W a backward pass for inputs and weights, D both at
// once, [F D] woven; the micro-batch, and a' or b' for the chunk where there are two.
#include "workloads/training/schedule.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

using namespace moesim::workloads;

namespace {

using Texts = std::vector<std::string>;

std::string drawn(const Pass& pass, std::uint32_t chunks) {
  const char kind = "FBWD"[static_cast<int>(pass.kind)];
  return chunks == 1 ? fmt::format("{}{}", kind, pass.micro_batch)
                     : fmt::format("{}{}{}", kind, pass.micro_batch,
                                   std::string_view("abcdefgh")[pass.chunk]);
}

std::string drawn(const PipelineSchedule& schedule, std::size_t rank) {
  std::string text;
  for (const Action& a : schedule.ranks[rank]) {
    if (!text.empty()) text += ' ';
    text += a.beside ? fmt::format("[{} {}]", drawn(a.pass, schedule.chunks),
                                   drawn(*a.beside, schedule.chunks))
                     : drawn(a.pass, schedule.chunks);
  }
  return text;
}

std::string place(const std::optional<ChunkPlace>& at) {
  return at ? fmt::format("{}.{}", at->rank, at->chunk) : "-";
}

}  // namespace

TEST_CASE("1f1b: a rank is ahead by the ranks behind it") {
  const auto s = make_schedule(ScheduleName::OneFOneB, {.ranks = 3, .micro_batches = 4});
  CHECK(drawn(s, 0) == "F0 F1 F2 D0 F3 D1 D2 D3");
  CHECK(drawn(s, 1) == "F0 F1 D0 F2 D1 F3 D2 D3");
  CHECK(drawn(s, 2) == "F0 D0 F1 D1 F2 D2 F3 D3");
  // Fewer micro-batches than ranks: all go ahead.
  CHECK(drawn(make_schedule(ScheduleName::OneFOneB, {.ranks = 4, .micro_batches = 2}), 0) ==
        "F0 F1 D0 D1");
  CHECK(drawn(make_schedule(ScheduleName::GPipe, {.ranks = 2, .micro_batches = 2}), 1) ==
        "F0 F1 D0 D1");
}

TEST_CASE("on one rank passes can be woven, a forward one ahead") {
  CHECK(drawn(make_schedule(ScheduleName::OneFOneB,
                            {.ranks = 1, .micro_batches = 3, .overlap_passes = true}),
              0) == "F0 [F1 D0] [F2 D1] D2");
}

TEST_CASE("zb_h1 puts the weights' gradients of rank r off by r micro-batches") {
  const auto s = make_schedule(ScheduleName::ZbH1, {.ranks = 3, .micro_batches = 4});
  CHECK(drawn(s, 0) == "F0 F1 F2 B0 W0 F3 B1 W1 B2 W2 B3 W3");
  CHECK(drawn(s, 2) == "F0 B0 F1 B1 F2 B2 W0 F3 B3 W1 W2 W3");
}

TEST_CASE("interleaved takes groups of micro-batches chunk by chunk, backward from the last") {
  // Rank 1 of 2, groups of 2: warm-up (2 - 1) x 2 = 2.
  const auto s =
      make_schedule(ScheduleName::Interleaved, {.ranks = 2, .micro_batches = 4, .chunks = 2});
  CHECK(drawn(s, 1) == "F0a F1a F0b D0b F1b D1b F2a D0a F3a D1a F2b D2b F3b D3b D2a D3a");
  // Rank 0: 2 x 1 + 2 = 4.
  CHECK(drawn(s, 0).starts_with("F0a F1a F0b F1b F2a D0b F3a D1b"));
  // A last group that is shorter, and a warm-up pass more where passes are woven.
  const auto o = make_schedule(
      ScheduleName::Interleaved,
      {.ranks = 2, .micro_batches = 5, .chunks = 2, .group = 3, .overlap_passes = true});
  CHECK(drawn(o, 1) ==
        "F0a F1a F2a F0b [F1b D0b] [F2b D1b] [F3a D2b] [F4a D0a] [F3b D1a] [F4b D2a] D3b D4b D3a "
        "D4a");
}

TEST_CASE("a rank of DualPipe has as many passes of each kind as DeepSeek-V3's had") {
  // p 16, m 120: ranks 0 and 15 have 23 F, 15 B, 8 BW, 15 W alone and 97 woven; 7 and 8 have 17, 8,
  // 9, 8 and 103.
  const auto s = make_schedule(ScheduleName::DualPipe, {.ranks = 16, .micro_batches = 120});
  const auto counts = [&](std::size_t rank) {
    std::map<std::string, int> n;
    for (const Action& a : s.ranks[rank]) ++n[a.beside ? "FB" : drawn(a.pass, 1).substr(0, 1)];
    return n;
  };
  const std::map<std::string, int> outer{{"F", 23}, {"B", 15}, {"D", 8}, {"W", 15}, {"FB", 97}};
  const std::map<std::string, int> inner{{"F", 17}, {"B", 8}, {"D", 9}, {"W", 8}, {"FB", 103}};
  CHECK(counts(0) == outer);
  CHECK(counts(15) == outer);
  CHECK(counts(7) == inner);
  CHECK(counts(8) == inner);
}

TEST_CASE("stages loop, turn or run both ways") {
  const auto looped =
      make_schedule(ScheduleName::Interleaved, {.ranks = 4, .micro_batches = 4, .chunks = 2});
  CHECK(looped.stages() == 8);
  CHECK(looped.stage({1, 1}) == 5);
  CHECK(place(looped.before({0, 1})) == "3.0");
  CHECK(place(looped.after({3, 0})) == "0.1");
  CHECK(place(looped.after({3, 1})) == "-");
  const auto vee = make_schedule(ScheduleName::DualPipeV, {.ranks = 4, .micro_batches = 8});
  CHECK(vee.stages() == 8);
  CHECK(vee.stage({0, 1}) == 7);
  CHECK(place(vee.after({3, 0})) == "3.1");
  CHECK(place(vee.before({3, 1})) == "3.0");
  CHECK(place(vee.after({1, 1})) == "0.1");
  CHECK(place(vee.before({1, 1})) == "2.1");
  const auto both = make_schedule(ScheduleName::DualPipe, {.ranks = 4, .micro_batches = 8});
  CHECK(both.stages() == 4);
  CHECK(both.stage({3, 1}) == 0);
  CHECK(place(both.before({3, 1})) == "-");
  CHECK(place(both.after({3, 1})) == "2.1");
  CHECK(place(both.before({1, 0})) == "0.0");
}

TEST_CASE("a schedule that cannot be says what would do") {
  CHECK(problems_of(ScheduleName::OneFOneB, {.ranks = 4, .micro_batches = 1}).empty());
  CHECK(problems_of(ScheduleName::Interleaved, {.ranks = 4, .micro_batches = 8}) ==
        Texts{"interleaved needs 2 or more virtual stages a rank, not 1: say virtual_stages, or "
              "1f1b"});
  CHECK(problems_of(ScheduleName::Interleaved, {.ranks = 1, .micro_batches = 8, .chunks = 2}) ==
        Texts{"interleaved needs a pipeline: pp of 2 or more"});
  CHECK(problems_of(ScheduleName::Interleaved,
                    {.ranks = 4, .micro_batches = 8, .chunks = 2, .group = 2}) ==
        Texts{"interleaved takes at least as many micro-batches at once as there are ranks: 4, not "
              "2"});
  CHECK(problems_of(ScheduleName::Interleaved, {.ranks = 4, .micro_batches = 2, .chunks = 2}) ==
        Texts{"interleaved takes 4 micro-batches at once, and a step has 2: a larger global_batch "
              "or a smaller micro_batch would do"});
  CHECK(problems_of(ScheduleName::Interleaved, {.ranks = 4, .micro_batches = 7, .chunks = 2}) ==
        Texts{"interleaved takes 4 micro-batches at once, which leaves 3 for the last time, fewer "
              "than the 4 ranks: a number of micro-batches that divides by 4 would do"});
  CHECK(problems_of(ScheduleName::DualPipe, {.ranks = 3, .micro_batches = 5}) ==
        Texts{"dualpipe needs an even number of pipeline ranks, not 3",
              "dualpipe needs an even number of micro-batches, not 5: half of them from either end",
              "dualpipe needs at least 6 micro-batches, two for each pipeline rank, not 5"});
  CHECK(problems_of(ScheduleName::DualPipeV, {.ranks = 3, .micro_batches = 7}).empty());
  CHECK(problems_of(ScheduleName::ZbV, {.ranks = 4, .micro_batches = 3}) ==
        Texts{"zb_v needs at least as many micro-batches as there are pipeline ranks, 4, not 3"});
  CHECK(
      problems_of(ScheduleName::ZbH1, {.ranks = 4, .micro_batches = 8, .chunks = 2}) ==
      Texts{"virtual_stages is for the schedule interleaved; zb_h1 has its own number of chunks"});
  CHECK(
      problems_of(ScheduleName::GPipe, {.ranks = 4, .micro_batches = 8, .overlap_passes = true}) ==
      Texts{"overlap.expert weaves a forward and a backward pass, which gpipe has none of at one "
            "time: interleaved, dualpipe and dualpipe_v do"});
}

TEST_CASE("schedules are known by name") {
  for (const auto name : schedule_names()) CHECK(name_of(*parse_schedule(name)) == name);
  CHECK_FALSE(parse_schedule("1F1B"));
}
