#include "workloads/training/stage_layout.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace moesim::workloads;

namespace {

using Stages = std::vector<StageContent>;
using Texts = std::vector<std::string>;

Stages stages(std::string_view text, const StageLayoutRequest& request) {
  const auto read = read_stage_layout(text, request);
  if (const auto* problems = std::get_if<Texts>(&read))
    FAIL(fmt::format("{}", fmt::join(*problems, "; ")));
  return std::get<Stages>(read);
}

Texts problems(std::string_view text, const StageLayoutRequest& request) {
  const auto read = read_stage_layout(text, request);
  return std::holds_alternative<Texts>(read) ? std::get<Texts>(read) : Texts{};
}

// "Ett|t|mL"
std::string drawn(const Stages& stages) {
  std::string text;
  for (const StageContent& s : stages) {
    if (&s != &stages.front()) text += '|';
    text += std::string(s.embedding ? "E" : "") +
            std::string(static_cast<std::size_t>(s.layers), 't') +
            std::string(static_cast<std::size_t>(s.predictions), 'm') + (s.loss ? "L" : "");
  }
  return text;
}

}  // namespace

TEST_CASE("DeepSeek-V3's layout: the embedding and a layer, two layers each, prediction and loss") {
  // 1 + 30 x 2 = 61 layers in 32 stages.
  const Stages s = stages("Et|(tt|)*30mL", {.stages = 32, .layers = 61, .predictions = 1});
  REQUIRE(s.size() == 32);
  CHECK(s[0] == StageContent{.embedding = true, .first_layer = 0, .layers = 1});
  CHECK(s[1] == StageContent{.first_layer = 1, .layers = 2});
  CHECK(s[30] == StageContent{.first_layer = 59, .layers = 2});
  CHECK(s[31] == StageContent{.first_layer = 61, .layers = 0, .predictions = 1, .loss = true});
}

TEST_CASE("letters and groups are repeated, commas and blanks are nothing") {
  std::string middle;
  for (int i = 0; i < 29; ++i) middle += "tt|";
  CHECK(drawn(stages("Et*3|(tt|)*29,m|L", {.stages = 32, .layers = 61, .predictions = 1})) ==
        "Ettt|" + middle + "m|L");
  CHECK(drawn(stages("E ((t|)*2t,)*2 |L", {.stages = 6, .layers = 6})) == "Et|t|tt|t|t|L");
  CHECK(drawn(stages("E||t*2|L", {.stages = 4, .layers = 2})) == "E||tt|L");
}

TEST_CASE("a layout that cannot be read says where") {
  const StageLayoutRequest r{.stages = 2, .layers = 2};
  CHECK(problems("Et|xL", r) == Texts{"layout: column 4: expected E, t, m, L, | or a group, not "
                                      "\"x\""});
  CHECK(problems("E(t|tL", r) == Texts{"layout: column 2: \"(\" is not closed"});
  CHECK(problems("Et)|tL", r) == Texts{"layout: column 3: \")\" closes nothing"});
  CHECK(problems("Et*|tL", r) ==
        Texts{"layout: column 3: expected a number from 1 to 65536 after \"*\""});
  CHECK(problems("Et*0|tL", r) ==
        Texts{"layout: column 3: expected a number from 1 to 65536 after \"*\""});
  CHECK(problems("E(t*60000)*60000|L", r) == Texts{"layout: column 2: more than 65536 letters"});
}

TEST_CASE("a layout must fit the model and the pipeline") {
  CHECK(problems("Et|ttL", {.stages = 3, .layers = 4, .predictions = 1}) ==
        Texts{"layout: 3 stages (pipeline ranks times virtual stages), not 2",
              "layout: 4 layers \"t\", as the model has, not 3",
              "layout: 1 prediction layers \"m\", as are trained, not 0"});
  CHECK(problems("t|t", {.stages = 2, .layers = 2}) ==
        Texts{"layout: 1 embedding \"E\", not 0", "layout: 1 loss \"L\", not 0"});
  CHECK(problems("tE|tL", {.stages = 2, .layers = 2}) ==
        Texts{"layout: the embedding comes first, then layers, prediction layers, loss"});
}

TEST_CASE("without a layout layers are shared out evenly, what is left over before the last") {
  // 10 layers in 4 stages: 2 each, and one more for stages 2 and 1.
  CHECK(drawn(even_stages({.stages = 4, .layers = 10, .predictions = 1})) == "Ett|ttt|ttt|ttmL");
  // As if embedding and loss were layers: 12 in 4 stages, 3 each.
  CHECK(drawn(even_stages({.stages = 4, .layers = 10}, true, true)) == "Ett|ttt|ttt|ttL");
  CHECK(drawn(even_stages({.stages = 4, .layers = 11}, true, false)) == "Ett|ttt|ttt|tttL");
  CHECK(even_stages({.stages = 4, .layers = 10})[3].first_layer == 8);
}
