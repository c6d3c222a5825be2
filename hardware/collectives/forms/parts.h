// The time of one exchange alone, in the parts that a play of it needs. A closed form is a function
// to Parts: fits compare their sum with what was measured, plays give each part to what it is of.
#pragma once

#include <limits>

namespace moesim::hardware {

// Bytes that the busiest rank sends or receives: over the links of its node, over its NIC.
struct PortBytes {
  double near = 0, far = 0;
};

struct Parts {
  static constexpr double kLongest = std::numeric_limits<double>::infinity();

  double fixed_us = 0;      // without bytes, before the first moves
  double near_us = 0;       // that the busiest port on a node's links is busy for,
  double far_us = 0;        // the busiest NIC,
  double sm_us = 0;         // and the busiest rank's multiprocessors, all at once:
  double power = kLongest;  // (near^p + far^p + sm^p)^(1/p); kLongest: only the longest shows

  double busy_us() const;
  double us() const { return fixed_us + busy_us(); }
};

// The time of no bytes is none, whatever the rate.
inline double us_of(double bytes, double bytes_per_us) {
  return bytes > 0 ? bytes / bytes_per_us : 0;
}

}  // namespace moesim::hardware
