// Recorded requests, in each format; every message.
#include "workloads/serving/requests/trace_stream.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cmath>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "workloads/serving/requests/detect_format.h"

using namespace moesim;
using namespace moesim::sim::literals;
using namespace moesim::workloads::serving;

namespace {

const tests::TemporaryFolder folder;

std::vector<Request> read(const std::string& name, const std::string& text, RequestTrace trace) {
  trace.file = folder.file(name, text);
  const auto stream = open_trace(trace, 1);
  std::vector<Request> list;
  while (stream->next_arrival()) list.push_back(stream->take());
  return list;
}

std::string mistake(const std::string& name, const std::string& text, TraceFormat format) {
  std::string told = tests::thrown<sim::InputError>([&] { read(name, text, {.format = format}); });
  const std::string before = folder.path().string() + "/";
  if (told.starts_with(before)) told.erase(0, before.size());
  return told;
}

const std::string kAzure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
const std::string kOwn = "arrival_s,input_tokens,output_tokens\n";

}  // namespace

TEST_CASE("Azure's times are dates, over midnight and into March of a leap year") {
  const auto r =
      read("azure.csv", kAzure + "2024-02-28 23:59:59.5,374,44\n2024-03-01T00:00:00.25+00:00,0,7\n",
           {.format = TraceFormat::Azure});
  REQUIRE(r.size() == 2);
  CHECK(r[0].arrival == sim::Time{});
  CHECK(r[0].input == 374);
  CHECK(r[0].output == 44);
  CHECK(r[1].arrival == sim::Time{86'400'750ms});  // the 29th lies between
  CHECK(r[1].input == 1);                          // none is none that could be served
}

TEST_CASE("Azure's times count in UTC, whatever the zone of a line") {
  // 01:00:05 an hour before UTC is 00:00:05; 18:30:10 the day before, 5:30 behind, 00:00:10.
  auto r = read("azure.csv",
                kAzure +
                    "2024-05-10 00:00:00Z,1,1\n2024-05-10 01:00:05+01:00,1,1\n"
                    "2024-05-09 18:30:10-0530,1,1\n2024-05-10 02:00:15.5 +02,1,1\n",
                {.format = TraceFormat::Azure});
  REQUIRE(r.size() == 4);
  CHECK(r[1].arrival == sim::Time{5s});
  CHECK(r[2].arrival == sim::Time{10s});
  CHECK(r[3].arrival == sim::Time{15'500ms});
  // The hour that an end of summer time has twice.
  r = read("azure.csv", kAzure + "2024-10-27T02:59:59+02:00,1,1\n2024-10-27T02:00:04+01:00,1,1\n",
           {.format = TraceFormat::Azure});
  REQUIRE(r.size() == 2);
  CHECK(r[1].arrival == sim::Time{5s});
}

TEST_CASE("twice the rate is half the time, and a part of a trace begins at zero") {
  const std::string text = kOwn + "5,1,1\n6,2,1\n8,3,1\n9,4,1\n";
  auto r = read("own.csv", text, {.scale = 2, .from = 1s, .to = 4s});
  REQUIRE(r.size() == 2);  // at 6 and 8 s, which are 1 and 3 s after the first line
  CHECK(r[0].arrival == sim::Time{});
  CHECK(r[0].id == 0);
  CHECK(r[1].arrival == sim::Time{1s});
  r = read("own.csv", text, {.count = 3});
  CHECK(r.size() == 3);
}

TEST_CASE("BurstGPT's failed requests are left out and counted") {
  RequestTrace trace{.format = TraceFormat::BurstGpt};
  trace.file = folder.file("burst.csv",
                           "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
                           "5,ChatGPT,472,18,490,Conversation log\n"
                           "45,ChatGPT,1087,0,1087,Conversation log\n"
                           "118,GPT-4,417,276,693,API log\n");
  const auto stream = open_trace(trace, 1);
  CHECK(stream->take().input == 472);
  const Request last = stream->take();
  CHECK(last.arrival == sim::Time{113s});
  CHECK_FALSE(stream->next_arrival());
  CHECK(stream->notes() ==
        std::vector<std::string>{
            "1 requests of the trace failed (no response tokens) and are left out"});
}

TEST_CASE("Mooncake's blocks of 512 tokens are what prompts share") {
  const auto r =
      read("mooncake.jsonl",
           R"({"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [4, 9]}
{"timestamp": 3052, "input_length": 512, "output_length": 6, "hash_ids": [4]}
)",
           {.format = TraceFormat::Mooncake});
  REQUIRE(r.size() == 2);
  CHECK(r[1].arrival == sim::Time{3052ms});
  REQUIRE(r[0].prompt.size() == 3);
  CHECK(r[0].prompt[0] == Span{4, 512});
  CHECK(r[0].prompt[1] == Span{9, 88});
  CHECK(r[0].prompt[2].tokens == 0);
  CHECK(r[0].prompt[2].text != r[1].prompt[1].text);  // answers are nobody else's
}

TEST_CASE("our own format has prefixes, conversations and priorities") {
  const auto r =
      read("own.csv",
           "arrival_s,input_tokens,output_tokens,session,turn,prefix,prefix_tokens,"
           "priority\n0,10,2,a,0,p,4,0\n1,20,2,a,1,p,4,-3\n2,20,2,,0,p,4,0\n3,5,1,,0,,0,0\n",
           {});
  REQUIRE(r.size() == 4);
  CHECK(r[1].prompt == r[0].prompt);
  CHECK(r[1].turn == 1);
  CHECK(r[1].priority == -3);
  CHECK(r[2].prompt[0] == r[0].prompt[0]);
  CHECK(r[2].prompt[1].text != r[0].prompt[1].text);
  CHECK(r[3].prompt.empty());
}

TEST_CASE("rates of ServeGen's clients are drawn from their windows") {
  // One client: 2 a second in the first window, none in the second, 1 in the third. Of 600 s each
  // that is 1,200 and 600 requests; five standard deviations of a Poisson number of 1,800 are 212.
  RequestTrace trace{.format = TraceFormat::ServeGen,
                     .scale = 2,
                     .input = constant_length(9),
                     .output = constant_length(3)};
  const std::string rates =
      "client,window_start_s,rate_per_s,cv,law,parameter_1,parameter_2\n"
      "0,0,2,1,Gamma,1,0.5\n0,600,0,1,Gamma,1,1\n0,1200,1,1,Weibull,1,1\n";
  const auto all = read("rates.csv", rates, trace);
  CHECK(std::abs(static_cast<double>(all.size()) - 1800) < 212);
  std::size_t second = 0;
  for (const Request& r : all) {
    // At twice the rate the trace's second window is from 300 to 600 s.
    second += r.arrival >= sim::Time{300s} && r.arrival < sim::Time{600s} ? 1 : 0;
    CHECK(r.input == 9);
  }
  CHECK(second == 0);
  trace.from = 600s;
  const auto late = read("rates.csv", rates, trace);
  CHECK(std::abs(static_cast<double>(late.size()) - 600) < 123);
  CHECK(late[0].arrival >= sim::Time{300s});  // 600 s later, in half the time
}

TEST_CASE("empty lines that never end are refused, and so is a pipe that would be read twice") {
  // 16 MiB of line ends are 16,777,216 empty lines; one more is too many.
  const std::string ends(std::size_t{16} << 20, '\n');
  CHECK(read("own.csv", kOwn + ends + "2,1,1\n", {}).size() == 1);
  CHECK(mistake("a.csv", kOwn + ends + "\n2,1,1\n", TraceFormat::Moesim) ==
        "a.csv:16777218: over 16 MiB of empty lines and comments");
  const std::filesystem::path pipe = folder.path() / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(tests::thrown<sim::InputError>([&] { detect_format(pipe); }) ==
        pipe.string() +
            ": is a pipe, whose first line says its format and can be read but once: give a file");
}

TEST_CASE("what is wrong with a trace is told with its line") {
  CHECK(mistake("a.csv", kAzure + "2023-11-16 18:15:46.6,1,1\nnoon,1,1\n", TraceFormat::Azure) ==
        "a.csv:3: TIMESTAMP: expected a time such as 2023-11-16 18:15:46.68, not \"noon\"");
  for (const char* none :
       {"2023-02-30 18:15:46.6", "2023-11-16 24:15:46.6", "2023-11-16 18:60:46.6",
        "2023-11-16 18:15:61", "2023-11-16 18:15:nan", "2023-11-16 18:15:46 CET",
        "2023-11-16 18:15:46+1", "2023-11-16 18:15:46+01:x0"})
    CHECK(mistake("a.csv", kAzure + none + ",1,1\n", TraceFormat::Azure) ==
          "a.csv:2: TIMESTAMP: expected a time such as 2023-11-16 18:15:46.68, not \"" +
              std::string(none) + "\"");
  CHECK(mistake("a.csv", kAzure + "2023-11-16 18:15:46.6,-1,1\n", TraceFormat::Azure) ==
        "a.csv:2: ContextTokens: expected a number of tokens, not \"-1\"");
  CHECK(mistake("a.csv", kAzure + "2023-11-16 18:15:46.6,1\n", TraceFormat::Azure) ==
        "a.csv:2: 2 values, but 3 columns");
  CHECK(mistake("a.csv", kOwn, TraceFormat::Azure) ==
        "a.csv:1: column \"TIMESTAMP\" is missing; the columns are arrival_s, input_tokens, "
        "output_tokens");
  CHECK(mistake("a.csv", "", TraceFormat::Azure) == "a.csv: is empty: expected a line of columns");
  CHECK(mistake("o.csv", kOwn + "2,1,1\n1,1,1\n", TraceFormat::Moesim) ==
        "o.csv:3: arrives before the line before it: sort the trace by time");
  CHECK(mistake("o.csv", kOwn + "soon,1,1\n", TraceFormat::Moesim) ==
        "o.csv:2: arrival_s: expected a number, not \"soon\"");
  CHECK(mistake("o.csv", kOwn, TraceFormat::Moesim) ==
        "o.csv: has no requests in the part that is asked for");
  CHECK(mistake("o.csv", "arrival_s,input_tokens,output_tokens,prefix\n1,1,1,a\n",
                TraceFormat::Moesim) ==
        "o.csv:1: column \"prefix_tokens\" is missing; the columns are arrival_s, input_tokens, "
        "output_tokens, prefix");
  CHECK(mistake("o.csv", "arrival_s,prompt_tokens,output_tokens\n1,1,1\n", TraceFormat::Moesim) ==
        "o.csv:1: column \"input_tokens\" is missing: name \"prompt_tokens\" so");
  CHECK(mistake("o.csv", "arrival_s,input_tokens,input_tokens,output_tokens\n1,1,5,1\n",
                TraceFormat::Moesim) == "o.csv:1: column \"input_tokens\" is named twice");
  CHECK(mistake("m.jsonl", "{\"timestamp\": 1, \"input_length\": 1}\n", TraceFormat::Mooncake) ==
        "m.jsonl:1: output_length: expected a number");
  CHECK(mistake("m.jsonl",
                "{\"timestamp\": 1, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [1, "
                "2]}\n",
                TraceFormat::Mooncake) ==
        "m.jsonl:1: hash_ids: more blocks of 512 tokens than 5 tokens have");
  CHECK(mistake("m.jsonl", "{\"timestamp\": 1, \"input_length\": 0.5, \"output_length\": 1}\n",
                TraceFormat::Mooncake) == "m.jsonl:1: input_length: expected a number of tokens");
  CHECK(mistake("m.jsonl",
                "{\"timestamp\": 1, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": 7}\n",
                TraceFormat::Mooncake) == "m.jsonl:1: hash_ids: expected a list of whole numbers");
  const std::string rates = "client,window_start_s,rate_per_s,cv,law,parameter_1,parameter_2\n";
  CHECK(mistake("r.csv", rates + "0,0,1,1,Pareto,1,1\n", TraceFormat::ServeGen) ==
        "r.csv:2: law: expected Gamma or Weibull, not \"Pareto\"");
  CHECK(mistake("r.csv", rates + "0,0,1,1,Gamma,0,1\n", TraceFormat::ServeGen) ==
        "r.csv:2: parameter_1: expected a shape above 0");
  CHECK(mistake("r.csv", rates + "0,0,-1,1,Gamma,1,1\n", TraceFormat::ServeGen) ==
        "r.csv:2: rate_per_s: expected no number below 0");
  CHECK(
      mistake("r.csv", rates + "0,0,1,1,Gamma,1,1\n0,300,1,1,Gamma,1,1\n", TraceFormat::ServeGen) ==
      "r.csv:3: window_start_s: expected a client's windows in order, 600 s each");
}
