// Small plans, and what their tests share.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tools/moesim/shipped.h"
#include "tools/study/plan/plan.h"

namespace moesim::tests {

inline tools::Plan plan(const std::string& text, const std::string& more = "") {
  auto document = sim::io::YamlDocument::parse(text + more, "plan.yaml");
  return tools::make_plan(tools::read_plan(document.root()), {.shipped = tools::shipped()});
}

// Mixtral decodes on up to eight H100.
inline constexpr const char* kDecode =
    "model: mixtral-8x7b\nload: {phase: decode, context: 2048, rate: 12000 /s}\n"
    "targets: {tpot: 15 ms}\ngpus: [{cluster: h100-1x8, price: 2 USD/h}]\nlimits: {gpus: 8}\n"
    "space: {pp: [1, 2]}\nrouting: {law: uniform}\n";
inline constexpr const char* kPrefill =
    "model: mixtral-8x7b\nload: {phase: prefill, prompt: 2048, rate: 60000 /s}\n"
    "targets: {ttft: 400 ms}\ngpus: [h100-1x8]\nlimits: {gpus: 8}\nspace: {pp: [1]}\n"
    "routing: {law: uniform}\n";
inline constexpr const char* kService =
    "model: mixtral-8x7b\n"
    "load: {arrivals: {law: poisson, rate: 30 /s}, input: 300, output: 60, count: 240, warm_up: "
    "40}\n"
    "targets: {ttft: 1 s, tpot: 30 ms}\ngpus: [h100-1x8]\nlimits: {gpus: 8}\n"
    "space: {tp: [1, 2, 4], pp: [1]}\nengine: vllm\nkernels: {moe: trtllm}\nrouting: {law: "
    "uniform}\n"
    "serving: {iteration: {draws: 1, checks: 4, error: 0.05}}\n";

// Of the questions that the search is for; answers to the others are of what it measured.
inline std::vector<std::string> roles_and_engines(const tools::Plan& p) {
  std::vector<std::string> all;
  for (const tools::PlanAnswer& a : p.answers) {
    for (const std::string& role : a.roles)
      if (role == "chosen" || role == "fewest" || role == "cheapest")
        all.push_back(role + " " + std::to_string(a.offer.engines) + " x " +
                      p.candidates[a.candidate].name);
  }
  std::ranges::sort(all);
  return all;
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace moesim::tests
