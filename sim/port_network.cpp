#include "sim/port_network.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "sim/check.h"
#include "sim/port_accounts.h"

namespace moesim::sim {

namespace {

// Times the tolerance: what a side of a port may waste, of its busiest time and of the time that
// passes.
constexpr double kPartOfSide = 0.5;
// A window is so much longer than the last at most, and no longer than so many times what a side
// may waste to begin with, but where so few flows end in it.
constexpr double kLonger = 1.5, kLongest = 2;
constexpr std::size_t kFew = 8;
// Times the tolerance: of the time that a port has before it would hold up the others, the part
// that it may waste at once.
constexpr double kPartOfSlack = 5, kMostOfSlack = 0.5;
constexpr std::uint32_t kNone = ~0u;
constexpr double kPerSecond = 1e12;  // ps
// Flows that end a rounding after a window do so in it.
constexpr double kRounding = 1 + 1e-6;

double seconds_of(Duration time) {
  return static_cast<double>(time.count()) / kPerSecond;
}

Duration whole_time(double seconds) {
  return picoseconds_rounded_up(std::max(0.0, seconds * kPerSecond - 1e-3));
}

}  // namespace

struct PortNetwork::Component {
  struct Finishing {
    PortFlows::Ending flow;
    Time at;
  };
  double part_of(const PortFlows::Ending& flow, PortFlows::Side side) const {
    return flow.rate / flows.capacity(side, flow.ports[side]);
  }
  bool is_full(PortFlows::Side side, Port port) const {
    return flows.level(side, port) < kUnlimited;
  }

  PortFlows flows;
  std::vector<Port> ports;  // of each local port
  std::array<PortAccounts, 2> accounts;
  std::vector<Sheet> sheets;    // in it
  std::vector<Sheet> sheet_of;  // of each local sheet
  bool soon = false, in_window = false;
  bool idle = false;  // no sheet is left: it stays for those over the same ports
  Time served_at{}, window_end{};
  Engine::EventId window_event{};
  double last_window = 0, longest = 0;  // seconds
  PortAccounts::Slack slack;            // most_left: of any port, or until its sheets can be over
  std::vector<Finishing> finishing;
  std::vector<PortFlows::Ending> ending;
};

PortNetwork::PortNetwork(Engine& engine, double tolerance, PortListener& listener)
    : engine_(engine),
      tolerance_(tolerance),
      credit_rate_(kPartOfSide * tolerance),
      listener_(listener) {
  SIM_CHECK(tolerance >= 0 && tolerance < 1, "the tolerance is a part of 1");
}

PortNetwork::~PortNetwork() = default;

PortNetwork::Port PortNetwork::add_port(Bandwidth out, Bandwidth in) {
  ports_.push_back({out, in});
  return static_cast<Port>(ports_.size() - 1);
}

void PortNetwork::join(std::uint32_t index, Port port) {
  Component& component = *components_[index];
  PortState& state = ports_[port];
  state.component = index;
  state.local = component.flows.add_port(state.out, state.in);
  component.ports.push_back(port);
  for (PortAccounts& accounts : component.accounts) accounts.resize(component.ports.size());
}

std::vector<std::uint32_t> PortNetwork::components_at(std::span<const Port> ports) const {
  std::vector<std::uint32_t> known;
  for (const Port port : ports) {
    const std::uint32_t in = ports_[port].component;
    if (in != kNone && (known.empty() || known.back() != in) &&
        std::find(known.begin(), known.end(), in) == known.end()) {
      known.push_back(in);
    }
  }
  return known;
}

void PortNetwork::dissolve(std::uint32_t index) {
  for (const Port port : components_[index]->ports) ports_[port].component = kNone;
  components_[index].reset();
  free_components_.push_back(index);
}

// The one that the ports are in from now on: those that they were in become one.
std::uint32_t PortNetwork::component_of(std::span<const Port> ports) {
  std::vector<std::uint32_t> known = components_at(ports);
  if (known.size() == 1 && components_[known[0]]->idle) {
    Component& same = *components_[known[0]];
    if (same.ports.size() == ports.size() &&
        std::ranges::all_of(ports, [&](Port port) { return ports_[port].component == known[0]; })) {
      for (PortAccounts& accounts : same.accounts) accounts.clear();
      same.last_window = same.longest = 0;
      same.idle = false;
      return known[0];
    }
  }
  std::erase_if(known, [this](std::uint32_t index) {
    if (!components_[index]->idle) return false;
    dissolve(index);
    return true;
  });
  if (known.empty()) {
    if (free_components_.empty()) {
      free_components_.push_back(static_cast<std::uint32_t>(components_.size()));
      components_.emplace_back();
    }
    known.push_back(free_components_.back());
    free_components_.pop_back();
    components_[known[0]] = std::make_unique<Component>();
    components_[known[0]]->slack.part = std::min(kMostOfSlack, kPartOfSlack * tolerance_);
  }
  for (std::size_t i = 1; i < known.size(); ++i) merge(known[0], known[i]);
  for (const Port port : ports) {
    if (ports_[port].component == kNone) join(known[0], port);
  }
  return known[0];
}

void PortNetwork::merge(std::uint32_t into, std::uint32_t from) {
  Component& to = *components_[into];
  const auto old = std::move(components_[from]);
  for (Component* const one : {&to, old.get()}) {
    if (one->in_window) {
      end_window(*one);
    } else {
      serve(*one);
    }
  }
  for (std::size_t i = 0; i < old->ports.size(); ++i) {
    join(into, old->ports[i]);
    const PortFlows::Port local = ports_[old->ports[i]].local;
    for (const auto side : {PortFlows::kOut, PortFlows::kIn})
      to.accounts[side].take(local, old->accounts[side], static_cast<PortFlows::Port>(i));
  }
  for (const Sheet sheet : old->sheets) {
    SheetState& state = sheets_[sheet];
    std::vector<PortFlows::Port> local;
    for (const Port port : state.ports) local.push_back(ports_[port].local);
    state.component = into;
    state.local = to.flows.adopt(old->flows, state.local, local);
    to.sheets.push_back(sheet);
    to.sheet_of.resize(std::max<std::size_t>(to.sheet_of.size(), state.local + 1));
    to.sheet_of[state.local] = sheet;
  }
  free_components_.push_back(from);
  rebalance_soon(into);
}

PortNetwork::Sheet PortNetwork::add_sheet(std::span<const Port> ports, std::span<const Load> loads,
                                          double busiest, std::uint64_t tag) {
  const std::uint32_t index = component_of(ports);
  Component& component = *components_[index];
  if (free_sheets_.empty()) {
    free_sheets_.push_back(static_cast<Sheet>(sheets_.size()));
    sheets_.emplace_back();
  }
  const Sheet sheet = free_sheets_.back();
  free_sheets_.pop_back();
  SheetState& state = sheets_[sheet];
  state = {};
  state.tag = tag;
  state.busiest = busiest;
  state.component = index;
  state.ports.assign(ports.begin(), ports.end());
  std::vector<PortFlows::Port> local;
  for (std::size_t place = 0; place < ports.size(); ++place) {
    const PortFlows::Port port = ports_[ports[place]].local;
    local.push_back(port);
    for (const auto side : {PortFlows::kOut, PortFlows::kIn}) {
      PortAccounts& accounts = component.accounts[side];
      const double load = side == PortFlows::kOut ? loads[place].out : loads[place].in;
      accounts.left[port] += load / component.flows.capacity(side, port);
      accounts.busiest[port] = std::max(accounts.busiest[port], busiest);
      accounts.credit[port] = std::max(accounts.credit[port], credit_rate_ * busiest);
    }
  }
  component.last_window = std::max(component.last_window, credit_rate_ * busiest);
  component.longest = std::max(component.longest, kLongest * credit_rate_ * busiest);
  state.local = component.flows.add_sheet(local);
  component.sheets.push_back(sheet);
  component.sheet_of.resize(std::max<std::size_t>(component.sheet_of.size(), state.local + 1));
  component.sheet_of[state.local] = sheet;
  return sheet;
}

void PortNetwork::release(Sheet sheet, std::span<const std::uint32_t> places) {
  SheetState& state = sheets_[sheet];
  Component& component = *components_[state.component];
  if (state.pending.empty() && state.released.empty()) {
    state.over = engine_.now() + seconds_rounded_up(state.busiest);
  }
  state.pending.insert(state.pending.end(), places.begin(), places.end());
  if (component.soon) return;
  if (component.in_window && pays_for_wait(component, state, places)) return;
  rebalance_soon(state.component);
}

bool PortNetwork::pays_for_wait(Component& component, const SheetState& sheet,
                                std::span<const std::uint32_t> places) {
  const double wait = seconds_of(component.window_end - engine_.now());
  for (const std::uint32_t place : places) {
    const PortFlows::Port port = ports_[sheet.ports[place]].local;
    for (const PortAccounts& accounts : component.accounts) {
      if (accounts.credit[port] < wait) return false;
    }
  }
  for (const std::uint32_t place : places) {
    const PortFlows::Port port = ports_[sheet.ports[place]].local;
    for (PortAccounts& accounts : component.accounts) {
      accounts.credit[port] -= wait;
      accounts.wasted[port] += wait;
    }
  }
  return true;
}

// Many places are released at the same instant: one computation for all.
void PortNetwork::rebalance_soon(std::uint32_t index) {
  if (components_[index]->soon) return;
  components_[index]->soon = true;
  engine_.after(Duration{}, [this, index] {
    Component* const component = components_[index].get();
    if (component == nullptr || !component->soon) return;  // another has taken it over
    component->soon = false;
    if (component->in_window) end_window(*component);
    rebalance(index);
  });
}

void PortNetwork::serve(Component& component) {
  const double seconds = seconds_of(engine_.now() - component.served_at);
  component.served_at = engine_.now();
  if (!(seconds > 0)) return;
  if (component.flows.flows() > 0) component.flows.serve(seconds);
  for (const auto side : {PortFlows::kOut, PortFlows::kIn}) {
    component.accounts[side].serve(component.flows.ports_of(side), seconds, credit_rate_);
  }
}

void PortNetwork::find_most_left(Component& component) const {
  component.slack.most_left =
      std::max(component.accounts[0].most_left(), component.accounts[1].most_left());
  Time over = Time::max();  // the earliest that one of its sheets may be
  for (const Sheet sheet : component.sheets) {
    if (!sheets_[sheet].retired) over = std::min(over, sheets_[sheet].over);
  }
  if (over < Time::max()) {
    component.slack.most_left =
        std::max(component.slack.most_left, seconds_of(over - engine_.now()));
  }
}

void PortNetwork::start_released(Component& component, SheetState& sheet) {
  const auto start = [&](std::uint32_t source, std::uint32_t destination, double bytes) {
    if (!(bytes > 0)) return;
    component.flows.start(sheet.local, source, destination, static_cast<float>(bytes));
    ++sheet.in_flight;
    ++counters_.flows;
  };
  for (const std::uint32_t place : sheet.pending) {
    bytes_.resize(sheet.released.size());
    listener_.bytes_between(sheet.tag, place, sheet.released, bytes_);
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      start(place, sheet.released[i], bytes_[i].to);
      start(sheet.released[i], place, bytes_[i].from);
    }
    sheet.released.push_back(place);
  }
  sheet.pending.clear();
}

void PortNetwork::rebalance(std::uint32_t index) {
  Component& component = *components_[index];
  serve(component);
  free_retired(component);
  for (const Sheet sheet : component.sheets) start_released(component, sheets_[sheet]);
  if (component.flows.flows() > 0) {
    ++counters_.computations;
    counters_.flows_touched += component.flows.flows();
    component.flows.compute_rates();
    find_most_left(component);
    begin_window(index);
    return;
  }
  component.idle = component.sheets.empty();
}

// How long rates may stay as they are: at least until the first flow ends, and until the end of a
// flow that all ports can pay for. Those that end by then are left in c.ending.
double PortNetwork::affordable_window(Component& c) {
  const double first = std::max(0.0f, c.flows.first_end());
  SIM_CHECK(first < kUnlimited, "flows without a rate");
  double window = std::max(first, std::min(kLonger * c.last_window, c.longest));
  c.ending.clear();
  c.flows.ending_within(static_cast<float>(window * kRounding), c.ending);
  bool pays = pays_for(c, c.ending.size());
  // Few flows may be looked at one by one, and a window with few is worth making longer.
  const std::size_t few = std::min(kFew, c.flows.flows());
  while (pays && c.ending.size() < few) {
    window *= kLonger;
    c.ending.clear();
    c.flows.ending_within(static_cast<float>(window * kRounding), c.ending);
    pays = pays_for(c, c.ending.size());
  }
  if (!pays && c.ending.size() <= kFew) {
    keep_affordable(c);
    pays = true;
  }
  while (!pays && window > first) {
    window = std::max(first, window / 2);
    std::erase_if(c.ending, [&](const auto& e) { return e.seconds > window * kRounding; });
    pays = pays_for(c, c.ending.size());
  }
  window = first;
  for (const PortFlows::Ending& e : c.ending) window = std::max<double>(window, e.seconds);
  return c.last_window = window;
}

// Whether all ports can pay for what so many of c.ending leave over until the last of them ends.
bool PortNetwork::pays_for(Component& c, std::size_t count) const {
  double window = 0;
  for (const PortFlows::Ending& e : std::span(c.ending).first(count)) {
    for (const auto side : {PortFlows::kOut, PortFlows::kIn}) {
      const PortFlows::Port port = e.ports[side];
      c.accounts[side].leave(port, c.part_of(e, side), c.is_full(side, port), e.seconds);
    }
    window = std::max<double>(window, e.seconds);
  }
  bool pays = true;
  for (const auto side : {PortFlows::kOut, PortFlows::kIn}) {
    const bool side_pays =
        c.accounts[side].pay_for_leaving(c.flows.ports_of(side), window, credit_rate_, c.slack);
    pays = pays && side_pays;
  }
  return pays;
}

// Of c.ending the first to end, as many as all ports can pay for.
void PortNetwork::keep_affordable(Component& c) const {
  std::ranges::sort(c.ending, {}, [](const PortFlows::Ending& e) {
    return std::tuple(e.seconds, e.sheet, e.source, e.destination);
  });
  std::size_t some = 1, too_many = c.ending.size();
  while (some + 1 < too_many) {
    const std::size_t half = some + (too_many - some) / 2;
    (pays_for(c, half) ? some : too_many) = half;
  }
  const double window = c.ending[some - 1].seconds * kRounding;
  while (some < c.ending.size() && c.ending[some].seconds <= window) ++some;
  c.ending.resize(some);
}

void PortNetwork::begin_window(std::uint32_t index) {
  Component& c = *components_[index];
  const double window = affordable_window(c);
  const Duration length = std::max(whole_time(window), Duration(1));
  SIM_CHECK(length < kForever, "a window without an end");
  const Time start = engine_.now();
  c.window_end = start + length;
  Time last = start;
  for (const PortFlows::Ending& flow : c.ending) {
    const Time at = std::min(c.window_end, start + whole_time(flow.seconds));
    last = std::max(last, at);
    c.finishing.push_back({flow, at});
  }
  // Nothing is left to wait for after the last of them.
  if (c.finishing.size() == c.flows.flows()) c.window_end = last;
  c.in_window = true;
  c.window_event = engine_.at(c.window_end, [this, index] {
    end_window(*components_[index]);
    if (!components_[index]->soon) rebalance(index);  // else a change is about to be taken in
  });
  announce(c);
}

// Flows that come one after another are of one sheet, nearly always.
void PortNetwork::announce(const Component& c) {
  for (auto flow = c.finishing.begin(); flow != c.finishing.end();) {
    const PortFlows::Sheet sheet = flow->flow.sheet;
    announced_.clear();
    for (; flow != c.finishing.end() && flow->flow.sheet == sheet; ++flow) {
      announced_.push_back({flow->flow.source, flow->flow.destination, flow->at});
    }
    listener_.flows_finish(sheets_[c.sheet_of[sheet]].tag, announced_);
  }
}

// What ports have wasted by flows that ended before now.
void PortNetwork::charge(Component& c) {
  const auto each = [&](const auto& visit) {
    for (const auto& [flow, at] : c.finishing) {
      const double ago = seconds_of(engine_.now() - at);
      for (const auto side : {PortFlows::kOut, PortFlows::kIn}) visit(flow, side, ago);
    }
  };
  for (PortAccounts& accounts : c.accounts) accounts.begin_ended();
  each([&](const auto& flow, auto side, double ago) {
    c.accounts[side].ended(flow.ports[side], ago);
  });
  for (const auto side : {PortFlows::kOut, PortFlows::kIn}) {
    c.accounts[side].see_empty(c.flows.ports_of(side));
  }
  each([&](const auto& flow, auto side, double ago) {
    const PortFlows::Port port = flow.ports[side];
    c.accounts[side].charge(port, c.part_of(flow, side), c.is_full(side, port), ago);
  });
  find_most_left(c);
  for (PortAccounts& accounts : c.accounts) accounts.pay(c.slack);
}

// Ends the window now: what has finished has finished, the rest goes on.
void PortNetwork::end_window(Component& c) {
  c.in_window = false;
  engine_.cancel(c.window_event);
  serve(c);
  std::erase_if(c.finishing, [&](const Component::Finishing& one) {
    const PortFlows::Ending& flow = one.flow;
    SheetState& sheet = sheets_[c.sheet_of[flow.sheet]];
    if (one.at > engine_.now()) {
      listener_.flow_withdrawn(sheet.tag, flow.source, flow.destination);
      return true;
    }
    c.flows.end(flow.sheet, flow.source, flow.destination);
    --sheet.in_flight;
    return false;
  });
  charge(c);
  c.finishing.clear();
  free_retired(c);
}

void PortNetwork::retire(Sheet sheet) {
  sheets_[sheet].retired = true;
  Component& component = *components_[sheets_[sheet].component];
  if (component.in_window || component.soon) return;
  free_retired(component);
  rebalance_soon(sheets_[sheet].component);
}

void PortNetwork::free_retired(Component& component) {
  std::erase_if(component.sheets, [&](Sheet sheet) {
    SheetState& state = sheets_[sheet];
    if (!state.retired || state.in_flight > 0) return false;
    component.flows.remove_sheet(state.local);
    for (const Port port : state.ports) {
      const PortFlows::Port local = ports_[port].local;
      for (const PortAccounts& accounts : component.accounts) {
        const double time = std::max(accounts.used[local], accounts.busiest[local]);
        if (time > 0) wasted_ = std::max(wasted_, accounts.wasted[local] / time);
      }
    }
    free_sheets_.push_back(sheet);
    return true;
  });
}

}  // namespace moesim::sim
