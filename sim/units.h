// Quantities with a unit, as types.
//
// Time is whole picoseconds in 64 bits (106 days), so sums are exact. Bytes are whole. A rate is a
// double. An amount and a rate meet in one function, amount / rate, which rounds up: nothing
// finishes early. GB is 10^9 bytes, GiB is 2^30, a bit is an eighth of a byte.
#pragma once

#include <chrono>
#include <cmath>
#include <compare>
#include <cstdint>
#include <limits>
#include <ratio>

namespace moesim::sim {

using Duration = std::chrono::duration<std::int64_t, std::pico>;

// The clock of the simulated world. It has no now(): an engine has.
struct SimClock {
  using duration = Duration;
  using rep = Duration::rep;
  using period = Duration::period;
  using time_point = std::chrono::time_point<SimClock, Duration>;
  static constexpr bool is_steady = true;
};

// An instant. An instant plus an instant means nothing and does not compile.
using Time = SimClock::time_point;

inline constexpr Duration kForever = Duration::max();

// An amount of data.
class Bytes {
 public:
  constexpr Bytes() = default;
  explicit constexpr Bytes(std::int64_t count) : count_(count) {}
  constexpr std::int64_t count() const { return count_; }

  constexpr Bytes& operator+=(Bytes other) { return count_ += other.count_, *this; }
  constexpr Bytes& operator-=(Bytes other) { return count_ -= other.count_, *this; }
  friend constexpr Bytes operator+(Bytes a, Bytes b) { return Bytes(a.count_ + b.count_); }
  friend constexpr Bytes operator-(Bytes a, Bytes b) { return Bytes(a.count_ - b.count_); }
  friend constexpr Bytes operator*(Bytes a, std::int64_t n) { return Bytes(a.count_ * n); }
  friend constexpr Bytes operator*(std::int64_t n, Bytes a) { return a * n; }
  friend constexpr double operator/(Bytes a, Bytes b) {
    return static_cast<double>(a.count_) / static_cast<double>(b.count_);
  }
  friend constexpr auto operator<=>(Bytes, Bytes) = default;

 private:
  std::int64_t count_ = 0;
};

// An amount of arithmetic; one multiply-add is two. Whole numbers below 2^53 are exact.
class Flops {
 public:
  constexpr Flops() = default;
  explicit constexpr Flops(double count) : count_(count) {}
  constexpr double count() const { return count_; }

  constexpr Flops& operator+=(Flops other) { return count_ += other.count_, *this; }
  friend constexpr Flops operator+(Flops a, Flops b) { return Flops(a.count_ + b.count_); }
  friend constexpr Flops operator*(Flops a, double n) { return Flops(a.count_ * n); }
  friend constexpr double operator/(Flops a, Flops b) { return a.count_ / b.count_; }
  friend constexpr auto operator<=>(Flops, Flops) = default;

 private:
  double count_ = 0;
};

// Data per time.
class Bandwidth {
 public:
  constexpr Bandwidth() = default;
  explicit constexpr Bandwidth(double bytes_per_second) : rate_(bytes_per_second) {}
  constexpr double bytes_per_second() const { return rate_; }

  friend constexpr Bandwidth operator+(Bandwidth a, Bandwidth b) {
    return Bandwidth(a.rate_ + b.rate_);
  }
  friend constexpr Bandwidth operator*(Bandwidth a, double n) { return Bandwidth(a.rate_ * n); }
  friend constexpr Bandwidth operator*(double n, Bandwidth a) { return a * n; }
  friend constexpr Bandwidth operator/(Bandwidth a, double n) { return Bandwidth(a.rate_ / n); }
  friend constexpr double operator/(Bandwidth a, Bandwidth b) { return a.rate_ / b.rate_; }
  friend constexpr auto operator<=>(Bandwidth, Bandwidth) = default;

 private:
  double rate_ = 0;
};

// Arithmetic per time.
class FlopRate {
 public:
  constexpr FlopRate() = default;
  explicit constexpr FlopRate(double flop_per_second) : rate_(flop_per_second) {}
  constexpr double flop_per_second() const { return rate_; }

  friend constexpr FlopRate operator*(FlopRate a, double n) { return FlopRate(a.rate_ * n); }
  friend constexpr FlopRate operator/(FlopRate a, double n) { return FlopRate(a.rate_ / n); }
  friend constexpr double operator/(FlopRate a, FlopRate b) { return a.rate_ / b.rate_; }
  friend constexpr auto operator<=>(FlopRate, FlopRate) = default;

 private:
  double rate_ = 0;
};

// Picoseconds as a duration, rounded up; beyond 64 bits, and for NaN, kForever.
// What is whole but for the rounding of a double (2^-51 of it) stays whole.
// REQUIRES: picoseconds >= 0 or NaN
inline Duration picoseconds_rounded_up(double picoseconds) {
  const double whole = std::ceil(picoseconds - picoseconds * 0x1p-51);
  if (!(whole < 9.2e18)) return kForever;
  return Duration(static_cast<std::int64_t>(whole));
}
inline Duration seconds_rounded_up(double seconds) {
  return picoseconds_rounded_up(seconds * 1e12);
}

// How long an amount takes at a rate, rounded up. Nothing takes no time, whatever the rate; at a
// rate of zero all else takes forever.
inline Duration operator/(Bytes amount, Bandwidth rate) {
  if (amount == Bytes{}) return Duration{};
  return picoseconds_rounded_up(static_cast<double>(amount.count()) * 1e12 /
                                rate.bytes_per_second());
}
inline Duration operator/(Flops amount, FlopRate rate) {
  if (amount == Flops{}) return Duration{};
  return picoseconds_rounded_up(amount.count() * 1e12 / rate.flop_per_second());
}

// The rate at which an amount goes in a time.
inline Bandwidth operator/(Bytes amount, Duration time) {
  return Bandwidth(static_cast<double>(amount.count()) /
                   (static_cast<double>(time.count()) * 1e-12));
}

constexpr double to_seconds(Duration d) {
  return static_cast<double>(d.count()) * 1e-12;
}
constexpr double to_us(Duration d) {
  return static_cast<double>(d.count()) * 1e-6;
}

namespace literals {

using namespace std::chrono_literals;  // ns, us, ms, s

constexpr Duration operator""_ps(unsigned long long n) {
  return Duration(static_cast<std::int64_t>(n));
}
constexpr Bytes operator""_B(unsigned long long n) {
  return Bytes(static_cast<std::int64_t>(n));
}
constexpr Bytes operator""_KiB(unsigned long long n) {
  return operator""_B(n)*1024;
}
constexpr Bytes operator""_MiB(unsigned long long n) {
  return operator""_KiB(n)*1024;
}
constexpr Bytes operator""_GiB(unsigned long long n) {
  return operator""_MiB(n)*1024;
}
constexpr Bytes operator""_kB(unsigned long long n) {
  return operator""_B(n)*1000;
}
constexpr Bytes operator""_MB(unsigned long long n) {
  return operator""_kB(n)*1000;
}
constexpr Bytes operator""_GB(unsigned long long n) {
  return operator""_MB(n)*1000;
}
constexpr Flops operator""_FLOP(unsigned long long n) {
  return Flops(static_cast<double>(n));
}
constexpr Flops operator""_GFLOP(unsigned long long n) {
  return Flops(static_cast<double>(n) * 1e9);
}
constexpr Bandwidth operator""_GBps(unsigned long long n) {
  return Bandwidth(static_cast<double>(n) * 1e9);
}
constexpr Bandwidth operator""_TBps(unsigned long long n) {
  return Bandwidth(static_cast<double>(n) * 1e12);
}
constexpr Bandwidth operator""_Gbps(unsigned long long n) {
  return Bandwidth(static_cast<double>(n) * 1e9 / 8);
}
constexpr FlopRate operator""_TFLOPS(unsigned long long n) {
  return FlopRate(static_cast<double>(n) * 1e12);
}

}  // namespace literals
}  // namespace moesim::sim
