// Logs of DeepEP's tests: several runs, what they do not say, and what cannot be.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sim/error.h"
#include "tests/support/thrown.h"
#include "tests/validation/logs.h"
#include "validation/calibrate/import.h"

using namespace moesim::validation;
using moesim::sim::ConfigError;
using moesim::sim::InputError;
using moesim::tests::log_of;
using moesim::tests::thrown;
using Notes = std::vector<std::string>;

namespace {

const std::string kLowLatency =
    "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n";
const std::string kNormal =
    "node_num,hidden_size,num_token,num_topk,num_experts,sms,dispatch_transmit_us,"
    "dispatch_notify_us,combine_transmit_us,combine_notify_us\n";

std::string config(int tokens) {
  return "[config] num_tokens=" + std::to_string(tokens) + ", hidden=7168, num_topk=8\n";
}

std::string out(const std::string& us) {
  return "[tuning] SMs 24, NVL chunk 4: 140.43 GB/s (NVL), 580.12 us\n"
         "[tuning] Best dispatch (FP8): SMs 24, NVL chunk 8, 153.43 GB/s (NVL), t: " +
         us + " us\n";
}

std::string back(const std::string& us) {
  return "[tuning] Best combine: SMs 24, NVL chunk 6: 158.43 GB/s (NVL), t: " + us + " us\n";
}

std::string rank(int number, const std::string& dispatch, const std::string& combine) {
  return "[rank " + std::to_string(number) + "] Dispatch bandwidth: 98.12 GB/s, avg_t=" + dispatch +
         " us | Combine bandwidth: 127.12 GB/s, avg_t=" + combine + " us\n";
}

// Shape and nodes given: what is read says nothing of them.
const DeepEpRun kGiven{.nodes = 1, .hidden = 7168, .tokens = 128, .top_k = 8, .experts = 256};

std::string read(const std::string& log, Notes* notes = nullptr, DeepEpRun given = kGiven) {
  return import_deepep(log, "d.log", given, notes);
}

const DeepEpRun kExperts{.experts = 256};

}  // namespace

TEST_CASE("every run of the normal kernels is a row, with its own tokens and times") {
  Notes notes;
  CHECK(read(config(4096) + out("531") + back("1025") + config(8192) + out("1031") + back("2025"),
             &notes, kExperts) ==
        kNormal + "1,7168,4096,8,256,24,531,0,1025,0\n1,7168,8192,8,256,24,1031,0,2025,0\n");
  CHECK(notes.empty());
  // Without the line of its shape a run begins where a dispatch follows a combine.
  DeepEpRun given = kGiven;
  given.tokens = 4096;
  CHECK(read(out("531") + back("1025") + out("1031") + back("2025"), nullptr, given) ==
        kNormal + "1,7168,4096,8,256,24,531,0,1025,0\n1,7168,4096,8,256,24,1031,0,2025,0\n");
}

TEST_CASE("a run of the normal kernels without its end is left out, wherever it stands") {
  // A run is four lines; one that is cut before its best dispatch has two, before its combine
  // three.
  const std::string whole = config(4096) + out("531") + back("1025");
  const std::string row = kNormal + "1,7168,4096,8,256,24,531,0,1025,0\n";
  Notes notes;
  CHECK(read(whole + config(8192) + "[tuning] SMs 24, NVL chunk 4: 1 GB/s (NVL), 580 us\n", &notes,
             kExperts) == row);
  CHECK(read(config(8192) + out("1031") + whole, &notes, kExperts) == row);
  CHECK(read(whole + config(8192), &notes, kExperts) == row);
  CHECK(notes == Notes{"d.log:5: left out: the run has no \"Best dispatch (FP8)\": was it ended "
                       "early?",
                       "d.log:1: left out: the run has no \"Best combine\": was it ended early?",
                       "d.log:5: left out: the run has no times: was it ended early?"});
}

TEST_CASE("a line of times within which the file ends is left out, and said") {
  // Of 1025 us: the run then has no end. Of 115 us: the mean is of the other rank.
  const std::string end = back("1025");
  Notes notes;
  CHECK(read(config(4096) + out("531") + end + config(8192) + out("1031") +
                 end.substr(0, end.size() - 5),
             &notes, kExperts) == kNormal + "1,7168,4096,8,256,24,531,0,1025,0\n");
  CHECK(notes == Notes{"d.log:8: left out: the file ends within it",
                       "d.log:5: left out: the run has no \"Best combine\": was it ended early?"});
  notes.clear();
  const std::string two = rank(0, "77", "114") + rank(1, "78", "115");
  CHECK(read(two.substr(0, two.size() - 5), &notes) == kLowLatency + "1,7168,128,8,256,77,114\n");
  CHECK(notes == Notes{"d.log:2: left out: the file ends within it"});
}

TEST_CASE("nodes that each print a run's lines are of one run, as slow as its slowest") {
  Notes notes;
  CHECK(read(config(4096) + config(4096) + out("531") + out("533") + back("1025") + back("1020"),
             &notes, kExperts) == kNormal + "1,7168,4096,8,256,24,533,0,1025,0\n");
  CHECK(notes == Notes{"d.log:6: the run says this 2 times, as 2 nodes do: the slowest is taken",
                       "d.log:8: the run says this 2 times, as 2 nodes do: the slowest is taken"});
}

TEST_CASE("every run of low latency is a row of the mean over its ranks") {
  // (77 + 79) / 2 and (114 + 116) / 2; (97 + 99) / 2 and (154 + 156) / 2.
  const std::string first = rank(0, "77", "114") + rank(1, "79", "116");
  const std::string second = rank(0, "97", "154") + rank(1, "99", "156");
  const std::string rows = kLowLatency + "1,7168,128,8,256,78,115\n1,7168,128,8,256,98,155\n";
  CHECK(read(first + second) == rows);
  CHECK(read("Allocating buffer size: 1 MB ...\n" + first + "Allocating buffer size: 1 MB ...\n" +
             second) == rows);
}

TEST_CASE("a run of low latency that ended before most of its ranks had times is left out") {
  const std::string both =
      "[rank 0] Dispatch + combine bandwidth: 112.12 GB/s, avg_t=195.00 us\n"
      "[rank 1] Dispatch + combine bandwidth: 112.12 GB/s, avg_t=195.00 us\n"
      "[rank 2] Dispatch + combine bandwidth: 112.12 GB/s, avg_t=195.00 us\n"
      "[rank 3] Dispatch + combine bandwidth: 112.12 GB/s, avg_t=195.00 us\n";
  const std::string ranks = rank(0, "77", "114") + rank(1, "77", "114") + rank(2, "77", "114");
  Notes notes;
  CHECK(read(both + ranks + rank(3, "77", "114") + both + rank(0, "7", "11"), &notes) ==
        kLowLatency + "1,7168,128,8,256,77,114\n");
  CHECK(notes == Notes{"d.log:9: left out: the run has no times of 3 of 4 ranks: was it ended "
                       "early?"});
  // One of four without times: their mean, which is said.
  notes.clear();
  CHECK(read(both + ranks, &notes) == kLowLatency + "1,7168,128,8,256,77,114\n");
  CHECK(notes == Notes{"d.log:1: 3 of the run's 4 ranks say their times: the mean is theirs"});
}

TEST_CASE("a run that failed is left out, and others stay") {
  const std::string warned =
      "Warning: DeepEP timeout for dispatch receive, rank 1, local_expert_idx 3, src_rank 2\n";
  const std::string bad = "Allocating buffer size: 1 MB ...\n" + warned + rank(0, "77", "114");
  CHECK(thrown<InputError>([&] { read(bad); }) == "d.log:2: the test failed: measure again");
  Notes notes;
  CHECK(read(bad + "Allocating buffer size: 1 MB ...\n" + rank(0, "78", "115"), &notes) ==
        kLowLatency + "1,7168,128,8,256,78,115\n");
  CHECK(notes == Notes{"d.log:2: the run failed, it is left out: DeepEP timeout for dispatch "
                       "receive, rank 1, local_expert_idx 3, src_rank 2"});
}

TEST_CASE("a run that failed after it had all of its times stays") {
  const std::string row = kNormal + "1,7168,4096,8,256,24,531,0,1025,0\n";
  const std::string failed = "Traceback (most recent call last):\nRuntimeError: x\n";
  Notes notes;
  CHECK(read(config(4096) + out("531") + back("1025") + failed, &notes, kExperts) == row);
  CHECK(notes == Notes{"d.log:5: the run failed after its times, which are taken: Traceback (most "
                       "recent call last):"});
  // One of two nodes had no best combine.
  CHECK(thrown<InputError>([&] {
          read(config(4096) + out("531") + out("531") + back("1025") + failed);
        }) == "d.log:7: the test failed: measure again");
  // Both ranks had their times, one of them had not.
  const std::string low = kLowLatency + "1,7168,128,8,256,77,114\n";
  const std::string both = "[rank 1] Dispatch + combine bandwidth: 112.12 GB/s, avg_t=195.00 us\n";
  CHECK(read(both + rank(0, "77", "114") + rank(1, "77", "114") + failed) == low);
  CHECK(thrown<InputError>([&] { read(both + rank(0, "77", "114") + failed); }) ==
        "d.log:3: the test failed: measure again");
}

TEST_CASE("runs of low latency and of the normal kernels are two tables") {
  Notes notes;
  const std::string log = config(4096) + out("531") + back("1025") + rank(0, "77", "114");
  CHECK(read(log, &notes) == kLowLatency + "1,7168,128,8,256,77,114\n");
  CHECK(notes.back() ==
        "d.log:1: runs of the normal kernels are left out, beside those of low latency: a table of "
        "its own has them");
}

TEST_CASE("a shape that the log does not say is asked for, or taken as DeepEP's tests have it") {
  const std::string normal = out("531") + back("1025");
  CHECK(thrown<ConfigError>([&] { read(normal, nullptr, {}); }) ==
        "d.log: the log does not say its tokens a rank (\"[config] num_tokens=…\"): --tokens N");
  Notes notes;
  CHECK(read(normal, &notes, {.tokens = 4096}) == kNormal + "1,7168,4096,8,256,24,531,0,1025,0\n");
  CHECK(notes == Notes{"d.log: the log does not say all of its shape: --hidden 7168, --top-k 8, "
                       "--experts 256, as DeepEP's tests have it, is taken"});
  notes.clear();
  const std::string low = rank(0, "77", "114");
  CHECK(read(low + low, &notes, {.hidden = 4096, .top_k = 6}) ==
        kLowLatency + "1,4096,128,6,256,77,114\n1,4096,128,6,256,77,114\n");
  CHECK(notes == Notes{"d.log: the log does not say all of its shape: --tokens 128, --experts 256, "
                       "as DeepEP's tests have it, is taken"});
}

TEST_CASE("a shape that the log says is believed, and what was given is said not to be used") {
  Notes notes;
  DeepEpRun given = kGiven;
  given.hidden = 4096;
  CHECK(read("\n" + config(128) + out("531") + back("1025"), &notes, given) ==
        kNormal + "1,7168,128,8,256,24,531,0,1025,0\n");
  CHECK(notes == Notes{"d.log:2: the log says hidden=7168: --hidden 4096 is not used"});
}

TEST_CASE("a shape that cannot be is refused") {
  const std::string three = rank(0, "77", "114") + rank(1, "77", "114") + rank(2, "77", "114");
  DeepEpRun given = kGiven;
  given.top_k = 300;
  CHECK(thrown<ConfigError>([&] { read(three, nullptr, given); }) ==
        "d.log: a top-k of 300 is more than 256 experts: --top-k N, --experts N");
  CHECK(thrown<ConfigError>([&] { read(three); }) ==
        "d.log: 256 experts do not divide over its 3 ranks: --experts N");
  given = kGiven;
  given.nodes = 2;
  CHECK(thrown<ConfigError>([&] { read(three, nullptr, given); }) ==
        "d.log: its 3 ranks do not divide over --nodes 2: on how many nodes was it?");
}

TEST_CASE("a time that contradicts the bandwidth beside it is refused") {
  // 158.43 GB/s for 1.025 us are 0.162 MB, where 4096 tokens of 7168 are 29.4 MB at a byte each.
  CHECK(thrown<InputError>([] { read(config(4096) + out("531") + back("1.025")); }) ==
        "d.log:4: 158.43 GB/s for 1.025 us are 0.162 MB, of 4096 tokens of 7168: is the time in "
        "us, and the shape the run's?");
  CHECK(thrown<InputError>([] { read(rank(0, "77", "114000")); }) ==
        "d.log:1: 127.12 GB/s for 114000 us are 1.45e+04 MB, of 128 tokens of 7168: is the time in "
        "us, and the shape the run's?");
}

TEST_CASE("nodes that contradict the links of the log are refused") {
  CHECK(thrown<ConfigError>([] {
          read(config(4096) + out("531") + back("1025"), nullptr, {.nodes = 4});
        }) == "d.log: the log is of one node (NVL), not of --nodes 4");
  CHECK(thrown<ConfigError>([] { read(log_of("d5-two-runs.log")); }) ==
        "d.log: the log is of several nodes (RDMA), not of --nodes 1");
}
