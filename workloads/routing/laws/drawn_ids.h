// What laws have drawn, kept for whoever asks for the same tokens again: steps of other batches,
// engines of other layouts, points of a study.
//
// Of a layer in a step the first tokens are kept, as many as were asked for, in as few bytes an id
// as tell the experts apart. Bounded: a layer keeps at most a 128th of the room, beyond that
// nothing, and what was not used for longest makes room. From any thread; nothing that is found
// depends on what was asked before.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

#include "workloads/routing/laws/laws.h"

namespace moesim::workloads {

class DrawnIds {
 public:
  explicit DrawnIds(std::size_t most_bytes = std::size_t{64} << 20) : most_bytes_(most_bytes) {}

  struct Address {
    std::uint32_t law = 0;  // number_of()
    std::uint32_t step = 0, layer = 0;
    auto operator<=>(const Address&) const = default;
  };
  // Equal for laws that draw the same, whatever layers and tokens they are asked for.
  std::uint32_t number_of(const LawSpec& law);

  // [tokens x top_k], at an address that does not change.
  class Ids {
   public:
    Ids(std::uint32_t experts, std::size_t capacity);
    // From id `first` on. The type is the same for all of as many experts.
    decltype(RoutingView::ids) from(std::size_t first) const;
    std::size_t bytes() const { return capacity_ * width_; }

   private:
    friend class DrawnIds;
    std::size_t width_, capacity_;  // bytes of an id, ids
    std::unique_ptr<std::byte[]> data_;
  };
  // The first `tokens` tokens at an address of `law`; `draw` gives those of them, [first, first +
  // count), that are missing. Null where so many are not kept.
  using Draw = std::function<void(std::uint32_t first, std::uint32_t count, LayerRouting& out)>;
  std::shared_ptr<const Ids> first(const Address& at, const LawSpec& law, std::uint32_t tokens,
                                   const Draw& draw);

  std::size_t bytes() const;  // that are kept

 private:
  // What a law's tokens follow from.
  using LawKey = std::tuple<Law, double, double, std::uint32_t, std::uint32_t, std::uint32_t,
                            std::uint32_t, std::uint32_t, std::uint64_t>;
  struct Kept {
    std::shared_ptr<Ids> ids = {};
    std::uint32_t tokens = 0;
    std::list<Address>::iterator place = {};  // in used_
  };
  Kept& used(const Address& at);
  void make_room();

  std::size_t most_bytes_;
  mutable std::mutex mutex_;
  std::map<LawKey, std::uint32_t> laws_;
  std::map<Address, Kept> kept_;
  std::list<Address> used_;  // the last first
  std::size_t bytes_ = 0;
};

// A law whose tokens are kept: in `drawn`, which others may share. Balanced choices are not: they
// are as quickly made.
std::unique_ptr<RoutingSource> kept_law_source(const LawSpec& spec,
                                               std::shared_ptr<DrawnIds> drawn);

}  // namespace moesim::workloads
