// The tables of collectives. See tables.h.
#pragma once

#include "validation/tables/tables.h"

namespace moesim::validation {

Tasks read_nccl(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);
Tasks read_custom_allreduce(const sim::io::CsvTable&, const hardware::Device&,
                            const std::string& impl);
Tasks read_deepep_normal(const sim::io::CsvTable&, const hardware::Device&,
                         const std::string& impl);
// In the columns of deepep_normal.
Tasks read_hybrid_ep(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);
// Prepare, dispatch and combine within an NVLink domain, balanced.
Tasks read_trtllm_alltoall(const sim::io::CsvTable&, const hardware::Device&,
                           const std::string& impl);
Tasks read_deepep_ll(const sim::io::CsvTable&, const hardware::Device&, const std::string& impl);

}  // namespace moesim::validation
