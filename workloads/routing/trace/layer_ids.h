// Rows of a trace, unpacked layer by layer in as few bytes an id as tell the experts apart, so that
// a layer is counted where it lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "workloads/routing/routing.h"
#include "workloads/routing/trace/trace.h"

namespace moesim::workloads {

class LayerIds {
 public:
  // Room for `rows` rows of the trace. Forgets those before.
  void start(const RoutingTrace& trace, std::uint64_t rows);
  // Rows [first, first + count) of the trace to places [place, …). Throws InputError.
  void read(const RoutingTrace& trace, std::uint64_t first, std::uint64_t count,
            std::uint64_t place);

  // All of them.
  std::span<const std::byte> bytes() const;
  // [rows x top_k] of a layer of the trace.
  decltype(RoutingView::ids) layer(std::uint32_t layer) const;

 private:
  template <class Id>
  bool read_as(const RoutingTrace& trace, std::uint64_t first, std::uint64_t count,
               std::uint64_t place, std::vector<Id>& ids);
  void widen();

  std::uint64_t rows_ = 0;
  std::size_t top_k_ = 1;
  std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<ExpertId>> ids_;
};

}  // namespace moesim::workloads
