// Kernels that were named, put into a deployment.
#pragma once

#include "sim/io/yaml_reader.h"
#include "workloads/deployment/deployment.h"
#include "workloads/deployment/read_kernels.h"

namespace moesim::workloads {

// What is named counts; what is not stays.
void choose_kernels(const KernelNames& names, Deployment& deployment);

// Notes at `kernels` of the node which of the deployment's the device has no implementation of; of
// an engine's own names its file says so.
void check_kernels(const sim::io::YamlNode& node, const Deployment& deployment);

}  // namespace moesim::workloads
