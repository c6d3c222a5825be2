// What is remembered by what a rank has.
#include "workloads/step/batch_table.h"

#include <doctest/doctest.h>

using namespace moesim::workloads;

namespace {

// Counts what is made.
struct Numbered {
  explicit Numbered(std::size_t most) : table(most) {}
  int of(const RankBatch& batch) {
    return table.of(batch, [this] { return ++made; });
  }
  BatchTable<int> table;
  int made = 0;
};

}  // namespace

TEST_CASE("a batch that is known is not priced again, one that differs in any part is") {
  Numbered numbered(100);
  const RankBatch one{decoding(3, 70)}, two{decoding(3, 70), prompts(1, 512)};
  CHECK(numbered.of(one) == 1);
  CHECK(numbered.of(two) == 2);
  CHECK(numbered.of({decoding(3, 70), prompts(1, 512, 1)}) == 3);
  CHECK(numbered.of({prompts(1, 512), decoding(3, 70)}) == 4);
  CHECK(numbered.of({decoding(3, 71)}) == 5);
  CHECK(numbered.of({}) == 6);
  CHECK(numbered.of({BatchShape{}}) == 7);
  CHECK(numbered.of(one) == 1);
  CHECK(numbered.of(two) == 2);
  CHECK(numbered.of({}) == 6);
}

TEST_CASE("as many as there is room for are found again, and one more has all forgotten") {
  Numbered numbered(1000);
  for (int n = 1; n <= 1000; ++n) CHECK(numbered.of({decoding(n, 64)}) == n);
  for (int n = 1; n <= 1000; ++n) CHECK(numbered.of({decoding(n, 64)}) == n);
  CHECK(numbered.of({decoding(1001, 64)}) == 1001);
  CHECK(numbered.of({decoding(1001, 64)}) == 1001);
  CHECK(numbered.of({decoding(1, 64)}) == 1002);
}
