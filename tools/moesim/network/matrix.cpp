#include <fmt/format.h>

#include <charconv>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "tools/moesim/network/network_commands.h"

namespace moesim::tools {

std::vector<sim::Transfer> read_matrix(const std::string& file, sim::Rank ranks) {
  const std::string text = sim::io::read_text(file);
  std::vector<sim::Transfer> transfers;
  const char* at = text.data();
  const char* const end = at + text.size();
  std::size_t line = 1;
  const auto fail = [&](const std::string& what) {
    throw sim::InputError(fmt::format("{}:{}: {}", file, line, what));
  };
  const auto blanks = [&] {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r')) ++at;
  };
  sim::Rank row = 0;
  for (; at < end; ++line) {
    blanks();
    if (at < end && *at == '\n') {  // an empty line
      ++at;
      continue;
    }
    if (at == end) break;
    if (row == ranks) fail(fmt::format("more than {} rows, one for each rank", ranks));
    for (sim::Rank column = 0;; ++column) {
      if (column == ranks) fail(fmt::format("more than {} columns, one for each rank", ranks));
      blanks();
      std::int64_t bytes = 0;
      const auto [after, error] = std::from_chars(at, end, bytes);
      if (error != std::errc{} || bytes < 0) {
        const std::string_view rest(at, static_cast<std::size_t>(end - at));
        const std::string_view found = rest.substr(0, rest.find_first_of(",\r\n"));
        fail(fmt::format("column {}: expected a whole number of bytes, not \"{}\"", column + 1,
                         found.substr(0, 40)));
      }
      at = after;
      if (bytes > 0 && row != column) transfers.push_back({row, column, sim::Bytes(bytes)});
      blanks();
      if (at < end && *at == ',') {
        ++at;
        continue;
      }
      if (at < end && *at != '\n') {
        fail(fmt::format("column {}: expected a comma after the number", column + 1));
      }
      if (column + 1 != ranks) {
        fail(fmt::format("{} columns, but there are {} ranks", column + 1, ranks));
      }
      break;
    }
    ++row;
    if (at < end) ++at;
  }
  if (row != ranks) fail(fmt::format("{} rows, but there are {} ranks", row, ranks));
  return transfers;
}

}  // namespace moesim::tools
