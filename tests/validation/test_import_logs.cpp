// Logs as launchers, failures and several runs leave them: the smallest of each, in logs/.
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
using moesim::tests::replaced;
using moesim::tests::thrown;
using Notes = std::vector<std::string>;

namespace {

std::string nccl(const std::string& log, Notes* notes = nullptr,
                 const std::string& operation = "all_reduce", int ranks = 0) {
  return import_nccl_tests(log, "a.log", operation, ranks, notes);
}

const std::string kHeader = "op_name,dtype,num_gpus,bytes,latency_us\n";
const DeepEpRun kShaped{.nodes = 2, .hidden = 7168, .tokens = 128, .top_k = 8, .experts = 256};
const std::string kOne = kHeader + "all_reduce,float,4,1048576,40\n";

}  // namespace

TEST_CASE("what launchers put before a line is not nccl-tests'") {
  const std::string log = log_of("l1-tagged.log");  // mpirun --tag-output
  CHECK(nccl(log) == kOne);
  const std::string tag = "[1,0]<stdout>:";
  CHECK(nccl(replaced(log, tag, "0: ")) == kOne);                              // srun --label
  CHECK(nccl(replaced(log, tag, "2026-03-01T10:11:12.123456789Z ")) == kOne);  // timestamps
  CHECK(nccl(replaced(log, tag, "[pod/nccl-0/worker] ")) == kOne);             // kubectl --prefix
  CHECK(nccl(replaced(log, tag, "2026-03-01 10:11:12,123 node3 | ")) == kOne);
  CHECK(nccl(replaced(log, tag, "")) == kOne);
}

TEST_CASE("a test that failed before its first row is no table") {
  CHECK(thrown<InputError>([] { nccl(log_of("l2-failed-no-rows.log")); }) ==
        "a.log: the test failed and no row is left: line 10: Test NCCL failure common.cu:1 "
        "'unhandled cuda error'");
}

TEST_CASE("rows with wrong values are left out, and said") {
  Notes notes;
  CHECK(thrown<InputError>([&] { nccl(log_of("l3-wrong-values.log"), &notes); }) ==
        "a.log: the test failed and no row is left: 1 with wrong values");
  CHECK(notes == Notes{"a.log:10: left out: 1024 values are wrong"});
  // A second row that is right stays.
  notes.clear();
  const std::string log = replaced(log_of("l3-wrong-values.log"), "# Out of bounds",
                                   "     2097152        524288     float     sum      -1    60.00  "
                                   " 34.95   52.43      0    59.50 "
                                   "  35.25   52.87      0\n# Out of bounds");
  CHECK(nccl(log, &notes) == kHeader + "all_reduce,float,4,2097152,60\n");
  CHECK(notes.size() == 1);
}

TEST_CASE("a run whose bounds failed is left out whole where no row says which") {
  const std::string log = replaced(
      replaced(log_of("l1-tagged.log"), "39.32      0 ", "39.32    N/A "), "0 OK", "1 FAILED");
  CHECK(thrown<InputError>([&] { nccl(log); }) ==
        "a.log: the test failed and no row is left: line 11: values out of bounds: FAILED");
}

TEST_CASE("a row without a time does not say why its run's bounds failed") {
  const std::string log = replaced(
      replaced(log_of("l1-tagged.log"), "0 OK", "1 FAILED"), "# Out of bounds",
      "     2097152        524288     float     sum      -1      nan     nan      nan      0"
      "    59.50   35.25   52.87      0\n# Out of bounds");
  CHECK(thrown<InputError>([&] { nccl(log); }) ==
        "a.log: the test failed and no row is left: line 12: values out of bounds: FAILED");
}

TEST_CASE("of several runs in a file those of the operation are taken, each with its ranks") {
  Notes notes;
  CHECK(nccl(log_of("l4-two-runs.log"), &notes) == kOne);
  CHECK(notes == Notes{"a.log: runs of alltoall are left out"});
  CHECK(nccl(log_of("l4-two-runs.log"), nullptr, "alltoall") ==
        kHeader + "alltoall,float,4,1048576,90\n");
  // Without --operation each run is of its own.
  CHECK(nccl(log_of("l4-two-runs.log"), nullptr, "") == kOne + "alltoall,float,4,1048576,90\n");
  CHECK(thrown<ConfigError>([] { nccl(log_of("l1-tagged.log"), nullptr, "all_gather"); }) ==
        "a.log: the log is of all_reduce, not of all_gather");
}

TEST_CASE("ranks that a log lists are believed, and what was given is said not to be used") {
  Notes notes;
  CHECK(nccl(log_of("l1-tagged.log"), &notes, "all_reduce", 8) == kOne);
  CHECK(notes == Notes{"a.log: the log lists 4 GPUs: --ranks 8 is not used"});
}

TEST_CASE("a log that does not name its operation asks for it") {
  const std::string log = replaced(log_of("l1-tagged.log"), "# Collective test starting", "# x");
  CHECK(thrown<ConfigError>([&] { nccl(log, nullptr, ""); }) ==
        "a.log: the log does not name its operation; --operation all_reduce, all_gather, "
        "reduce_scatter or alltoall");
  CHECK(nccl(log) == kOne);
}

TEST_CASE("a time that is none is left out, and one far from its neighbours pointed at") {
  const auto row = [](int bytes, const char* us) {
    return std::to_string(bytes) + " float sum -1 " + us + " 0.00 0.00 0 1 0.00 0.00 0\n";
  };
  const std::string head =
      "# Rank 0 Pid 1\n# Rank 1 Pid 2\n# size type redop root time algbw busbw "
      "#wrong time algbw busbw #wrong\n";
  Notes notes;
  CHECK(nccl(head + row(1, "10") + row(2, "nan") + row(4, "100") + row(8, "12") +
                 "# Avg bus bandwidth : 1\n",
             &notes) ==
        kHeader + "all_reduce,float,2,1,10\nall_reduce,float,2,4,100\nall_reduce,float,2,8,12\n");
  CHECK(notes == Notes{"a.log:5: left out: its time is nan",
                       "a.log:6: an outlier? 100 us for 4 bytes, but 10 us for 1 and 12 us for 8"});
}

TEST_CASE("nccl-tests' JSON says its ranks, its operation and what was wrong") {
  const std::string json = R"({"test": "all_reduce_perf", "devices": [{}, {}], "results": [
      {"size": 4, "type": "half", "out_of_place": {"time": 7.5, "nwrong": 0}},
      {"size": 8, "type": "half", "out_of_place": {"time": 8.5, "nwrong": 3}},
      {"size": 16, "type": "half", "out_of_place": {"time": NaN}}]})";
  Notes notes;
  CHECK(nccl(json, &notes, "") == kHeader + "all_reduce,half,2,4,7.5\n");
  CHECK(notes == Notes{"a.log: result 2: left out: 3 values are wrong",
                       "a.log: result 3: left out: it has no time"});
}

TEST_CASE("more ranks than a node has, and RDMA, ask for the nodes") {
  const std::string sixteen = log_of("d1-sixteen-ranks.log");
  CHECK(thrown<ConfigError>([&] { import_deepep(sixteen, "d.log", {}); }) ==
        "d.log: 16 ranks are more than a node of 8: on how many nodes? --nodes N");
  CHECK(import_deepep(sixteen, "d.log", {.nodes = 2}) ==
        "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n"
        "2,7168,128,8,256,190,340\n");
  CHECK(thrown<ConfigError>([] { import_deepep(log_of("d3-bandwidth-only.log"), "d.log", {}); }) ==
        "d.log: the log is of several nodes (RDMA): how many? --nodes N");
}

TEST_CASE("a version of DeepEP that prints no times is told from a damaged log") {
  CHECK(thrown<InputError>(
            [] { import_deepep(log_of("d3-bandwidth-only.log"), "d.log", {.nodes = 2}); }) ==
        "d.log:2: this version of DeepEP prints bandwidths and no times, which a table needs: "
        "measure with one that prints \"transmit: … us\"");
}

TEST_CASE("a run of DeepEP that ended in an exception is refused, and so is another unit") {
  // Four lines, of which the last has no end.
  const std::string log = log_of("d4-low-latency.log");
  for (const char* said :
       {"Traceback (most recent call last):", "RuntimeError: x", "AssertionError",
        "DeepEP timeout check failed: rank = 0", "CUDA error: x", "NCCL error in: x"}) {
    CAPTURE(said);
    CHECK(thrown<InputError>([&] { import_deepep(said + ("\n" + log), "d.log", {.nodes = 1}); }) ==
          "d.log:1: the test failed: measure again");
  }
  std::string other = log;
  for (std::size_t at = 0; (at = other.find(" us", at)) != std::string::npos;)
    other.replace(at, 3, " ms");
  CHECK(thrown<InputError>([&] { import_deepep(other, "d.log", {.nodes = 1}); }) ==
        "d.log:3: expected an avg_t in us");
}

TEST_CASE("a stalled rank is left out, and said") {
  const std::string log = replaced(log_of("d1-sixteen-ranks.log"),
                                   "[rank 3] Dispatch bandwidth: 39.10 GB/s, avg_t=190.00",
                                   "[rank 3] Dispatch bandwidth: 0.10 GB/s, avg_t=9000.00");
  Notes notes;
  CHECK(import_deepep(log, "d.log", kShaped, &notes) ==
        "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n"
        "2,7168,128,8,256,190,340\n");
  CHECK(notes == Notes{"d.log:4: left out: the rank is stalled, 9000 and 340 us where 190 and 340 "
                       "are usual"});
}

TEST_CASE("of two ranks the slow one is the stalled one") {
  Notes notes;
  CHECK(import_deepep(replaced(log_of("d4-low-latency.log"), "181.02 GB/s, avg_t=41.50",
                               "1.81 GB/s, avg_t=4150"),
                      "d.log", kShaped, &notes) ==
        "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n"
        "2,7168,128,8,256,41.72,66.19\n");
  CHECK(notes.size() == 1);
}

TEST_CASE("a log that ends before its test is told, and a row within which it ends is left out") {
  const std::string rows = kHeader + "all_reduce,float,2,1048576,40\n";
  const std::string head =
      "# Collective test starting: all_reduce_perf\n# Rank 0\n# Rank 1\n"
      "#  size  count  type  redop  root  time  algbw\n  1048576 262144 float sum -1 40.0 26.2\n";
  const std::string early =
      "a.log: the test of all_reduce has no last line (\"# Avg bus bandwidth\"): was it ended "
      "early? "
      "Its 1 rows are taken";
  Notes notes;
  CHECK(nccl(head, &notes) == rows);
  CHECK(notes == Notes{early});
  notes.clear();
  CHECK(nccl(head + "  2097152 524288 float sum -1 7", &notes) == rows);  // of 70.0
  CHECK(notes == Notes{"a.log:6: left out: the file ends within it", early});
  notes.clear();
  CHECK(nccl(head + "# Avg bus bandwidth : 1\n", &notes) == rows);
  CHECK(notes.empty());
}

TEST_CASE("a test whose operation no table has is refused by its name") {
  const std::string log =
      "# Collective test starting: sendrecv_perf\n# Rank 0\n# Rank 1\n"
      "#  size  count  type  redop  root  time  algbw\n  1048576 262144 float sum -1 40.0 26.2\n";
  CHECK(thrown<ConfigError>([&] { nccl(log, nullptr, ""); }) ==
        "a.log: the log is of sendrecv_perf, not of all_reduce, all_gather, reduce_scatter, "
        "alltoall");
}

TEST_CASE("logs of other versions, of other ends of lines and as JSON are read") {
  const std::string two = kHeader + "all_reduce,float,2,1048576,40\n";
  CHECK(nccl(log_of("l5-kubectl-crlf.log")) == two);  // kubectl --prefix --timestamps, CRLF, N/A
  CHECK(nccl(log_of("l6-old-version.log")) == kOne);  // "error" in place of "#wrong", no root
  CHECK(nccl(log_of("l7-json.log")) == kOne);         // -J
  CHECK(import_perftest(log_of("p2-gbits.log"), "p.log") ==
        "bytes,bandwidth_GBps,latency_us\n8388608,48.4375,\n");  // 387.5 Gbit/s over 8
  CHECK(import_perftest(log_of("p3-latency.log"), "p.log") ==
        "bytes,bandwidth_GBps,latency_us\n2,,1.75\n4096,,2.65\n");
  // A whole run between nodes, and one that ends before its best combine.
  CHECK(import_deepep(log_of("d5-two-runs.log"), "d.log", {.nodes = 2}) ==
        "node_num,hidden_size,num_token,num_topk,num_experts,sms,dispatch_transmit_us,"
        "dispatch_notify_us,combine_transmit_us,combine_notify_us\n"
        "2,7168,4096,8,256,24,1234.5,56,2400.5,66\n");
  // Two ranks: the means of 41.50 and 41.72 us, 65.89 and 66.19 us.
  CHECK(import_deepep(log_of("d4-low-latency.log"), "d.log", {.nodes = 1}) ==
        "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n"
        "1,7168,128,8,256,41.61,66.04\n");
}

TEST_CASE("a row that ends before the column of its type is told, wherever that stands") {
  const std::string log =
      "# Collective test starting: all_reduce_perf\n# Rank 0\n#  size  count  time  type\n"
      "  1048576  262144  40.0\n";
  CHECK(thrown<InputError>([&] { nccl(log); }) ==
        "a.log:4: the line has fewer columns than the header");
}

TEST_CASE("ranks on several nodes are told, and a failed test without a table is one") {
  Notes notes;
  const std::string head =
      "# Collective test starting: all_reduce_perf\n"
      "#  Rank  0 Group  0 Pid 1 on  node1 device  0 [0x1b] NVIDIA H100\n"
      "#  Rank  1 Group  0 Pid 1 on  node2 device  0 [0x1b] NVIDIA H100\n";
  nccl(head +
           "#  size  count  type  redop  root  time  algbw\n  1048576 262144 float sum -1 40.0 "
           "26.2\n"
           "# Avg bus bandwidth : 1\n",
       &notes);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] ==
        "a.log: its 2 ranks are on 2 nodes, of which the table says nothing: keep it apart from "
        "those of one node");
  CHECK(thrown<InputError>([&] { nccl(head + "node1: Test NCCL failure common.cu:958\n"); }) ==
        "a.log: the test failed and no row is left: line 4: Test NCCL failure common.cu:958");
}
