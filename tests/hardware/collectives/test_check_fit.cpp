#include <doctest/doctest.h>

#include <fstream>

#include "hardware/cluster.h"
#include "hardware/device.h"
#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using namespace moesim;

namespace {

const std::string kWhole =
    "{quick_us: 5, quick_step_us: 1, quick_efficiency: 0.2, wide_us: 8, wide_step_us: 1, "
    "wide_efficiency: 0.8, wide_loss: 0.4, ramp_bytes: 1e6, sum_us: 60, sum_efficiency: 0.6}";

// What is said of a file with one fit, less the folder that it lies in.
std::string said_of(const std::string& variant, const std::string& parameters,
                    const std::string& kind = "nccl") {
  const tests::TemporaryFolder folder;
  const auto file = folder.path() / "net.yaml";
  std::ofstream(file) << "models:\n  - kind: " << kind
                      << "\n    implementation: nccl\n    variant: " << variant
                      << "\n    parameters: " << parameters
                      << "\n    provenance: {origin: fitted, source: a test}\n";
  std::string text = tests::thrown<sim::ConfigError>([&] { (void)hardware::load_fitted(file); });
  const std::string prefix = folder.path().string() + "/";
  for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
    text.erase(at, prefix.size());
  return text;
}

std::string without(const std::string& text, const std::string& part, const std::string& other) {
  std::string result = text;
  return result.replace(result.find(part), part.size(), other);
}

}  // namespace

TEST_CASE("a misspelt parameter of a collective was passed over in silence") {
  CHECK(said_of("all_gather", kWhole) == "(nothing was thrown)");
  CHECK(said_of("all_gather", without(kWhole, "wide_loss", "wide_los")) ==
        "net.yaml:5:123: models[0].parameters: unknown key \"wide_los\"; did you mean "
        "\"wide_loss\"?");
}

TEST_CASE("a parameter of a collective that is missing or out of its range is refused") {
  CHECK(said_of("all_gather", without(kWhole, "quick_us: 5, ", "")) ==
        "net.yaml:5:17: models[0].parameters: key \"quick_us\" is missing");
  CHECK(said_of("all_gather", without(kWhole, "quick_us: 5", "quick_us: 77")) ==
        "net.yaml:5:28: models[0].parameters.quick_us: expected a number from 1 to 40, not 77");
  // What the network takes is in no table: it may be said, and need not.
  CHECK(said_of("all_gather", without(kWhole, "{", "{node_us: 3, ")) == "(nothing was thrown)");
  CHECK(said_of("all_gather", without(kWhole, "{", "{node_us: 0, ")) ==
        "net.yaml:5:27: models[0].parameters.node_us: expected a number from 0.1 to 100, not 0");
}

TEST_CASE("a variant that its collective does not have is refused") {
  CHECK(said_of("all_gathr", kWhole) ==
        "net.yaml:4:14: models[0].variant: expected one of all_reduce, all_gather, "
        "reduce_scatter, alltoall, broadcast, send_receive, all_reduce_internode, "
        "all_gather_internode, reduce_scatter_internode, alltoall_internode, "
        "broadcast_internode, send_receive_internode, not \"all_gathr\"; did you mean "
        "\"all_gather\"?");
}

TEST_CASE("a fit of another kind is not held against a collective's form") {
  CHECK(said_of("bf16", "{anything: 1}", "gemm") == "(nothing was thrown)");
}
