// A report as a person reads it.
#pragma once

#include <string>

#include "workloads/report/report.h"

namespace moesim::tools {

std::string text_report(const workloads::Report& report);

}  // namespace moesim::tools
