#include "hardware/kernels/flash.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "hardware/kernels/memory_time.h"
#include "hardware/kernels/roofline.h"

namespace moesim::hardware {
namespace {

constexpr double kTile = 128;         // queries of a tile
constexpr double kSmallTile = 64;     // of the smallest one
constexpr double kRowsTogether = 16;  // query heads of one tensor-core instruction in decode
// Keys of a block: of few it does as many as of kShortPart, so far as it has kShortFactor times as
// many; of many more it needs a loop, which costs a start of its own while nothing else hides it.
constexpr double kShortPart = 64, kShortFactor = 8;
constexpr double kLongPart = 128, kLongPartAlone = 256;

// Query-key pairs of one sequence and head: causal, and not further back than the window.
double pairs(const FlashShape& s) {
  const double q = s.queries, before = std::max(0.0, s.keys - q);
  if (s.window <= 0 || s.window >= before + q) return q * before + q * (q + 1) / 2;
  const double growing = std::clamp(s.window - before, 0.0, q);
  return growing * before + growing * (growing + 1) / 2 + (q - growing) * s.window;
}

constexpr double kMostSequences = 1 << 17, kMostQueries = 1 << 17, kMostKeys = 1 << 24;

Ladder query_ladder() {
  constexpr double kEvenTiles = 8;  // beyond so many a further one shows less than 1 in 8
  Ladder ladder{1, 2, 4, 8, 16, 32, kSmallTile, kSmallTile + 1};
  for (double tiles = 1; tiles < kEvenTiles; ++tiles) {
    ladder.push_back(tiles * kTile);
    ladder.push_back(tiles * kTile + 1);
  }
  for (double step = kTile; ladder.back() < kMostQueries; step *= 2)
    for (double steps = kEvenTiles; steps < 2 * kEvenTiles; ++steps) ladder.push_back(steps * step);
  return ladder;
}

// What these keys take is nearly in proportion to them.
Ladder before_ladder() {
  Ladder ladder{0};
  for (double keys = kTile; ladder.back() < kMostKeys; keys *= 4) ladder.push_back(keys);
  return ladder;
}

}  // namespace

double seen_keys(const FlashShape& s) {
  return s.window > 0 ? std::min(s.keys, s.window + s.queries - 1) : s.keys;
}

bool decode_packs_heads(const FlashShape& s) {
  return s.shared_values || (s.heads > s.kv_heads && s.heads <= s.most_packed * s.kv_heads);
}

double decode_blocks(const FlashShape& s) {
  return s.batch * (decode_packs_heads(s) ? s.kv_heads : s.heads);
}

double cache_bytes(const FlashShape& s) {
  const double width = s.shared_values ? s.key_width : s.key_width + s.value_width;
  return s.batch * seen_keys(s) * s.kv_heads * width * s.cache_bytes;
}

Work work_of(const FlashShape& s) {
  const double outside = s.batch * s.queries * s.heads * (s.key_width + s.value_width) * 2;
  return {.flops = 2 * s.batch * s.heads * pairs(s) * (s.key_width + s.value_width),
          .bytes = cache_bytes(s) + outside};
}

double least_flash_us(const FlashShape& s, const Rates& r) {
  Work work = work_of(s);
  if (s.repeated && work.bytes < 2 * r.l2) work.bytes = 0;
  return least_us_of(work, r);
}

const std::vector<Ladder>& prefill_ladders(bool keys_before) {
  static const std::vector<Ladder> kWithout{octaves(kMostSequences, 1), query_ladder(), {0}};
  static const std::vector<Ladder> kWith{octaves(kMostSequences, 1), query_ladder(),
                                         before_ladder()};
  return keys_before ? kWith : kWithout;
}

const std::vector<Ladder>& decode_ladders() {
  static const std::vector<Ladder> kLadders{octaves(kMostSequences, 2), octaves(kMostKeys, 2)};
  return kLadders;
}

std::span<const ParameterField<PrefillParameters>> prefill_fields() {
  using P = PrefillParameters;
  static constexpr std::array<ParameterField<P>, 7> kFields{{
      {"launch_us", &P::launch_us, 10, 1, 100},
      {"stream_fraction", &P::stream_fraction, 0.7, 0.05, 6},
      {"compute_fraction", &P::compute_fraction, 0.7, 0.1, 0.99},
      {"tile_us", &P::tile_us, 1.5, 0.05, 20},
      {"balance_power", &P::balance_power, 2, 1, 12},
      {"softmax_ns", &P::softmax_ns, 0.2, 0.001, 10},
      {"power_slowdown", &P::power_slowdown, 0.02, 0.0005, 0.4},
  }};
  return kFields;
}

double prefill_us(const FlashShape& s, const Rates& r, const PrefillParameters& p) {
  if (s.batch <= 0 || s.queries <= 0) return 0;
  const double tiles = std::ceil(s.queries / kTile);
  const double rows = s.queries <= kSmallTile ? kSmallTile : kTile;
  // Keys of all of a head's tiles, in whole tiles where the diagonal cuts them: one more tile each,
  // until a tile sees its window.
  const double before = std::max(0.0, s.keys - s.queries);
  double growing = tiles, most = before + s.queries, window = 0;
  if (s.window > 0) {
    window = s.window + rows;
    growing = std::clamp(std::floor((window - before) / rows), 0.0, tiles);
    most = std::min(most, window);
  }
  const double keys =
      growing * before + rows * growing * (growing + 1) / 2 + (tiles - growing) * window;
  const Work work = work_of(s);
  const double intensity = work.flops / work.bytes;
  const double rate = sustained_rate(r, p.compute_fraction, p.power_slowdown, intensity);
  const double key =
      2 * rows * (s.key_width + s.value_width) / rate + p.softmax_ns * 1e-3 * rows / kTile;
  const double heads = s.batch * s.heads;
  const double total = heads * (tiles * p.tile_us + keys * key) / r.multiprocessors;
  const double longest = p.tile_us + most * key;
  const double q = p.balance_power;
  // Queries, keys and values in and out again: rotation, and into the cache.
  const double tokens = s.batch * s.queries;
  const double streamed =
      tokens * (s.heads * (2 * s.key_width + s.value_width) * 2 +
                s.kv_heads * (s.key_width + s.value_width) * (2 + s.cache_bytes));
  return p.launch_us + streamed / (r.bandwidth * p.stream_fraction) +
         std::pow(std::pow(total, q) + std::pow(longest, q), 1 / q);
}

std::span<const ParameterField<DecodeParameters>> decode_fields() {
  using P = DecodeParameters;
  static constexpr std::array<ParameterField<P>, 18> kFields{{
      {"launch_us", &P::launch_us, 7, 1, 60},
      {"memory_fraction", &P::memory_fraction, 0.93, 0.3, 1},
      {"ramp_us", &P::ramp_us, 2, 0.05, 20},
      {"ramp_scale_us", &P::ramp_scale_us, 8, 0.3, 100},
      {"overlap_power", &P::overlap_power, 3, 1, 12},
      {"l2_to", &P::l2_to, 1, 0.1, 4},
      {"l2_speedup", &P::l2_speedup, 2, 1, 8},
      {"block_us", &P::block_us, 3, 0.05, 20},
      {"key_ns", &P::key_ns, 5, 0.02, 200},
      {"row_ns", &P::row_ns, 1, 0.001, 200},
      {"alone_us", &P::alone_us, 1, 0.02, 20},
      {"alone_key_ns", &P::alone_key_ns, 9, 0.05, 200},
      {"long_us", &P::long_us, 5, 0.01, 40},
      {"alone_long_us", &P::alone_long_us, 5, 0.01, 40},
      {"blocks_per_sm", &P::blocks_per_sm, 1, 0.5, 16},
      {"least_keys", &P::least_keys, 64, 16, 16384},
      {"split_us", &P::split_us, 2, 0.01, 20},
      {"heads_us", &P::heads_us, 0.3, 0.001, 20},
  }};
  return kFields;
}

double decode_us(const FlashShape& s, const Rates& r, const DecodeParameters& p) {
  if (s.batch <= 0) return 0;
  const double keys = std::max(1.0, seen_keys(s));
  const double bytes = cache_bytes(s);
  double memory_bytes = bytes;
  if (s.repeated) {  // fades to nothing at l2_to times the L2
    const double resident = std::clamp(1 - bytes / (p.l2_to * r.l2), 0.0, 1.0);
    memory_bytes *= 1 - resident + resident / p.l2_speedup;
  }
  const double memory = memory_us(memory_bytes, sustained_bandwidth(r, p.memory_fraction),
                                  p.ramp_us, p.ramp_scale_us);
  const bool packed = decode_packs_heads(s);
  const double blocks = decode_blocks(s);
  const double places = r.multiprocessors * p.blocks_per_sm;
  const double splits =
      std::clamp(std::floor(places / blocks), 1.0, std::max(1.0, std::ceil(keys / p.least_keys)));
  const double of_sm = std::max(1.0, blocks * splits / places);
  const double width = (s.key_width + s.value_width) / 256;
  const double part = std::max(keys / splits, std::min(keys * kShortFactor, kShortPart));
  double compute = 0, late = 0;
  if (packed) {
    const double rows = std::ceil(s.heads / s.kv_heads / kRowsTogether);
    compute = of_sm * (p.block_us + part * 1e-3 * width * (p.key_ns + p.row_ns * rows));
    if (keys / splits > kLongPart) late = p.long_us / of_sm;
  } else {
    compute = of_sm * (p.alone_us + part * 1e-3 * width * p.alone_key_ns);
    if (keys / splits > kLongPartAlone) late = p.alone_long_us / of_sm;
  }
  return p.launch_us + late + (splits > 1 ? p.split_us : 0) +
         p.heads_us * 1e-3 * s.batch * s.heads * width * s.queries +
         compute * std::pow(1 + std::pow(memory / compute, p.overlap_power), 1 / p.overlap_power);
}

}  // namespace moesim::hardware
