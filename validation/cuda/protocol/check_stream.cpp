#include "validation/cuda/protocol/check_support.h"

namespace moesim::validation::cuda {

Check check_copy(Machine& machine, std::int64_t pieces, std::uint64_t seed) {
  Check check{"copy and read " + std::to_string(pieces) + " x 16 bytes", 0, 0, 0, "", ""};
  std::vector<std::uint32_t> words(at(pieces) * 4);
  std::uint32_t mixed = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<std::uint32_t>(hash_bits(seed, i));
    mixed ^= words[i];
  }
  const Buffer<std::uint32_t> from(machine, words);
  Buffer<std::uint32_t> to(machine, words.size() + kGuard);
  to.poison();
  const auto* source = reinterpret_cast<const Vector16*>(from.data());
  if (!attempt(machine, StreamCopy{{source, reinterpret_cast<Vector16*>(to.data()), pieces}},
               check)) {
    return check;
  }
  count_unequal(check, to.read(), words);
  look_beyond(check, to, words.size());
  Buffer<std::uint32_t> sums(machine, at(kReadResultWords));
  machine.set_bytes(sums.data(), 0, sums.bytes());  // threads that had no part leave zeros
  machine.run(StreamRead{{source, reinterpret_cast<Vector16*>(sums.data()), pieces}});
  for (const std::uint32_t word : sums.read()) mixed ^= word;
  if (mixed != 0) check.trouble = "the read did not see every word once";
  return check;
}

Check check_fill(Machine& machine, std::int64_t count, std::uint64_t seed) {
  Check check{"fill " + std::to_string(count), 0, 0, 0, "", ""};
  Buffer<Bf16> out(machine, at(count) + kGuard);
  out.poison();
  const Buffer<std::uint64_t> nans(machine, std::vector<std::uint64_t>{0});
  auto* counter = reinterpret_cast<unsigned long long*>(nans.data());
  // All of it is NaN before.
  if (!attempt(machine, CountNanArgs{out.data(), count, counter}, check)) return check;
  machine.run(FillArgs{out.data(), count, Filling::Bf16, seed, 1, 0});
  count_unequal(check, out.read(), random_bf16(seed, at(count)));
  look_beyond(check, out, at(count));
  machine.run(CountNanArgs{out.data(), count, counter});  // adds none
  if (nans.read()[0] != static_cast<std::uint64_t>(count)) check.trouble = "NaN were miscounted";
  return check;
}

}  // namespace moesim::validation::cuda
