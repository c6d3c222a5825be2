// Flows of bytes, each at its max-min fair rate (sim/max_min.h), where nothing limits a flow but
// the port that it leaves and the port that it reaches: FairLinks for that case, quicker where many
// flows end between two computations of rates.
//
// Flows come in sheets: the pairs of a group of ports, at most one flow a pair. Who is in flight is
// a bit for each pair, by row and by column; what is left of it a float. Full ports have a level,
// the rate of the flows that they hold back, so that a flow's rate is the lower of its two ports'.
//
// Time is what serve() says has passed. Flows end when their user says so, who asks here when that
// is. Single precision: levels and times are good to a few 1e-7 times the flows of a port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/port_loops.h"
#include "sim/units.h"

namespace moesim::sim {

class PortFlows {
 public:
  using Port = std::uint32_t;
  using Sheet = std::uint32_t;
  enum Side : std::uint8_t { kOut, kIn };  // bytes leave a port, and reach one

  struct Ending {
    Sheet sheet;
    std::uint32_t source, destination;  // places in the sheet
    Port ports[2];                      // that it leaves, that it reaches
    float seconds;                      // from now
    float rate;                         // bytes a second
  };

  // REQUIRES: capacities > 0
  Port add_port(Bandwidth out, Bandwidth in);
  std::size_t ports() const { return ports_; }
  // Ports are distinct. A sheet that is removed has no flow in flight; its number is used again.
  Sheet add_sheet(std::span<const Port> ports);
  void remove_sheet(Sheet sheet);
  std::size_t sheets() const { return sheets_in_use_; }

  // REQUIRES: source != destination, bytes > 0, the pair has no flow in flight
  void start(Sheet sheet, std::uint32_t source, std::uint32_t destination, float bytes);
  void end(Sheet sheet, std::uint32_t source, std::uint32_t destination);
  std::size_t flows() const { return flows_; }
  std::size_t flows_at(Side side, Port port) const { return sides_[side].in_flight[port]; }

  // Time passes, at the rates computed last.
  void serve(double seconds);
  void compute_rates();
  // What holds flows of the port back, bytes a second; kUnlimited: others do. REQUIRES: computed
  float level(Side side, Port port) const { return sides_[side].level[port]; }
  float capacity(Side side, Port port) const { return sides_[side].capacity[port]; }
  // One side of all ports, in arrays that are padded: flows in flight, the level, bytes a second
  // that its flows leave where it has none, and the capacity. REQUIRES: rates are computed
  struct Ports {
    const std::uint32_t* in_flight;
    const float *level, *left, *capacity;
  };
  Ports ports_of(Side side) const {
    const PortSide& s = sides_[side];
    return {s.in_flight.data(), s.level.data(), s.left.data(), s.capacity.data()};
  }
  Port port_of(Sheet sheet, std::uint32_t place) const { return sheets_[sheet]->ports[place]; }

  // Seconds from now until the first flow ends. REQUIRES: rates are computed
  float first_end();
  // Appends the flows that end within that time, in an order that depends on nothing else.
  // REQUIRES: first_end() was asked, and nothing has changed since
  void ending_within(float seconds, std::vector<Ending>& ending);

  // The other's sheet goes on here, over these ports. REQUIRES: both have served up to now
  Sheet adopt(PortFlows& other, Sheet sheet, std::span<const Port> ports);

 private:
  struct Matrix {
    std::size_t n = 0, stride = 0;             // places; padded
    std::vector<Port> ports;                   // of each place
    bool in_order = false;                     // the ports are one after the other
    std::vector<float> left;                   // [source x destination], kUnlimited: not in flight
    std::vector<std::uint32_t> rows, columns;  // bits of who is in flight
    std::vector<std::uint32_t> in_row;         // how many
    std::vector<float> first;                  // [source x lane]: when its first flow ends
    std::size_t words() const { return words_of(stride); }
  };
  struct Place {
    Sheet sheet;
    std::uint32_t place;
  };
  struct PortSide {
    std::vector<float> capacity, level;
    std::vector<std::uint32_t> in_flight;
    std::vector<float> left, flows, now;  // while ports fill up
    float lowest = 0;                     // of those now
  };

  void put_on_ports(Sheet sheet);
  template <class Size>
  void fill(Size ports);
  template <class Size>
  bool fill_up_to(Side side, float most, Size ports);
  void fill_up(Side side, Port port, float level);
  // Of the other side of each place of a row.
  const float* by_place(const Matrix& sheet, const std::vector<float>& by_port);

  std::size_t ports_ = 0;
  PortSide sides_[2];
  std::vector<std::vector<Place>> sheets_of_;  // of each port
  std::vector<std::unique_ptr<Matrix>> sheets_;
  std::vector<Sheet> free_sheets_;
  std::vector<std::unique_ptr<Matrix>> spare_;  // of sheets that were removed
  std::size_t sheets_in_use_ = 0, flows_ = 0;
  std::vector<float> scaled_, gathered_;
  std::vector<std::uint32_t> within_;       // bits of ports
  std::vector<std::uint32_t> rows_within_;  // those in which flows end
  std::vector<std::uint32_t> ends_;         // bits of a row's flows
  struct RowWord {
    std::uint32_t row = 0, word = 0, bits = 0;
  };
  std::vector<RowWord> words_within_;  // those in which flows end
  std::vector<float> inverse_;         // 1 / level of each port that bytes reach, as of first_end()
};

}  // namespace moesim::sim
