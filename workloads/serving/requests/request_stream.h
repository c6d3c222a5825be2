// Requests in order of arrival, one after another: a stream holds what is in flight, not all.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "workloads/serving/requests/request.h"

namespace moesim::workloads::serving {

class RequestStream {
 public:
  virtual ~RequestStream() = default;
  // When the next request could be sent; nothing where none is left, or each waits for an answer.
  virtual std::optional<sim::Time> next_arrival() = 0;
  // REQUIRES: next_arrival() has a value
  virtual Request take() = 0;
  // The client has all of the answer: the conversation may go on.
  virtual void answered(const Request& request, sim::Time at) = 0;
  // Whether answers bring requests about.
  virtual bool follows_answers() const { return false; }
  // What was left out of a trace and why, a line each, so far.
  virtual std::vector<std::string> notes() const { return {}; }
};

}  // namespace moesim::workloads::serving
