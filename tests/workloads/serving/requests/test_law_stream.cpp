// Requests that laws draw.
#include "workloads/serving/requests/law_stream.h"

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.h"

using namespace moesim;
using namespace moesim::sim::literals;
using namespace moesim::workloads::serving;

namespace {

Arrivals at_rate(ArrivalLaw law, double rate) {
  return {.law = law, .stages = {{.from = rate, .to = rate}}};
}

std::vector<Request> all(RequestStream& stream) {
  std::vector<Request> list;
  while (stream.next_arrival()) list.push_back(stream.take());
  return list;
}

}  // namespace

TEST_CASE("a stream ends after its count, or after its time") {
  RequestLaws laws{.arrivals = at_rate(ArrivalLaw::Constant, 10), .count = 4};
  LawStream counted(laws, 1);
  const auto four = all(counted);
  REQUIRE(four.size() == 4);
  CHECK(four[3].id == 3);
  CHECK(four[3].arrival == sim::Time{400ms});
  laws.count = {};
  laws.until = 250ms;
  LawStream timed(laws, 1);
  CHECK(all(timed).size() == 2);
}

TEST_CASE("another length law moves no arrival") {
  RequestLaws laws{.arrivals = at_rate(ArrivalLaw::Poisson, 10), .count = 50};
  laws.input = constant_length(10);
  LawStream constant(laws, 7);
  laws.input = uniform_length(1, 1000);
  LawStream uniform(laws, 7);
  const auto a = all(constant), b = all(uniform);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].arrival == b[i].arrival);
}

TEST_CASE("lengths of one table come from one row") {
  const tests::TemporaryFolder folder;
  const auto file = folder.file("l.csv", "in,out\n10,1\n20,2\n30,3\n");
  RequestLaws laws{.arrivals = {.law = ArrivalLaw::AtOnce},
                   .input = length_table(file, "in"),
                   .output = length_table(file, "out"),
                   .count = 100};
  LawStream stream(laws, 1);
  for (const Request& r : all(stream)) CHECK(r.input == 10 * r.output);
}

TEST_CASE("a conversation grows by what was said, a think time after each answer") {
  // 100 shared tokens, then 10 in and 5 out a turn: prompts of 110, 125 and 140 tokens.
  RequestLaws laws{.arrivals = at_rate(ArrivalLaw::Constant, 1),
                   .input = constant_length(10),
                   .output = constant_length(5),
                   .prefixes = {.groups = 1, .tokens = 100, .turns = 3, .think = 2s},
                   .count = 5};  // two conversations
  LawStream stream(laws, 1);
  const Request first = stream.take();
  CHECK(first.arrival == sim::Time{1s});
  CHECK(first.input == 110);
  stream.answered(first, sim::Time{1500ms});
  const Request other = stream.take();
  CHECK(other.arrival == sim::Time{2s});
  CHECK(other.turn == 0);
  CHECK(other.session != first.session);
  CHECK(*stream.next_arrival() == sim::Time{3500ms});
  const Request second = stream.take();
  CHECK(second.input == 125);
  CHECK(second.session == first.session);
  CHECK_FALSE(stream.next_arrival());  // each waits for an answer
  stream.answered(second, sim::Time{4s});
  CHECK(stream.take().input == 140);
  stream.answered(other, sim::Time{9s});
  CHECK(stream.take().id == 4);
  CHECK_FALSE(stream.next_arrival());  // five were asked for
}

TEST_CASE("later turns begin with all that was said before") {
  RequestLaws laws{.arrivals = {.law = ArrivalLaw::AtOnce},
                   .input = constant_length(10),
                   .output = constant_length(5),
                   .prefixes = {.groups = 1, .tokens = 100, .turns = 2, .think = 2s},
                   .count = 2};
  LawStream stream(laws, 1);
  const Request first = stream.take();
  stream.answered(first, sim::Time{1s});
  CHECK(stream.take().prompt == first.prompt);
  REQUIRE(first.prompt.size() == 2);
  CHECK(first.prompt[0] == Span{0, 100});
  CHECK(first.prompt[1].tokens == 0);
}
