#include "tools/study/study_spec.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;

namespace {

const auto nowhere = [](const std::string& name) -> std::filesystem::path {
  throw sim::ConfigError("there is no " + name);
};
const Lookup nothing = [](std::string_view) { return std::optional<Value>(); };

std::string drawn(const Assignments& assignments) {
  std::string text;
  for (const auto& [key, value] : assignments)
    text += (text.empty() ? "" : " ") + key + "=" + value;
  return text;
}

}  // namespace

TEST_CASE("points are counted with the first axis the slowest, and zipped keys together") {
  const TemporaryFolder folder;
  const auto file = folder.file("study.yaml",
                                "base: s.yaml\n"
                                "vary: {a: 1..2, b: [x, y]}\n"
                                "zip: [{c: [5, 6, 7], d: 1..4*2}]\n"
                                "derive: {e: \"c * d\"}\n"
                                "where: [\"a + c > 6\"]\n"
                                "measure: [step_time_us.mean]\n");
  folder.file("s.yaml", "name: s\n");
  const StudySpec spec = read_study(file, {}, nowhere);
  CHECK(spec.base == folder.path() / "s.yaml");
  CHECK(spec.size() == 2 * 2 * 3);
  CHECK(drawn(assignments_of(spec, 0)) == "a=1 b=x c=5 d=1");
  CHECK(drawn(assignments_of(spec, 1)) == "a=1 b=x c=6 d=2");
  CHECK(drawn(assignments_of(spec, 3)) == "a=1 b=y c=5 d=1");
  CHECK(drawn(assignments_of(spec, 11)) == "a=2 b=y c=7 d=4");
  const Assignments whole = complete(spec, assignments_of(spec, 11), nothing);
  CHECK(drawn(whole) == "a=2 b=y c=7 d=4 e=28");
  // 1 + 5, 1 + 6, 1 + 7; 2 + 5 …: ord 0 and 3 do not count.
  std::vector<int> counted;
  for (std::uint64_t ord = 0; ord < spec.size(); ++ord) {
    if (counts(spec, assignments_of(spec, ord), nothing)) counted.push_back(static_cast<int>(ord));
  }
  CHECK(counted == std::vector<int>{1, 2, 4, 5, 6, 7, 8, 9, 10, 11});
}

TEST_CASE("a scenario and options make a study without a file of its own") {
  const TemporaryFolder folder;
  const auto file = folder.file("s.yaml", "name: s\n");
  const StudySpec spec = read_study(file,
                                    {.vary = {"step.context=1..2"},
                                     .zip = {"p.tp=1,2,p.dp=8,4"},
                                     .derive = {"p.ep=p.tp * p.dp"},
                                     .where = {"p.tp < 2"},
                                     .set = {"network=bound"}},
                                    nowhere);
  CHECK(spec.base == file);
  CHECK(to_json(spec).dump() ==
        R"({"base":"s.yaml","set":["network=bound"],"axes":[{"step.context":["1","2"]},)"
        R"({"p.tp":["1","2"],"p.dp":["8","4"]}],"derive":{"p.ep":"p.tp * p.dp"},)"
        R"("where":["p.tp < 2"],"measure":["step_time_us.mean","step_time_us.p99",)"
        R"("throughput.tokens_per_s","throughput.tokens_per_s_per_gpu","memory.peak_bytes"]})");
}

TEST_CASE("every mistake of a study is told, with its place") {
  const TemporaryFolder folder;
  folder.file("s.yaml", "name: s\n");
  const auto file = folder.file("study.yaml",
                                "base: s.yaml\n"
                                "vary: {a: 9..1, b: []}\n"
                                "wher: [x]\n"
                                "where: [\"a >\"]\n");
  CHECK(thrown<sim::ConfigError>([&] { read_study(file, {}, nowhere); }) ==
        fmt::format("{0}:2:11: vary.a: \"9..1\" goes down: the smaller end comes first\n"
                    "{0}:2:20: vary.b: expected at least one value\n"
                    "{0}:3:1: unknown key \"wher\"; did you mean \"where\"?\n"
                    "{0}:4:9: where[0]: expression, column 4: expected a number, a key or (, not "
                    "the end",
                    file.string()));
  const auto scenario = folder.path() / "s.yaml";
  CHECK(thrown<sim::ConfigError>([&] { read_study(scenario, {}, nowhere); }) ==
        "nothing varies: say --vary KEY=VALUES, or vary: {KEY: VALUES} in the study's file");
  CHECK(thrown<sim::ConfigError>([&] {
          read_study(scenario, {.vary = {"a=1"}, .zip = {"a=1,2,b=1"}}, nowhere);
        }) == "a: is varied or derived twice\na and b vary together: 2 values and 1");
  CHECK(thrown<sim::ConfigError>([&] {
          read_study(scenario, {.vary = {"a=1..99999", "b=1..99999"}}, nowhere);
        }) == "the study has more than 10000000 points");
  CHECK(thrown<sim::ConfigError>([&] { read_study(scenario, {.derive = {"x"}}, nowhere); }) ==
        "--derive: expected KEY=EXPRESSION such as placement.redundant=parallelism.ep, not \"x\"");
}

TEST_CASE("a value is found in JSON by its path") {
  const sim::io::Json json{
      {"a", {{"b", 3}}}, {"list", {{{"x", 1.5}}, {{"x", true}}}}, {"rate", "400 Gbit/s"}};
  CHECK(find_value(json, "a.b") == Value{std::int64_t{3}});
  CHECK(find_value(json, "list[0].x") == Value{1.5});
  CHECK(find_value(json, "list[1].x") == Value{true});
  CHECK(find_value(json, "rate") == Value{Quantity{50e9, Dimension::Bandwidth}});
  for (const char* none : {"a", "a.c", "list[2].x", "list[x]", "list[0", "b", "a.b.c"})
    CHECK_FALSE(find_value(json, none));
}

TEST_CASE("a value that an axis says twice is kept once, with a word") {
  const TemporaryFolder folder;
  const auto file = folder.file("s.yaml", "name: s\n");
  const StudySpec spec = read_study(
      file, {.vary = {"a=4,4.0,8,4", "b=1 GB,1000 MB"}, .zip = {"c=1,1,1,d=5,6,5"}}, nowhere);
  CHECK(spec.axes[0][0].values == std::vector<std::string>{"4", "8"});
  CHECK(spec.axes[1][0].values == std::vector<std::string>{"1 GB"});
  // Together they differ: only the third is there already.
  CHECK(spec.axes[2][0].values == std::vector<std::string>{"1", "1"});
  CHECK(spec.axes[2][1].values == std::vector<std::string>{"5", "6"});
  CHECK(spec.notes ==
        std::vector<std::string>{"a=4.0: is the same as a=4; it is played once",
                                 "a=4: is given more than once; it is played once",
                                 "b=1000 MB: is the same as b=1 GB; it is played once",
                                 "c=1,d=5: is given more than once; it is played once"});
  CHECK(read_study(file, {.vary = {"a=1..3"}}, nowhere).notes.empty());
}

TEST_CASE("a base whose name is too long for a file is looked for as a name") {
  const tests::TemporaryFolder folder;
  const std::string name(300, 'w');
  const auto file = folder.file("study.yaml", "base: " + name + "\nvary: {seed: [1, 2]}\n");
  std::string asked;
  const StudySpec spec = read_study(file, {}, [&](const std::string& text) {
    asked = text;
    return std::filesystem::path("base.yaml");
  });
  CHECK(asked == name);
  CHECK(spec.base == "base.yaml");
}
