// What the cards draw, and joules a token: of the work that a report tells of, by hardware/power.h.
#pragma once

#include <optional>
#include <string_view>

#include "workloads/deployment/deployment.h"
#include "workloads/report/report.h"

namespace moesim::workloads {

// How the mean card is used by the work of a report's step.
// REQUIRES: report.gpus and its step's time above 0
hardware::PowerUse use_of(const Report& report, const Deployment& deployment);

// `tokens`: which those of report.tokens_per_s are: "output", "prompt", "trained". `works`: the
// part of the time in which steps run; else cards are idle. Nothing where no limit of power is
// known. REQUIRES: report.tokens_per_s above 0
std::optional<EnergyReport> energy_of(const Report& report, const Deployment& deployment,
                                      std::string_view tokens, double works = 1);

}  // namespace moesim::workloads
