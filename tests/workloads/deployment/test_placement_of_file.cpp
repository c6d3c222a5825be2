// A scenario whose placement is a file: its slots are the file's.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "workloads/memory/step_memory.h"
#include "workloads/scenario.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

// Mixtral on 8 H100; of `placement` FILE is a map that has each of the 8 experts twice.
class Placed {
 public:
  Scenario scenario(std::string placement) const {
    if (const std::size_t at = placement.find("FILE"); at != std::string::npos)
      placement.replace(at, 4, file_.string());
    auto document = sim::io::YamlDocument::parse(
        "name: test\n"
        "model: configs/models/mixtral-8x7b.yaml\n"
        "cluster: configs/clusters/h100-1x8.yaml\n"
        "parallelism: {dp: 8, ep: 8}\n"
        "step: {phase: decode, batch_per_rank: 32, context: 1024}\n"
        "placement: " +
            placement + "\n",
        "x.yaml");
    return read_scenario(document.root());
  }
  std::string mistake(const std::string& placement) const {
    return tests::thrown<sim::ConfigError>([&] { (void)scenario(placement); });
  }

 private:
  tests::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.file(
      "map.json",
      R"({"physical_to_logical_map": [[0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]]})");
};

std::int64_t experts_of(const Scenario& scenario) {
  return plan_step_memory(scenario.deployment, on_every_rank({decoding(32, 1024)}), 0)
      .gpu()
      .experts;
}

}  // namespace

TEST_CASE("the replicas of a placement's file take memory as those of a number do") {
  const Placed placed;
  const Scenario file = placed.scenario("{file: FILE}");
  CHECK(file.deployment.placement.redundant == 8);  // 16 slots for 8 experts
  // Of 16 slots a rank has two, of 8 one: of 32 layers, each expert 3 x 4096 x 14336 weights of 2
  // bytes. 32 x 2 x 352,321,536 = 22,548,578,304 bytes.
  CHECK(experts_of(file) == 22'548'578'304);
  CHECK(experts_of(placed.scenario("{experts: eplb, redundant: 8}")) == experts_of(file));
  CHECK(experts_of(placed.scenario("{experts: linear}")) == experts_of(file) / 2);
}

TEST_CASE("what says other slots than a placement's file is refused") {
  const Placed placed;
  CHECK(placed.scenario("{file: FILE, redundant: 8, experts: linear}")
            .deployment.placement.redundant == 8);
  CHECK(placed.mistake("{redundant: 4, file: FILE}") ==
        "x.yaml:6:24: placement.redundant: the file has 16 slots for 8 experts, 8 redundant ones: "
        "leave out redundant");
  CHECK(placed.mistake("{experts: eplb, file: FILE}") ==
        "x.yaml:6:12: placement: experts: eplb makes a placement, and the file has one: leave out "
        "one of the two");
  CHECK(placed.mistake("{balancer: eplb, file: FILE}") ==
        "x.yaml:6:12: placement: balancer: eplb makes a placement, and the file has one: leave out "
        "one of the two");
}

TEST_CASE("a placement's file that is not there is told with the scenario's line") {
  CHECK(Placed().mistake("{file: no.json}").starts_with("x.yaml:6:19: placement.file: "));
}
