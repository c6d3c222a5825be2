#include "tools/study/study_inputs.h"

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/temporary_folder.h"
#include "workloads/run.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

const fs::path kScenario = "configs/scenarios/mixtral-8x7b-decode-h100.yaml";

std::vector<std::string> with(const std::string& set) {
  return {"network=bound", "step.count=1", set};
}

std::string played(const workloads::Scenario& scenario) {
  return workloads::to_json(workloads::run(scenario), scenario).dump();
}

}  // namespace

TEST_CASE("scenarios of one cluster share its device's kernels, and play as if they did not") {
  StudyInputs inputs({}, nullptr);
  const auto first = inputs.load(kScenario, with("step.batch_per_rank=8")).deployment.cluster;
  const auto second = inputs.load(kScenario, with("step.batch_per_rank=64")).deployment.cluster;
  REQUIRE(first.kernels);
  CHECK(first.kernels == second.kernels);
  CHECK(first.topology == second.topology);
  // Another network is another cluster.
  const auto faster =
      inputs.load(kScenario, with("cluster.scale_up.bandwidth=900 GB/s")).deployment.cluster;
  CHECK(faster.topology != first.topology);
  // What one has found is there when the next one plays.
  for (const char* batch : {"step.batch_per_rank=64", "step.batch_per_rank=8"}) {
    const auto shared = inputs.load(kScenario, with(batch));
    const std::string alone = played(workloads::load_scenario(kScenario, with(batch)));
    CHECK(played(shared) == alone);
    CHECK(played(shared) == alone);
  }
}

TEST_CASE("a cluster or a device that changes while a study runs is read anew") {
  const TemporaryFolder folder;
  const auto text_of = [](const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  };
  const auto write = [](const fs::path& file, const std::string& text, int second) {
    std::ofstream(file) << text;
    fs::last_write_time(file, fs::file_time_type() + std::chrono::seconds(second));
  };
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const fs::path devices = fs::absolute("configs/devices");
  const fs::path device = folder.path() / "d.yaml", cluster = folder.path() / "c.yaml";
  const std::string fits =
      replaced(text_of(devices / "h100.yaml"), "\nfitted: ", "\nfitted: " + devices.string() + "/");
  const std::string plain =
      replaced(text_of("configs/clusters/h100-1x8.yaml"), "../devices/h100.yaml", "d.yaml");
  write(device, fits, 1);
  write(cluster, plain, 1);
  StudyInputs inputs({}, nullptr);
  const auto load = [&] {
    return inputs.load(kScenario, with("cluster=" + cluster.string())).deployment.cluster;
  };
  const auto first = load();
  CHECK(load().kernels == first.kernels);

  write(cluster, replaced(plain, "\nname: ", "\nname: new "), 2);
  const auto renamed = load();
  CHECK(renamed.name == "new " + first.name);
  CHECK(renamed.kernels != first.kernels);

  write(device, replaced(fits, "\nname: ", "\nname: new "), 2);
  const auto other = load();
  CHECK(other.device.name == "new " + first.device.name);
  CHECK(other.kernels != renamed.kernels);
}
