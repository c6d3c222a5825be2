#include "sim/port_accounts.h"

#include <array>
#include <limits>

#include "sim/any_width.h"
#include "sim/port_loops.h"

namespace moesim::sim {

void PortAccounts::resize(std::size_t ports) {
  for (auto* const of_each : {&credit, &busiest, &left, &wasted, &used, &part_, &when_, &last_}) {
    of_each->resize(padded(ports));
  }
  leaving_.resize(padded(ports));
}

void PortAccounts::clear() {
  for (auto* const of_each : {&credit, &busiest, &left, &wasted, &used}) {
    std::fill(of_each->begin(), of_each->end(), 0.0);
  }
}

void PortAccounts::take(Port port, const PortAccounts& from, Port its) {
  credit[port] = from.credit[its];
  busiest[port] = from.busiest[its];
  left[port] = from.left[its];
  wasted[port] = from.wasted[its];
  used[port] = from.used[its];
}

MOESIM_ANY_WIDTH
void PortAccounts::serve(const PortFlows::Ports& flows, double seconds, double credit_rate) {
  const PortFlows::Ports f = flows;
  double* const __restrict my_credit = credit.data();
  double* const __restrict my_left = left.data();
  double* const __restrict my_used = used.data();
  const double* const my_busiest = busiest.data();
  for (std::size_t i = 0; i < left.size(); i += kLanes) {
    std::array<float, kLanes> busy, part;
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float idle = f.level[i + j] < kUnlimited ? 0.0f : f.left[i + j] / f.capacity[i + j];
      busy[j] = f.in_flight[i + j] > 0 ? 1.0f : 0.0f;
      part[j] = f.in_flight[i + j] > 0 ? 1 - idle : 0.0f;
    }
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = 0; j < kLanes; ++j) {
      my_used[i + j] += static_cast<double>(busy[j]) * seconds;
      const double rest = my_left[i + j] - static_cast<double>(part[j]) * seconds;
      my_left[i + j] = rest > 0 ? rest : 0.0;
      const double most = credit_rate * my_busiest[i + j];
      const double more = my_credit[i + j] + credit_rate * seconds;
      my_credit[i + j] = more < most ? more : most;
    }
  }
}

MOESIM_ANY_WIDTH
double PortAccounts::most_left() const {
  std::array<double, kLanes> most{};
  const double* const my_left = left.data();
  for (std::size_t i = 0; i < left.size(); i += kLanes) {
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = 0; j < kLanes; ++j)
      most[j] = my_left[i + j] > most[j] ? my_left[i + j] : most[j];
  }
  return *std::max_element(most.begin(), most.end());
}

MOESIM_ANY_WIDTH
bool PortAccounts::pay_for_leaving(const PortFlows::Ports& flows, double window, double credit_rate,
                                   const Slack& slack) {
  const PortFlows::Ports f = flows;
  const Slack s = slack;
  std::array<std::uint32_t, kLanes> unpaid{};
  double* const __restrict my_part = part_.data();
  double* const __restrict my_when = when_.data();
  double* const __restrict my_last = last_.data();
  std::uint32_t* const __restrict my_leaving = leaving_.data();
  const double* const my_credit = credit.data();
  const double* const my_left = left.data();
  for (std::size_t i = 0; i < left.size(); i += kLanes) {
    std::array<double, kLanes> until;
    // Where all its flows end, those before the last could have left it more.
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = 0; j < kLanes; ++j) {
      until[j] = my_leaving[i + j] == f.in_flight[i + j] ? my_last[i + j] : window;
    }
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = 0; j < kLanes; ++j) {
      const double waste = my_part[i + j] * until[j] - my_when[i + j];
      const double rest = s.most_left - my_left[i + j];
      const double may = my_credit[i + j] + credit_rate * window + s.part * (rest > 0 ? rest : 0.0);
      unpaid[j] |= my_leaving[i + j] > 0 && !(waste <= may) ? 1 : 0;
    }
    std::fill(my_part + i, my_part + i + kLanes, 0.0);
    std::fill(my_when + i, my_when + i + kLanes, 0.0);
    std::fill(my_last + i, my_last + i + kLanes, 0.0);
    std::fill(my_leaving + i, my_leaving + i + kLanes, 0u);
  }
  return std::all_of(unpaid.begin(), unpaid.end(), [](std::uint32_t one) { return one == 0; });
}

void PortAccounts::begin_ended() {
  std::fill(last_.begin(), last_.end(), std::numeric_limits<double>::infinity());
}

MOESIM_ANY_WIDTH
void PortAccounts::see_empty(const PortFlows::Ports& flows) {
  // A port that is empty now has wasted nothing since its last flow ended.
  const std::uint32_t* const in_flight = flows.in_flight;
  double* const __restrict my_last = last_.data();
  for (std::size_t i = 0; i < last_.size(); ++i) {
    my_last[i] = in_flight[i] > 0 ? 0.0 : my_last[i];
  }
}

MOESIM_ANY_WIDTH
void PortAccounts::pay(const Slack& slack) {
  const Slack s = slack;
  double* const __restrict my_credit = credit.data();
  double* const __restrict my_wasted = wasted.data();
  double* const __restrict my_part = part_.data();
  double* const __restrict my_last = last_.data();
  const double* const my_left = left.data();
  for (std::size_t i = 0; i < left.size(); i += kLanes) {
    MOESIM_SIDE_BY_SIDE
    for (std::size_t j = i; j < i + kLanes; ++j) {
      const double rest = s.most_left - my_left[j];
      const double over = my_part[j] - s.part * (rest > 0 ? rest : 0.0);
      const double due = over > 0 ? over : 0.0;
      my_credit[j] -= due;
      my_wasted[j] += due;
      my_part[j] = 0;
      my_last[j] = 0;
    }
  }
}

}  // namespace moesim::sim
