#include "workloads/serving/requests/law_stream.h"

#include "sim/check.h"

namespace moesim::workloads::serving {
namespace {

// Texts of groups and of conversations have ids of their own.
constexpr std::uint64_t kConversation = std::uint64_t{1} << 40;

}  // namespace

LawStream::LawStream(const RequestLaws& laws, std::uint64_t seed)
    : laws_(laws),
      arrivals_(laws.arrivals,
                laws.prefixes.turns == 1 ? laws.count : std::optional<std::int64_t>{}, seed),
      input_(seed, "serving/input"),
      output_(seed, "serving/output"),
      prefix_(seed, "serving/prefix") {
  draw_next();
}

void LawStream::draw_next() {
  // Of a count the conversations have equal parts.
  const std::int64_t turns = laws_.prefixes.turns;
  const bool enough = laws_.count && sessions_ >= (*laws_.count + turns - 1) / turns;
  fresh_ = enough ? std::nullopt : arrivals_.next();
  if (fresh_ && *fresh_ - sim::Time{} > laws_.until) fresh_.reset();
}

std::optional<sim::Time> LawStream::next_arrival() {
  if (laws_.count && taken_ >= *laws_.count) return {};
  if (turns_.empty()) return fresh_;
  const sim::Time turn = turns_.begin()->first;
  return fresh_ && *fresh_ < turn ? fresh_ : turn;
}

void LawStream::draw_lengths(Request& request) {
  const bool together = laws_.input.law == LengthLaw::Table &&
                        laws_.output.law == LengthLaw::Table &&
                        laws_.input.file == laws_.output.file;
  if (together) {
    const std::size_t row = input_.below(laws_.input.values.size());
    request.input += laws_.input.values[row];
    request.output = laws_.output.values[row];
  } else {
    request.input += laws_.input.draw(input_);
    request.output = laws_.output.draw(output_);
  }
}

Request LawStream::take() {
  const auto at = next_arrival();
  SIM_CHECK(at, "no request is left to take");
  Request request;
  if (!turns_.empty() && turns_.begin()->first == *at) {
    request = std::move(turns_.begin()->second);
    turns_.erase(turns_.begin());
  } else {
    request.input = 0;
    const Prefixes& p = laws_.prefixes;
    if (p.groups > 0) {
      request.prompt.push_back({prefix_.below(static_cast<std::uint64_t>(p.groups)), p.tokens});
      request.input = p.tokens;
    }
    if (p.turns > 1) request.session = sessions_;
    const std::uint64_t text = kConversation + static_cast<std::uint64_t>(sessions_++);
    // What follows is the conversation's own, and shared by its later turns alone.
    if (p.groups > 0 || p.turns > 1) request.prompt.push_back({text, 0});
    draw_next();
  }
  draw_lengths(request);
  request.id = taken_++;
  request.arrival = *at;
  return request;
}

void LawStream::answered(const Request& request, sim::Time at) {
  if (request.session < 0 || request.turn + 1 >= laws_.prefixes.turns) return;
  Request next = request;
  ++next.turn;
  next.input = request.input + request.output;
  const sim::Time when = at + laws_.prefixes.think;
  if (when - sim::Time{} <= laws_.until) turns_.emplace(when, std::move(next));
}

}  // namespace moesim::workloads::serving
