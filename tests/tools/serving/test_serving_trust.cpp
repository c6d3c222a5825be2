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
    const auto& bins = *bins_of_kind;
    for (const validation::TrustBin& bin : bins) {
      CAPTURE(bin.from);
      CAPTURE(bin.n);
      CAPTURE(bin.said);
      CAPTURE(bin.held);
      if (!bin.counts()) continue;
      // A known miss (validation/README.md): where experts are priced by a stand-in its interval is
      // too wide, and what is said with 0.2 to 0.4 comes true less often than that, by 0.2 and a
      // little more. Once it is mended it is a miss no more.
      const bool known_miss = &bins == &tpot && bin.from == 0.2;
      const double gap = std::abs(bin.held - bin.said);
      CHECK((gap < 0.2) != known_miss);
      CHECK(gap < 0.22);
    }
  }
}
