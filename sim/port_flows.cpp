#include "sim/port_flows.h"

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>
#include <utility>

#include "sim/check.h"

namespace moesim::sim {

namespace {

constexpr PortFlows::Side other(PortFlows::Side side) {
  return side == PortFlows::kOut ? PortFlows::kIn : PortFlows::kOut;
}

// The rows in which a flow may end within `seconds`, by the first of each lane. Returns how many.
MOESIM_ANY_WIDTH
std::size_t find_rows_within(const float* first, std::size_t rows, float seconds,
                             std::uint32_t* within) {
  std::size_t count = 0;
  for (std::uint32_t row = 0; row < rows; ++row) {  // no branch, as it would be any guess
    within[count] = row;
    count += lanes_within(first + row * kLanes, seconds) != 0 ? 1 : 0;
  }
  return count;
}

MOESIM_ANY_WIDTH
void find_row_ends(const float* left, std::size_t n, float slow, const float* each, float seconds,
                   std::uint32_t* bits) {
  find_ends_within(left, n, slow, each, seconds, bits);
}

}  // namespace

PortFlows::Port PortFlows::add_port(Bandwidth out, Bandwidth in) {
  SIM_CHECK(out > Bandwidth{} && in > Bandwidth{}, "a port has a capacity each way");
  const auto port = static_cast<Port>(ports_++);
  // A row of a sheet that begins at any port may be read to its padded end.
  const std::size_t room = padded(ports_) + kLanes;
  for (const Side side : {kOut, kIn}) {
    PortSide& s = sides_[side];
    const Bandwidth capacity = side == kOut ? out : in;
    s.capacity.resize(room, 1);
    s.capacity[port] = static_cast<float>(capacity.bytes_per_second());
    s.in_flight.resize(room);
    s.level.resize(room, kUnlimited);
    for (auto* const scratch : {&s.left, &s.flows, &s.now}) scratch->resize(room);
  }
  within_.resize(words_of(ports_));
  sheets_of_.emplace_back();
  return port;
}

void PortFlows::put_on_ports(Sheet sheet) {
  Matrix& matrix = *sheets_[sheet];
  matrix.in_order = true;
  for (std::uint32_t place = 0; place < matrix.n; ++place) {
    const Port port = matrix.ports[place];
    if (port != matrix.ports[0] + place) matrix.in_order = false;
    sheets_of_[port].push_back({sheet, place});
  }
}

PortFlows::Sheet PortFlows::add_sheet(std::span<const Port> ports) {
  if (free_sheets_.empty()) {
    free_sheets_.push_back(static_cast<Sheet>(sheets_.size()));
    sheets_.emplace_back();
  }
  const Sheet sheet = free_sheets_.back();
  free_sheets_.pop_back();
  ++sheets_in_use_;
  // One of that size that is there is as good as new: no flow is in flight.
  const auto spare =
      std::ranges::find_if(spare_, [&](const auto& matrix) { return matrix->n == ports.size(); });
  if (spare != spare_.end()) {
    sheets_[sheet] = std::move(*spare);
    spare_.erase(spare);
    sheets_[sheet]->ports.assign(ports.begin(), ports.end());
    put_on_ports(sheet);
    return sheet;
  }
  sheets_[sheet] = std::make_unique<Matrix>();
  Matrix& matrix = *sheets_[sheet];
  matrix.n = ports.size();
  matrix.stride = padded(matrix.n);
  matrix.ports.assign(ports.begin(), ports.end());
  matrix.left.assign(matrix.n * matrix.stride, kUnlimited);
  matrix.rows.assign(matrix.n * matrix.words(), 0);
  matrix.columns = matrix.rows;
  matrix.in_row.assign(matrix.n, 0);
  matrix.first.assign(matrix.n * kLanes, kUnlimited);
  put_on_ports(sheet);
  return sheet;
}

void PortFlows::remove_sheet(Sheet sheet) {
  for (const Port port : sheets_[sheet]->ports) {
    std::erase_if(sheets_of_[port], [&](const Place& place) { return place.sheet == sheet; });
  }
  spare_.push_back(std::move(sheets_[sheet]));
  free_sheets_.push_back(sheet);
  --sheets_in_use_;
}

PortFlows::Sheet PortFlows::adopt(PortFlows& from, Sheet sheet, std::span<const Port> ports) {
  const Sheet here = add_sheet({});
  sheets_[here] = std::make_unique<Matrix>(*from.sheets_[sheet]);
  Matrix& matrix = *sheets_[here];
  matrix.ports.assign(ports.begin(), ports.end());
  put_on_ports(here);
  for (std::uint32_t s = 0; s < matrix.n; ++s) {
    for (std::uint32_t d = 0; d < matrix.n; ++d) {
      if (((matrix.rows[s * matrix.words() + d / kWord] >> (d % kWord)) & 1) == 0) continue;
      ++sides_[kOut].in_flight[ports[s]];
      ++sides_[kIn].in_flight[ports[d]];
      ++flows_;
      from.end(sheet, s, d);
    }
  }
  from.remove_sheet(sheet);
  return here;
}

void PortFlows::start(Sheet sheet, std::uint32_t source, std::uint32_t destination, float bytes) {
  Matrix& m = *sheets_[sheet];
  m.left[source * m.stride + destination] = bytes;
  m.rows[source * m.words() + destination / kWord] |= std::uint32_t{1} << (destination % kWord);
  m.columns[destination * m.words() + source / kWord] |= std::uint32_t{1} << (source % kWord);
  ++m.in_row[source];
  ++sides_[kOut].in_flight[m.ports[source]];
  ++sides_[kIn].in_flight[m.ports[destination]];
  ++flows_;
}

void PortFlows::end(Sheet sheet, std::uint32_t source, std::uint32_t destination) {
  Matrix& m = *sheets_[sheet];
  m.left[source * m.stride + destination] = kUnlimited;
  m.rows[source * m.words() + destination / kWord] &= ~(std::uint32_t{1} << (destination % kWord));
  m.columns[destination * m.words() + source / kWord] &= ~(std::uint32_t{1} << (source % kWord));
  --m.in_row[source];
  --sides_[kOut].in_flight[m.ports[source]];
  --sides_[kIn].in_flight[m.ports[destination]];
  --flows_;
}

MOESIM_PART_OF_ANY_WIDTH
const float* PortFlows::by_place(const Matrix& sheet, const std::vector<float>& by_port) {
  if (sheet.in_order) return by_port.data() + sheet.ports[0];
  gathered_.assign(sheet.stride, 0);
  for (std::size_t place = 0; place < sheet.n; ++place) {
    gathered_[place] = by_port[sheet.ports[place]];
  }
  return gathered_.data();
}

MOESIM_ANY_WIDTH
void PortFlows::serve(double seconds) {
  const auto time = static_cast<float>(seconds);
  scaled_.resize(sides_[kIn].level.size());
  for (std::size_t p = 0; p < scaled_.size(); ++p) scaled_[p] = sides_[kIn].level[p] * time;
  for (const auto& sheet : sheets_) {
    if (!sheet || sheet->n == 0) continue;
    const float* const each = by_place(*sheet, scaled_);
    for (std::size_t row = 0; row < sheet->n; ++row) {
      if (sheet->in_row[row] == 0) continue;
      serve_flows(sheet->left.data() + row * sheet->stride, sheet->stride,
                  sides_[kOut].level[sheet->ports[row]] * time, each);
    }
  }
}

// The port is full at this level: fixes its flows, at the other side's ports. What that does to
// ports that are full already is without meaning.
MOESIM_PART_OF_ANY_WIDTH
void PortFlows::fill_up(Side side, Port port, float level) {
  // By the rounding of sums next to nothing may be left, but never nothing.
  level = std::max(level, sides_[side].capacity[port] * 1e-9f);
  sides_[side].level[port] = level;
  sides_[side].flows[port] = 0;
  PortSide& to = sides_[other(side)];
  for (const auto& [index, place] : sheets_of_[port]) {
    const Matrix& sheet = *sheets_[index];
    const std::size_t words = sheet.words();
    const std::uint32_t* const bits =
        (side == kOut ? sheet.rows : sheet.columns).data() + place * words;
    if (sheet.in_order) {
      fix_flows(bits, sheet.stride, level, to.left.data() + sheet.ports[0],
                to.flows.data() + sheet.ports[0]);
      continue;
    }
    for (std::size_t w = 0; w < words; ++w) {
      for (std::uint32_t rest = bits[w]; rest != 0; rest &= rest - 1) {
        const Port at = sheet.ports[w * kWord + static_cast<std::size_t>(std::countr_zero(rest))];
        to.left[at] -= level;
        to.flows[at] -= 1;
      }
    }
  }
}

// Whether there was one to fill up.
template <class Size>
MOESIM_PART_OF_ANY_WIDTH bool PortFlows::fill_up_to(Side side, float most, Size ports) {
  PortSide& s = sides_[side];
  if (s.lowest > most || s.lowest == kUnlimited) return false;
  find_within(s.now.data(), ports, std::min(most, kUnlimited / 2), within_.data());
  for (std::size_t word = 0; word < words_of(ports); ++word) {
    for (std::uint32_t rest = within_[word]; rest != 0; rest &= rest - 1) {
      const auto port =
          static_cast<Port>(word * kWord + static_cast<std::size_t>(std::countr_zero(rest)));
      fill_up(side, port, std::exchange(s.now[port], kUnlimited));
    }
  }
  s.lowest = lowest_of(s.now.data(), ports);
  return true;
}

// Progressive filling in rounds: no port of one side can fill up below the lowest level of the
// other side but by its own flows, so all of the side that are below it fill up at once; then the
// other side's, whose levels have risen.
template <class Size>
MOESIM_PART_OF_ANY_WIDTH void PortFlows::fill(Size ports) {
  const auto find_levels = [ports](PortSide& s) {
    s.lowest = levels_now(s.left.data(), s.flows.data(), ports, s.now.data());
  };
  for (PortSide& s : sides_) {
    begin_filling(s.capacity.data(), s.in_flight.data(), ports, s.left.data(), s.flows.data(),
                  s.level.data());
    find_levels(s);
  }
  // A port is unlimited when it is full, and when all its flows are held back elsewhere.
  while (sides_[kOut].lowest < kUnlimited || sides_[kIn].lowest < kUnlimited) {
    for (const Side side : {kOut, kIn}) {
      if (fill_up_to(side, sides_[other(side)].lowest, ports)) find_levels(sides_[other(side)]);
    }
  }
}

MOESIM_ANY_WIDTH
void PortFlows::compute_rates() {
  if (ports_ <= kLanes) {
    fill(std::integral_constant<std::size_t, kLanes>());  // loops of one turn
  } else {
    fill(padded(ports_));
  }
}

MOESIM_ANY_WIDTH
float PortFlows::first_end() {
  inverse_.resize(sides_[kIn].level.size());
  for (std::size_t p = 0; p < inverse_.size(); ++p) inverse_[p] = 1 / sides_[kIn].level[p];
  std::array<float, kLanes> first;
  first.fill(kUnlimited);
  for (const auto& sheet : sheets_) {
    if (!sheet || sheet->n == 0) continue;
    const float* const each = by_place(*sheet, inverse_);
    for (std::size_t row = 0; row < sheet->n; ++row) {
      float* const lanes = sheet->first.data() + row * kLanes;
      if (sheet->in_row[row] == 0) {
        std::fill(lanes, lanes + kLanes, kUnlimited);
        continue;
      }
      first_ends(sheet->left.data() + row * sheet->stride, sheet->stride,
                 1 / sides_[kOut].level[sheet->ports[row]], each, lanes, first.data());
    }
  }
  return lowest_of(first.data(), kLanes);
}

void PortFlows::ending_within(float seconds, std::vector<Ending>& ending) {
  const float* const out = sides_[kOut].level.data();
  const float* const in = sides_[kIn].level.data();
  for (Sheet index = 0; index < sheets_.size(); ++index) {
    if (!sheets_[index] || sheets_[index]->n == 0) continue;
    const Matrix& sheet = *sheets_[index];
    const float* const each = by_place(sheet, inverse_);
    const Port* const ports = sheet.ports.data();
    const std::size_t words = sheet.words();
    rows_within_.resize(sheet.n);
    ends_.resize(words);
    const std::size_t rows =
        find_rows_within(sheet.first.data(), sheet.n, seconds, rows_within_.data());
    words_within_.resize(rows * words + 1);
    std::size_t some = 0;
    for (const std::uint32_t row : std::span(rows_within_).first(rows)) {
      find_row_ends(sheet.left.data() + row * sheet.stride, sheet.stride, 1 / out[ports[row]], each,
                    seconds, ends_.data());
      for (std::uint32_t word = 0; word < words; ++word) {
        const std::uint32_t bits = ends_[word] & sheet.rows[row * words + word];
        words_within_[some] = {row, word, bits};
        some += bits != 0 ? 1 : 0;
      }
    }
    for (const auto& [row, word, bits] : std::span(words_within_).first(some)) {
      const float rate = out[ports[row]], slow = 1 / rate;
      const float* const left = sheet.left.data() + row * sheet.stride;
      for (std::uint32_t rest = bits; rest != 0; rest &= rest - 1) {
        const auto d = static_cast<std::uint32_t>(word * kWord) +
                       static_cast<std::uint32_t>(std::countr_zero(rest));
        ending.push_back({index,
                          row,
                          d,
                          {ports[row], ports[d]},
                          std::max(left[d] * std::max(slow, each[d]), 0.0f),
                          std::min(rate, in[ports[d]])});
      }
    }
  }
}

}  // namespace moesim::sim
