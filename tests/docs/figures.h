// The figures that stand in the READMEs: each is made from what another test keeps in tests/golden,
// or from a file that ships. None is simulated here.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace moesim::tests {

// What goes between the marks of a made part, by its name.
using Figures = std::map<std::string, std::function<std::string()>>;

void add_card_figures(Figures& figures);    // what real cards gave: validation/measured
void add_case_figures(Figures& figures);    // the published cases: tests/golden/cases
void add_host_figures(Figures& figures);    // what hosts take, of the same
void add_fit_figures(Figures& figures);     // the fits that ship, and the tables they come from
void add_report_figures(Figures& figures);  // the worked example, the placements, the traces

Figures all_figures();

}  // namespace moesim::tests
