#include "hardware/collectives/forms/nvlink_all_to_all.h"

#include <algorithm>
#include <cmath>

namespace moesim::hardware {
namespace {

// Bytes that leave a rank, and those that stay on it.
struct Bytes {
  double remote, own;
};
Bytes bytes_of(const NvlinkAllToAllShape& s) {
  const double all = s.tokens * s.token_bytes * std::min(s.ranks, s.top_k);
  return {all * (s.ranks - 1) / s.ranks, all / s.ranks};
}

}  // namespace

std::span<const ParameterField<NvlinkAllToAllParameters>> NvlinkAllToAllModel::fields() {
  using P = NvlinkAllToAllParameters;
  static constexpr std::array<ParameterField<P>, 6> kFields{{
      {"launch_us", &P::launch_us, 10, 1, 60},
      {"hop_us", &P::hop_us, 0.7, 0.01, 10},
      {"token_ns", &P::token_ns, 5, 0.01, 200},
      {"efficiency", &P::efficiency, 0.7, 0.05, 1},
      {"loss", &P::loss, 0.3, 0.001, 1.5},
      {"stream_fraction", &P::stream_fraction, 0.3, 0.02, 2},
  }};
  return kFields;
}

double NvlinkAllToAllModel::us(const Shape& s, const Rates& r, const Parameters& p) {
  const Bytes bytes = bytes_of(s);
  const double kept = 1 - std::min(0.9, p.loss / s.ranks);
  return p.launch_us + p.hop_us * std::log2(s.ranks) + s.tokens * p.token_ns * 1e-3 +
         bytes.remote / (r.link * p.efficiency * kept) +
         bytes.own / (r.bandwidth * p.stream_fraction);
}

double NvlinkAllToAllModel::least_us(const Shape& s, const Rates& r) {
  return bytes_of(s).remote / r.link;
}

std::array<double, 2> NvlinkAllToAllModel::features(const Shape& s) {
  return {std::max(1.0, s.tokens), s.ranks};
}

std::array<double, 2> NvlinkAllToAllModel::beside(const Shape& s) {
  return {s.token_bytes, s.top_k};
}

std::vector<std::vector<double>> NvlinkAllToAllModel::knots() {
  return {{1, 32, 256, 1024, 8192, 65536}, {2, 8, 64}};
}

std::string_view NvlinkAllToAllModel::regime(const Shape& s, const Rates&) {
  return s.tokens <= 128 ? "few_tokens" : s.tokens <= 2048 ? "some_tokens" : "many_tokens";
}

}  // namespace moesim::hardware
