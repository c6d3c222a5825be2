// A service in words: what it is, what it is asked for, and what a reader of its results should
// know.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/serving/question.h"
#include "workloads/serving/service.h"

namespace moesim::workloads {

// "Mixtral 8x7B: 1 engine of 8 H100 SXM, tp 8"
std::string deployment_text(const Deployment& d, const serving::ServingQuestion& q);
// The same with the load: "…; 10 requests/s (poisson), 1024 tokens in, 256 out".
std::string what_of(const Deployment& d, const serving::ServingQuestion& q);
// "TTFT 2 s, TPOT 80 ms, 99.0 % of requests"
std::string targets_text(const serving::Targets& t);

// What the engine's file says that a service does not play either, and the blocks that ranks cut.
std::vector<std::string> notes_of_engines(const Deployment& d, const serving::ServingQuestion& q);
// Engines refuse what is longer than the model takes, `most` tokens (0: no limit is known); here it
// is served, and said.
std::optional<std::string> note_of_context(const std::deque<serving::RequestRecord>& records,
                                           std::int64_t most);

}  // namespace moesim::workloads
