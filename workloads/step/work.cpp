#include "workloads/step/work.h"

#include "sim/long_times.h"

namespace moesim::workloads {

sim::Duration Work::extrapolated() const {
  sim::Duration sum{};
  for (const PricedTime& part : priced)
    if (part.extrapolated()) sum += part.time;
  return sum;
}

Work& Work::operator+=(const hardware::KernelCost& kernel) {
  time = sim::long_sum(time, kernel.time);
  flops += kernel.flops;
  bytes += kernel.bytes;
  launches += kernel.launches;
  by_bound[static_cast<std::size_t>(kernel.bound)] += kernel.time;
  add(kernel.trust, kernel.time);
  return *this;
}

void Work::shrink_to(sim::Duration least) {
  if (least >= time) return;
  const double part = static_cast<double>(least.count()) / static_cast<double>(time.count());
  const auto shrink = [&](sim::Duration& t) {
    t = sim::Duration(static_cast<std::int64_t>(static_cast<double>(t.count()) * part));
  };
  sim::Duration left = time = least;
  for (PricedTime& p : priced) {
    shrink(p.time);
    left -= p.time;
  }
  if (!priced.empty()) priced.front().time += left;
  left = time;
  for (sim::Duration& bound : by_bound) {
    shrink(bound);
    left -= bound;
  }
  by_bound.back() += left;  // memory's
  for (double* ps : {&p10_ps, &p90_ps, &low_ps, &high_ps}) *ps *= part;
}

void Work::add(const hardware::PricedExchange& exchange, std::size_t ranks) {
  const sim::Duration sum = sim::long_product(exchange.alone, static_cast<std::int64_t>(ranks));
  time = sim::long_sum(time, sum);
  add(exchange.trust, sum);
}

void Work::add(const hardware::Trust& trust, sim::Duration amount) {
  const auto picoseconds = static_cast<double>(amount.count());
  p10_ps += picoseconds * trust.p10;
  p90_ps += picoseconds * trust.p90;
  low_ps += picoseconds * trust.low;
  high_ps += picoseconds * trust.high;
  add({.use = trust.use, .outside = trust.outside, .time = amount});
}

Work& Work::operator+=(const Work& other) {
  add(other, 1);
  return *this;
}

void Work::add(const Work& other, std::int64_t times) {
  // What is added below is no more than these.
  time = sim::long_sum(time, sim::long_product(other.time, times));
  bytes += other.bytes * times;
  launches += other.launches * times;
  for (std::size_t i = 0; i < by_bound.size(); ++i) by_bound[i] += other.by_bound[i] * times;
  for (std::int64_t t = 0; t < times; ++t) {
    flops += other.flops;
    p10_ps += other.p10_ps;
    p90_ps += other.p90_ps;
    low_ps += other.low_ps;
    high_ps += other.high_ps;
  }
  for (PricedTime part : other.priced) {
    part.time = part.time * times;
    add(part);
  }
}

void Work::add(const PricedTime& part) {
  for (PricedTime& known : priced) {
    if (known.use != part.use || known.outside != part.outside) continue;
    known.time += part.time;
    return;
  }
  priced.push_back(part);
}

}  // namespace moesim::workloads
