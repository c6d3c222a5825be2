// `step:` as it is read, and every mistake with its place, what was found and what would do.
#include "workloads/step/read_step.h"

#include <doctest/doctest.h>

#include "sim/error.h"
#include "tests/support/thrown.h"
#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

StepQuestion read(const std::string& step) {
  const auto document = sim::io::YamlDocument::parse("step: " + step, "x.yaml");
  StepQuestion question = read_step(document.root().at("step"));
  document.throw_errors();
  return question;
}

std::string mistakes(const std::string& step) {
  return tests::thrown<sim::ConfigError>([&] { (void)read(step); });
}

std::string text_of(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += problem.key + ": " + problem.text + "\n";
  return text;
}

}  // namespace

TEST_CASE("a decode has so many sequences of a context") {
  const StepQuestion step = read("{phase: decode, batch_per_rank: 32, context: 4096, count: 3}");
  CHECK(step.ranks == std::vector<RankBatch>{{decoding(32, 4096)}});
  CHECK(step.count == 3);
  CHECK(step.refill.prompt == 0);
  CHECK(step.speculation.draft == 0);
}

TEST_CASE("a prefill reads tokens in prompts, one prompt where it does not say") {
  CHECK(read("{phase: prefill, tokens_per_rank: 4096, prompt: 1024}").ranks ==
        std::vector<RankBatch>{{prompts(4, 1024)}});
  CHECK(read("{phase: prefill, tokens_per_rank: 4096}").ranks ==
        std::vector<RankBatch>{{prompts(1, 4096)}});
  CHECK(read("{phase: prefill, tokens_per_rank: 1024, prompt: 4096}").ranks ==
        std::vector<RankBatch>{{prompts(1, 1024, 3072)}});
}

TEST_CASE("a refilled decode is half-way through its output where no context is given") {
  StepQuestion step =
      read("{phase: decode, batch_per_rank: 8, refill: {prompt: 1000, output: 200}}");
  CHECK(step.ranks[0][0].kv_length == 1100);
  CHECK(step.refill.chunk == 1000);
  step =
      read("{phase: decode, batch_per_rank: 8, context: 50, refill: {prompt: 20000, output: 2}}");
  CHECK(step.ranks[0][0].kv_length == 50);
  CHECK(step.refill.chunk == 8192);
  step = read(
      "{phase: decode, batch_per_rank: 8, refill: {prompt: 100, output: 2, chunk: 64}, "
      "speculation: {draft: 2, accepted: 2.5}}");
  CHECK(step.refill.chunk == 64);
  CHECK(step.speculation.draft == 2);
  CHECK(step.speculation.accepted == 2.5);
}

TEST_CASE("a batch is a list of parts, of every rank or rank by rank") {
  CHECK(read("{batch: [{decode: 32, context: 4096}, {prefill: 2, tokens: 512, after: 3584}]}")
            .ranks == std::vector<RankBatch>{{decoding(32, 4096), prompts(2, 512, 3584)}});
  const StepQuestion step =
      read("{batch: [[{decode: 32, context: 4096}], [{prefill: 1, tokens: 8}], []], count: 2}");
  CHECK(step.ranks == std::vector<RankBatch>{{decoding(32, 4096)}, {prompts(1, 8)}, {}});
  CHECK(step.count == 2);
  CHECK(read("{batch: [{decode: 4, context: 9}], speculation: {draft: 1, accepted: 2}}")
            .speculation.draft == 1);
}

TEST_CASE("a prompt of 4k, 0, -1 or abc tokens was a division by zero") {
  for (const char* wrong : {"4k", "0", "-1", "abc"}) {
    CAPTURE(wrong);
    CHECK(mistakes("{phase: prefill, tokens_per_rank: 4096, prompt: " + std::string(wrong) + "}") ==
          "x.yaml:1:55: step.prompt: expected a whole number from 1 to 67108864, not \"" +
              std::string(wrong) + "\"");
  }
  CHECK(mistakes("{phase: prefill, tokens_per_rank: 4k, prompt: 16}") ==
        "x.yaml:1:41: step.tokens_per_rank: expected a whole number from 1 to 67108864, not "
        "\"4k\"");
}

TEST_CASE("tokens that are no whole number of prompts are refused with how many would be") {
  CHECK(
      mistakes("{phase: prefill, tokens_per_rank: 1000, prompt: 300}") ==
      "x.yaml:1:7: step: tokens_per_rank 1000 is no whole number of prompts of 300; 900 would be");
}

TEST_CASE("keys of another form of the question are refused where they stand") {
  CHECK(mistakes("{phase: prefill, tokens_per_rank: 16, context: 3, refill: {}}") ==
        "x.yaml:1:54: step.context: belongs to decode; prefill has tokens_per_rank and prompt\n"
        "x.yaml:1:65: step.refill: belongs to decode; prefill has tokens_per_rank and prompt");
  CHECK(mistakes("{phase: decode, batch_per_rank: 4, context: 3, prompt: 2}") ==
        "x.yaml:1:62: step.prompt: belongs to prefill; decode has batch_per_rank and context");
  CHECK(mistakes("{phase: decode, context: 8, batch: [{decode: 1, context: 8}]}") ==
        "x.yaml:1:15: step.phase: stands beside batch, which says all of it\n"
        "x.yaml:1:32: step.context: stands beside batch, which says all of it");
  CHECK(mistakes("{phase: decode, batch_per_rank: 4, context: 3, promt: 2}") ==
        "x.yaml:1:54: step: unknown key \"promt\"; did you mean \"prompt\"?");
}

TEST_CASE("a step that does not say its phase, or says another, is told which there are") {
  CHECK(mistakes("{batch_per_rank: 4, context: 3}") ==
        "x.yaml:1:7: step: key \"phase\" is missing");
  CHECK(mistakes("{phase: decoding, batch_per_rank: 4, context: 3}") ==
        "x.yaml:1:15: step.phase: expected one of prefill, decode, not \"decoding\"");
  CHECK(mistakes("{phase: decode, batch_per_rank: 4, context: 3, count: 0}") ==
        "x.yaml:1:61: step.count: expected a whole number from 1 to 100000, not \"0\"");
}

TEST_CASE("parts of a batch that mix decode and prefill are refused key by key") {
  CHECK(mistakes("{batch: [{decode: 2, context: 8, tokens: 3, after: 1}]}") ==
        "x.yaml:1:48: step.batch[0].tokens: belongs to prefill, not beside decode\n"
        "x.yaml:1:58: step.batch[0].after: belongs to prefill, not beside decode");
  CHECK(mistakes("{batch: [{prefill: 2, tokens: 8, context: 3}]}") ==
        "x.yaml:1:49: step.batch[0].context: belongs to decode");
  CHECK(mistakes("{batch: [{prefill: 2, tokens: 0}]}") ==
        "x.yaml:1:15: step.batch: holds no token: give a rank {decode: 1, context: 1024}, for one\n"
        "x.yaml:1:37: step.batch[0].tokens: expected a whole number from 1 to 67108864, not \"0\"");
  CHECK(mistakes("{batch: [[{decode: 1, context: 1}], [{decode: x, context: 1}]]}") ==
        "x.yaml:1:53: step.batch[1][0].decode: expected a whole number from 0 to 67108864, not "
        "\"x\"");
}

TEST_CASE("a batch that holds no token, or more than there may be, is refused") {
  for (const char* none : {"[]", "[{decode: 0, context: 8}]", "[[], []]"}) {
    CAPTURE(none);
    CHECK(mistakes("{batch: " + std::string(none) + "}") ==
          "x.yaml:1:15: step.batch: holds no token: give a rank {decode: 1, context: 1024}, for "
          "one");
  }
  CHECK(mistakes("{batch: [{prefill: 8193, tokens: 8192}]}") ==
        "x.yaml:1:15: step.batch: 67117056 tokens of a rank; 67108864 at most");
}

TEST_CASE("more tokens accepted than are drafted and the model's own are refused") {
  CHECK(mistakes("{phase: decode, batch_per_rank: 1, context: 1, "
                 "speculation: {draft: 1, accepted: 2.5}}") ==
        "x.yaml:1:88: step.speculation.accepted: 2.5 tokens a step of 1 drafted and one of the "
        "model's own");
  CHECK(mistakes("{phase: decode, batch_per_rank: 1, context: 1, "
                 "speculation: {draft: 8, accepted: 1}}") ==
        "x.yaml:1:75: step.speculation.draft: expected a whole number from 1 to 7, not \"8\"");
  // What could not be read has its own message, and no other.
  CHECK(mistakes("{phase: decode, batch_per_rank: 1, context: 1, "
                 "speculation: {draft: two, accepted: 2}}") ==
        "x.yaml:1:75: step.speculation.draft: expected a whole number from 1 to 7, not \"two\"");
}

TEST_CASE("what a deployment cannot be asked is told as values") {
  Deployment d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  CHECK(check(d, decode_question(4, 100)).empty());
  d.model.max_context = 64;
  StepQuestion question = decode_question(4, 100);
  question.ranks.resize(3);
  CHECK(text_of(check(d, question)) ==
        "step: batch lists 3 ranks; dp = 2 has 2\n"
        "step: a context of 100 tokens, but hand has at most 64\n");
  question.ranks.resize(2);
  CHECK(text_of(check(d, question)) == "step: a context of 100 tokens, but hand has at most 64\n");
  d = hand_deployment(hand_model({layer_of(hand_attention(), hand_dense())}), {});
  question = decode_question(4, 100);
  question.speculation = {.draft = 1, .accepted = 2};
  CHECK(text_of(check(d, question)) ==
        "step: speculation drafts with a mixture layer, hand has none\n");
}

TEST_CASE("prompts longer than the model's context are played, and said") {
  Deployment d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  d.model.max_context = 64;
  CHECK(check(d, prefill_question(128, 128)).empty());
  CHECK(note_of_context(d, prefill_question(128, 128)) ==
        "prompts of 128 tokens: hand has at most 64, so its positions must be extended");
  CHECK(!note_of_context(d, prefill_question(128, 64)));
}
