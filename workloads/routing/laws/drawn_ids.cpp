#include "workloads/routing/laws/drawn_ids.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "workloads/routing/laws/law_sets.h"
#include "workloads/routing/packed_ids.h"

namespace moesim::workloads {
namespace {

constexpr std::size_t kParts = 128;  // of the room, one for a layer at most

std::size_t width_of(std::uint32_t experts) {
  return experts <= 1u << 8 ? 1 : experts <= 1u << 16 ? 2 : 4;
}

template <class Id>
void narrow(const ExpertId* from, std::size_t count, std::byte* to) {
  for (std::size_t i = 0; i < count; ++i) {
    const Id id = static_cast<Id>(from[i]);
    std::memcpy(to + i * sizeof(Id), &id, sizeof(Id));
  }
}

class KeptLaw final : public RoutingSource, public IndependentTokens {
 public:
  KeptLaw(const LawSpec& spec, std::shared_ptr<DrawnIds> drawn)
      : spec_(spec), law_(spec), drawn_(std::move(drawn)), number_(drawn_->number_of(spec)) {}

  std::uint32_t layers() const override { return law_.layers(); }
  std::uint32_t experts() const override { return law_.experts(); }
  std::uint32_t top_k() const override { return law_.top_k(); }
  std::uint32_t tokens_per_step() const override { return law_.tokens_per_step(); }
  std::string description() const override { return law_.description(); }
  void route(const RoutingRange& range, LayerRouting& out) override { law_.route(range, out); }

  RoutingView view(const RoutingRange& range, LayerRouting& room) override {
    held_ = drawn_->first({number_, range.step, range.layer}, spec_, range.first + range.count,
                          [&](std::uint32_t first, std::uint32_t count, LayerRouting& out) {
                            law_.route({range.step, range.layer, first, count}, out);
                          });
    if (!held_) {
      law_.route(range, room);
      return room;
    }
    RoutingView view;
    view.tokens = range.count;
    view.top_k = spec_.top_k;
    view.experts = spec_.experts;
    view.ids = held_->from(std::size_t{range.first} * spec_.top_k);
    return view;
  }

  std::optional<ChoiceSets> sets(std::uint32_t step, std::uint32_t layer) const override {
    return law_sets(spec_, layer, step);
  }
  bool steady() const override { return spec_.drift == 0; }
  std::uint64_t key(std::uint32_t step, std::uint32_t layer) const override {
    return law_key(spec_, step, layer);
  }

 private:
  LawSpec spec_;
  LawSource law_;
  std::shared_ptr<DrawnIds> drawn_;
  std::uint32_t number_;
  std::shared_ptr<const DrawnIds::Ids> held_;  // until the next question
};

}  // namespace

DrawnIds::Ids::Ids(std::uint32_t experts, std::size_t capacity)
    : width_(width_of(experts)),
      capacity_(capacity),
      data_(std::make_unique_for_overwrite<std::byte[]>(capacity * width_)) {}

decltype(RoutingView::ids) DrawnIds::Ids::from(std::size_t first) const {
  return ids_at(data_.get() + first * width_, width_);
}

std::uint32_t DrawnIds::number_of(const LawSpec& law) {
  // Of the power law popularities follow from how many tokens there are.
  const std::uint32_t tokens = law.law == Law::PowerLaw ? law.tokens_per_step : 0;
  const std::lock_guard lock(mutex_);
  const auto number = static_cast<std::uint32_t>(laws_.size());
  return laws_
      .try_emplace({law.law, law.skew, law.drift, law.experts, law.top_k, tokens, law.groups,
                    law.groups_per_token, law.seed},
                   number)
      .first->second;
}

std::size_t DrawnIds::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

DrawnIds::Kept& DrawnIds::used(const Address& at) {
  const auto [found, is_new] = kept_.try_emplace(at);
  if (is_new)
    found->second.place = used_.insert(used_.begin(), at);
  else
    used_.splice(used_.begin(), used_, found->second.place);
  return found->second;
}

// The one that is used now stays.
void DrawnIds::make_room() {
  while (bytes_ > most_bytes_ && used_.size() > 1) {
    const auto oldest = kept_.find(used_.back());
    if (oldest->second.ids) bytes_ -= oldest->second.ids->bytes();
    kept_.erase(oldest);
    used_.pop_back();
  }
}

std::shared_ptr<const DrawnIds::Ids> DrawnIds::first(const Address& at, const LawSpec& law,
                                                     std::uint32_t tokens, const Draw& draw) {
  const std::size_t needed = std::size_t{tokens} * law.top_k;
  if (needed * width_of(law.experts) > most_bytes_ / kParts) return nullptr;
  std::uint32_t known = 0;
  {
    const std::lock_guard lock(mutex_);
    const Kept& kept = used(at);
    if (kept.ids && kept.tokens >= tokens) return kept.ids;
    known = kept.tokens;
  }
  LayerRouting drawn;
  draw(known, tokens - known, drawn);

  const std::lock_guard lock(mutex_);
  Kept& kept = used(at);
  if (kept.ids && kept.tokens >= tokens) return kept.ids;
  if (kept.tokens < known) return nullptr;  // it made room meanwhile
  const std::size_t have = std::size_t{kept.tokens} * law.top_k;
  if (!kept.ids || kept.ids->capacity_ < needed) {
    const std::size_t before = kept.ids ? kept.ids->capacity_ : 0;
    auto larger = std::make_shared<Ids>(law.experts, std::max(needed, 2 * before));
    if (kept.ids) {
      std::memcpy(larger->data_.get(), kept.ids->data_.get(), have * larger->width_);
      bytes_ -= kept.ids->bytes();
    }
    bytes_ += larger->bytes();
    kept.ids = std::move(larger);  // who reads what was before keeps it
  }
  const ExpertId* from = drawn.ids.data() + (have - std::size_t{known} * law.top_k);
  std::byte* to = kept.ids->data_.get() + have * kept.ids->width_;
  switch (kept.ids->width_) {
    case 1:
      narrow<std::uint8_t>(from, needed - have, to);
      break;
    case 2:
      narrow<std::uint16_t>(from, needed - have, to);
      break;
    default:
      narrow<ExpertId>(from, needed - have, to);
  }
  kept.tokens = tokens;
  const auto ids = kept.ids;
  make_room();
  return ids;
}

std::unique_ptr<RoutingSource> kept_law_source(const LawSpec& spec,
                                               std::shared_ptr<DrawnIds> drawn) {
  if (spec.law == Law::Balanced) return std::make_unique<LawSource>(spec);
  return std::make_unique<KeptLaw>(spec, std::move(drawn));
}

}  // namespace moesim::workloads
