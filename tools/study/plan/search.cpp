#include "tools/study/plan/search.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace moesim::tools {
namespace {

constexpr double kWider = 1.5;

class Search {
 public:
  Search(const std::vector<SearchItem>& items, const std::vector<Demand>& questions,
         const SearchNumbers& numbers, const SearchOptions& options)
      : items_(items),
        questions_(questions),
        numbers_(numbers),
        options_(options),
        margin_(options.margin),
        part_margin_(options.part_margin),
        best_(questions.size()) {
    result_.items.resize(items.size());
    for (const SearchItem& item : items) {
      terms_.push_back(item.terms);
      ratios_.emplace(item.group, 1.0);
    }
  }

  SearchResult run() {
    if (options_.exhaustive) {
      for (std::size_t i = 0; i < items_.size(); ++i) measure(i);
    } else {
      estimate_all();
      measure_what_matters();
    }
    for (std::size_t i = 0; i < items_.size(); ++i) {
      SearchedItem& item = result_.items[i];
      if (item.estimated()) item.expected = expected(i);
      result_.estimated += item.estimated() ? 1 : 0;
      result_.on_all_layers += item.estimate ? 1 : 0;
      result_.measured += item.capacity ? 1 : 0;
    }
    result_.margin_used = options_.exhaustive ? 0 : margin_;
    result_.largest_error = options_.exhaustive ? 0 : std::exp(largest_error()) - 1;
    for (const Best& best : best_) result_.best.push_back(best.item);
    return std::move(result_);
  }

 private:
  struct Best {
    std::optional<std::size_t> item;
    Offer offer;
  };

  // Whether an engine of this capacity would be the best answer to any question.
  bool may_win(std::size_t i, double capacity) const {
    for (std::size_t q = 0; q < questions_.size(); ++q) {
      const auto offer = offer_of(terms_[i], capacity, options_.structure, questions_[q]);
      if (offer && (!best_[q].item || !better(best_[q].offer, *offer))) return true;
    }
    return false;
  }

  void learn(std::size_t i) {
    const SearchEstimate found = numbers_.estimate(i);
    result_.items[i].estimate = found.capacity;
    closely_.push_back(i);
    if (found.busy_w > 0) terms_[i].busy_w = found.busy_w;
    // Never below: one that was told too much by a part says nothing of others.
    part_ratios_[items_[i].group] = std::max(1.0, part_ratio_of(items_[i].group));
  }

  void learn_by_a_part(std::size_t i) {
    if (numbers_.part) result_.items[i].part = numbers_.part(i);
    if (!result_.items[i].part) learn(i);
  }

  // Whether watts decide anything: an exhaustive search estimates only then.
  bool priced_by_power() const {
    return std::ranges::any_of(questions_, [](const Demand& d) {
      return d.objective == Objective::Power || std::isfinite(d.limits.power);
    });
  }

  void measure(std::size_t i) {
    SearchedItem& item = result_.items[i];
    item.fate = Fate::Measured;
    if (!item.estimate && priced_by_power()) learn(i);
    item.capacity = numbers_.measure(i);
    const double deviation = validation::deviation_of(*item.capacity, options_.structure);
    for (std::size_t q = 0; q < questions_.size(); ++q) {
      const auto offer = offer_of(terms_[i], item.capacity->p50, deviation, questions_[q]);
      Best& best = best_[q];
      if (!offer) continue;
      const bool wins = !best.item || better(*offer, best.offer) ||
                        (!better(best.offer, *offer) && i < *best.item);
      if (wins) best = {i, *offer};
    }
  }

  // By their ceilings those that may win first; who cannot, whatever it carries, last.
  std::vector<std::size_t> by_ceiling() const {
    std::vector<std::size_t> order(items_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<std::optional<Offer>> offers;
    for (const std::size_t i : order)
      offers.push_back(
          offer_of(terms_[i], items_[i].ceiling, options_.structure, questions_.front()));
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
      if (!offers[a] || !offers[b]) return offers[a].has_value() && !offers[b];
      return better(*offers[a], *offers[b]);
    });
    return order;
  }

  // Of those that are wanted the one that would be the best answer, did it carry what it promises.
  // Who would be none comes last: single engines (runs of training) by what they promise.
  template <class Wanted>
  std::optional<std::size_t> most_promising(const Wanted& wanted) const {
    std::optional<std::size_t> best;
    std::optional<Offer> most;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (!result_.items[i].estimated()) continue;
      auto offer = offer_of(terms_[i], promise(i), options_.structure, questions_.front());
      if (best && !(offer ? !most || better(*offer, *most) : !most && promises_more(i, *best)))
        continue;
      if (!wanted(i)) continue;
      best = i;
      most = offer;
    }
    return best;
  }

  bool promises_more(std::size_t i, std::size_t other) const {
    return terms_[i].most_engines == 1 && promise(i) > promise(other);
  }

  void estimate_all() {
    const std::vector<std::size_t> order = by_ceiling();
    for (std::size_t begin = 0; begin < order.size(); begin += options_.chunk) {
      const std::size_t end = std::min(begin + options_.chunk, order.size());
      for (std::size_t k = begin; k < end; ++k) {
        SearchedItem& item = result_.items[order[k]];
        if (!may_win(order[k], items_[order[k]].ceiling)) continue;
        item.fate = Fate::Margin;
        learn_by_a_part(order[k]);
      }
      measure_the_best();
    }
  }

  // So that what follows has something to be measured by.
  void measure_the_best() {
    for (;;) {
      const auto best = most_promising([](std::size_t) { return true; });
      if (!best) return;
      if (result_.items[*best].estimate) {
        if (!result_.items[*best].capacity && scaled(*best) > 0) measure(*best);
        return;
      }
      learn(*best);
    }
  }

  // The middle ratio of what `of` says of two numbers of an item, of a group; of all where it says
  // nothing of those of the group.
  double middle_ratio(std::size_t group,
                      const std::function<double(const SearchedItem&)>& of) const {
    std::vector<double> own, all;
    for (const std::size_t i : closely_) {
      const double ratio = of(result_.items[i]);
      if (ratio <= 0) continue;
      all.push_back(ratio);
      if (items_[i].group == group) own.push_back(ratio);
    }
    std::vector<double>& ratios = own.empty() ? all : own;
    if (ratios.empty()) return 1;
    const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>((ratios.size() - 1) / 2);
    std::ranges::nth_element(ratios, middle);
    return *middle;
  }

  // Of measured to estimated, and of estimated on all layers to estimated on a part; 0: not known.
  double ratio_of(std::size_t group) const {
    return middle_ratio(group, [](const SearchedItem& item) {
      const bool known = item.capacity && item.estimate.value_or(0) > 0;
      return known ? item.capacity->p50 / *item.estimate : 0;
    });
  }
  double part_ratio_of(std::size_t group) const {
    return middle_ratio(group, [](const SearchedItem& item) {
      const bool known = item.estimate && item.part.value_or(0) > 0;
      return known ? *item.estimate / *item.part : 0;
    });
  }

  static double ratio_in(const std::map<std::size_t, double>& ratios, std::size_t group) {
    const auto found = ratios.find(group);
    return found == ratios.end() ? 1 : found->second;
  }

  double scaled(std::size_t i) const {
    const double ratio = ratio_in(ratios_, items_[i].group);
    return std::min(result_.items[i].estimate.value_or(0) * ratio, items_[i].ceiling);
  }

  // What an engine is expected to carry, by all that is known of it but its measurement.
  double expected(std::size_t i) const {
    const SearchedItem& item = result_.items[i];
    if (item.estimate || !item.part) return scaled(i);
    const std::size_t group = items_[i].group;
    return std::min(*item.part * ratio_in(part_ratios_, group) * ratio_in(ratios_, group),
                    items_[i].ceiling);
  }

  // What an estimate on all layers may come to; where there is one, that.
  double promise(std::size_t i) const {
    const SearchedItem& item = result_.items[i];
    if (item.estimate || !item.part) return scaled(i);
    const std::size_t group = items_[i].group;
    return std::min(
        *item.part * ratio_in(part_ratios_, group) * (1 + part_margin_) * ratio_in(ratios_, group),
        items_[i].ceiling);
  }

  void scale() {
    for (auto& [group, ratio] : ratios_) ratio = ratio_of(group);
  }

  // How much more an engine carries by all layers than by a part of them, at most.
  double largest_part_error() const {
    double largest = 0;
    for (const std::size_t i : closely_) {
      const SearchedItem& item = result_.items[i];
      if (item.part.value_or(0) <= 0 || item.estimate.value_or(0) <= 0) continue;
      const double expected = *item.part * ratio_in(part_ratios_, items_[i].group);
      largest = std::max(largest, std::log(*item.estimate / expected));
    }
    return largest;
  }

  double largest_error() const {
    double largest = 0;
    for (const std::size_t i : closely_) {
      const SearchedItem& item = result_.items[i];
      if (!item.capacity || !item.estimate || item.capacity->p50 <= 0) continue;
      // An engine that was estimated to carry nothing and does: no margin would have found it.
      if (scaled(i) <= 0) return std::log(1e6);
      largest = std::max(largest, std::abs(std::log(item.capacity->p50 / scaled(i))));
    }
    return largest;
  }

  void measure_what_matters() {
    for (;;) {
      scale();
      std::size_t measured = 0;
      for (const std::size_t i : closely_) measured += result_.items[i].capacity ? 1 : 0;
      const auto next = most_promising([&](std::size_t i) {
        if (result_.items[i].capacity || promise(i) <= 0) return false;
        if (!result_.items[i].estimate && closely_.size() < options_.keep) return true;
        return measured < options_.finalists ||
               may_win(i, std::min(promise(i) * (1 + margin_), items_[i].ceiling));
      });
      if (next) {
        result_.items[*next].estimate ? measure(*next) : learn(*next);
      } else if (largest_part_error() > std::log(1 + part_margin_) && part_margin_ < kMostMargin) {
        part_margin_ *= kWider;
      } else if (largest_error() > std::log(1 + margin_) && margin_ < kMostMargin) {
        margin_ *= kWider;
      } else {
        return;
      }
    }
  }

  // Beyond this an estimate says nothing.
  static constexpr double kMostMargin = 4;

  const std::vector<SearchItem>& items_;
  const std::vector<Demand>& questions_;
  const SearchNumbers& numbers_;
  SearchOptions options_;
  double margin_, part_margin_;
  std::vector<EngineTerms> terms_;  // with what is known by now
  std::vector<Best> best_;
  std::vector<std::size_t> closely_;                    // estimated on all layers, in that order
  std::map<std::size_t, double> ratios_, part_ratios_;  // of groups
  SearchResult result_;
};

}  // namespace

SearchResult search(const std::vector<SearchItem>& items, const std::vector<Demand>& questions,
                    const SearchNumbers& numbers, const SearchOptions& options) {
  return Search(items, questions, numbers, options).run();
}

}  // namespace moesim::tools
