// What an engine's steps amount to in its steady state: the batch that a target allows, prompts
// that come at random (Poisson) between steps and to ranks, room that is not full in the mean.
#pragma once

#include <cstdint>
#include <functional>

namespace moesim::tools {

// The largest b from 1 to `most` with time(b) <= target, where time grows with b: until one takes
// 97 % of the target, or two ends differ by half at most; between the ends by the line.
struct LargestBatch {
  double batch = 0, time = 0;  // 0: not even one
  double least_time = 0;       // time(1), where that was asked because none met the target
};
LargestBatch largest_batch(double most, double target, const std::function<double(double)>& time);

// The mean of what the fullest of so many ranks has of prompts in a pass, where as many come at
// random (Poisson) as are `mean` to a rank, and are dealt out evenly: of N / ranks, rounded up.
double fullest_of(double mean, std::int64_t ranks);

// The part of the room for so many sequences that is in use in the mean, where that many are not
// exceeded in `part` of the time: of a Poisson number of mean a, a + z sqrt(a) = room.
// REQUIRES: room > 0, 0 < part < 1
double used_of(double room, double part);

// The part of its passes in which a dp rank decodes, where it sits out each before which caches
// came from a prefill elsewhere (SGLang), but for those before which they came to all `ranks`. They
// come at random (Poisson), as many as end, `ended` in a pass in which it decodes:
// part = 1 - q (1 - q^(ranks - 1)), q = 1 - exp(-ended x part).
double decoding_part(double ended, std::int64_t ranks);

// Prompts that came during a step are read together in the next pass, then those that came
// meanwhile, and so on until a pass during which none came. They come at random (Poisson), so that
// a pass is followed by another with probability 1 - exp(-rate x pass), of
// rate x pass / (1 - exp(-rate x pass)) prompts in the mean.
struct PromptPasses {
  double one_s = 0, all_s = 0;  // a pass of one prompt, and of `most` of them; between, on a line
  double most = 1;
  double passes = 1;  // that a prompt takes

  static constexpr double kForEver = 1e4;
  // The means of what is read after a step: how long that takes, kForEver where it does not end,
  // and in how many passes.
  struct Reading {
    double time_s = 0, passes = 0;
  };
  Reading after(double step_s, double rate) const;

  // From one token to the next, where `by_second` / that many prompts come a second: passes of
  // prompts are between the steps, or sequences have a token of them, too.
  enum class Decodes { Between, Beside };
  double token_s(double step_s, double by_second, Decodes decodes) const;
};

}  // namespace moesim::tools
