// SGLang's expert-distribution recorder files (.pt): its modes stat, per_pass and per_token.
#pragma once

#include "workloads/routing/importers/importers.h"

namespace moesim::workloads {

// Of files that is_torch_archive() says are. Layers that never route (dense ones) are left out.
ImportSummary import_sglang_pt(const Files& files, const std::filesystem::path& out,
                               const ImportOptions& options);

}  // namespace moesim::workloads
