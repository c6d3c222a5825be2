// What a card draws by its use (hardware/power.h), fitted on loads of which the watts were read.
//
// A card gives five loads or so and the formula has four parts: the fit starts from another card's
// and leaves them as far as the loads say,
//
//   minimise  sum over loads (ln(predicted / measured) / 0.1)^2
//           + sum over parts (ln(part / the other card's) / 0.5)^2
//
// where 0.1 is about how far one reading lies from another of the same load (an H100's: 12 %).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hardware/device.h"
#include "hardware/power.h"
#include "sim/io/csv.h"

namespace moesim::validation {

struct PowerLoad {
  std::string what;  // "copy", "bf16 moesim_wgmma"
  hardware::PowerUse use = {};
  double watts = 0;
};

struct PowerLoads {
  std::vector<PowerLoad> loads;       // each reading by itself
  std::vector<std::string> left_out;  // with the reason
};

// The points of role power, against the device's datasheet. A reading at the power cap that says
// less than 0.8 of the limit is left out: the card was not at work while it was read. Throws
// InputError for a column that is missing.
PowerLoads power_loads(const sim::io::CsvTable& points, const hardware::Device& device);

struct PowerFit {
  hardware::CardPower card;  // parts and error are fitted, all else is the prior's
  std::int64_t loads = 0;    // kinds of them
};

// `card.error` is the largest part by which a kind of load lies off a fit on the others. Nothing
// where there are fewer than three kinds.
std::optional<PowerFit> fit_power(const std::vector<PowerLoad>& loads,
                                  const hardware::CardPower& prior);

}  // namespace moesim::validation
