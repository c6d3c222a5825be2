// Which file an engine's name means.
#include <doctest/doctest.h>

#include <string>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "workloads/deployment/engine_file.h"
#include "workloads/run.h"
#include "workloads/scenario.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

struct Engines {
  tests::TemporaryFolder folder;

  Engines() {
    for (const char* name :
         {"vllm-0.9", "vllm-0.10", "vllm-0.10rc1", "vllm-next", "sglang-0.4.6"}) {
      folder.file(std::string(name) + ".yaml", "name: " + std::string(name) + "\nsource: x\n");
    }
    folder.file("vllm-9.md", "no engine");
  }
  std::string file_of(const char* name) const {
    return find_engine(folder.path(), name).file.filename().string();
  }
};

Scenario named(const Engines& engines, const std::string& name) {
  return load_scenario("configs/scenarios/mixtral-8x7b-decode-h100.yaml",
                       {"network=bound", "step.count=1", "engine=" + name},
                       {.engines = engines.folder.path()});
}

}  // namespace

TEST_CASE("versions are ordered number by number") {
  CHECK(is_older("0.9", "0.10"));
  CHECK_FALSE(is_older("0.10", "0.9"));
  CHECK_FALSE(is_older("0.10", "0.10"));
  CHECK(is_older("0.10", "0.10.1"));
  CHECK(is_older("1.0rc2", "1.0rc10"));
  CHECK(is_older("1.0rc10", "1.0"));
  CHECK(is_older("1.0", "1.0.post1"));
  CHECK(is_older("1.0.post1", "1.0.1"));
  CHECK(is_older("2025.09", "2025.10"));
  CHECK_FALSE(is_older("1.010", "1.10"));
  CHECK_FALSE(is_older("1.10", "1.010"));
}

TEST_CASE("an engine without a version is the newest of its files, 0.10 and not 0.9") {
  const Engines engines;
  CHECK(engines.file_of("vllm") == "vllm-0.10.yaml");
  CHECK(find_engine(engines.folder.path(), "vllm").newest);
  CHECK(engines.file_of("vllm-0.9") == "vllm-0.9.yaml");
  CHECK_FALSE(find_engine(engines.folder.path(), "vllm-0.9").newest);
  CHECK(engines.file_of("SGLang") == "sglang-0.4.6.yaml");
  CHECK(engines.file_of("vllm-next") == "vllm-next.yaml");
  CHECK(engines.file_of("vllm-0.1").empty());
  CHECK(engines.file_of("vll").empty());
  CHECK(engines.file_of("vllm-9").empty());
}

TEST_CASE("a scenario may name its engine, and hears which file that was") {
  const Engines engines;
  const Scenario newest = named(engines, "vllm");
  CHECK(newest.deployment.host.engine == "vllm-0.10");
  CHECK(newest.inputs.engine == engines.folder.path() / "vllm-0.10.yaml");
  CHECK(run(newest).report.defaults ==
        std::vector<std::string>{"engine vllm: vllm-0.10.yaml, the newest of its files"});
  const Scenario exact = named(engines, "vllm-0.9");
  CHECK(exact.deployment.host.engine == "vllm-0.9");
  CHECK(exact.inputs.defaults.empty());
  const Scenario path = named(engines, "configs/engines/sglang-0.4.6.yaml");
  CHECK(path.deployment.host.engine == "SGLang, scheduler not overlapped");
  CHECK(path.inputs.defaults.empty());
}

TEST_CASE("an engine that is neither a file nor a name is a mistake with the names there are") {
  const Engines engines;
  CHECK_THROWS_WITH_AS(named(engines, "sglan"),
                       "--set: engine: expected the path of a file or one of sglang, sglang-0.4.6, "
                       "vllm, vllm-0.10, vllm-0.10rc1, vllm-0.9, vllm-next, not \"sglan\"; did you "
                       "mean \"sglang\"?",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(named(engines, "there/is/none.yaml"),
                       "--set: engine: there/is/none.yaml: cannot be read: No such file or "
                       "directory",
                       sim::ConfigError);
}
