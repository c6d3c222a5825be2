#include "sim/io/file_hashes.h"

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>

#include "sim/error.h"
#include "sim/io/content_hash.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using namespace moesim::sim;
using namespace moesim::sim::io;

TEST_CASE("a file is hashed anew when its size or its time is another, and only then") {
  const moesim::tests::TemporaryFolder folder;
  const auto file = folder.path() / "f";
  const auto write = [&](const char* text) { std::ofstream(file) << text; };
  write("one");
  const auto then = std::filesystem::last_write_time(file);
  FileHashes hashes;
  CHECK(hashes.of(file) == content_hash_of(file));
  const std::uint64_t one = hashes.of(file);
  // As long and, so it is told, as old: nothing says that it was written.
  write("two");
  std::filesystem::last_write_time(file, then);
  CHECK(hashes.of(file) == one);
  std::filesystem::last_write_time(file, then + std::chrono::seconds(1));
  CHECK(hashes.of(file) == content_hash_of(file));
  CHECK(hashes.of(file) != one);
  write("three");
  std::filesystem::last_write_time(file, then + std::chrono::seconds(1));
  CHECK(hashes.of(file) == content_hash_of(file));
}

TEST_CASE("a file that is gone is an error, whatever was known of it") {
  const moesim::tests::TemporaryFolder folder;
  const auto file = folder.path() / "f";
  std::ofstream(file) << "text";
  FileHashes hashes;
  (void)hashes.of(file);
  std::filesystem::remove(file);
  CHECK(stamp_of(file) == FileStamp{});
  CHECK(moesim::tests::thrown<InputError>([&] { (void)hashes.of(file); }) ==
        file.string() + ": cannot be read");
}
