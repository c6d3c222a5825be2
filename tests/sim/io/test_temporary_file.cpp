#include "sim/io/temporary_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using namespace moesim::sim::io;
using moesim::sim::Error;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;
namespace fs = std::filesystem;

namespace {

std::string contents(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("a file is replaced as a whole, and keeps its permissions") {
  const TemporaryFolder folder;
  const fs::path file = folder.file("a.txt", "before");
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  write_file(file, "after");
  CHECK(contents(file) == "after");
  CHECK(fs::status(file).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a link stays, what it leads to is replaced") {
  const TemporaryFolder folder;
  const fs::path file = folder.file("real.txt", "before"), link = folder.path() / "link.txt";
  fs::create_symlink("real.txt", link);  // relative to the link's folder
  write_file(link, "after");
  CHECK(fs::is_symlink(link));
  CHECK(contents(file) == "after");
  // One that leads nowhere yet makes the file there.
  fs::create_symlink("new.txt", folder.path() / "other.txt");
  write_file(folder.path() / "other.txt", "new");
  CHECK(fs::is_symlink(folder.path() / "other.txt"));
  CHECK(contents(folder.path() / "new.txt") == "new");
}

TEST_CASE("a device and a pipe are written, never replaced") {
  write_file("/dev/null", "gone");
  CHECK(fs::is_character_file("/dev/null"));
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  // Open for both: the write then neither waits for a reader nor fails.
  const int reader = ::open(pipe.c_str(), O_RDWR | O_NONBLOCK);
  REQUIRE(reader >= 0);
  write_file(pipe, "through");
  char text[16] = {};
  CHECK(::read(reader, text, sizeof text) == 7);
  CHECK(std::string(text) == "through");
  ::close(reader);
  CHECK(fs::is_fifo(pipe));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a temporary has a name of its own, and is gone where it is not committed") {
  const TemporaryFolder folder;
  const fs::path target = folder.path() / "t.h5";
  {
    const TemporaryFile one(target), two(target);
    CHECK(one.path() != two.path());
    CHECK(one.path().string().starts_with(target.string() + ".tmp."));
    CHECK(files_in(folder.path()) == 2);
  }
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("a signal's handler finds the temporaries that there are") {
  const TemporaryFolder folder;
  const TemporaryFile file(folder.path() / "t.h5");
  REQUIRE(fs::exists(file.path()));
  remove_temporaries();
  CHECK_FALSE(fs::exists(file.path()));
}

TEST_CASE("what cannot be written is said, and the target is as it was") {
  const TemporaryFolder folder;
  CHECK(thrown<Error>([&] { write_file(folder.path(), "x"); }) ==
        folder.path().string() + ": cannot be written: Is a directory");
  const fs::path missing = folder.path() / "no" / "file";
  CHECK(thrown<Error>([&] { write_file(missing, "x"); }) ==
        missing.string() + ": cannot be written: No such file or directory");
}

TEST_CASE("a link that leads to itself is not replaced") {
  const TemporaryFolder folder;
  const fs::path loop = folder.path() / "loop";
  fs::create_symlink("loop", loop);
  CHECK(thrown<Error>([&] { write_file(loop, "x"); }) ==
        loop.string() + ": cannot be written: Too many levels of symbolic links");
  CHECK(fs::is_symlink(loop));
}

TEST_CASE("output that cannot be written has the exit code of standard output that cannot be") {
  try {
    write_file("/dev/full", "x");
    FAIL("a full device was written");
  } catch (const Error& error) {
    CHECK(error.code() == moesim::sim::ExitCode::Failed);
    CHECK(error.what() == std::string("/dev/full: cannot be written: No space left on device"));
  }
}
