#include "workloads/step/step_question.h"

#include <doctest/doctest.h>

using namespace moesim::workloads;

TEST_CASE("a step that decodes is one kind, worth a token a sequence") {
  const auto kinds = step_kinds(decode_question(32, 4096));
  REQUIRE(kinds.size() == 1);
  CHECK(kinds[0].batch == on_every_rank({decoding(32, 4096)}));
  CHECK(kinds[0].output == 32);
  CHECK(kinds[0].weight == 1);
}

TEST_CASE("a prefill is worth the tokens it reads, and a long prompt is read in its last chunk") {
  auto kinds = step_kinds(prefill_question(4096, 1024));
  CHECK(kinds[0].batch == on_every_rank({prompts(4, 1024)}));
  CHECK(kinds[0].output == 4096);
  // 8,192 tokens of a prompt of 32,768: after 24,576 keys.
  kinds = step_kinds(prefill_question(8192, 32768));
  CHECK(kinds[0].batch == on_every_rank({prompts(1, 8192, 24576)}));
  CHECK(kinds[0].output == 8192);
}

TEST_CASE("a step beside whose decode prompts are read is worth what it generates") {
  StepQuestion question = decode_question(32, 4096);
  question.ranks[0].push_back(prompts(1, 512));
  CHECK(step_kinds(question)[0].output == 32);
}

TEST_CASE("drafted tokens are checked in the pass and drafted after it, and accepted ones count") {
  StepQuestion question = decode_question(32, 4096);
  question.speculation = {.draft = 3, .accepted = 2.5};
  const auto kinds = step_kinds(question);
  REQUIRE(kinds.size() == 1);
  CHECK(kinds[0].batch.drafted == 3);
  CHECK(kinds[0].batch.ranks[0][0].query_length == 4);
  CHECK(kinds[0].batch.ranks[0][0].kv_length == 4096);
  CHECK(kinds[0].output == 80);
}

TEST_CASE("ranks that differ are worth their mean") {
  StepQuestion question;
  question.ranks = {{decoding(30, 100)}, {decoding(10, 100)}};
  CHECK(step_kinds(question)[0].output == 20);
  CHECK(step_kinds(question)[0].batch.ranks == question.ranks);
  // Where any rank decodes, what others read is not counted beside what is generated.
  question.ranks = {{decoding(30, 100)}, {prompts(1, 512)}};
  CHECK(step_kinds(question)[0].output == 15);
}

TEST_CASE("a prompt's chunks see half of it and of a chunk on the mean") {
  // Prompts of 1,024 in chunks of 256 see 256, 512, 768 and 1,024 keys: 640 on the mean. Of 128
  // sequences with 2,048 tokens 1/16 end in a step: a chunk in one step of four.
  StepQuestion question = decode_question(128, 2048);
  question.refill = {.prompt = 1024, .output = 2048, .chunk = 256};
  const auto kinds = step_kinds(question);
  REQUIRE(kinds.size() == 2);
  CHECK(kinds[0].batch == on_every_rank({decoding(128, 2048)}));
  CHECK(kinds[0].weight == 0.75);
  REQUIRE(kinds[1].batch.ranks[0].size() == 2);
  CHECK(kinds[1].batch.ranks[0][1] == BatchShape{.phase = StepPhase::Prefill,
                                                 .sequences = 1,
                                                 .query_length = 256,
                                                 .kv_length = 640,
                                                 .encoder_length = 1024});
  CHECK(kinds[1].weight == 0.25);
  CHECK(kinds[1].output == 128);
}

TEST_CASE("a prompt one token longer than a chunk was read as two whole ones") {
  // 8,193 tokens in chunks of 8,192 are two passes, of 4,097 tokens on the mean and not 8,192 each.
  // They see 4,097 and 8,193 keys: 6,145.
  StepQuestion question = decode_question(64, 1000);
  question.refill = {.prompt = 8193, .output = 128, .chunk = 8192};
  // 64 / 128 sequences end, two passes each: one in every step.
  const auto kinds = step_kinds(question);
  REQUIRE(kinds.size() == 1);
  const BatchShape& chunk = kinds[0].batch.ranks[0][1];
  CHECK(chunk.sequences == 1);
  CHECK(chunk.query_length == 4097);
  CHECK(chunk.kv_length == 6145);
}

TEST_CASE("prompts are spread evenly over steps, as the mean rank needs them") {
  // 24 and 8 sequences of 16 tokens: 1.5 and 0.5 prompts a step, 1 on the mean.
  StepQuestion question;
  question.ranks = {{decoding(24, 100)}, {decoding(8, 100)}};
  question.refill = {.prompt = 8, .output = 16, .chunk = 8};
  auto kinds = step_kinds(question);
  REQUIRE(kinds.size() == 1);
  CHECK(kinds[0].batch.ranks[0].back().sequences == 1);
  CHECK(kinds[0].batch.ranks[1].back().sequences == 1);
  CHECK(kinds[0].weight == 1);
  // 40 and 8: 1.5 on the mean, one and two in turn.
  question.ranks[0] = {decoding(40, 100)};
  kinds = step_kinds(question);
  REQUIRE(kinds.size() == 2);
  CHECK(kinds[0].batch.ranks[0].back().sequences == 1);
  CHECK(kinds[1].batch.ranks[0].back().sequences == 2);
  CHECK(kinds[0].weight == 0.5);
  CHECK(kinds[1].weight == 0.5);
}

TEST_CASE("a batch knows its tokens, its rows of logits and its sequences") {
  BatchShape checked = decoding(4, 100);
  checked.query_length = 2;
  const RankBatch mixed{checked, prompts(3, 50, 10)};
  CHECK(tokens_of(mixed) == 8 + 150);
  CHECK(logits_of(mixed) == 8 + 3);
  CHECK(sequences_of(mixed) == 4);
  CHECK(sequences_of(RankBatch{prompts(3, 50)}) == 3);
  CHECK(has_prompts(mixed));
  CHECK_FALSE(has_prompts(RankBatch{checked, prompts(0, 50)}));
  CHECK(tokens_of(on_every_rank(mixed), 4) == 4 * 158);
  const Batch unequal{.ranks = {{checked}, mixed}};
  CHECK(tokens_of(unequal, 2) == 8 + 158);
  CHECK(unequal.of(1) == mixed);
  CHECK(has_prompts(unequal));
  CHECK(prompts(3, 50, 10).kv_length == 60);
}
