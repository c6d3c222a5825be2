#include <algorithm>

#include "sim/io/hdf5_file.h"
#include "tests/fuzz/target.h"

namespace moesim::fuzz {
namespace {

using sim::io::Hdf5Dataset;
using sim::io::Hdf5File;
using sim::io::Hdf5Kind;

template <typename Value>
void read_slabs(const Hdf5Dataset& set) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 20;
  if (set.row_size() > kMost) return;
  const std::uint64_t step = std::clamp<std::uint64_t>(
      kMost / std::max<std::uint64_t>(set.row_size(), 1), 1, set.chunk_rows());
  std::vector<Value> out;
  std::uint64_t slabs = 0;
  for (std::uint64_t row = 0; row < set.rows() && slabs < 4; row += step, ++slabs) {
    const std::uint64_t count = std::min(step, set.rows() - row);
    out.resize(count * set.row_size());
    set.read(row, count, std::span(out));
  }
}

void read_dataset(const Hdf5Dataset& set) {
  switch (set.kind()) {
    case Hdf5Kind::Integer:
      read_slabs<std::int32_t>(set);
      return read_slabs<std::int64_t>(set);
    case Hdf5Kind::Float:
      read_slabs<float>(set);
      return read_slabs<double>(set);
    case Hdf5Kind::String:
    case Hdf5Kind::Other:
      set.read_strings();
      return;
  }
}

}  // namespace

void hdf5(Input input) {
  const InputFile input_file(input);
  const std::string name = input_file.path().string();
  taken(
      [&] {
        const Hdf5File file = Hdf5File::open(input_file.path());
        for (const char* attribute :
             {"format", "model", "version", "num_experts", "moe_layer_ids"}) {
          taken([&] { file.text(attribute); }, name);
          taken([&] { file.integer(attribute); }, name);
          taken([&] { file.integers(attribute); }, name);
        }
        for (const char* path : {"/expert_ids", "/expert_weights", "/counts", "/domains",
                                 "/step/token_offset", "/token/domain"}) {
          taken(
              [&] {
                if (const auto set = file.find(path)) read_dataset(*set);
              },
              name);
        }
      },
      name);
}

}  // namespace moesim::fuzz
