// The arithmetic of attention kernels that keep their scores on chip, for any width of keys and
// values: multi-head, grouped and latent attention are choices of these widths.
//
// Prefill: launch + streamed / (bandwidth x stream_fraction)
//        + ((total / SMs)^q + longest^q)^(1/q),   tiles of 128 queries of one head
//   total    all tiles: tile_us each, and their keys (causal) at a part of the peak
//   longest  the tile with the most keys: nothing ends before it
// Decode: launch + late + split_us (if split) + (memory^p + compute^p)^(1/p)
//   blocks   batch x kv heads, whose query heads share the loads (packed: 2 to 32 of them), or
//            batch x heads, each for itself (TensorRT-LLM's kernel for one head a kv head and for
//            more than 32); split over keys while SMs are free
//   compute  blocks of an SM x (block_us + keys x (key_ns + row_ns x rows)), packed, or
//            (alone_us + keys x alone_key_ns)
//   late     a block with more keys than one round of it takes: hidden by other blocks of the SM
//   memory   the cache once, with its part that an L2 holds when a benchmark repeats it
#pragma once

#include <span>
#include <vector>

#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"
#include "hardware/kernels/rising.h"
#include "hardware/kernels/work.h"

namespace moesim::hardware {

struct FlashShape {
  double batch = 0, queries = 1, keys = 0;  // a sequence; keys include the new ones
  double heads = 1, kv_heads = 1;
  double key_width = 128, value_width = 128;
  double window = 0;
  double cache_bytes = 2;      // an element
  bool shared_values = false;  // values are a part of the keys' storage (latent)
  bool repeated = false;       // the same cache again and again, as in a benchmark
  // Query heads that a decode kernel computes together on one load of their keys. TensorRT-LLM's
  // stops at 32; FlashAttention's packs all.
  double most_packed = 1e9;
};

// Whether query heads that share a kv head are computed in one block, and how many blocks there are
// before keys are split.
bool decode_packs_heads(const FlashShape& shape);
double decode_blocks(const FlashShape& shape);
// Keys of a sequence that its queries see, within the window.
double seen_keys(const FlashShape& shape);
// Bytes of the cache that a step reads: of all sequences.
double cache_bytes(const FlashShape& shape);
Work work_of(const FlashShape& shape);

// The steps between which times rise (rising.h). Of sequences, queries, in which tiles show, and
// keys before them, with those or without; of sequences and keys.
const std::vector<Ladder>& prefill_ladders(bool keys_before);
const std::vector<Ladder>& decode_ladders();

struct PrefillParameters {
  double launch_us, stream_fraction;
  double compute_fraction;  // of the peak, in a long tile
  double tile_us;           // of each tile, beside its keys
  double balance_power;     // q: 1 is a tail of one longest tile, many is a perfect balance
  double softmax_ns;        // of a key of a tile: exponentials that matrix units wait for
  double power_slowdown;
};
std::span<const ParameterField<PrefillParameters>> prefill_fields();
double prefill_us(const FlashShape& shape, const Rates& rates, const PrefillParameters& p);

struct DecodeParameters {
  double launch_us;
  double memory_fraction, ramp_us, ramp_scale_us, overlap_power;
  double l2_to, l2_speedup;
  double block_us, key_ns;        // of one block: for itself, for each key of 128 values
  double row_ns;                  // for each key and 16 query heads that share it
  double alone_us, alone_key_ns;  // of a block of one query head
  double long_us, alone_long_us;  // of blocks with more keys than one round takes
  double blocks_per_sm;
  double least_keys;  // of a split
  double split_us;
  double heads_us;  // launch-like cost of each thousand query heads in the batch: q, rope, out
};
std::span<const ParameterField<DecodeParameters>> decode_fields();
double decode_us(const FlashShape& shape, const Rates& rates, const DecodeParameters& p);

double least_flash_us(const FlashShape& shape, const Rates& rates);

}  // namespace moesim::hardware
