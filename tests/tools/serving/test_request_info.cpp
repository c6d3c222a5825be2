// What traces of requests hold, and hostile ones.
#include "tools/moesim/serving/request_info.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"

using namespace moesim;
using namespace moesim::tools;

namespace {

std::string refused(const std::string& name, const std::string& text) {
  const tests::TemporaryFolder folder;
  try {
    (void)request_info(folder.file(name, text));
  } catch (const sim::Error& error) {
    const std::string told = error.what(), before = folder.path().string() + "/";
    return told.starts_with(before) ? told.substr(before.size()) : told;
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("two requests of Azure's and of Mooncake's trace are read alike") {
  // 1,200 and 300 tokens in, 80 and 200 out, the second 1.5 s after the first. Mooncake's second
  // one begins with 300 of the 512 tokens of a block that the first has: 20 % of all.
  for (const char* name : {"r1-azure.csv", "r2-mooncake.jsonl"}) {
    CAPTURE(name);
    const RequestInfo info = request_info(std::string("tests/tools/serving/requests/") + name);
    CHECK(info.requests == 2);
    CHECK(info.input_tokens == 1500);
    CHECK(info.output_tokens == 280);
    CHECK(info.span_s == doctest::Approx(1.5));
    CHECK(info.rate_per_s == doctest::Approx(1 / 1.5));
    CHECK(info.input.mean == 750);
    CHECK(info.prefix_reuse == doctest::Approx(info.knows_prefixes ? 0.2 : 0));
  }
}

TEST_CASE("what prompts begin with is counted once, then reused") {
  // Blocks of 512: 1 2, then 1 2 3 (two of three known), then 2 (another beginning).
  const tests::TemporaryFolder folder;
  const RequestInfo info = request_info(folder.file(
      "t.jsonl",
      R"({"timestamp": 0, "input_length": 1024, "output_length": 1, "hash_ids": [1, 2]})"
      "\n"
      R"({"timestamp": 500, "input_length": 1536, "output_length": 3, "hash_ids": [1, 2, 3]})"
      "\n"
      R"({"timestamp": 2000, "input_length": 512, "output_length": 5, "hash_ids": [2]})"
      "\n"));
  CHECK(info.prefix_reuse == doctest::Approx(1024.0 / 3072));
  CHECK(info.longest_input == 1536);
  CHECK(info.output.p50 == 3);
  CHECK(to_json(info)["prefix_reuse"].get<double>() == doctest::Approx(1.0 / 3));
  CHECK(to_text(info, "t.jsonl") ==
        "t.jsonl: 3 requests over 2.000 s, 1.000 a second, in mooncake's format\n"
        "  input tokens  3072 in all, mean 1024.0, p50 1024, p99 1526, longest 1536\n"
        "  output tokens 9 in all, mean 3.0, p50 3, p99 5, longest 5\n"
        "  prefix reuse  33.3 % of the prompts' tokens\n");
}

TEST_CASE("failed requests are left out and said, and what shares nothing says so") {
  const tests::TemporaryFolder folder;
  const RequestInfo info = request_info(
      folder.file("b.csv",
                  "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
                  "5,GPT-4,10,20,30,API log\n6,GPT-4,10,0,10,API log\n9,GPT-4,30,40,70,API log\n"));
  CHECK(info.requests == 2);
  CHECK(info.notes == std::vector<std::string>{
                          "1 requests of the trace failed (no response tokens) and are left out"});
  CHECK_FALSE(info.knows_prefixes);
  CHECK(to_json(info)["prefix_reuse"].is_null());
}

TEST_CASE("what is no trace of requests, or a damaged one, is refused with its line") {
  const std::string known =
      "is the first line of no trace that is known: azure has a column ContextTokens, burstgpt "
      "Request tokens, servegen rate_per_s, moesim arrival_s, mooncake JSON lines with "
      "input_length";
  CHECK(refused("a.csv", "arrived_at,num_prefill_tokens,num_decode_tokens\n1,2,3\n") ==
        "a.csv:1: " + known);
  CHECK(refused("a.csv", "") == "a.csv:0: is empty");
  CHECK(refused("a.csv", "arrival_s,input_tokens,output_tokens\n") ==
        "a.csv: has no requests in the part that is asked for");
  CHECK(refused("a.csv", "client,window_start_s,rate_per_s,cv,law,parameter_1,parameter_2\n") ==
        "a.csv: holds rates of clients, from which a scenario draws requests "
        "(serving.requests.trace, with input and output lengths): there are none to look at");
  CHECK(refused("a.jsonl", R"({"input_length": 5})")
            .starts_with("a.jsonl:1: timestamp: expected a number"));
  CHECK(refused("a.csv", "arrival_s,input_tokens,output_tokens\n1,2\n").starts_with("a.csv:2: "));
  CHECK(
      refused("a.csv", "arrival_s,input_tokens,output_tokens\nnan,2,3\n").starts_with("a.csv:2: "));
  CHECK(
      refused("a.csv", "arrival_s,input_tokens,output_tokens\n1,-2,3\n").starts_with("a.csv:2: "));
  CHECK(refused("a.csv", "arrival_s,input_tokens,output_tokens\n0,2,3\n1e300,2,3\n") ==
        "a.csv:3: comes 1e+300 s after the first: a clock of picoseconds ends after 9000000 s, 104 "
        "days");
  CHECK(refused("a.csv", "arrival_s,input_tokens,output_tokens\n1,9e18,3\n")
            .starts_with("a.csv:2: "));
}
