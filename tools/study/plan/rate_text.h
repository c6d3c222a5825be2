// Requests or tokens a second, as a plan tells them: "12.3", "28831".
#pragma once

#include <string>

namespace moesim::tools {

std::string rate_text(double a_second);

}  // namespace moesim::tools
