// What a cost model's formula leaves over, as a small table of logarithms over the shape: a
// library's choice of kernels is regular, and no formula knows it.
//
// Between knots it is linear in the logarithm of each axis (an axis that holds a zero is linear);
// beyond the last knots it stays as it is there. Fitted with a penalty on its size, so that it is
// zero where no point was.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace moesim::hardware {

struct ResidualTable {
  std::vector<std::pair<std::string, std::vector<double>>> axes;  // knots, ascending
  std::vector<double> values;  // ln(true / model), the last axis the fastest; empty: none
};

// The knots that a point lies between and their weights, which add up to 1. The table's axes are
// the first of the features; a model may have more.
struct Corners {
  std::vector<std::size_t> index;
  std::vector<double> weight;
};
void find_corners(const ResidualTable& table, std::span<const double> features, Corners& corners);

// ln(true / model) at a point. Zero for an empty table.
double residual_at(const ResidualTable& table, std::span<const double> features);

// The table where one feature is known, without its axis. REQUIRES: more than one axis, or no table
ResidualTable slice(const ResidualTable& table, std::size_t axis, double feature);

}  // namespace moesim::hardware
