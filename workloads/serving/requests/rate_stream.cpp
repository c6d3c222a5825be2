#include "workloads/serving/requests/rate_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <queue>

#include "sim/error.h"
#include "sim/random.h"
#include "workloads/serving/requests/arrivals.h"
#include "workloads/serving/requests/text_rows.h"

namespace moesim::workloads::serving {
namespace {

constexpr double kWindow = 600;  // seconds

struct Window {
  double begin = 0, rate = 0, shape = 1;
  ArrivalLaw law = ArrivalLaw::Gamma;
};

struct Client {
  std::vector<Window> windows;
  std::size_t window = 0;
  double at = -1;  // of its last arrival
  sim::Random random;

  // Seconds of the trace; infinity where none is left. A gap that leads out of a window is drawn
  // anew in the next one.
  double next() {
    for (; window < windows.size(); ++window) {
      const Window& w = windows[window];
      const double gap = draw_gap(w.law, w.shape, random) / w.rate;
      const double then = std::max(at, w.begin) + gap;
      if (then < w.begin + kWindow) return at = then;
    }
    return INFINITY;
  }
};

class RateStream final : public RequestStream {
 public:
  RateStream(const RequestTrace& trace, std::uint64_t seed)
      : trace_(trace), input_(seed, "serving/input"), output_(seed, "serving/output") {
    read(seed);
    for (std::size_t i = 0; i < clients_.size(); ++i) advance(i);
  }

  std::optional<sim::Time> next_arrival() override {
    if (next_.empty() || (trace_.count && taken_ >= *trace_.count)) return {};
    const double from = sim::to_seconds(trace_.from);
    return sim::Time(sim::Duration(std::llround((next_.top().first - from) / trace_.scale * 1e12)));
  }

  Request take() override {
    Request request{.id = taken_++, .arrival = *next_arrival()};
    request.input = trace_.input.draw(input_);
    request.output = trace_.output.draw(output_);
    const std::size_t client = next_.top().second;
    next_.pop();
    advance(client);
    return request;
  }

  void answered(const Request&, sim::Time) override {}

 private:
  void read(std::uint64_t seed) {
    CsvRows rows(trace_.file);
    const std::size_t client = rows.column("client"), begin = rows.column("window_start_s"),
                      rate = rows.column("rate_per_s"), law = rows.column("law"),
                      shape = rows.column("parameter_1");
    std::map<std::string, std::vector<Window>> by_client;
    while (rows.next()) {
      Window w{.begin = rows.number(begin), .rate = rows.number(rate), .shape = rows.number(shape)};
      if (rows.text(law) == "Weibull") {
        w.law = ArrivalLaw::Weibull;
      } else if (rows.text(law) != "Gamma") {
        rows.rows().fail(fmt::format("law: expected Gamma or Weibull, not \"{}\"", rows.text(law)));
      }
      if (w.rate < 0) rows.rows().fail("rate_per_s: expected no number below 0");
      if (!(w.shape > 0)) rows.rows().fail("parameter_1: expected a shape above 0");
      std::vector<Window>& windows = by_client[std::string(rows.text(client))];
      if (!windows.empty() && w.begin < windows.back().begin + kWindow) {
        rows.rows().fail("window_start_s: expected a client's windows in order, 600 s each");
      }
      if (w.rate > 0) windows.push_back(w);
    }
    for (auto& [name, windows] : by_client) {
      clients_.push_back(
          {.windows = std::move(windows), .random = sim::Random(seed, "serving/arrivals/" + name)});
    }
  }

  // Arrivals before the part of the trace that is asked for are drawn and passed over.
  void advance(std::size_t client) {
    const double from = sim::to_seconds(trace_.from), to = sim::to_seconds(trace_.to);
    double at = clients_[client].next();
    while (at < from) at = clients_[client].next();
    if (at < INFINITY && (trace_.to == sim::kForever || at < to)) next_.emplace(at, client);
  }

  RequestTrace trace_;
  sim::Random input_, output_;
  std::vector<Client> clients_;
  std::priority_queue<std::pair<double, std::size_t>, std::vector<std::pair<double, std::size_t>>,
                      std::greater<>>
      next_;
  std::int64_t taken_ = 0;
};

}  // namespace

std::unique_ptr<RequestStream> open_rates(const RequestTrace& trace, std::uint64_t seed) {
  return std::make_unique<RateStream>(trace, seed);
}

}  // namespace moesim::workloads::serving
