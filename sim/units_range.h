// Why an amount is refused whose form is right: "1e8 s" is more than a time can be.
#pragma once

#include <string>
#include <string_view>

namespace moesim::sim {

// "is more than 9.22e+18 bytes, which is the most", "is negative"; empty where the form is the
// matter, or nothing is.
std::string wrong_bytes(std::string_view text);
// "is more than 106 days, which is the most"
std::string wrong_duration(std::string_view text);

}  // namespace moesim::sim
