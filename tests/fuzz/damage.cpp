#include "tests/fuzz/damage.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace moesim::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::array<std::string_view, 19> kNumbers{"0",
                                                    "-1",
                                                    "1e308",
                                                    "9999999999999999999",
                                                    "-9223372036854775808",
                                                    "nan",
                                                    "Infinity",
                                                    "0.1",
                                                    "65536",
                                                    "4294967296",
                                                    "18446744073709551615",
                                                    "1e-320",
                                                    "true",
                                                    "null",
                                                    "[]",
                                                    "{}",
                                                    "\"\"",
                                                    "[[1]]",
                                                    "1048576"};
constexpr std::string_view kSigns = "\xff\n\",:[]{}#-&*!|>%@`'\t\r <=";

bool is_digit(std::uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

}  // namespace

Bytes damaged(Bytes data, std::mt19937_64& random) {
  const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
  const auto at = [&](std::size_t i) { return data.begin() + static_cast<std::ptrdiff_t>(i); };
  constexpr std::array<int, 6> kTimes{1, 1, 1, 2, 3, 4};
  for (int times = kTimes[below(kTimes.size())]; times > 0; --times) {
    if (data.empty()) data.assign(8, static_cast<std::uint8_t>(random()));
    const std::size_t first = below(data.size());
    const std::size_t size = std::min(std::size_t{1} << below(11), data.size() - first);
    switch (below(12)) {
      case 0:
        data[first] ^= static_cast<std::uint8_t>(1u << below(8));
        break;
      case 1:
        data[first] = static_cast<std::uint8_t>(random());
        break;
      case 2:
        data[first] = static_cast<std::uint8_t>(kSigns[below(kSigns.size())]);
        break;
      case 3:  // a piece goes
        data.erase(at(first), at(first + size));
        break;
      case 4:
      case 5: {  // a piece comes twice, perhaps elsewhere
        const Bytes piece(at(first), at(first + size));
        const std::size_t to = below(data.size() + 1);
        data.insert(at(below(2) == 0 ? first : to), piece.begin(), piece.end());
        break;
      }
      case 6:  // the end goes
        data.resize(first);
        break;
      case 7:  // eight bytes, of a length or a place
        for (std::size_t i = 0; i < std::min<std::size_t>(size, 8); ++i)
          data[first + i] = static_cast<std::uint8_t>(below(2) == 0 ? 0xFF : random());
        break;
      case 8: {  // a line goes
        const auto begin = std::find(at(first), data.end(), '\n');
        const auto end = begin == data.end() ? begin : std::find(begin + 1, data.end(), '\n');
        data.erase(begin, end);
        break;
      }
      default: {  // a number becomes another
        const auto begin = std::find_if(at(first), data.end(), is_digit);
        const auto end = std::find_if_not(begin, data.end(), is_digit);
        const std::string_view number = kNumbers[below(kNumbers.size())];
        const std::size_t place = static_cast<std::size_t>(begin - data.begin());
        data.erase(begin, end);
        data.insert(at(place), number.begin(), number.end());
      }
    }
  }
  return data;
}

}  // namespace moesim::fuzz
