// A report as a person reads it.
#pragma once

#include <string>

#include "workloads/report/report.h"

namespace moesim::tools {

std::string text_report(const workloads::Report& report);

// A line of it, where a limit of power is known.
void add_energy(const workloads::Report& report, std::string& out);
// Parts of it, each with an empty line before it.
void add_memory(const workloads::Report& report, std::string& out);
void add_trust(const workloads::Report& report, std::string& out);
void add_notes(const workloads::Report& report, std::string& out);

}  // namespace moesim::tools
