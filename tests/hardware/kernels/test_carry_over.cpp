#include "hardware/carry_over.h"

#include <doctest/doctest.h>

#include "hardware/kernels/attention.h"
#include "hardware/kernels/gemm.h"
#include "hardware/kernels/mla.h"
#include "hardware/kernels/moe.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim::hardware;

namespace {

Device with_bandwidth(double bytes_per_s) {
  Device device = shipped("h100");
  device.memory_bandwidth = moesim::sim::Bandwidth(bytes_per_s);
  return device;
}

double stream(const FittedModel& model) {
  return model.parameters.at("stream_fraction");
}

FittedModel moe(double stream_fraction, double remote_fraction = 1) {
  FittedModel model;
  model.kind = "moe";
  model.parameters = {{"stream_fraction", stream_fraction},
                      {"remote_fraction", remote_fraction},
                      {"memory_fraction", 0.9},
                      {"compute_fraction", 0.8}};
  return model;
}

// The ranges of what is of passes among a model's fields.
template <class M>
void check_ranges() {
  for (const auto& field : M::fields()) {
    if (!is_of_passes(field.name)) continue;
    CAPTURE(field.name);
    FittedModel model;
    model.parameters[std::string(field.name)] = field.least;
    const std::string name(field.name);
    const auto at_most = carried_over(model, with_bandwidth(3e12), with_bandwidth(90e12));
    CHECK(at_most.parameters.at(name) >= field.least);
    model.parameters[name] = field.most;
    const auto at_least = carried_over(model, with_bandwidth(3e12), with_bandwidth(0.3e12));
    CHECK(at_least.parameters.at(name) <= field.most);
  }
}

}  // namespace

// 3 to 6 TB/s at a stream fraction of 0.4: a byte takes 1 / 1.2 us a megabyte there. Here 0.45 of
// that is halved and 0.55 stays: 0.775 / 1.2, which is 1.5484 bytes a microsecond and megabyte, or
// 0.25806 of 6.
TEST_CASE("a part of a pass is quicker with a faster memory, and the rest is not") {
  const Device from = with_bandwidth(3e12), to = with_bandwidth(6e12);
  const FittedModel model = carried_over(moe(0.4, 0.8), from, to);
  CHECK(stream(model) == doctest::Approx(1.2 / 0.775 / 6));
  CHECK(model.parameters.at("remote_fraction") == doctest::Approx(2.4 / 0.775 / 6));
  CHECK(model.parameters.at("memory_fraction") == 0.9);
  CHECK(model.parameters.at("compute_fraction") == 0.8);
}

// To half the bandwidth: 0.45 of a byte's time is doubled.
TEST_CASE("a slower memory slows the same part of a pass") {
  const FittedModel model = carried_over(moe(0.4), with_bandwidth(3e12), with_bandwidth(1.5e12));
  CHECK(stream(model) == doctest::Approx(1.2 / 1.45 / 1.5));
}

TEST_CASE("a pass is never slower on a faster memory") {
  double before = 1e300;
  for (const double bandwidth : {1e12, 2e12, 3e12, 3.1e12, 4.8e12, 9e12, 20e12}) {
    const Device to = with_bandwidth(bandwidth);
    const double us = 1 / (stream(carried_over(moe(0.7), with_bandwidth(3e12), to)) * bandwidth);
    CHECK(us < before);
    before = us;
  }
}

TEST_CASE("fits of the same memory and of another generation are carried over as they are") {
  const Device from = with_bandwidth(3e12), to = with_bandwidth(6e12);
  CHECK(carried_over(moe(0.4), from, from).parameters == moe(0.4).parameters);
  FittedModel of_others = moe(0.4);
  of_others.other_generation = true;
  CHECK(stream(carried_over(of_others, from, to)) == 0.4);
  Device other = to;
  other.generation = "blackwell";
  CHECK(stream(carried_over(moe(0.4), from, other)) == 0.4);
}

TEST_CASE("what is carried over stays within what its model takes") {
  check_ranges<MoeModel>();
  check_ranges<GemmModel>();
  check_ranges<ContextAttentionModel>();
  check_ranges<ContextMlaModel>();
}
