// A mixture layer on a device of which only tokens and rows vary, with what follows from the rest:
// it is asked for every rank and layer of a step.
//
// It takes no less than with less work: a residual table that falls faster than its formula rises
// counts for nothing. A table turns at its knots, and is looked at there alone (smaller). No ladder
// (rising.h) orders the rows of many groups.
#pragma once

#include <array>
#include <cstddef>

#include "hardware/kernels/moe.h"
#include "hardware/kernels/residual_ceilings.h"
#include "hardware/kernels/residual_lookup.h"

namespace moesim::hardware {

class MoeLayer {
 public:
  // `like`: the layer; its tokens and rows do not count. `table`: with MoeModel's axes, or none.
  MoeLayer(const MoeParameters& parameters, const ResidualTable& table, const MoeInput& like,
           const Rates& rates);

  // Microseconds. REQUIRES: `x` differs from the layer in tokens and rows alone
  double us(const MoeInput& x) const;

  // Layers of no more tokens in no more rows than this one's, at the knots of the table: where such
  // a batch was on its way here (thinned), and fewer tokens that may give the same rows.
  struct Earlier {
    double tokens = 0;
    double share = 1;  // of the rows (thinned)
    double rows = 0, active = 0;
  };
  struct Smaller {
    std::array<Earlier, 32> at;
    std::size_t count = 0;
  };
  // Only those at knots where the table may say more than `left`.
  Smaller smaller(const MoeInput& x, double left) const;

 private:
  enum Axis : std::size_t { kRowsPerGroup, kActive, kTokens };  // of the table at the layer's width
  static std::array<double, 3> features(const Earlier& one);

  MoeLayer(const MoeParameters& parameters, const ResidualTable& at_width, const Rates& rates);

  MoeParameters parameters_;
  Rates rates_;
  ResidualLookup residual_;
  ResidualCeilings ceilings_;
};

// The layer `like`, with a fit.
MoeLayer layer_of(const Fitted<MoeModel>& fitted, const MoeInput& like, const Rates& rates);

}  // namespace moesim::hardware
