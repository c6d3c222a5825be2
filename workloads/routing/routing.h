// Which experts the tokens of a step go to: a plain value, and where it comes from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace moesim::workloads {

// An expert's number within its layer, from 0.
using ExpertId = std::uint32_t;

// A selection that was not recorded (a token whose prefix was cached, a dropped one).
inline constexpr ExpertId kMissingExpert = 0xFFFF'FFFF;

// At most this many experts a layer (the largest mixture that was published had 131,072).
inline constexpr std::uint32_t kMostExperts = 1 << 20;

// The choices of some consecutive tokens of a step in one MoE layer.
struct LayerRouting {
  std::uint32_t tokens = 0;
  std::uint32_t top_k = 0;
  std::uint32_t experts = 0;
  std::vector<ExpertId> ids;  // [tokens x top_k], token after token, best choice first

  const ExpertId* token(std::size_t index) const { return ids.data() + index * top_k; }
};

// The same where it lies, not owned: in one, two or four bytes an id. A number that is not below
// `experts` is a missing selection (so ids of 256 experts in one byte have none missing).
struct RoutingView {
  RoutingView() = default;
  RoutingView(const LayerRouting& routing)  // NOLINT(google-explicit-constructor): is one
      : tokens(routing.tokens),
        top_k(routing.top_k),
        experts(routing.experts),
        ids(routing.ids.data()) {}

  std::uint32_t tokens = 0;
  std::uint32_t top_k = 0;
  std::uint32_t experts = 0;
  // [rows x top_k]
  std::variant<const ExpertId*, const std::uint16_t*, const std::uint8_t*> ids;
  const std::uint32_t* rows = nullptr;  // [tokens] the row of each; null: token t is row t
  // Of ids that stay where and as they are while their source does: all of their rows. 0: they do
  // not.
  std::uint32_t kept = 0;
};

// The ids of a view whose type is known.
template <class Id>
struct TokenIds {
  const Id* ids = nullptr;
  const std::uint32_t* rows = nullptr;
  std::size_t top_k = 1;

  const Id* token(std::size_t t) const { return ids + (rows == nullptr ? t : rows[t]) * top_k; }
  // Calls visit(from, to) for tokens [first, end), those that lie one after another together.
  template <class Visit>
  void for_each_run(std::uint32_t first, std::uint32_t end, Visit visit) const {
    if (rows == nullptr) return visit(token(first), token(end));
    for (std::uint32_t t = first; t < end;) {
      std::uint32_t n = 1;
      while (t + n < end && rows[t + n] == rows[t] + n) ++n;
      visit(token(t), token(t) + n * top_k);
      t += n;
    }
  }
};

// Calls visit(TokenIds<…>) with what the view's ids are.
template <class Visit>
void with_ids(const RoutingView& view, Visit visit) {
  std::visit(
      [&]<class Id>(const Id* ids) {
        visit(TokenIds<Id>{ids, view.rows, view.top_k});
      },
      view.ids);
}

// What the view shows, as a value.
void copy(const RoutingView& view, LayerRouting& out);

// Selections that each expert gets, [experts]. Missing ones are not counted.
std::vector<std::uint32_t> expert_counts(const LayerRouting& routing);

// A part of a step: tokens [first, first + count) of the step's tokens, in one MoE layer (counted
// from 0 over the MoE layers alone; a dense layer has no number).
struct RoutingRange {
  std::uint32_t step = 0;
  std::uint32_t layer = 0;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

// Gives the routing of any part of any step: the same answer for the same question, in whatever
// order the questions come. A step's tokens are numbered over all ranks, rank after rank.
class RoutingSource {
 public:
  virtual ~RoutingSource() = default;

  virtual std::uint32_t layers() const = 0;  // MoE layers
  virtual std::uint32_t experts() const = 0;
  virtual std::uint32_t top_k() const = 0;
  virtual std::uint32_t tokens_per_step() const = 0;

  // Fills `out`, whose storage is used again. Fastest when all layers of a step are asked for
  // before the next step.
  // REQUIRES: range.layer < layers(), range.first + range.count <= tokens_per_step()
  virtual void route(const RoutingRange& range, LayerRouting& out) = 0;

  // The same where it lies, if it lies somewhere, else made in `room`. Good until the next
  // question.
  virtual RoutingView view(const RoutingRange& range, LayerRouting& room) {
    route(range, room);
    return room;
  }

  // For the report: what it is, and how it was mapped onto the model.
  virtual std::string description() const = 0;
};

}  // namespace moesim::workloads
