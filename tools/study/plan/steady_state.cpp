#include "tools/study/plan/steady_state.h"

#include <algorithm>
#include <cmath>

#include "validation/confidence.h"

namespace moesim::tools {
namespace {

constexpr int kMostSteps = 8;
constexpr double kNear = 0.97;  // of the target
// Beyond, whole numbers round up by a half, and the chance of none underflows later.
constexpr double kManyPrompts = 100;

}  // namespace

LargestBatch largest_batch(double most, double target, const std::function<double(double)>& time) {
  double high = std::floor(most), high_time = high >= 1 ? time(high) : 0;
  if (high < 1) return {};
  if (high_time <= target) return {.batch = high, .time = high_time};
  double low = 0, low_time = 0;
  const auto open = [&] {
    return low == 0 || (high > 1.5 * low && low_time < kNear * target && high > low + 1);
  };
  for (int i = 0; i < kMostSteps && high > low + 1 && open(); ++i) {
    // By the line, and where that is slow because time is none, in the middle of their logarithms.
    const double guess = low == 0 ? 0.9 * high * target / high_time
                         : i % 2 == 1
                             ? low + (target - low_time) / (high_time - low_time) * (high - low)
                             : std::sqrt(low * high);
    const double batch = std::clamp(std::floor(guess), low + 1, high - 1);
    const double found = time(batch);
    (found <= target ? low : high) = batch;
    (found <= target ? low_time : high_time) = found;
  }
  if (low == 0) {
    const double one = high > 1 ? time(1) : high_time;
    if (one > target) return {.least_time = one};
    low = 1, low_time = one;
  }
  const double part = high_time > low_time ? (target - low_time) / (high_time - low_time) : 0;
  return {.batch = low + part * (high - low), .time = target};
}

PromptPasses::Reading PromptPasses::after(double step_s, double rate) const {
  constexpr double kRare = 1e-6;
  constexpr int kMostPasses = 10'000;
  Reading reading;
  double waiting = rate * step_s, left = 0, chance = 1;
  for (int i = 0; i < kMostPasses; ++i) {
    const double some = -std::expm1(-waiting - left);
    if (some <= 0) return reading;
    const double prompts = (waiting + left) / some, read = std::clamp(prompts, 1.0, most);
    const double pass = most > 1 ? one_s + (read - 1) / (most - 1) * (all_s - one_s) : one_s;
    chance *= some;
    reading.time_s += chance * passes * pass;
    reading.passes += chance * passes;
    if (chance * passes * pass < kRare * reading.time_s) return reading;
    waiting = rate * passes * pass;
    left = std::max(0.0, prompts - read);
  }
  return {.time_s = kForEver, .passes = 1};
}

double PromptPasses::token_s(double step_s, double by_second, Decodes decodes) const {
  constexpr double kMostSlower = 1e4;
  constexpr int kHalvings = 40;
  // The longer a token takes the fewer prompts come: one time agrees with what it brings.
  double low = step_s, high = step_s * kMostSlower;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = std::sqrt(low * high);
    const Reading reading = after(step_s, by_second / middle);
    const double tokens = decodes == Decodes::Beside ? 1 + reading.passes : 1;
    ((step_s + reading.time_s) / tokens > middle ? low : high) = middle;
  }
  return high;
}

double used_of(double room, double part) {
  const double z = std::max(0.0, validation::normal_quantile(part));
  const double root = std::sqrt(z * z / 4 + room) - z / 2;
  return root * root / room;
}

double fullest_of(double mean, std::int64_t ranks) {
  const double all = mean * static_cast<double>(ranks);
  if (all > kManyPrompts) return mean + 0.5;
  double one = std::exp(-all), up_to = 0, sum = 0;
  for (std::int64_t n = 0;; ++n) {
    up_to += one;
    if (n % ranks == 0) {
      const double more = 1 - up_to;
      if (static_cast<double>(n) > all && more < 1e-6) return sum;
      sum += more;
    }
    one *= all / static_cast<double>(n + 1);
  }
}

double decoding_part(double ended, std::int64_t ranks) {
  constexpr int kHalvings = 50;
  double low = 0, high = 1;
  for (int i = 0; i < kHalvings; ++i) {
    const double part = (low + high) / 2, joins = -std::expm1(-ended * part);
    const double found = 1 - joins * (1 - std::pow(joins, static_cast<double>(ranks - 1)));
    (part < found ? low : high) = part;
  }
  return high;
}

}  // namespace moesim::tools
