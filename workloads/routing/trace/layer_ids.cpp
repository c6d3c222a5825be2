#include "workloads/routing/trace/layer_ids.h"

#include <algorithm>

namespace moesim::workloads {
namespace {

// [tokens x layers x k] to [layers x rows x k].
template <std::size_t K, class Id>
void turn(const std::vector<Id>& part, std::size_t layers, std::size_t k, Id* to,
          std::size_t rows) {
  const std::size_t width = K == 0 ? k : K, row = layers * width;
  const std::size_t tokens = part.size() / row;
  for (std::size_t l = 0; l < layers; ++l) {
    const Id* from = part.data() + l * width;
    Id* place = to + l * rows * width;
    for (std::size_t t = 0; t < tokens; ++t, from += row, place += width)
      std::copy_n(from, width, place);
  }
}

}  // namespace

void LayerIds::start(const RoutingTrace& trace, std::uint64_t rows) {
  const TraceInfo& info = trace.info();
  rows_ = rows;
  top_k_ = info.top_k;
  const std::size_t size = rows * info.layers * top_k_;
  const auto use = [&]<class Ids>(Ids*) {
    if (!std::holds_alternative<Ids>(ids_)) ids_.emplace<Ids>();
    std::get<Ids>(ids_).resize(size);
  };
  // A number has to be left for missing ones; of 256 experts there are mostly none.
  if (info.experts <= 256) {
    use(static_cast<std::vector<std::uint8_t>*>(nullptr));
  } else if (info.experts <= 65'535) {
    use(static_cast<std::vector<std::uint16_t>*>(nullptr));
  } else {
    use(static_cast<std::vector<ExpertId>*>(nullptr));
  }
}

template <class Id>
bool LayerIds::read_as(const RoutingTrace& trace, std::uint64_t first, std::uint64_t count,
                       std::uint64_t place, std::vector<Id>& ids) {
  const std::size_t layers = trace.info().layers;
  const std::uint64_t slab = trace.chunk_tokens();
  std::vector<Id> part;
  for (std::uint64_t done = 0; done < count;) {
    // Up to the end of a chunk, so that the next piece starts with one.
    const std::uint64_t n = std::min(count - done, slab - (first + done) % slab);
    if constexpr (sizeof(Id) == sizeof(ExpertId)) {
      trace.read_ids(first + done, n, part);
    } else if (!trace.read_ids(first + done, n, part)) {
      return false;
    }
    Id* to = ids.data() + (place + done) * top_k_;
    if (top_k_ == 8) {
      turn<8>(part, layers, top_k_, to, rows_);
    } else {
      turn<0>(part, layers, top_k_, to, rows_);
    }
    done += n;
  }
  return true;
}

// Of 256 experts, and so there is no missing one among them yet.
void LayerIds::widen() {
  const auto& narrow = std::get<std::vector<std::uint8_t>>(ids_);
  std::vector<std::uint16_t> wide(narrow.begin(), narrow.end());
  ids_ = std::move(wide);
}

void LayerIds::read(const RoutingTrace& trace, std::uint64_t first, std::uint64_t count,
                    std::uint64_t place) {
  const auto read = [&](auto& ids) { return read_as(trace, first, count, place, ids); };
  if (std::visit(read, ids_)) return;
  widen();
  std::visit(read, ids_);
}

std::span<const std::byte> LayerIds::bytes() const {
  return std::visit([](const auto& ids) { return std::as_bytes(std::span(ids)); }, ids_);
}

decltype(RoutingView::ids) LayerIds::layer(std::uint32_t layer) const {
  const std::size_t at = layer * rows_ * top_k_;
  return std::visit([at](const auto& ids) { return decltype(RoutingView::ids)(ids.data() + at); },
                    ids_);
}

}  // namespace moesim::workloads
