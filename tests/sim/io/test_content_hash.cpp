#include "sim/io/content_hash.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using namespace moesim::sim;
using namespace moesim::sim::io;

TEST_CASE("hashes are those of XXH64 with seed 0") {
  // Published test vectors of xxHash and of its bindings.
  CHECK(content_hash(std::string()) == 0xEF46DB3751D8E999);
  CHECK(content_hash(std::string("a")) == 0xD24EC4F1A98C6E5B);
  CHECK(content_hash(std::string("abc")) == 0x44BC2CF5AD770999);
  CHECK(content_hash(std::string("Nobody inspects the spammish repetition")) == 0xFBCEA83C8A378BF1);
}

TEST_CASE("a hash does not depend on the pieces that the bytes come in") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::to_string(i * i);
  for (const std::size_t piece : {1u, 3u, 8u, 31u, 32u, 33u, 100u, 5000u}) {
    CAPTURE(piece);
    ContentHash hash;
    for (std::size_t at = 0; at < text.size(); at += piece)
      hash.add(std::span<const char>(text).subspan(at, std::min(piece, text.size() - at)));
    CHECK(hash.value() == content_hash(text));
  }
  const std::uint64_t before = content_hash(text);
  for (const std::size_t at : {std::size_t{0}, std::size_t{700}, text.size() - 1}) {
    std::string other = text;
    other[at] = static_cast<char>(other[at] ^ 1);
    CHECK(content_hash(other) != before);
  }
}

TEST_CASE("a file is hashed as its bytes are, and one that is not there is said") {
  const moesim::tests::TemporaryFolder folder;
  const auto path = folder.path() / "x";
  const std::string text(700'001, 'y');  // several blocks, and a rest
  std::ofstream(path) << text;
  CHECK(content_hash_of(path) == content_hash(text));
  const auto missing = folder.path() / "z";
  CHECK(moesim::tests::thrown<InputError>([&] { content_hash_of(missing); }) ==
        missing.string() + ": cannot be read");
}
