#include "workloads/training/dealt_routing.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "sim/random.h"

namespace moesim::workloads {
namespace {

class Deck {
 public:
  explicit Deck(std::size_t size) : cards_(size), next_(size) {
    std::iota(cards_.begin(), cards_.end(), ExpertId{0});
  }

  // Different ones. REQUIRES: no more than the deck has
  void deal(std::span<ExpertId> out, sim::Random& random) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (next_ == cards_.size()) shuffle(random);
      // Where a deck ends within a hand the next one may begin with what it holds.
      const auto held = out.first(i);
      std::size_t take = next_;
      while (std::ranges::find(held, cards_[take]) != held.end()) ++take;
      std::swap(cards_[next_], cards_[take]);
      out[i] = cards_[next_++];
    }
  }

 private:
  void shuffle(sim::Random& random) {
    for (std::size_t i = cards_.size(); i > 1; --i)  // Fisher and Yates
      std::swap(cards_[i - 1], cards_[random.below(i)]);
    next_ = 0;
  }

  std::vector<ExpertId> cards_;
  std::size_t next_;
};

}  // namespace

void deal_routing(std::uint32_t tokens, const MoeFfn& moe, std::uint64_t seed, LayerRouting& out) {
  const Router& r = moe.router;
  const bool limited = r.top_groups < r.groups && moe.experts % r.groups == 0 &&
                       moe.top_k % r.top_groups == 0 &&
                       moe.top_k / r.top_groups <= moe.experts / r.groups;
  const auto groups = static_cast<std::size_t>(limited ? r.groups : 1);
  const auto of_token = static_cast<std::size_t>(limited ? r.top_groups : 1);
  const std::size_t each = static_cast<std::size_t>(moe.experts) / groups;
  const std::size_t in_group = static_cast<std::size_t>(moe.top_k) / of_token;
  out = {.tokens = tokens,
         .top_k = static_cast<std::uint32_t>(moe.top_k),
         .experts = static_cast<std::uint32_t>(moe.experts),
         .ids = {}};
  out.ids.resize(std::size_t{tokens} * out.top_k);
  sim::Random random(seed, "training/dealt");
  Deck all(groups);
  std::vector<Deck> within(groups, Deck(each));
  std::vector<ExpertId> chosen(of_token);
  std::span<ExpertId> rest(out.ids);
  for (std::uint32_t t = 0; t < tokens; ++t) {
    all.deal(chosen, random);
    for (const ExpertId group : chosen) {
      const std::span<ExpertId> hand = rest.first(in_group);
      within[group].deal(hand, random);
      for (ExpertId& id : hand) id += static_cast<ExpertId>(group * each);
      rest = rest.subspan(in_group);
    }
  }
}

}  // namespace moesim::workloads
