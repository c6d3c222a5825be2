#include "workloads/routing/trace/unpacked_trace.h"

#include <utility>

#include "sim/check.h"
#include "workloads/routing/packed_ids.h"
#include "workloads/routing/trace/layer_ids.h"

namespace moesim::workloads {

decltype(RoutingView::ids) UnpackedTrace::layer(std::uint32_t layer) const {
  return ids_at(ids.data() + layer * info.tokens * info.top_k * width, width);
}

UnpackedTrace unpack(const RoutingTrace& trace) {
  SIM_CHECK(trace.info().per_token, "counts are not unpacked");
  UnpackedTrace unpacked{
      .info = trace.info(), .runs = request_runs(trace), .ids = {}, .memory = {}};
  auto ids = std::make_shared<LayerIds>();
  ids->start(trace, trace.info().tokens);
  ids->read(trace, 0, trace.info().tokens, 0);
  unpacked.ids = ids->bytes();
  unpacked.width = unpacked.ids.size() /
                   (trace.info().tokens * trace.info().layers * std::size_t{trace.info().top_k});
  unpacked.memory = std::move(ids);
  return unpacked;
}

std::uint64_t unpacked_bytes(const TraceInfo& info) {
  if (!info.per_token) return 0;
  return info.tokens * info.layers * info.top_k * (info.experts <= 256 ? 1u : 2u);
}

}  // namespace moesim::workloads
