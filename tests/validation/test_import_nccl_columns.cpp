// nccl-tests: columns that say what the operation and its ranks are, and JSON's values.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "sim/error.h"
#include "tests/support/thrown.h"
#include "validation/calibrate/import.h"

using namespace moesim::validation;
using moesim::sim::ConfigError;
using moesim::sim::InputError;
using moesim::tests::thrown;
using Notes = std::vector<std::string>;

namespace {

const std::string kHeader = "op_name,dtype,num_gpus,bytes,latency_us\n";
const std::string kColumns =
    "# size type redop root time algbw busbw #wrong time algbw busbw #wrong\n";
const std::string kEnd = "# Avg bus bandwidth : 1\n";

std::string ranks(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += "# Rank " + std::to_string(i) + " Pid 1\n";
  return lines;
}

// Out of place alone.
std::string row(const std::string& size, const std::string& us, const std::string& algbw,
                const std::string& busbw, const std::string& wrong = "0") {
  return size + " float sum -1 " + us + " " + algbw + " " + busbw + " " + wrong + "\n";
}

std::string read(const std::string& log, Notes* notes = nullptr,
                 const std::string& operation = "all_reduce", int given = 0) {
  return import_nccl_tests(log, "a.log", operation, given, notes);
}

// 1,048,576 bytes in 22.29 us are 47.04 GB/s, and 7/8 of it 41.16.
const std::string kSevenEighths = row("1048576", "22.29", "47.04", "41.16");

std::string json(const std::string& head, const std::string& out) {
  return "{" + head + R"("devices": [{}, {}], "results": [
      {"size": 4, "type": "half", "out_of_place": {"time": 7.5, "nwrong": 0}},
      {"size": 8, "type": "half", "out_of_place": )" +
         out + "}]}";
}

}  // namespace

TEST_CASE("bandwidths of another operation than is given are refused, and those told that fit") {
  const std::string log = ranks(8) + kColumns + kSevenEighths + kEnd;
  CHECK(thrown<ConfigError>([&] { read(log); }) ==
        "a.log:10: busbw/algbw is 0.875, which all_gather or reduce_scatter or alltoall of 8 ranks "
        "has; all_reduce of 8 has 1.75");
  for (const char* fits : {"all_gather", "reduce_scatter", "alltoall"}) {
    CHECK(read(log, nullptr, fits) == kHeader + fits + ",float,8,1048576,22.29\n");
  }
  CHECK(thrown<ConfigError>([&] {
          read(ranks(8) + kColumns + row("1048576", "22.29", "47.04", "47.04") + kEnd);
        }) ==
        "a.log:10: busbw/algbw is 1, which broadcast or reduce or sendrecv of 8 ranks has; "
        "all_reduce of 8 has 1.75");
}

TEST_CASE("bandwidths of other ranks than are given are refused, and the number told that fits") {
  // 2 x 7/8 of 42.64 GB/s is 74.62.
  const std::string log = kColumns + row("1048576", "24.59", "42.64", "74.62") + kEnd;
  CHECK(
      thrown<ConfigError>([&] { read(log, nullptr, "all_reduce", 16); }) ==
      "a.log:2: busbw/algbw is 1.75, which all_reduce of 8 ranks has; all_reduce of 16 has 1.875");
  CHECK(read(log, nullptr, "all_reduce", 8) == kHeader + "all_reduce,float,8,1048576,24.59\n");
  CHECK(thrown<ConfigError>([&] {
          read(kColumns + row("1048576", "24.59", "42.64", "142.64") + kEnd, nullptr, "all_reduce",
               8);
        }) == "a.log:2: busbw/algbw is 3.345, which no operation has; all_reduce of 8 has 1.75");
}

TEST_CASE("ranks are those of a group where several ran at the same time") {
  // 16 ranks in two groups of 8 each on a node of its own: 2 x 7/8 of 42.64 GB/s is 74.62.
  std::string devices;
  for (int i = 0; i < 16; ++i)
    devices += fmt::format("#  Rank {:2} Group {:2} Pid 1 on node{} device 0\n", i, i / 8, i / 8);
  const std::string rows = kColumns + row("1048576", "24.59", "42.64", "74.62") + kEnd;
  Notes notes;
  CHECK(read(devices + rows, &notes) == kHeader + "all_reduce,float,8,1048576,24.59\n");
  CHECK(notes == Notes{"a.log: 2 groups of 8 ranks ran at the same time (NCCL_TESTS_SPLIT), of "
                       "which the table says nothing: keep it apart from those of one"});
  CHECK(thrown<InputError>([&] {
          read("# Rank 0 Group 0\n# Rank 1 Group 0\n# Rank 2 Group 1\n" + kColumns + kEnd +
               row("8", "20", "0.00", "0.00"));
        }) ==
        "a.log: it has groups of 2 and of 1 ranks, and does not say which of them its times are "
        "of");
  // JSON: two groups of two.
  const std::string json = R"({"devices": [{"group": 0}, {"group": 0}, {"group": 1}, {"group": 1}],
      "results": [{"size": 1048576, "type": "float", "out_of_place": {"time": 50}}]})";
  CHECK(read(json) == kHeader + "all_reduce,float,2,1048576,50\n");
}

TEST_CASE("a run of an older version that failed before its table is not that of the next") {
  const std::string begin = "# nThread 1 nGpus 2\n" + ranks(2);
  const std::string good = kColumns + row("8", "20", "0.00", "0.00") + kEnd;
  const std::string table = kHeader + "all_reduce,float,2,8,20\n";
  Notes notes;
  CHECK(read(begin + "node1: Test NCCL failure common.cu:1012\n" + begin + good, &notes) == table);
  CHECK(notes == Notes{"a.log:4: the run failed, its rows are left out: Test NCCL failure "
                       "common.cu:1012"});
  // Before its ranks, and one that was killed without a word: its ranks are not the next one's.
  CHECK(read("# nThread 1 nGpus 2\nTest NCCL failure\n" + begin + good) == table);
  CHECK(read("Test NCCL failure\n" + ranks(2) + good) == table);
  CHECK(read(begin + begin + good) == table);
}

TEST_CASE("a log whose columns contradict what it says itself is damaged") {
  const std::string log =
      "# Collective test starting: all_reduce_perf\n" + ranks(8) + kColumns + kSevenEighths + kEnd;
  CHECK(thrown<InputError>([&] { read(log); }) ==
        "a.log:11: busbw/algbw is 0.875, which all_gather or reduce_scatter or alltoall of 8 ranks "
        "has; all_reduce of 8 has 1.75");
}

TEST_CASE("few digits contradict nothing that they can be") {
  // 0.05 and 0.09 are 0.085/0.055 to 0.095/0.045: 1.55 to 2.11, which 1.75 and 1.875 both are.
  const std::string log = kColumns + row("1024", "20", "0.05", "0.09") + kEnd;
  CHECK(read(log, nullptr, "all_reduce", 8) == kHeader + "all_reduce,float,8,1024,20\n");
  CHECK(read(log, nullptr, "all_reduce", 16) == kHeader + "all_reduce,float,16,1024,20\n");
  CHECK(thrown<ConfigError>([&] { read(log, nullptr, "alltoall", 8); }) ==
        "a.log:2: busbw/algbw is 1.8, which all_reduce of 8 ranks has; alltoall of 8 has 0.875");
  const std::string none =
      kColumns + row("8", "20", "0.00", "0.00") + row("16", "20", "N/A", "N/A");
  CHECK(read(none + kEnd, nullptr, "alltoall", 8) ==
        kHeader + "alltoall,float,8,8,20\nalltoall,float,8,16,20\n");
  // Nor do they agree with what the other rows contradict.
  const std::string small = row("8", "1", "0.01", "0.00");
  CHECK(thrown<ConfigError>([&] {
          read(kColumns + small + small + kSevenEighths + kEnd, nullptr, "alltoall", 16);
        }) ==
        "a.log:4: busbw/algbw is 0.875, which alltoall of 8 ranks has; alltoall of 16 has 0.9375");
}

TEST_CASE("a row that alone contradicts its run is left out, and said") {
  Notes notes;
  CHECK(read(ranks(8) + kColumns + kSevenEighths + row("2097152", "24.59", "85.28", "7.46") +
                 row("4194304", "29.18", "143.74", "125.77") + kEnd,
             &notes, "alltoall") ==
        kHeader + "alltoall,float,8,1048576,22.29\nalltoall,float,8,4194304,29.18\n");
  CHECK(notes == Notes{"a.log:11: left out: busbw/algbw is 0.08748, but alltoall of 8 has 0.875"});
}

TEST_CASE("times that contradict the bandwidths beside them are refused, and their unit told") {
  // 134,217,728 bytes in 1,095.2 us are 122.55 GB/s.
  const auto all_reduce = [](const char* us) { return row("134217728", us, "122.55", "214.46"); };
  const std::string small = row("8", "38.62", "0.00", "0.00"), end = kEnd;
  CHECK(thrown<InputError>([&] { read(ranks(8) + kColumns + all_reduce("1.0952") + end); }) ==
        "a.log:10: 134217728 bytes in 1.0952 us are 1.226e+05 GB/s, but algbw is 122.55, as in ms");
  // One of several is left out; a row without digits is none of those that agree.
  Notes notes;
  const std::string rows = kHeader + "all_reduce,float,8,8,38.62\nall_reduce,float,8,134217728,";
  CHECK(read(ranks(8) + kColumns + small + all_reduce("1095.2") + all_reduce("109.52") + end,
             &notes) == rows + "1095.2\n");
  CHECK(notes == Notes{"a.log:12: left out: 134217728 bytes in 109.52 us are 1226 GB/s, but algbw "
                       "is 122.55"});
  CHECK(thrown<InputError>([&] {
          read(ranks(8) + kColumns + small + all_reduce("109.52") + end);
        }) == "a.log:11: 134217728 bytes in 109.52 us are 1226 GB/s, but algbw is 122.55");
  CHECK(thrown<InputError>([&] {
          read(ranks(8) + kColumns + "# (B) (elements) (ms) (GB/s)\n" + all_reduce("1.0952"));
        }) == "a.log:10: times in \"(ms)\": expected (us)");
}

TEST_CASE("times of the CPU are told to be no latencies") {
  const std::string why =
      "times of the CPU (-C 1), which are how long calls take and no latencies: measure without -C";
  CHECK(thrown<InputError>([&] {
          read(ranks(8) + "# size type cputime algbw\n1048576 float 50 20.97\n" + kEnd);
        }) == "a.log:9: " + why);
  CHECK(thrown<InputError>([&] {
          read(R"({"ranks": 8, "results": [{"size": 8, "out_of_place": {"cpu_time": 5}}]})");
        }) == "a.log: result 1: " + why);
}

TEST_CASE("elements that are not as many as the size are refused") {
  const auto log = [](const char* size, const char* count, const char* type) {
    return ranks(8) + "# size count type time\n" + size + " " + count + " " + type + " 50\n" + kEnd;
  };
  CHECK(thrown<InputError>([&] { read(log("1048576", "262144", "half")); }) ==
        "a.log:10: 262144 elements of half are 524288 bytes, but the size is 1048576");
  CHECK(read(log("1048576", "524288", "half")) == kHeader + "all_reduce,half,8,1048576,50\n");
  CHECK(read(log("1048576", "262144", "x")) == kHeader + "all_reduce,x,8,1048576,50\n");
  // A rank's 65,536 halves of eight ranks.
  for (const char* of : {"all_gather", "reduce_scatter", "alltoall"}) {
    CHECK(read(log("1048576", "65536", "half"), nullptr, of) ==
          kHeader + of + ",half,8,1048576,50\n");
  }
  CHECK(thrown<InputError>([&] { read(log("1048576", "65536", "half")); }) ==
        "a.log:10: 65536 elements of half are 131072 bytes, but the size is 1048576");
}

TEST_CASE("JSON's bandwidths are compared, too") {
  const std::string log = R"({"ranks": 8, "results": [{"size": 1048576, "type": "float",
      "out_of_place": {"time": 22.294, "alg_bw": 47.034, "bus_bw": 41.155, "nwrong": 0}}]})";
  CHECK(thrown<ConfigError>([&] { read(log); }) ==
        "a.log: result 1: busbw/algbw is 0.875, which all_gather or reduce_scatter or alltoall of "
        "8 ranks has; all_reduce of 8 has 1.75");
}

TEST_CASE(
    "JSON names its operation by its test, its configuration or the program that was called") {
  const std::string out = R"({"time": 8.5, "nwrong": 0})";
  const std::string rows = "all_gather,half,2,4,7.5\nall_gather,half,2,8,8.5\n";
  for (const char* head : {R"("test": "all_gather_perf",)", R"("config": {"test": "AllGather"},)",
                           R"("args": ["/opt/build/all_gather_perf", "-b", "8"],)",
                           R"("args": ["mpirun", "-np", "2", "./all_gather_perf"],)",
                           R"("args": "./all_gather_perf -b 8",)"}) {
    CAPTURE(head);
    CHECK(read(json(head, out), nullptr, "") == kHeader + rows);
    CHECK(thrown<ConfigError>([&] { read(json(head, out)); }) ==
          "a.log: the log is of all_gather, not of all_reduce");
  }
  CHECK(thrown<ConfigError>([&] { read(json(R"("args": [1, "x"],)", out), nullptr, ""); }) ==
        "a.log: the log does not name its operation; --operation all_reduce, all_gather, "
        "reduce_scatter or alltoall");
}

TEST_CASE("wrong values are wrong as a number and as text, and what is neither is not good") {
  const std::string good = kHeader + "all_reduce,half,2,4,7.5\n";
  Notes notes;
  CHECK(read(json("", R"({"time": 8.5, "nwrong": "7"})"), &notes) == good);
  CHECK(read(json("", R"({"time": 8.5, "nwrong": "some"})"), &notes) == good);
  CHECK(read(json("", R"({"time": 8.5, "nwrong": true})"), &notes) == good);
  CHECK(notes == Notes{"a.log: result 2: left out: 7 values are wrong",
                       "a.log: result 2: left out: \"some\" is no count of wrong values",
                       "a.log: result 2: left out: \"true\" is no count of wrong values"});
  for (const char* unchecked : {R"("N/A")", R"("0")", "null"}) {
    CHECK(read(json("", R"({"time": 8.5, "nwrong": )" + std::string(unchecked) + "}")) ==
          good + "all_reduce,half,2,8,8.5\n");
  }
  notes.clear();
  CHECK(read(ranks(2) + kColumns + row("8", "20", "0", "0") + row("16", "20", "0", "0", "x") + kEnd,
             &notes) == kHeader + "all_reduce,float,2,8,20\n");
  CHECK(notes == Notes{"a.log:5: left out: \"x\" is no count of wrong values"});
}

TEST_CASE("a size that is no number of bytes is refused") {
  for (const char* size : {"1.5", "1e+300", "-4"}) {
    const std::string log = R"({"ranks": 2, "results": [{"size": )" + std::string(size) +
                            R"(, "out_of_place": {"time": 7.5}}]})";
    CHECK(thrown<InputError>([&] { read(log); }) ==
          "a.log: result 1: expected a size in bytes, not " + std::string(size));
    CHECK(thrown<InputError>([&] { read(ranks(2) + kColumns + row(size, "20", "1", "1")); }) ==
          "a.log:4: expected a size in bytes");
  }
}
