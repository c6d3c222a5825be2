// A case that is one exchange of tokens, there and back.
#include "validation/compare/exchange_case.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::validation;

namespace {

std::string cluster(const char* name) {
  return std::filesystem::absolute("configs/clusters/" + std::string(name)).string();
}

sim::io::Json run(const std::string& lines) {
  const auto document = sim::io::YamlDocument::parse(lines, "case.yaml");
  return run_exchange_case(document.root());
}

std::string mistakes(const std::string& lines) {
  return tests::thrown<sim::ConfigError>([&] { (void)run(lines); });
}

// Bytes of a rank: GB/s x us.
double bytes(const sim::io::Json& report, const std::string& way, const std::string& which) {
  return report.at(way + "_" + which + "_GBps").get<double>() * 1e3 *
         report.at(way + "_us").get<double>();
}

// 4 ranks of a node, 16 tokens each; token t chooses experts t, t + 2, … t + 14 of 16, 2 on each
// rank.
std::string balanced(const std::string& algorithm) {
  return "cluster: " + cluster("h100-1x8.yaml") +
         "\nranks: 4\ntokens: 16\nhidden: 1024\ntop_k: 8\nexperts: 16\nlaw: balanced\n"
         "dispatch: bf16\ncombine: fp8_block\nalgorithm: " +
         algorithm + "\n";
}

}  // namespace

TEST_CASE("an exchange's case tells times and what the tokens ask for, there and back") {
  // Rows of 2,048 B there, of 1024 x 33 / 32 = 1,056 B back; of a token 8 messages, 4 copies, one
  // for its node.
  const auto report = run(balanced("deepep_low_latency"));
  CHECK(bytes(report, "dispatch", "message") == doctest::Approx(16 * 8 * 2048));
  CHECK(bytes(report, "dispatch", "near") == doctest::Approx(16 * 4 * 2048));
  CHECK(bytes(report, "dispatch", "far") == doctest::Approx(16 * 2048));
  CHECK(bytes(report, "combine", "message") == doctest::Approx(16 * 8 * 1056));
  CHECK(bytes(report, "combine", "near") == doctest::Approx(16 * 4 * 1056));
  CHECK(bytes(report, "combine", "far") == doctest::Approx(16 * 1056));
  CHECK(report.at("dispatch_us").get<double>() > 0);
  CHECK(report.size() == 8);
}

TEST_CASE("alone, an exchange's case is the same in closed form and in flows") {
  const auto fluid = run(balanced("deepep_low_latency") + "network: fluid\n");
  const auto bound = run(balanced("deepep_low_latency") + "network: bound\n");
  CHECK(bound.at("dispatch_us").get<double>() ==
        doctest::Approx(fluid.at("dispatch_us").get<double>()).epsilon(0.01));
}

TEST_CASE("an exchange's case may say its law, groups, seed and multiprocessors") {
  // 2 nodes: 16 ranks, 2 experts each, in 2 groups of 16 of which a token uses one: a node. So
  // every token is for one node, and for at most as many ranks as it has choices.
  const std::string lines = "cluster: " + cluster("h100-2x8.yaml") +
                            "\nranks: 16\ntokens: 64\nhidden: 512\ntop_k: 4\nexperts: 32\n"
                            "groups: 2\ngroups_per_token: 1\nlaw: zipf\nskew: 1.5\nseed: 7\n"
                            "dispatch: bf16\ncombine: bf16\nalgorithm: deepep_normal\n";
  const auto report = run(lines + "sms: 20\n");
  CHECK(bytes(report, "dispatch", "far") == doctest::Approx(64 * 1024));
  CHECK(bytes(report, "dispatch", "near") <= bytes(report, "dispatch", "message"));
  CHECK(bytes(report, "dispatch", "near") > bytes(report, "dispatch", "far"));
  CHECK(run(lines + "sms: 20\n") == report);
  // Fewer multiprocessors are slower.
  CHECK(run(lines + "sms: 2\n").at("dispatch_us") > report.at("dispatch_us"));
}

TEST_CASE("an exchange's case with mistakes was run before they were told") {
  CHECK(mistakes("cluster: no/such.yaml\nranks: 2\nalgorithm: nccl_tokens\ntokens: 1\n"
                 "hidden: 8\ntop_k: 1\nexperts: 2\ngroup: 3\ndispatch: bf16\ncombine: fp7\n") ==
        "case.yaml:8:1: unknown key \"group\"; did you mean \"groups\"?\n"
        "case.yaml:10:10: combine: expected one of fp64, fp32, tf32, bf16, fp16, fp8, fp8_block, "
        "int8, int4, mxfp4, nvfp4, not \"fp7\"; did you mean \"fp8\"?");
  CHECK(mistakes("cluster: no/such.yaml\nranks: 0\nalgorithm: nccl_tokens\ntokens: many\n"
                 "hidden: 7168\ntop_k: 8\nexperts: 256\nlaw: zip\nnetwork: ideal\nskew: -1\n"
                 "seed: -3\nsms: 0\ngroups: none\ndispatch: bf16\ncombine: bf16\n") ==
        "case.yaml:2:8: ranks: expected a whole number from 1 to 1048576, not \"0\"\n"
        "case.yaml:4:9: tokens: expected a whole number from 1 to 1048576, not \"many\"\n"
        "case.yaml:8:6: law: expected one of balanced, uniform, zipf, power_law, log_normal, not "
        "\"zip\"; did you mean \"zipf\"?\n"
        "case.yaml:9:10: network: expected one of fluid, bound, not \"ideal\"\n"
        "case.yaml:10:7: skew: expected a number from 0 to 100, not \"-1\"\n"
        "case.yaml:11:7: seed: expected a whole number of at least 0, not \"-3\"\n"
        "case.yaml:12:6: sms: expected a whole number from 1 to 1024, not \"0\"\n"
        "case.yaml:13:9: groups: expected a whole number from 1 to 65535, not \"none\"");
  CHECK(mistakes("{}") ==
        "case.yaml:1:1: key \"ranks\" is missing\n"
        "case.yaml:1:1: key \"algorithm\" is missing\n"
        "case.yaml:1:1: key \"tokens\" is missing\n"
        "case.yaml:1:1: key \"hidden\" is missing\n"
        "case.yaml:1:1: key \"top_k\" is missing\n"
        "case.yaml:1:1: key \"experts\" is missing\n"
        "case.yaml:1:1: key \"dispatch\" is missing\n"
        "case.yaml:1:1: key \"combine\" is missing\n"
        "case.yaml:1:1: key \"cluster\" is missing");
}

TEST_CASE("an exchange that cannot be is refused with what does not fit") {
  CHECK(mistakes("cluster: " + cluster("h100-1x8.yaml") +
                 "\nranks: 16\ntokens: 16\nhidden: 1024\ntop_k: 8\nexperts: 16\n"
                 "dispatch: bf16\ncombine: bf16\nalgorithm: nccl_tokens\n") ==
        "16 ranks, but \"One DGX H100, 8 H100 SXM\" has 8");
  CHECK(mistakes("cluster: " + cluster("h100-1x8.yaml") +
                 "\nranks: 8\ntokens: 16\nhidden: 1024\ntop_k: 8\nexperts: 12\n"
                 "dispatch: bf16\ncombine: bf16\nalgorithm: nccl_tokens\n") ==
        "12 experts cannot be dealt out evenly to 8 ranks");
}
