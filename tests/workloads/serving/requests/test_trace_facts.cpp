// What is known of a trace before it is played.
#include "workloads/serving/requests/trace_facts.h"

#include <doctest/doctest.h>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "workloads/serving/question.h"

using namespace moesim;
using namespace moesim::sim::literals;
using namespace moesim::workloads::serving;

namespace {

const tests::TemporaryFolder folder;

RequestTrace own(const std::string& rows) {
  return {.file = folder.file("own.csv", "arrival_s,input_tokens,output_tokens\n" + rows)};
}

const std::string kFour = "5,10,4\n7,30,2\n9,20,3\n15,40,1\n";

}  // namespace

TEST_CASE("lengths and pace are the trace's own, whatever its scale") {
  // Four requests in 10 s: three gaps, 0.3 a second. 100 tokens in, 10 out. The longest is 41: that
  // with most tokens in has fewest out.
  for (const double scale : {1.0, 4.0}) {
    RequestTrace trace = own(kFour);
    trace.scale = scale;
    read_facts(trace);
    const TraceFacts& facts = trace.facts;
    CHECK(facts.requests == 4);
    CHECK(facts.rate_per_s == doctest::Approx(0.3));
    CHECK(facts.mean_input == 25);
    CHECK(facts.mean_output == 2.5);
    CHECK(facts.least_input == 10);
    CHECK(facts.longest_input == 40);
    CHECK(facts.longest_output == 4);
    CHECK(facts.longest == 41);
    CHECK(trace.pace() == doctest::Approx(0.3 * scale));
    CHECK(trace.scale == scale);
    CHECK(text_of(trace) ==
          "4 requests of own.csv, 25 tokens in and 2 out on average, " +
              std::string(scale == 1 ? "0.3 a second" : "1.2 a second (4 times their own pace)"));
  }
}

TEST_CASE("facts are of the part that is asked for") {
  RequestTrace trace = own(kFour);
  trace.from = 2s;  // from the second on
  trace.count = 2;
  read_facts(trace);
  CHECK(trace.facts.requests == 2);
  CHECK(trace.facts.rate_per_s == doctest::Approx(0.5));
  CHECK(trace.facts.mean_input == 25);
  CHECK(trace.facts.longest == 32);
}

TEST_CASE("a rate is what the requests come at on average, whatever their pace") {
  RequestTrace trace = own(kFour);
  trace.rate = 3;
  read_facts(trace);
  CHECK(trace.scale == doctest::Approx(10));
  CHECK(trace.pace() == doctest::Approx(3));
}

TEST_CASE("requests that come at once have no pace, and take no rate") {
  RequestTrace trace = own("5,10,4\n5,30,2\n");
  read_facts(trace);
  CHECK(trace.facts.rate_per_s == 0);
  CHECK_FALSE(rate_of({.requests = trace}));
  CHECK(text_of(trace) == "2 requests of own.csv, 20 tokens in and 3 out on average, all at once");
  trace.rate = 3;
  CHECK(tests::thrown<sim::InputError>([&] { read_facts(trace); }) ==
        trace.file.string() +
            ": all of its requests come at once, which no rate can change: leave out "
            "requests.rate");
}

TEST_CASE("a question knows its trace's lengths, and its rate is set by the scale") {
  ServingQuestion q{.requests = own(kFour)};
  read_facts(std::get<RequestTrace>(q.requests));
  CHECK(q.mean_input() == 25);
  CHECK(q.own_input() == 25);
  CHECK(q.mean_output() == 2.5);
  CHECK(q.least_input() == 10);
  CHECK(q.longest() == 41);
  CHECK(rate_of(q).value() == doctest::Approx(0.3));
  set_rate(q, 6);
  CHECK(rate_of(q).value() == doctest::Approx(6));
  CHECK(std::get<RequestTrace>(q.requests).scale == doctest::Approx(20));
}
