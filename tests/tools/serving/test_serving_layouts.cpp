// What engines were measured with can be asked for: no rule of ours refuses it.
#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/shipped.h"
#include "validation/serving/e2e_validation.h"
#include "workloads/scenario.h"

using namespace moesim;

TEST_CASE("no layout that a whole engine was measured with is refused") {
  const std::filesystem::path file = "../shared/data/serving/e2e_serving.csv.gz";
  if (!std::filesystem::exists(file)) {
    std::puts("SKIPPED: the measured engines are not at ../shared/data/serving");
    return;
  }
  std::map<std::string, std::string> models;
  validation::E2eOptions options{.configs = std::filesystem::absolute("configs").string()};
  options.model_file = [&](const std::string& model) {
    auto& found = models[model];
    if (found.empty()) {
      const std::string plain = model.substr(0, model.rfind("-FP8"));
      found = std::filesystem::absolute(tools::find_config("models", plain)).string();
    }
    return found;
  };
  std::set<std::string> seen;
  for (const validation::E2eRow& row : validation::read_e2e({file}).rows) {
    if (!seen.insert(row.deployment()).second) continue;
    CAPTURE(row.deployment());
    const auto document =
        sim::io::YamlDocument::parse(validation::scenario_of(row, options), row.name);
    std::string refused;
    try {
      (void)workloads::read_scenario(document.root(), {.engines = options.configs + "/engines"});
    } catch (const sim::ConfigError& error) {
      refused = error.what();
    }
    CHECK(refused == "");
  }
  // 1,088 rows are of so many deployments of six models.
  CHECK(seen.size() > 50);
  CHECK(models.size() >= 6);
}
