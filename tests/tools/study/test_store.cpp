#include "tools/study/store.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/study/merge.h"
#include "tools/study/sqlite.h"
#include "tools/study/table.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;

namespace {

StudySpec study() {
  StudySpec spec;
  spec.base = "s.yaml";
  spec.axes = {{{.key = "step.batch", .values = {"1", "2"}}}, {{.key = "kv", .values = {"fp8"}}}};
  spec.measures = {"time"};
  return spec;
}

Point point(std::uint64_t ord, double time) {
  return {.ord = ord,
          .id = fmt::format("id{}", ord),
          .params = {{"step.batch", std::to_string(ord + 1)}, {"kv", "fp8"}},
          .metrics = {{"time", time}},
          .report = fmt::format("{{\"time\":{}}}", time)};
}

std::filesystem::path filled(const TemporaryFolder& folder, const std::string& name,
                             const std::vector<Point>& points) {
  Store store = Store::create(folder.path() / name, study(), "1.0");
  for (const Point& p : points) store.add(p);
  store.close();
  return folder.path() / name;
}

}  // namespace

TEST_CASE("what is added is there, whole, and beside a closed store lies nothing") {
  const TemporaryFolder folder;
  const auto file = filled(folder, "a.db", {point(1, 2.5), point(0, 1.5)});
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
  const Store store = Store::open(file);
  CHECK(store.version() == "1.0");
  CHECK(store.spec() == to_json(study()).dump());
  CHECK(store.ords() == std::vector<std::uint64_t>{0, 1});
  const auto points = store.points();
  REQUIRE(points.size() == 2);
  CHECK(points[0].ord == 0);
  CHECK(points[0].params == Assignments{{"step.batch", "1"}, {"kv", "fp8"}});
  CHECK(points[1].metrics == std::vector<std::pair<std::string, double>>{{"time", 2.5}});
  CHECK(store.report(1) == "{\"time\":2.5}");
  CHECK(store.report(7).empty());
  CHECK(store.find("id1")->report == "{\"time\":2.5}");
  CHECK_FALSE(store.find("id9"));
}

TEST_CASE("the view has a column for each axis and measure") {
  const TemporaryFolder folder;
  Point unfit = point(1, 0);
  unfit.status = PointStatus::Infeasible;
  unfit.reason = "too large";
  unfit.metrics.clear();
  const sqlite::Connection database(filled(folder, "a.db", {point(0, 1.5), unfit}),
                                    sqlite::Connection::Mode::ReadWrite);
  auto rows = database.prepare(
      "select ord, status, reason, \"step.batch\", kv, time from result order by ord");
  REQUIRE(rows.step());
  CHECK(rows.text(1) == "done");
  CHECK(rows.is_null(2));
  CHECK(rows.integer(3) == 1);
  CHECK(rows.text(4) == "fp8");
  CHECK(rows.number(5) == 1.5);
  REQUIRE(rows.step());
  CHECK(rows.text(1) == "infeasible");
  CHECK(rows.text(2) == "too large");
  CHECK(rows.is_null(5));
  CHECK_FALSE(rows.step());
}

TEST_CASE("a point that cannot be added leaves nothing of itself") {
  const TemporaryFolder folder;
  Store store = Store::create(folder.path() / "a.db", study(), "1.0");
  Point twice = point(0, 1);
  twice.metrics = {{"time", 1}, {"time", 2}};  // one key twice
  CHECK_THROWS_AS(store.add(twice), sim::InputError);
  CHECK(store.ords().empty());
  store.add(point(0, 3));
  CHECK(store.points().at(0).metrics.at(0).second == 3);
}

TEST_CASE("what is no study, damaged or there already is told") {
  const TemporaryFolder folder;
  const auto file = filled(folder, "a.db", {});
  CHECK(thrown<sim::ConfigError>([&] { Store::create(file, study(), "1.0"); }) ==
        file.string() +
            ": is there already; --resume goes on with it, another name makes a new one");
  CHECK(thrown<sim::InputError>([&] { Store::open(folder.path() / "none.db"); }) ==
        (folder.path() / "none.db").string() + ": there is no such file");
  const auto text = folder.file("text.db", std::string(5000, 'x'));
  CHECK(thrown<sim::InputError>([&] { Store::open(text); }) ==
        text.string() + ": is no study, or damaged: file is not a database");
  const auto other = folder.path() / "other.db";
  sqlite::Connection(other, sqlite::Connection::Mode::Create).execute("create table t(x)");
  const std::string before = sim::io::read_text(other);
  CHECK(thrown<sim::InputError>([&] { Store::open(other); }) ==
        other.string() + ": is a database, but no study of moesim");
  CHECK(sim::io::read_text(other) == before);  // its mode of journals, too
  const auto empty = folder.file("empty.db", "");
  CHECK(thrown<sim::InputError>([&] { Store::open(empty); }) ==
        empty.string() + ": is a database, but no study of moesim");
  CHECK(std::filesystem::file_size(empty) == 0);
  CHECK(thrown<sim::ConfigError>([&] { Store::create(folder.path(), study(), "1.0"); }) ==
        folder.path().string() + ": is a folder; a study is a file");
  const auto unnamed = filled(folder, "unnamed.db", {});
  sqlite::Connection(unnamed, sqlite::Connection::Mode::ReadWrite).execute("delete from study");
  CHECK(thrown<sim::InputError>([&] { Store::open(unnamed); }) ==
        unnamed.string() + ": is damaged: it does not say what study it is of");
  // Where nobody may write, root included.
  const std::filesystem::path nowhere = "/proc/self/study.db";
  CHECK(thrown<sim::InputError>([&] { Store::create(nowhere, study(), "1.0"); }) ==
        nowhere.string() + ": unable to open database file");
}

TEST_CASE("shards are merged, equal points once, and different results refused") {
  const TemporaryFolder folder;
  const auto a = filled(folder, "a.db", {point(0, 1)}),
             b = filled(folder, "b.db", {point(1, 2), point(0, 1)});
  const Merged merged = merge(folder.path() / "all.db", {a, b});
  CHECK(merged.points == 2);
  CHECK(merged.already == 1);
  CHECK(to_csv(table_of(Store::open(folder.path() / "all.db"), {})) ==
        "ord,id,status,reason,step.batch,kv,time\n"
        "0,id0,done,,1,fp8,1\n"
        "1,id1,done,,2,fp8,2\n");
  const auto c = filled(folder, "c.db", {point(0, 9)});
  CHECK(thrown<sim::Error>([&] {
          merge(folder.path() / "bad.db", {a, c});
        }) == fmt::format("{} and {}: have different results for point 0 (id0, id0)", a.string(),
                          c.string()));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "bad.db"));  // half would look like all
  Store::create(folder.path() / "d.db", study(), "2.0");
  CHECK(thrown<sim::ConfigError>([&] {
          merge(folder.path() / "x.db", {a, folder.path() / "d.db"});
        }) == fmt::format("{} and {}: are of different studies, or made by different versions",
                          a.string(), (folder.path() / "d.db").string()));
}

TEST_CASE("a quantity is shown as it was given, and exported in its base unit") {
  const TemporaryFolder folder;
  Point measured = point(0, 3);
  measured.params = {{"step.batch", "1"}, {"kv", "400 Gbit/s"}};
  const Store store = Store::open(filled(folder, "a.db", {measured}));
  CHECK(to_text(table_of(store, {})) ==
        "ord  step.batch          kv  time\n"
        "  0           1  400 Gbit/s     3\n");
  CHECK(to_csv(table_of(store, {.where = {"kv == 50 GB/s"}})) ==
        "ord,id,status,reason,step.batch,kv,time\n0,id0,done,,1,50000000000,3\n");
  CHECK(to_json(table_of(store, {}), store, false)["points"][0]["params"].dump() ==
        R"({"step.batch":1,"kv":50000000000})");
}

TEST_CASE("rows are chosen, sorted and written") {
  const TemporaryFolder folder;
  Point unfit = point(2, 0);
  unfit.status = PointStatus::Infeasible;
  unfit.reason = "9 GB, \"too large\"";
  unfit.metrics.clear();
  unfit.report.clear();
  const Store store =
      Store::open(filled(folder, "a.db", {point(0, 3), point(1, 1.23456789), unfit}));
  CHECK(to_csv(table_of(store, {.where = {"time < 3"}})) ==
        "ord,id,status,reason,step.batch,kv,time\n1,id1,done,,2,fp8,1.23456789\n");
  const PointTable down = table_of(store, {.sort = "-time"});
  CHECK(down.rows[0].ord == 0);
  CHECK(down.rows[2].ord == 2);  // has no time
  CHECK(to_csv(table_of(store, {.where = {"status == 'infeasible'"}})) ==
        "ord,id,status,reason,step.batch,kv,time\n2,id2,infeasible,\"9 GB, \"\"too "
        "large\"\"\",3,fp8,\n");
  CHECK(to_text(table_of(store, {.sort = "time", .most = 2})) ==
        "ord  step.batch   kv    time\n"
        "  1           2  fp8  1.2346\n"
        "  0           1  fp8       3\n"
        "2 of 3 points; --rows shows more\n");
  CHECK(to_text(table_of(store, {.most = 1}), true) ==
        "ord   id  step.batch   kv  time\n"
        "  0  id0           1  fp8     3\n"
        "1 of 3 points; --rows shows more\n");
  const auto told = [&](const TableOptions& rows) {
    return emptiness(table_of(store, rows), rows);
  };
  CHECK(told({.where = {"time > 9", "ord < 2"}}) == "no point of 3 fulfils time > 9 and ord < 2\n");
  CHECK(told({.where = {"time > 2"}}).empty());
  CHECK(told({}).empty());
  CHECK(thrown<sim::ConfigError>([&] { table_of(store, {.sort = "tme"}); }) ==
        "--sort: no point has \"tme\"; there are ord, status, step.batch, kv, time");
  CHECK(thrown<sim::ConfigError>([&] { table_of(store, {.where = {"tme > 1"}}); }) ==
        "--where: no point has \"tme\"; there are ord, status, step.batch, kv, time; a word that "
        "is no key stands in quotes: status == 'done'");
  const auto json = to_json(table_of(store, {.sort = "-time"}), store, true);
  CHECK(json["points"][0]["params"]["step.batch"] == 1);
  CHECK(json["points"][0]["report"]["time"] == 3);
  CHECK(json["points"][2]["report"].is_null());
}

TEST_CASE("a store is gone on with by the same study and version, and no other") {
  const TemporaryFolder folder;
  const auto file = filled(folder, "a.db", {point(1, 2.5)});
  CHECK(Store::resume(file, study(), "1.0").ords() == std::vector<std::uint64_t>{1});
  CHECK(Store::resume(folder.path() / "new.db", study(), "1.0").ords().empty());
  StudySpec other = study();
  other.measures = {"memory"};
  CHECK(thrown<sim::ConfigError>([&] { Store::resume(file, other, "1.0"); }) ==
        fmt::format("{0}: is of another study; --resume wants the same one, and --extend {0} takes "
                    "over what it has in a new file",
                    file.string()));
  CHECK(thrown<sim::ConfigError>([&] { Store::resume(file, study(), "1.1"); }) ==
        file.string() + ": was made by version 1.0, and this is 1.1");
}
