// Blocks: what is free, what is remembered, what goes first.
#include "workloads/serving/schedule/block_pool.h"

#include <doctest/doctest.h>

using namespace moesim::workloads::serving;

namespace {

std::vector<BlockName> names(std::uint64_t text, std::int64_t blocks) {
  return block_names({{text, 4 * blocks}}, 4 * blocks, 4);
}

}  // namespace

TEST_CASE("blocks are taken and given back") {
  BlockPool pool(10, 16);
  CHECK(pool.for_tokens(0) == 0);
  CHECK(pool.for_tokens(16) == 1);
  CHECK(pool.for_tokens(17) == 2);
  HeldBlocks a, b;
  pool.take(a, 7);
  pool.take(b, 3);
  CHECK(pool.free() == 0);
  CHECK(pool.used() == 10);
  pool.release(a);
  CHECK(a.count == 0);
  CHECK(pool.free() == 7);
}

TEST_CASE("a block's name is all the text up to its end") {
  // Prompts of 10 tokens in blocks of 4: two full ones.
  const auto a = block_names({{1, 6}, {2, 4}}, 10, 4), b = block_names({{1, 6}, {3, 4}}, 10, 4);
  REQUIRE(a.size() == 2);
  CHECK(a[0] == b[0]);  // tokens 0 to 3 of text 1
  CHECK(a[1] != b[1]);  // the second one ends in another text
  // The same texts cut otherwise are other prompts.
  CHECK(block_names({{1, 5}, {2, 5}}, 10, 4)[1] != a[1]);
  // What lies beyond the last span is more of it.
  CHECK(block_names({{1, 4}, {2, 0}}, 12, 4) == block_names({{1, 4}, {2, 8}}, 12, 4));
  CHECK(block_names({}, 100, 4).empty());
  // A block whose beginning differs has another name though its own tokens are the same.
  CHECK(block_names({{1, 4}, {5, 4}}, 8, 4)[1] != block_names({{2, 4}, {5, 4}}, 8, 4)[1]);
}

TEST_CASE("what was released is found, shared, and counted as free until it is used") {
  BlockPool pool(4, 4);
  const auto text = names(1, 3);
  HeldBlocks a, b, c;
  pool.take(a, 3);
  pool.name(a, text);
  CHECK(pool.find(text).blocks == 3);
  CHECK(pool.find(text).idle == 0);
  pool.share(b, std::span(text).first(2));
  CHECK(pool.used() == 3);  // b has no block of its own
  CHECK(pool.users() == 5);
  pool.release(a);
  CHECK(pool.free() == 2);  // the third block, which nobody else uses
  CHECK(pool.find(text).blocks == 3);
  CHECK(pool.find(text).idle == 1);
  pool.share(c, text);
  CHECK(pool.free() == 1);
  pool.release(b);
  pool.release(c);
  CHECK(pool.users() == 0);
  CHECK(pool.free() == 4);
  CHECK(pool.find(text).blocks == 3);
}

TEST_CASE("the longest idle block goes first, and of one prompt the tail") {
  BlockPool pool(6, 4);
  const auto one = names(1, 2), two = names(2, 2);
  HeldBlocks a, b, c;
  pool.take(a, 2);
  pool.name(a, one);
  pool.take(b, 2);
  pool.name(b, two);
  pool.release(a);
  pool.release(b);
  // Free, longest idle first: two never used, one's tail, one's head, two's tail, two's head.
  pool.take(c, 3);
  CHECK(pool.find(one).blocks == 1);
  CHECK(pool.find(two).blocks == 2);
  pool.take(c, 2);
  CHECK(pool.find(one).blocks == 0);
  CHECK(pool.find(two).blocks == 1);
}

TEST_CASE("who computes what another has already keeps blocks of its own") {
  BlockPool pool(4, 4);
  const auto text = names(1, 2);
  HeldBlocks a, b;
  pool.take(a, 2);
  pool.take(b, 2);
  pool.name(a, text);
  pool.name(b, text);
  CHECK(pool.users() == 2);
  pool.release(b);
  CHECK(pool.free() == 2);
  CHECK(pool.find(text).idle == 0);
  pool.release(a);
  CHECK(pool.free() == 4);
}
