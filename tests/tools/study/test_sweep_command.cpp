// `moesim sweep` and what reads its stores, as a user calls them who errs.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/moesim/sweep/sweep_commands.h"
#include "tools/study/store.h"

namespace moesim::tools {
Command compare_command();
Command report_command();
}  // namespace moesim::tools

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::call;
using moesim::tests::Called;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;
using moesim::tests::Values;
namespace fs = std::filesystem;

namespace {

Values study(const std::string& vary, const std::string& store) {
  return {{"FILE", {"mixtral-8x7b-decode-h100"}},
          {"vary", {vary}},
          {"set", {"network=bound", "step.count=1", "routing={law: balanced}"}},
          {"measure", {"step_time_us.mean"}},
          {"output", {store}}};
}

template <class Error>
std::string wrong(const Command& command, const Values& values) {
  return thrown<Error>([&] { (void)call(command, values); });
}

}  // namespace

TEST_CASE("a study that can have no point leaves no store") {
  const TemporaryFolder folder;
  const std::string store = (folder.path() / "a.db").string();
  CHECK(wrong<sim::ConfigError>(sweep_command(), study("step.bach=1..3", store)) ==
        "no point of 3 can be played, all for one reason: --set: step: unknown key \"bach\"; did "
        "you mean \"batch\"?");
  Values none = study("step.batch_per_rank=1..3", store);
  none["where"] = {"step.batch_per_rank > 3"};
  CHECK(wrong<sim::ConfigError>(sweep_command(), none) == "no point of 3 meets the conditions");
  CHECK(fs::is_empty(folder.path()));
  // A shard may have none: the others have.
  Values shard = study("step.batch_per_rank=1", store);
  shard["shard"] = {"1/2"};
  const Called called = call(sweep_command(), shard);
  CHECK(called.code == sim::ExitCode::Ok);
  CHECK(called.err == "moesim sweep: no point of the study is in this shard\n");
}

// Three points, a shard each for a third of them: two shards are not the study.
TEST_CASE("a store says which part of its study is there, and a merge which is not") {
  const TemporaryFolder folder;
  const auto file = [&](const char* name) { return (folder.path() / name).string(); };
  for (const char* shard : {"0", "1", "2"}) {
    Values values = study("step.batch_per_rank=1..3", file(shard));
    values["shard"] = {std::string(shard) + "/3"};
    CHECK(call(sweep_command(), values).code == sim::ExitCode::Ok);
  }
  CHECK(call(sweep_show_command(), {{"STORE", {file("1")}}}).err ==
        "2 of 3 points of the study are not there: a shard, or a sweep that was ended before all "
        "were (--resume goes on)\n");
  const Called part = call(sweep_merge_command(),
                           {{"TARGET", {file("part.db")}}, {"STORES", {file("0"), file("2")}}});
  CHECK(part.code == sim::ExitCode::Ok);
  CHECK(part.err ==
        "moesim sweep merge: the study has 3 points: 1 of them are in none of these stores\n");
  CHECK(call(sweep_show_command(), {{"STORE", {file("part.db")}}}).err ==
        "1 of 3 points of the study is not there: a shard, or a sweep that was ended before all "
        "were (--resume goes on)\n");
  const Called all = call(sweep_merge_command(),
                          {{"TARGET", {file("all.db")}}, {"STORES", {file("part.db"), file("1")}}});
  CHECK(all.err.empty());
  CHECK(call(sweep_show_command(), {{"STORE", {file("all.db")}}}).err.empty());
  CHECK(wrong<sim::ConfigError>(sweep_merge_command(),
                                {{"TARGET", {file("all.db")}}, {"STORES", {file("0")}}}) ==
        file("all.db") + ": is there already; a merge writes a new file");
}

// 280 sequences would be the quickest a GPU, and do not fit: the best of those that are done is
// 200.
TEST_CASE("sorted by a measure, what does not fit comes after what is done") {
  const TemporaryFolder folder;
  const std::string store = (folder.path() / "a.db").string();
  Values values = study("step.batch_per_rank=100,280,200", store);
  values["measure"] = {"throughput.tokens_per_s_per_gpu"};
  CHECK(call(sweep_command(), values).code == sim::ExitCode::Ok);
  const std::string rows =
      call(sweep_export_command(),
           {{"STORE", {store}}, {"sort", {"-throughput.tokens_per_s_per_gpu"}}})
          .out;
  CHECK(rows.find("\n2,") < rows.find("\n0,"));
  CHECK(rows.find("\n0,") < rows.find("\n1,"));
}

TEST_CASE("an interrupted sweep ends as interrupted, and goes on") {
  const TemporaryFolder folder;
  const std::string store = (folder.path() / "a.db").string();
  Values values = study("step.batch_per_rank=1..3,2", store);
  int asked = 0;
  // Asked for each point before, twice between, and before each that is played.
  const Called stopped = call(sweep_command(), values, [&] { return ++asked > 6; });
  CHECK(stopped.code == sim::ExitCode::Interrupted);
  CHECK(stopped.err ==
        "moesim sweep: step.batch_per_rank=2: is given more than once; it is played once\n"
        "moesim sweep: interrupted before all points were there; --resume goes on\n");
  CHECK(Store::open(store).ords().size() < 3);
  values["resume"] = {"true"};
  CHECK(call(sweep_command(), values).code == sim::ExitCode::Ok);
  CHECK(Store::open(store).ords().size() == 3);
}

TEST_CASE("a store is told from a scenario, a report and a study") {
  const TemporaryFolder folder;
  const std::string store = (folder.path() / "a.db").string();
  REQUIRE(call(sweep_command(), study("step.batch_per_rank=1,2", store)).code == sim::ExitCode::Ok);
  CHECK(wrong<sim::ConfigError>(compare_command(), {{"INPUT", {store, store}}}) ==
        store + ": is a sweep's store, of many runs: say one of them, as " + store +
            ":ID (moesim sweep show " + store + " lists their ids)");
  CHECK(wrong<sim::ConfigError>(sweep_command(), {{"FILE", {store}}, {"resume", {"true"}}}) ==
        store +
            ": is a sweep's store, not a study: --resume goes on with it where the study is said "
            "again, as moesim sweep FILE ... -o " +
            store + " --resume (moesim sweep show " + store + " lists its points)");
  CHECK(wrong<sim::ConfigError>(
            sweep_find_command(),
            {{"SCENARIO", {store}}, {"CONDITION", {"seed > 1"}}, {"over", {"seed=1..2"}}}) ==
        store + ": is a database such as a sweep's store, of which moesim sweep show " + store +
            " tells more; expected a file or a name of configs/scenarios");
  const std::string junk = folder.file("junk.db", "neither").string();
  CHECK(wrong<sim::InputError>(report_command(), {{"FILE", {junk}}, {"output", {"p.html"}}}) ==
        junk + ": is neither a report (JSON, of --format json) nor a sweep's store");
  CHECK(wrong<sim::InputError>(sweep_show_command(), {{"STORE", {folder.path().string()}}}) ==
        folder.path().string() + ": is a folder; a study is a file");
}

TEST_CASE("units in a condition hold for the rows, and an empty table is told") {
  const TemporaryFolder folder;
  const std::string store = (folder.path() / "a.db").string();
  REQUIRE(call(sweep_command(), study("step.batch_per_rank=1,256", store)).code ==
          sim::ExitCode::Ok);
  // 8 ms and 44 ms, as the worked sweep of the README says.
  const auto rows = [&](const std::string& where) {
    const Called csv = call(sweep_export_command(), {{"STORE", {store}}, {"where", {where}}});
    CHECK(csv.code == sim::ExitCode::Ok);
    return std::pair(std::ranges::count(csv.out, '\n') - 1, csv.err);
  };
  CHECK(rows("step_time_us.mean < 20ms") == std::pair(std::ptrdiff_t{1}, std::string()));
  CHECK(rows("step_time_us.mean < 20000") == std::pair(std::ptrdiff_t{1}, std::string()));
  CHECK(rows("step_time_us.mean < 20us") ==
        std::pair(std::ptrdiff_t{0},
                  std::string("no point of 2 fulfils step_time_us.mean < 20us\n")));
  const Called shown = call(sweep_show_command(), {{"STORE", {store}}, {"where", {"ord > 9"}}});
  CHECK(shown.out == "ord  id  step.batch_per_rank  step_time_us.mean\n");
  CHECK(shown.err == "no point of 2 fulfils ord > 9\n");
  CHECK(wrong<sim::ConfigError>(sweep_show_command(),
                                {{"STORE", {store}}, {"where", {"step_time_us.mean < 2 GB"}}}) ==
        "--where, column 19: step_time_us.mean (in us) and 2 GB (a size) are of different kinds: a "
        "time such as 1.5 us, or a number of us would do");
}
