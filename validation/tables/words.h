// Words of measured tables that we do not know: which known one is the nearest.
//
// A word that is another spelling is no guess: table_reader.cpp has those.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hardware/precision.h"

namespace moesim::validation {

// The format of as many bytes an element as the word's first number says bits of, or of the nearest
// by ratio (of two as near, the wider): "fp6_e3m2" -> fp8, for nothing computes in six bits. "int…"
// and "w…a…" are whole numbers, "mx…" and "nv…" those of OCP and of NVIDIA; eight bits with a scale
// for a block are fp8_block. None where the word has no number of 2 to 64 bits.
std::optional<hardware::Precision> nearest_precision(std::string_view word);

// The law of rows (workloads/routing/laws/table_routing.h) that is the nearest to a word which is
// none: "zipf_S" and "power_law" are power laws, of density x^-(1 + 1/S) (loads in order of rank r
// go as r^-S, so that as many as L^(-1/S) are above L) and of 1.01, as public tables mostly have
// it; "round_robin" and "even" are balanced; all others uniform.
std::string nearest_law(std::string_view word);

}  // namespace moesim::validation
