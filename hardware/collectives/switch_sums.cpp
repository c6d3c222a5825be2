#include "hardware/collectives/switch_sums.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace moesim::hardware {
namespace {

constexpr std::array<std::string_view, 4> kSumming{"", "hopper", "blackwell", "rubin"};
// Each way, of 16 lanes of PCI Express 6.0; the narrowest NVLink 4 with a switch has 200 GB/s
// (H800).
constexpr double kMostOfPcie = 128e9;

}  // namespace

bool sums_in_switch(const Device& device) {
  return !links_through_host(device) &&
         std::ranges::find(kSumming, device.generation) != kSumming.end();
}

bool links_through_host(const Device& device) {
  const double link = device.scale_up.bytes_per_second();
  return link > 0 && link <= kMostOfPcie;  // zero: the file says nothing of its links
}

}  // namespace moesim::hardware
