// What a card takes for seconds, and for a moment, over what a timing of it says.
//
// Fits rest on timings of milliseconds. A product in 16 bits that fills a Hopper card of 700 W
// draws more than that at the top clock; after some tens of milliseconds the clock falls. One
// kernel, one shape (8192 cubed) on an H100: 1,403.2 us in a timing, 1,612.5 us over three seconds,
// at 1,560 MHz and 700 W (validation/measured/h100-2026-11-28: points.csv, power.csv). In 8 bits
// nothing was lost: 1,139 and 1,151 us. cuDNN's longest attention cores, whose constants are of
// their quickest runs, take 1.15 and 1.12 times as long in the middle one (training_kernels.csv).
// Other cards of that power are taken to be alike; of cards with less arithmetic (H20), and of
// other generations, nothing is known and nothing is added.
//
// A timing repeats its kernel, and meets the limit as well: of the 1,567 points that were measured
// there 1,078 were at the power cap. What lasts a few milliseconds and then rests does not, and has
// the top clock, 1,980 MHz, which the card held wherever it met no limit (power.csv: read, fp8). A
// product takes as many cycles at any clock, so of those 1,612.5 us at 1,560 MHz 1,270.5 are left:
// 0.905 of what the timing said, 865 TFLOPS.
//
// The limit is of the mean power: a step that waits for its network a great part of the time loses
// less than this.
#pragma once

#include "hardware/device.h"

namespace moesim::hardware {

// How many times as long a product or an attention core that is bound by arithmetic takes.
double sustained_slowdown(const Device& device, Precision precision);
// The same of a product in a moment: less than 1.
double brief_slowdown(const Device& device, Precision precision);

}  // namespace moesim::hardware
