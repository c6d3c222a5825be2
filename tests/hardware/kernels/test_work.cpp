#include <doctest/doctest.h>

#include <array>

#include "hardware/kernels/group_rows.h"
#include "hardware/kernels/work.h"

using namespace moesim::hardware;

TEST_CASE("a GEMM multiplies m n k pairs and moves each operand once") {
  // 2 x 4 x 8 x 16 = 1,024 FLOP; bytes (8 x 16 + 4 x 16 + 4 x 8) x 2 = 448.
  const Work work = work_of(GemmShape{.m = 4, .n = 8, .k = 16});
  CHECK(work.flops == 1024);
  CHECK(work.bytes == 448);
}

TEST_CASE("a grouped GEMM reads the weights of the groups that have rows") {
  const std::array<std::int64_t, 3> rows{5, 0, 1};
  // Weights 2 x 8 x 16 x 2 B = 512; rows 6 x (16 + 8) x 2 = 288.
  const Work work = work_of(GroupedGemmShape{.rows = rows, .n = 8, .k = 16});
  CHECK(work.flops == 2 * 6 * 8 * 16);
  CHECK(work.bytes == 512 + 288);
}

TEST_CASE("causal attention sees half of the square and the diagonal") {
  // 4 queries: 1 + 2 + 3 + 4 = 10 pairs, 4 FLOP for each of 64 values in 2 heads.
  const Work work = work_of(AttentionShape{
      .batch = 1, .query_length = 4, .kv_length = 4, .heads = 2, .kv_heads = 1, .head_dim = 64});
  CHECK(work.flops == 4 * 10 * 64 * 2);
}

TEST_CASE("a window cuts the keys that a query sees") {
  // Window 2: 1 + 2 + 2 + 2 = 7 pairs.
  const Work work = work_of(AttentionShape{.batch = 1,
                                           .query_length = 4,
                                           .kv_length = 4,
                                           .heads = 1,
                                           .kv_heads = 1,
                                           .head_dim = 64,
                                           .window = 2});
  CHECK(work.flops == 4 * 7 * 64);
}

TEST_CASE("rows are counted into tiles, group by group") {
  const std::array<std::int64_t, 4> rows{1, 0, 64, 65};
  const GroupRows g = group_rows(rows);
  CHECK(g.groups == 4);
  CHECK(g.active == 3);
  CHECK(g.rows == 130);
  CHECK(g.most == 65);
  CHECK(g.tiles[3] == 1 + 1 + 2);  // of 64 rows
  CHECK(g.tiles[0] == 1 + 8 + 9);  // of 8 rows
}
