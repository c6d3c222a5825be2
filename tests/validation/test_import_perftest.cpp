// perftest's tables and JSON: their units, what contradicts itself, and what is odd.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sim/error.h"
#include "tests/support/thrown.h"
#include "tests/validation/logs.h"
#include "validation/calibrate/import.h"

using namespace moesim;
using namespace moesim::validation;
using moesim::sim::InputError;
using moesim::tests::log_of;
using moesim::tests::replaced;
using moesim::tests::thrown;
using Notes = std::vector<std::string>;

namespace {

// A table of bandwidths in a unit.
std::string table(const std::string& unit, const std::string& rows) {
  return " #bytes     #iterations    BW peak[" + unit + "]    BW average[" + unit +
         "]   MsgRate[Mpps]\n" + rows;
}

const std::string kHeader = "bytes,bandwidth_GBps,latency_us\n";

}  // namespace

TEST_CASE("a bidirectional bandwidth is the sum of two directions") {
  // 775 Gb/s are 96.875 GB/s, 48.4375 each way.
  CHECK(import_perftest(log_of("p1-bidirectional.log"), "p.log") ==
        "bytes,bandwidth_GBps,latency_us\n8388608,48.4375,\n");
  CHECK(import_perftest(replaced(log_of("p1-bidirectional.log"), "Bidirectional ", ""), "p.log") ==
        "bytes,bandwidth_GBps,latency_us\n8388608,96.875,\n");
}

TEST_CASE("a perftest that failed is refused") {
  CHECK(thrown<InputError>([] {
          import_perftest(" Completion with error at client\n Failed status 12\n", "p.log");
        }) == "p.log:1: the test failed: measure again");
}

TEST_CASE("of several tests those that failed are left out, before and behind another") {
  // 400 and 800 Gb/s each way: 50 and 100 GB/s.
  const std::string failed = "RDMA_Write BW Test\n" + table("Gb/sec", " 2 5000 1.0 1.0 62.5\n") +
                             " Completion with error at client\n Failed status 12\n 4 5000 1 1 1\n";
  const std::string good =
      "RDMA_Write BW Test\n" + table("Gb/sec", " 65536 5000 401.0 400.0 0.7629\n");
  const std::string both =
      "RDMA_Write Bidirectional BW Test\n" + table("Gb/sec", " 65536 5000 1602.0 1600.0 3.0518\n");
  Notes notes;
  CHECK(import_perftest(failed + good + failed + both + failed, "p.log", &notes) ==
        kHeader + "65536,50,\n65536,100,\n");
  CHECK(notes == Notes{"p.log:4: the test failed, its rows are left out",
                       "p.log:13: the test failed, its rows are left out",
                       "p.log:22: the test failed, its rows are left out"});
}

TEST_CASE("perftest's MiB/sec and Gb/sec are told apart") {
  // 1000 MiB/s are 1.048576 GB/s; 400 Gb/s are 50 GB/s.
  CHECK(import_perftest(" #bytes     #iterations    BW peak[MiB/sec]    BW average[MiB/sec]   "
                        "MsgRate[Mpps]\n 65536      5000             1100.00            1000.00  "
                        "          0.016\n",
                        "p.log") == "bytes,bandwidth_GBps,latency_us\n65536,1.04858,\n");
  CHECK(import_perftest(" #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   "
                        "MsgRate[Mpps]\n 65536 5000 401.0 400.0 0.7\n",
                        "p.log") == "bytes,bandwidth_GBps,latency_us\n65536,50,\n");
}

TEST_CASE("perftest's JSON is read, a bandwidth or a latency, one or a list") {
  const std::string header = "bytes,bandwidth_GBps,latency_us\n";
  CHECK(
      import_perftest(
          R"({"test_info": {"unit": "Gb/sec"}, "results": {"MsgSize": 65536, "BW_average": 400.0}})",
          "p.json") == header + "65536,50,\n");
  CHECK(import_perftest(
            R"({"results": [{"MsgSize": 2, "t_typical": 1.25}, {"MsgSize": 4, "t_typical": 1.5}]})",
            "p.json") == header + "2,,1.25\n4,,1.5\n");
  CHECK(import_perftest(R"({"results": {"MsgSize": 2, "t_avg": 1.02}})", "p.json") ==
        header + "2,,1.02\n");
  // Without a unit: 0.7 million messages of 65,536 bytes a second are 45.88 GB/s, which is 367 Gb/s
  // or 43,750 MiB/s.
  CHECK(import_perftest(R"({"results": {"MsgSize": 65536, "BW_average": 367.0, "MsgRate": 0.7}})",
                        "p.json") == "bytes,bandwidth_GBps,latency_us\n65536,45.875,\n");
  CHECK(import_perftest(R"({"results": {"MsgSize": 65536, "BW_average": 43750.0, "MsgRate": 0.7}})",
                        "p.json") == "bytes,bandwidth_GBps,latency_us\n65536,45.8752,\n");
  for (const char* rate : {"", R"(, "MsgRate": 7)"}) {
    const std::string text =
        R"({"results": {"MsgSize": 65536, "BW_average": 367.0)" + std::string(rate) + "}}";
    CHECK_THROWS_WITH_AS(
        import_perftest(text, "p.json"),
        "p.json: does not say the unit of BW_average, and MsgRate does not tell it",
        sim::InputError);
  }
  CHECK_THROWS_WITH_AS(import_perftest(R"({"results": {"MsgSize": 2, "t_typical": -1}})", "p.json"),
                       "p.json: a result without MsgSize and BW_average or t_typical above zero",
                       sim::InputError);
  CHECK_THROWS_WITH_AS(import_perftest("{}", "p.json"),
                       "p.json: no \"results\"; is this of perftest?", sim::InputError);
}

TEST_CASE("columns are found by the header's names, whatever stands before and between them") {
  // 150 Gb/s are 18.75 GB/s, 197.34 are 24.6675.
  const std::string qos =
      " #bytes #sl #iterations BW peak[Gb/sec] BW average[Gb/sec] MsgRate[Mpps]\n"
      " 65536 3 5000 199.34 150.00 0.286100\n";
  const std::string no_peak =
      " #bytes #iterations BW average[Gb/sec] MsgRate[Mpps]\n 65536 3763500 197.34 0.376400\n";
  CHECK(import_perftest(qos + no_peak, "p.log") == kHeader + "65536,18.75,\n65536,24.6675,\n");
  CHECK(import_perftest(" #bytes #iterations t_avg[usec] tps average\n 2 2500000 1.02 980392.16\n",
                        "p.log") == kHeader + "2,,1.02\n");
  for (const char* before : {"[1,0]<stdout>:", "2025-03-01T12:00:00Z ", "2025-03-01 12:00 a | "}) {
    CAPTURE(before);
    CHECK(import_perftest(before + replaced(no_peak, "\n 6", "\n" + std::string(before) + " 6"),
                          "p.log") == kHeader + "65536,24.6675,\n");
  }
  CHECK(thrown<InputError>([] { import_perftest(" #bytes #iterations x\n 2 5 1\n", "p.log"); }) ==
        "p.log:1: no column BW average, t_typical or t_avg");
}

TEST_CASE("a row without its number is left out, and said with its line") {
  Notes notes;
  CHECK(import_perftest(table("Gb/sec",
                              " 2 5000 1.0 nan 0.1\n 65536 5000 401.0 400.0 0.7629\n"
                              " 131072 5000\n"),
                        "p.log", &notes) == kHeader + "65536,50,\n");
  CHECK(notes == Notes{"p.log:2: left out: its BW average is nan",
                       "p.log:4: left out: its BW average is not there"});
}

TEST_CASE("a unit that is not known is refused") {
  CHECK(thrown<InputError>([] {
          import_perftest(table("XB/sec", " 65536 5000 401.0 400.0 0.7\n"), "p.log");
        }) == "p.log:1: BW average in \"XB/sec\": expected MB/sec, MiB/sec or Gb/sec");
  CHECK(thrown<InputError>([] {
          import_perftest(
              " #bytes #iterations t_min[cycles] t_max[cycles] t_typical[cycles]\n"
              " 2 1000 1.71 3.77 1.75\n",
              "p.log");
        }) == "p.log:1: t_typical in \"cycles\": expected usec: measure without --report-cycles");
  CHECK(
      thrown<InputError>([] {
        import_perftest(
            R"({"test_info": {"unit": "XB/sec"}, "results": {"MsgSize": 65536, "BW_average": 4.0}})",
            "p.json");
      }) == "p.json: a unit \"XB/sec\": expected MB/sec, MiB/sec or Gb/sec");
}

TEST_CASE(
    "a bandwidth that is not that of its messages is refused, and the unit told that would be") {
  // 0.172784 million messages of 262,144 bytes a second are 45.29 GB/s: 362.35 Gb/s, not MB/s.
  const std::string row =
      " 262144     5000           365.98             362.35             0.172784\n";
  CHECK(import_perftest(table("Gb/sec", row), "p.log") == kHeader + "262144,45.2938,\n");
  CHECK(thrown<InputError>([&] { import_perftest(table("MB/sec", row), "p.log"); }) ==
        "p.log:2: 362.35 MB/sec are 0.38 GB/s, but 0.172784 million messages of 262144 bytes a "
        "second are 45.3, as in Gb/sec");
  CHECK(thrown<InputError>(
            [] { import_perftest(table("Gb/sec", " 1024 5000 9 8.00 0.000500\n"), "p.log"); }) ==
        "p.log:2: 8 Gb/sec are 1 GB/s, but 0.0005 million messages of 1024 bytes a second are "
        "0.000512: measure again");
  CHECK(thrown<InputError>([] {
          import_perftest(R"({"unit": "MB/sec", "results": {"MsgSize": 262144, "BW_average": 362.35,
                              "MsgRate": 0.172784}})",
                          "p.json");
        }) ==
        "p.json: result 1: 362.35 MB/sec are 0.38 GB/s, but 0.172784 million messages of 262144 "
        "bytes a second are 45.3, as in Gb/sec");
  // 0.04 Gb/s are 2.1875 to 2.8125 million messages of two bytes: rounding, no contradiction.
  CHECK(import_perftest(table("Gb/sec", " 2 5000 0.04 0.04 2.700000\n"), "p.log") ==
        kHeader + "2,0.005,\n");
}

TEST_CASE("a row far from the sizes beside it is pointed at, test by test") {
  const std::string rows =
      " 524288     5000           379.43             375.67             0.089567\n"
      " 1048576    5000           386.53             38.27              0.004562\n"
      " 2097152    5000           390.18             386.32             0.023026\n";
  Notes notes;
  import_perftest(table("Gb/sec", rows) + table("Gb/sec", rows), "p.log", &notes);
  // 375.67, 38.27 and 386.32 Gb/s over 8.
  const std::string odd =
      ": an outlier? 4.784 GB/s for 1048576 bytes, but 46.96 GB/s for 524288 and 48.29 GB/s for "
      "2097152";
  CHECK(notes == Notes{"p.log:3" + odd, "p.log:7" + odd});
}

TEST_CASE("a row within which the file ends is left out, and said") {
  // Of 362.35 Gb/s, which are 45.29 GB/s.
  const std::string first = " 262144 5000 365.98 362.35 0.172784\n";
  Notes notes;
  CHECK(import_perftest(table("Gb/sec", first + " 524288 5000 379.43 37"), "p.log", &notes) ==
        kHeader + "262144,45.2938,\n");
  CHECK(notes == Notes{"p.log:3: left out: the file ends within it"});
  CHECK(thrown<InputError>([] {
          import_perftest(table("Gb/sec", " 262144 5000 365.98 36"), "p.log");
        }) == "p.log: the table has no row");
}

TEST_CASE("a size that is none is refused") {
  CHECK(thrown<InputError>([] {
          import_perftest(table("Gb/sec", " 1.5 5000 1.0 1.0 0.7\n"), "p.log");
        }) == "p.log:2: expected a size in bytes");
}
