#include <nlohmann/json.hpp>

#include "tests/fuzz/target.h"
#include "tools/study/store.h"
#include "tools/study/study_spec.h"
#include "tools/study/table.h"

namespace moesim::fuzz {

using tools::StudySpec;

// A study's file, of a scenario that ships: its points are counted and a few are made.
void study(Input input) {
  const InputFile file(input);
  taken(
      [&] {
        const StudySpec spec = tools::read_study(file.path(), {}, [](const std::string&) {
          return std::filesystem::path("configs/scenarios/mixtral-8x7b-decode-h100.yaml");
        });
        (void)tools::to_json(spec).dump(-1, ' ', false, sim::io::Json::error_handler_t::replace);
        const auto nothing = [](std::string_view) -> std::optional<tools::Value> { return 1; };
        for (std::uint64_t ord = 0; ord < spec.size() && ord < 3; ++ord) {
          const auto all = tools::complete(spec, tools::assignments_of(spec, ord), nothing);
          (void)tools::counts(spec, all, nothing);
        }
      },
      "");
}

// A condition, of keys that are numbers.
void expression(Input input) {
  taken(
      [&] {
        const tools::Expression parsed(text_of(input), "x");
        (void)parsed.keys();
        (void)parsed.evaluate([](std::string_view key) -> std::optional<tools::Value> {
          return static_cast<double>(key.size()) * 0.5;
        });
      },
      "x");
}

// A store that somebody else wrote.
void store(Input input) {
  const InputFile file(input);
  taken(
      [&] {
        const tools::Store opened = tools::Store::open(file.path());
        const tools::PointTable table = tools::table_of(opened, {});
        (void)tools::to_csv(table);
        (void)tools::to_json(table, opened, true);
      },
      file.path().filename().string());
}

}  // namespace moesim::fuzz
