#include "workloads/routing/trace/stored_ids.h"

#include <algorithm>
#include <span>
#include <type_traits>

namespace moesim::workloads {
namespace {

using sim::io::Hdf5Dataset;

// By way of a type that holds every number of the dataset's: what the library clips (an unsigned
// 2^32 - 1 to 2^31 - 1) could be the mark or not.
template <typename Number>
std::optional<StrayId> read_as(const Hdf5Dataset& ids, std::uint32_t experts, std::uint64_t first,
                               std::uint64_t count, std::vector<std::int32_t>& out) {
  const auto mark = ids.is_signed() ? static_cast<Number>(-1) : static_cast<Number>(ids.largest());
  // The mark is none of the experts, even where there are so many.
  const auto limit = static_cast<std::make_unsigned_t<Number>>(
      mark_is_an_expert(ids, experts) ? ids.largest() : experts);
  const auto is_expert = [limit](Number number) {  // a negative one is a large one
    return static_cast<std::make_unsigned_t<Number>>(number) < limit;
  };
  std::vector<Number> wide;
  const auto read = [&](std::vector<Number>& numbers) {
    numbers.resize(count * ids.row_size());
    ids.read(first, count, std::span(numbers));
  };
  bool stray = false;
  const auto settle = [&](const std::vector<Number>& numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const Number number = numbers[i];
      const bool expert = is_expert(number);
      stray |= !expert && number != mark;
      out[i] = expert ? static_cast<std::int32_t>(number) : -1;
    }
  };
  if constexpr (std::is_same_v<Number, std::int32_t>) {
    read(out);
    settle(out);
  } else {
    read(wide);
    out.resize(wide.size());
    settle(wide);
  }
  if (!stray) return {};
  read(wide);
  const auto found = std::find_if(wide.begin(), wide.end(), [&](Number number) {
    return !is_expert(number) && number != mark;
  });
  return StrayId{static_cast<std::size_t>(found - wide.begin()), std::to_string(*found)};
}

// All bits set is the mark of both kinds of numbers, where every expert's number is another one.
template <typename Stored, typename Id>
bool read_stored_as(const Hdf5Dataset& ids, std::uint32_t experts, std::uint64_t first,
                    std::uint64_t count, std::vector<Id>& out) {
  constexpr Stored kMark = static_cast<Stored>(-1);
  // Bits of negative numbers are those of experts from here on.
  if (ids.is_signed() && experts > std::size_t{kMark} / 2 + 1) return false;
  out.resize(count * ids.row_size());
  // Two bytes that hold what fits one, as of 256 experts, and none is missing.
  if constexpr (sizeof(Id) < sizeof(Stored)) {
    if (experts <= 256 && ids.read_low_bytes(first, count, out) &&
        (experts == 256 || *std::ranges::max_element(out) < experts))
      return true;
  }
  // Kept from chunk to chunk: new memory would cost as much as what is done in it.
  static thread_local std::vector<Stored> room;
  std::span<Stored> stored;
  if constexpr (std::is_same_v<Stored, Id>) {
    stored = out;
  } else {
    room.resize(out.size());
    stored = room;
  }
  ids.read_bits(first, count, stored);
  // Without branches, in the numbers' own type: as many at once as fit a register.
  const auto last = static_cast<Stored>(experts - 1);
  Stored stray = 0, missing = 0;
  for (const Stored number : stored) {
    const auto is_mark = static_cast<Stored>(number == kMark);
    missing = static_cast<Stored>(missing | is_mark);
    stray = static_cast<Stored>(stray | (static_cast<Stored>(number > last) & ~is_mark));
  }
  // Where the mark is an expert's number, too, it is missing: stored_ids.h.
  if (stray != 0 || (missing != 0 && experts > static_cast<Id>(-1))) return false;
  if constexpr (!std::is_same_v<Stored, Id>) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<Id>(stored[i]);
  }
  return true;
}

template <typename Id>
bool read_narrow(const Hdf5Dataset& ids, std::uint32_t experts, std::uint64_t first,
                 std::uint64_t count, std::vector<Id>& out) {
  switch (ids.plain_bytes()) {
    case 1:
      // A number of one byte that is missing would be an expert's of two.
      if constexpr (sizeof(Id) > 1) return false;
      return read_stored_as<std::uint8_t>(ids, experts, first, count, out);
    case 2:
      return read_stored_as<std::uint16_t>(ids, experts, first, count, out);
    default:
      return false;
  }
}

}  // namespace

std::string missing_mark(const Hdf5Dataset& ids) {
  return ids.is_signed() ? "-1" : std::to_string(ids.largest());
}

bool mark_is_an_expert(const Hdf5Dataset& ids, std::uint32_t experts) {
  return !ids.is_signed() && ids.largest() < experts;
}

std::optional<StrayId> read_stored_ids(const Hdf5Dataset& ids, std::uint32_t experts,
                                       std::uint64_t first, std::uint64_t count,
                                       std::vector<std::int32_t>& out) {
  if (ids.largest() <= INT32_MAX) return read_as<std::int32_t>(ids, experts, first, count, out);
  if (ids.largest() <= INT64_MAX) return read_as<std::int64_t>(ids, experts, first, count, out);
  return read_as<std::uint64_t>(ids, experts, first, count, out);
}

bool read_narrow_ids(const Hdf5Dataset& ids, std::uint32_t experts, std::uint64_t first,
                     std::uint64_t count, std::vector<std::uint8_t>& out) {
  return read_narrow(ids, experts, first, count, out);
}

bool read_narrow_ids(const Hdf5Dataset& ids, std::uint32_t experts, std::uint64_t first,
                     std::uint64_t count, std::vector<std::uint16_t>& out) {
  return read_narrow(ids, experts, first, count, out);
}

}  // namespace moesim::workloads
