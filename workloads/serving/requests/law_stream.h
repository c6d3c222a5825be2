// Requests that laws draw: arrivals, lengths, what prompts share, conversations.
//
// Each law has a random stream of its own, so that one more length never moves an arrival. Lengths
// of two tables of one file are drawn from the same row.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "workloads/serving/requests/arrivals.h"
#include "workloads/serving/requests/lengths.h"
#include "workloads/serving/requests/request_stream.h"

namespace moesim::workloads::serving {

// What prompts have in common. A prompt is its group's text, then the conversation so far, then
// what its length law draws.
struct Prefixes {
  std::int64_t groups = 0;  // system prompts, one as likely as another; 0: prompts share nothing
  std::int64_t tokens = 0;  // of each
  std::int64_t turns = 1;   // of a conversation
  sim::Duration think{};    // from an answer to the next turn
};

struct RequestLaws {
  Arrivals arrivals = {};
  Lengths input = {}, output = {};
  Prefixes prefixes = {};
  std::optional<std::int64_t> count = {};  // of requests, later turns included
  sim::Duration until = sim::kForever;     // none is sent later
};

class LawStream final : public RequestStream {
 public:
  LawStream(const RequestLaws& laws, std::uint64_t seed);
  std::optional<sim::Time> next_arrival() override;
  Request take() override;
  void answered(const Request& request, sim::Time at) override;
  bool follows_answers() const override { return laws_.prefixes.turns > 1; }

 private:
  void draw_lengths(Request& request);
  void draw_next();  // the next first turn

  RequestLaws laws_;
  ArrivalTimes arrivals_;
  sim::Random input_, output_, prefix_;
  std::int64_t taken_ = 0, sessions_ = 0;
  std::optional<sim::Time> fresh_;           // when the next first turn comes
  std::multimap<sim::Time, Request> turns_;  // to come; at equal times in order of answers
};

}  // namespace moesim::workloads::serving
