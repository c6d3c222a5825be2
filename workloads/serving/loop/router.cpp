#include "workloads/serving/loop/router.h"

#include <algorithm>
#include <string>

namespace moesim::workloads::serving {
namespace {

// Tokens of the prompt that a replica's ranks hold, the best of them.
std::int64_t cached_tokens(const Job& job, const Replica& replica) {
  const std::int64_t block = replica.rules().block;
  const auto names = block_names(job.request.prompt, job.input, block);
  std::int64_t most = 0;
  for (std::size_t i = 0; i < replica.ranks(); ++i) {
    most = std::max(most, replica.rank(i).pool.find(names).blocks * block);
  }
  return most;
}

}  // namespace

Router::Router(const RouterRules& rules, std::uint64_t seed, std::string_view pool)
    : rules_(rules), random_(seed, "serving/router/" + std::string(pool)) {}

void Router::look(const std::vector<const Replica*>& open, sim::Time now) {
  const bool same = known_.size() == open.size() &&
                    std::equal(open.begin(), open.end(), known_.begin(),
                               [](const Replica* r, const Known& k) { return k.replica == r; });
  if (fresh_ && same && now - looked_ < rules_.snapshot) return;
  known_.clear();
  for (const Replica* replica : open) {
    known_.push_back({.replica = replica,
                      .requests = replica->requests(),
                      .tokens = replica->tokens_left(),
                      .blocks = replica->blocks_used()});
  }
  looked_ = now;
  fresh_ = true;
}

std::size_t Router::choose(const Job& job, const std::vector<const Replica*>& open, sim::Time now) {
  const std::size_t count = open.size();
  if (count == 1) return 0;
  if (rules_.policy == RouterPolicy::RoundRobin) return turn_++ % count;
  if (rules_.policy == RouterPolicy::Random) return random_.below(count);
  look(open, now);
  const auto requests = [&](std::size_t i) { return known_[i].requests + known_[i].chosen; };
  const auto score = [&](std::size_t i) -> double {
    switch (rules_.policy) {
      case RouterPolicy::LeastTokens:
        return static_cast<double>(known_[i].tokens + known_[i].chosen_tokens);
      case RouterPolicy::PrefixAware:
        // A token that is cached outweighs any number of requests.
        return -static_cast<double>(cached_tokens(job, *open[i])) * 1e6 +
               static_cast<double>(requests(i));
      case RouterPolicy::Dynamo: {
        const auto block = static_cast<double>(open[i]->rules().block);
        return static_cast<double>(job.input - cached_tokens(job, *open[i])) / block +
               static_cast<double>(known_[i].tokens + known_[i].chosen_tokens) / block +
               static_cast<double>(known_[i].blocks);
      }
      default:
        return static_cast<double>(requests(i));
    }
  };
  std::size_t best = 0;
  if (rules_.policy == RouterPolicy::PowerOfTwo) {
    const std::size_t a = random_.below(count);
    const std::size_t b = (a + 1 + random_.below(count - 1)) % count;
    best = requests(b) < requests(a) ? b : a;
  } else {
    // Ties go to the first from a start that goes round.
    const std::size_t start = turn_++ % count;
    best = start;
    for (std::size_t k = 1; k < count; ++k) {
      const std::size_t i = (start + k) % count;
      if (score(i) < score(best)) best = i;
    }
  }
  ++known_[best].chosen;
  known_[best].chosen_tokens += job.input;
  return best;
}

}  // namespace moesim::workloads::serving
