// Mixtral 8x7B trained on 64 H100, four stages, balanced routing unless said.
#pragma once

#include <cstdint>
#include <string>

#include "sim/io/yaml_reader.h"
#include "workloads/run.h"
#include "workloads/training/training_report.h"

namespace moesim::workloads {

// `training`: keys of the part training, beside the sequence and a batch of 64.
inline Scenario scenario(const std::string& training,
                         const std::string& routing = "{law: balanced}",
                         std::int64_t sequence = 4096) {
  auto document = sim::io::YamlDocument::parse(
      "name: test\nmodel: configs/models/mixtral-8x7b.yaml\n"
      "cluster: configs/clusters/h100-8x8.yaml\n"
      "parallelism: {tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}\nnetwork: bound\nrouting: " +
          routing + "\ntraining: {sequence: " + std::to_string(sequence) + ", global_batch: 64, " +
          training + "}\n",
      "x.yaml");
  return read_scenario(document.root());
}

inline TrainingReport report_of(const Scenario& s) {
  return *run(s).training;
}

}  // namespace moesim::workloads
