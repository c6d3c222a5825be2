// Statements with a probability about measured engines hold as often as they say, within 0.2.
#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "tools/moesim/shipped.h"
#include "validation/serving/e2e_trust.h"

using namespace moesim;

namespace {

// Of the loads: `moesim validate serving` asks all rows, which takes longer.
constexpr std::size_t kEvery = 12;

// Rows of every twelfth load of a model on a system, so that pairs stay together.
std::vector<validation::E2eRow> some_of(const std::vector<validation::E2eRow>& rows) {
  std::map<std::string, std::vector<validation::E2eRow>> loads;
  for (const validation::E2eRow& row : rows) {
    loads[row.model + " " + row.system + " " + std::to_string(row.isl) + " " +
          std::to_string(row.osl) + " " + std::to_string(row.concurrency)]
        .push_back(row);
  }
  std::vector<validation::E2eRow> some;
  std::size_t n = 0;
  for (const auto& [load, of_load] : loads)
    if (n++ % kEvery == 0) some.insert(some.end(), of_load.begin(), of_load.end());
  return some;
}

}  // namespace

TEST_CASE("what is said of measured engines with a probability holds as often, within 0.2") {
  const std::filesystem::path folder = "../shared/data/serving";
  if (!std::filesystem::exists(folder / "e2e_serving.csv.gz")) {
    std::puts("SKIPPED: the measured engines are not at ../shared/data/serving");
    return;
  }
  const auto runs = validation::OptionTable::read(folder / "e2e_options.csv.gz");
  validation::E2eOptions options{.configs = std::filesystem::absolute("configs").string(),
                                 .runs = &runs};
  options.model_file = [](const std::string& model) {
    const std::string plain = model.substr(0, model.rfind("-FP8"));
    return std::filesystem::absolute(tools::find_config("models", plain)).string();
  };
  const auto rows = some_of(validation::read_e2e({folder / "e2e_serving.csv.gz"}).rows);
  const auto predictions = validation::predict_e2e(rows, options);
  CHECK(rows.size() > 80);
  const auto tpot = bins_of(validation::statements_on_tpot(predictions));
  const auto pairs = bins_of(validation::statements_on_pairs(predictions));
  for (const auto* bins_of_kind : {&tpot, &pairs}) {
    for (const validation::TrustBin& bin : *bins_of_kind) {
      CAPTURE(bin.from);
      CAPTURE(bin.n);
      CAPTURE(bin.said);
      CAPTURE(bin.held);
      if (bin.counts()) CHECK(std::abs(bin.held - bin.said) < 0.2);
    }
  }
}
