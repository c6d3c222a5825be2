#include "tools/study/store_file.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/study/store.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;
namespace fs = std::filesystem;

namespace {

StudySpec study() {
  StudySpec spec;
  spec.base = "s.yaml";
  spec.axes = {{{.key = "step.batch", .values = {"1", "2"}}}};
  spec.measures = {"time"};
  return spec;
}

Point point(std::uint64_t ord) {
  return {.ord = ord, .id = fmt::format("id{}", ord), .params = {{"step.batch", "1"}}};
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

// A store as a killed writer leaves it: point 0 in the database, point 1 in its log.
fs::path killed(const TemporaryFolder& folder, const TemporaryFolder& scratch) {
  const fs::path file = scratch.path() / "k.db";
  Store store = Store::create(file, study(), "1.0");
  store.add(point(0));
  store.close();
  Store again = Store::open(file, Store::Access::Write);
  again.add(point(1));
  for (const char* name : {"k.db", "k.db-wal", "k.db-shm"})
    fs::copy_file(scratch.path() / name, folder.path() / name);
  return folder.path() / "k.db";
}

// A folder, and what lies in it, that may only be read; nobody's eyes, for whom root may not write.
class ReadOnly {
 public:
  explicit ReadOnly(const fs::path& folder) : folder_(folder) {
    for (const auto& entry : fs::directory_iterator(folder)) ::chmod(entry.path().c_str(), 0444);
    ::chmod(folder.c_str(), 0555);
    if (user_ == 0) REQUIRE(::seteuid(65534) == 0);
  }
  ~ReadOnly() {
    if (user_ == 0) REQUIRE(::seteuid(0) == 0);
    ::chmod(folder_.c_str(), 0755);
  }
  ReadOnly(const ReadOnly&) = delete;
  ReadOnly& operator=(const ReadOnly&) = delete;

 private:
  fs::path folder_;
  ::uid_t user_ = ::geteuid();
};

}  // namespace

TEST_CASE("a store in a folder that may only be read is read") {
  const TemporaryFolder folder;
  {
    Store store = Store::create(folder.path() / "a.db", study(), "1.0");
    store.add(point(0));
    store.close();
    // As earlier versions left one that was shown: in the mode of a log that is not there.
    fs::copy_file(folder.path() / "a.db", folder.path() / "odd?name%41 #.db");
    sqlite::Connection(folder.path() / "odd?name%41 #.db", sqlite::Connection::Mode::ReadWrite)
        .execute("pragma journal_mode = wal; select count(*) from point;");
  }
  const std::vector<std::string> names{"a.db", "odd?name%41 #.db"};
  REQUIRE(names_in(folder.path()) == names);
  const ReadOnly guard(folder.path());
  CHECK(Store::open(folder.path() / "a.db").ords() == std::vector<std::uint64_t>{0});
  CHECK(Store::open(folder.path() / "odd?name%41 #.db").ords() == std::vector<std::uint64_t>{0});
  CHECK(thrown<sim::InputError>([&] {
          Store::open(folder.path() / "a.db", Store::Access::Write);
        }) == (folder.path() / "a.db").string() + ": Permission denied");
}

TEST_CASE("who reads leaves nothing beside the store") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "a.db";
  Store::create(file, study(), "1.0");  // not closed: in the mode of a log
  REQUIRE(names_in(folder.path()) == std::vector<std::string>{"a.db"});
  const std::string before = sim::io::read_text(file);
  CHECK(Store::open(file).ords().empty());
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a.db"});
  CHECK(sim::io::read_text(file) == before);
}

TEST_CASE("what a killed writer left in its log is seen, or it is said that it cannot be") {
  const TemporaryFolder folder, scratch;
  const fs::path file = killed(folder, scratch);
  CHECK(Store::open(file).ords() == std::vector<std::uint64_t>{0, 1});
  {
    const ReadOnly guard(folder.path());
    CHECK(Store::open(file).ords() == std::vector<std::uint64_t>{0, 1});
  }
  fs::remove(folder.path() / "k.db-shm");  // as where only two of the three were copied
  {
    const ReadOnly guard(folder.path());
    CHECK(thrown<sim::InputError>([&] { Store::open(file); }) ==
          fmt::format("{0}: what its last writer left in {0}-wal can only be read where the folder "
                      "can be written: copy both into one",
                      file.string()));
  }
  CHECK(Store::open(file).ords() == std::vector<std::uint64_t>{0, 1});
}

TEST_CASE("what a killed writer had half done is taken back by who reads") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "a.db", torn = folder.path() / "torn.db";
  Store store = Store::create(file, study(), "1.0");
  store.add(point(0));
  store.close();
  {
    // Without a log, as on file systems that can have none: 4 MB go into the file before they
    // count.
    const sqlite::Connection writer(file, sqlite::Connection::Mode::ReadWrite);
    writer.execute(
        "pragma cache_size = 10; begin; update point set ord = 7;"
        "insert into report values(7, zeroblob(4000000));");
    fs::copy_file(file, torn);
    fs::copy_file(folder.path() / "a.db-journal", folder.path() / "torn.db-journal");
  }
  CHECK(Store::open(torn).ords() == std::vector<std::uint64_t>{0});
  CHECK_FALSE(fs::exists(folder.path() / "torn.db-journal"));
}

TEST_CASE("a study is written by one at a time, and read beside it") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "a.db";
  Store store = Store::create(file, study(), "1.0");
  store.add(point(0));
  const std::string in_use =
      file.string() +
      ": is in use by another process; a study is written by one at a time (shards in files of "
      "their own can be merged)";
  CHECK(thrown<sim::ConfigError>([&] { Store::open(file, Store::Access::Write); }) == in_use);
  store.add(point(1));
  {
    const Store reader = Store::open(file);
    CHECK(reader.ords() == std::vector<std::uint64_t>{0, 1});
    store.add(point(2));
    CHECK(reader.ords() == std::vector<std::uint64_t>{0, 1, 2});
    // Folding the log waits for readers, and gives up: nothing is lost.
    CHECK_FALSE(store.close());
  }
  CHECK(Store::open(file).ords() == std::vector<std::uint64_t>{0, 1, 2});
  CHECK(Store::open(file, Store::Access::Write).close());
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a.db"});
  // Another program that writes it holds SQLite's own lock.
  const sqlite::Connection writer(file, sqlite::Connection::Mode::ReadWrite);
  Store last = Store::open(file, Store::Access::Write);
  writer.execute("begin immediate");
  CHECK(thrown<sim::ConfigError>([&] { last.add(point(3)); }) == in_use);
}

TEST_CASE("of two that make a store the second leaves the first's as it is") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "a.db";
  {
    const NewFile second(file);
    std::ofstream(second.part()) << "the second";
    folder.file("a.db", "the first");
    CHECK(thrown<sim::ConfigError>([&] { second.publish(); }) ==
          file.string() +
              ": is there already; --resume goes on with it, another name makes a new one");
  }
  CHECK(sim::io::read_text(file) == "the first");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a.db"});
}

TEST_CASE("a folder is no study, and a pipe no database") {
  const TemporaryFolder folder;
  CHECK(thrown<sim::InputError>([&] { Store::open(folder.path()); }) ==
        folder.path().string() + ": is a folder; a study is a file");
  const fs::path pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_FALSE(is_database(pipe));  // and does not wait for what it says
}
