#include "workloads/placement/parallelism.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/error.h"

namespace moesim::workloads {
namespace {

// "tp-cp-ep-dp-pp" as its words.
std::vector<std::string> words(const std::string& order) {
  std::vector<std::string> result(1);
  for (const char c : order) {
    if (c == '-') {
      result.emplace_back();
    } else {
      result.back() += c;
    }
  }
  return result;
}

// A dimension of a layout: how long it is, and which coordinate of a rank it sets.
template <typename Coordinate>
struct Axis {
  std::int64_t size;
  std::int64_t Coordinate::*coordinate;
};

// The coordinates of all ranks, the first axis fastest.
template <typename Coordinate>
std::vector<Coordinate> number(const std::vector<Axis<Coordinate>>& axes, std::int64_t ranks) {
  std::vector<Coordinate> result(static_cast<std::size_t>(ranks));
  std::int64_t stride = 1;
  for (const Axis<Coordinate>& axis : axes) {
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      result[static_cast<std::size_t>(rank)].*axis.coordinate = rank / stride % axis.size;
    }
    stride *= axis.size;
  }
  return result;
}

std::vector<Axis<DenseCoordinate>> dense_axes(const Parallelism& p) {
  std::vector<Axis<DenseCoordinate>> axes;
  for (const std::string& word : words(p.order)) {
    if (word == "tp") axes.push_back({p.tp, &DenseCoordinate::tp});
    if (word == "cp") axes.push_back({p.cp, &DenseCoordinate::cp});
    if (word == "dp") axes.push_back({p.dp, &DenseCoordinate::dp});
    if (word == "pp") axes.push_back({p.pp, &DenseCoordinate::pp});
  }
  return axes;
}

// The experts have no context parallelism; tp stands for etp and dp for edp.
std::vector<Axis<ExpertCoordinate>> expert_axes(const Parallelism& p) {
  std::vector<Axis<ExpertCoordinate>> axes;
  for (const std::string& word : words(p.order)) {
    if (word == "tp") axes.push_back({p.etp, &ExpertCoordinate::etp});
    if (word == "ep") axes.push_back({p.ep, &ExpertCoordinate::ep});
    if (word == "dp") axes.push_back({p.edp(), &ExpertCoordinate::edp});
    if (word == "pp") axes.push_back({p.pp, &ExpertCoordinate::pp});
  }
  return axes;
}

std::size_t index(const Parallelism& p, const DenseCoordinate& at) {
  return static_cast<std::size_t>(at.tp + p.tp * (at.cp + p.cp * (at.dp + p.dp * at.pp)));
}
std::size_t index(const Parallelism& p, const ExpertCoordinate& at) {
  return static_cast<std::size_t>(at.etp + p.etp * (at.ep + p.ep * (at.edp + p.edp() * at.pp)));
}

// The ranks along one dimension through a coordinate.
template <typename Coordinate>
std::vector<Rank> along(const RankLayout& layout, Coordinate at, std::int64_t Coordinate::*axis,
                        std::int64_t size) {
  std::vector<Rank> group;
  for (at.*axis = 0; at.*axis < size; ++(at.*axis)) group.push_back(layout.rank_of(at));
  return group;
}

}  // namespace

std::string check_layout(const Parallelism& p) {
  const std::array<std::pair<const char*, std::int64_t>, 6> sizes{
      {{"tp", p.tp}, {"pp", p.pp}, {"dp", p.dp}, {"ep", p.ep}, {"etp", p.etp}, {"cp", p.cp}}};
  for (const auto& [name, size] : sizes) {
    if (size < 1 || size > kMostGpus) {
      return fmt::format("{} is {}; a dimension is from 1 to {}", name, size, kMostGpus);
    }
  }
  const double gpus = static_cast<double>(p.tp) * static_cast<double>(p.cp) *
                      static_cast<double>(p.dp) * static_cast<double>(p.pp);
  if (gpus > static_cast<double>(kMostGpus)) {
    return fmt::format("tp x cp x dp x pp = {:.0f} GPUs; at most {} can be simulated", gpus,
                       kMostGpus);
  }
  const std::int64_t stage = p.tp * p.cp * p.dp;
  if (stage % p.etp != 0) {
    return fmt::format(
        "etp = {} does not divide the {} GPUs of a stage (tp x cp x dp = {} x {} x {})", p.etp,
        stage, p.tp, p.cp, p.dp);
  }
  if (stage == 1 && p.ep > 1) {
    return fmt::format(
        "ep = {} needs {} GPUs to spread the experts over, the layout has 1: add dp: {}", p.ep,
        p.ep * p.etp, p.ep * p.etp);
  }
  if (stage / p.etp % p.ep != 0) {
    return fmt::format(
        "etp x ep = {} x {} does not divide the {} GPUs of a stage (tp x cp x dp = {} x {} x {}); "
        "an ep that divides {} would",
        p.etp, p.ep, stage, p.tp, p.cp, p.dp, stage / p.etp);
  }
  std::vector<std::string> found = words(p.order);
  std::sort(found.begin(), found.end());
  // Both foldings must put the same ranks into a stage, so pp comes last.
  if (found != std::vector<std::string>{"cp", "dp", "ep", "pp", "tp"} ||
      !p.order.ends_with("-pp")) {
    return fmt::format(
        "order \"{}\" must name tp, cp, ep and dp once each and end with pp, as "
        "\"tp-cp-ep-dp-pp\" does",
        p.order);
  }
  return "";
}

RankLayout::RankLayout(const Parallelism& parallelism) : parallelism_(parallelism) {
  if (const std::string wrong = check_layout(parallelism); !wrong.empty()) {
    throw sim::ConfigError("parallelism: " + wrong);
  }
  dense_ = number(dense_axes(parallelism), parallelism.gpus());
  expert_ = number(expert_axes(parallelism), parallelism.gpus());
  by_dense_.resize(dense_.size());
  by_expert_.resize(dense_.size());
  for (Rank rank = 0; rank < ranks(); ++rank) {
    by_dense_[index(parallelism_, dense_[rank])] = rank;
    by_expert_[index(parallelism_, expert_[rank])] = rank;
  }
}

Rank RankLayout::rank_of(const DenseCoordinate& at) const {
  return by_dense_[index(parallelism_, at)];
}
Rank RankLayout::rank_of(const ExpertCoordinate& at) const {
  return by_expert_[index(parallelism_, at)];
}

std::vector<Rank> RankLayout::tp_group(Rank rank) const {
  return along(*this, dense_[rank], &DenseCoordinate::tp, parallelism_.tp);
}
std::vector<Rank> RankLayout::cp_group(Rank rank) const {
  return along(*this, dense_[rank], &DenseCoordinate::cp, parallelism_.cp);
}
std::vector<Rank> RankLayout::dp_group(Rank rank) const {
  return along(*this, dense_[rank], &DenseCoordinate::dp, parallelism_.dp);
}
std::vector<Rank> RankLayout::ep_group(Rank rank) const {
  return along(*this, expert_[rank], &ExpertCoordinate::ep, parallelism_.ep);
}
std::vector<Rank> RankLayout::etp_group(Rank rank) const {
  return along(*this, expert_[rank], &ExpertCoordinate::etp, parallelism_.etp);
}

}  // namespace moesim::workloads
