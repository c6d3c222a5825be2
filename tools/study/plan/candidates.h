// The engines that a plan chooses among, as deployments and as scenarios.
//
// What a kind of GPU and a choice of what varies have in common (a setting) is read once; an engine
// of it differs by layout, redundant experts and overlap. A scenario of an engine is made as text,
// so that what is planned is what `moesim run` reads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/power.h"
#include "hardware/reliability.h"
#include "tools/study/plan/plan_spec.h"
#include "tools/study/plan/training_choice.h"
#include "workloads/deployment/read.h"
#include "workloads/scenario.h"

namespace moesim::tools {

// Engines that read prompts for those that generate.
struct PrefillEngines {
  workloads::Parallelism layout = {};
  std::int64_t engines = 1;
};

// One engine: an index of the setting, and what it differs in. With prompts read apart, a group of
// engines: so many that generate, and those that read for them.
struct EngineChoice {
  std::size_t setting = 0;
  workloads::Parallelism layout = {};
  std::int64_t redundant = 0;
  bool two_batch = false;
  std::int64_t decoders = 1;
  std::optional<PrefillEngines> prefill = {};
  std::optional<TrainingChoice> training = {};  // a run of training: its one engine

  std::int64_t gpus() const {
    return decoders * layout.gpus() + (prefill ? prefill->engines * prefill->layout.gpus() : 0);
  }
};

// Requests of a run of one engine: how many, and how many of them come before it is measured.
struct RequestCount {
  std::int64_t count = 0, warm_up = 0;
};

class PlanSetting {
 public:
  // Throws ConfigError, InputError of what the plan names.
  PlanSetting(const PlanSpec& spec, std::size_t gpu,
              std::vector<std::pair<std::string, std::string>> varied,
              const workloads::Shipped& shipped,
              const std::shared_ptr<const workloads::TraceCache>& traces);

  std::size_t gpu() const { return gpu_; }
  std::string device() const { return base_.cluster.device.name; }
  const workloads::Deployment& base() const { return base_; }
  const std::vector<std::pair<std::string, std::string>>& varied() const { return varied_; }
  // Of an engine whose GPUs, where they work, are used so; not known yet: they wait.
  EngineTerms terms(std::int64_t gpus, const std::optional<hardware::PowerUse>& use) const;
  // What the plan names, each file's hash read once.
  const workloads::Inputs& inputs() const { return inputs_; }
  // Of a card; nothing where its device's file says nothing.
  const std::optional<hardware::CardPower>& power() const { return power_; }
  // With its part of the host and what cooling adds. REQUIRES: power()
  double watts(double of_card) const;
  // By the plan, by the cluster's file, or as it is assumed.
  const hardware::Reliability& reliability() const { return reliability_; }

  // On as many nodes as the engine takes.
  workloads::Deployment deployment(const EngineChoice& engine) const;
  // The same, made once for all engines on as many nodes; good until it is asked for another one.
  const workloads::Deployment& laid_out(const EngineChoice& engine) const;
  // One engine of a service. REQUIRES: the plan is of requests
  workloads::serving::ServingQuestion question(const EngineChoice& engine) const;
  // A run of training, as moesim run reads it. REQUIRES: the plan is of one, and the engine may be
  workloads::Scenario training(const EngineChoice& engine) const;
  workloads::TrainingQuestion training_question(const EngineChoice& engine) const;
  // Of any engine: what is searched left as it is when nothing is said.
  const workloads::TrainingQuestion& training_question() const;
  // "tp2-dp8-ep16", and what is not the plan's first choice: "redundant 32", "kv_cache fp8".
  std::string name_of(const EngineChoice& engine) const;
  // "kv_cache fp8, backend trtllm" of what varies; "the first" where nothing does.
  std::string varied_text() const;
  // A whole scenario: `engines` of it under the load, or a step at `batch` (sequences that decode,
  // tokens of prompts) of one.
  std::string scenario(const EngineChoice& engine, std::int64_t engines,
                       const RequestCount& requests) const;
  std::string scenario(const EngineChoice& engine, std::int64_t batch) const;
  // Of a run of training.
  std::string scenario(const EngineChoice& engine) const;

 private:
  // Of a run of training that does not tell them.
  void set_failures(sim::io::YamlDocument& document) const;
  sim::io::YamlDocument document(const EngineChoice& engine, std::int64_t gpus) const;
  const hardware::Cluster& cluster(std::int64_t nodes) const;

  const PlanSpec& spec_;
  std::size_t gpu_;
  std::vector<std::pair<std::string, std::string>> varied_;
  workloads::Inputs inputs_;
  workloads::Deployment base_;
  std::optional<hardware::CardPower> power_;
  hardware::Reliability reliability_;
  std::optional<workloads::TrainingQuestion> training_;
  std::optional<sim::io::YamlDocument> read_;                   // of the base
  mutable std::map<std::int64_t, hardware::Cluster> clusters_;  // by nodes
  mutable std::map<std::int64_t, workloads::Deployment> laid_out_;
};

// Why an engine is none, by a stable code; nothing where it may be measured.
struct Rejection {
  std::string code, detail;
};

// What no engine can be (divides, layout), what this one does not start (engine).
std::optional<Rejection> refuse(const workloads::Deployment& deployment);

}  // namespace moesim::tools
