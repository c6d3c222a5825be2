// Beyond which rate no engine comes: a steady state in which as many sequences as may run decode,
// half-way through their output on average, and the prompts of those that follow are read beside
// them (vLLM, TensorRT-LLM) or between (SGLang). Beyond the largest graph the host launches each
// step, which may take longer than all that more sequences bring: then a pool carries most with as
// many as have a graph.
#pragma once

#include <optional>

#include "workloads/serving/cache_plan.h"
#include "workloads/serving/question.h"
#include "workloads/serving/serving_report.h"
#include "workloads/serving/step_cost.h"

namespace moesim::workloads::serving {

// Requests a second of all engines of a pool, and what bounds them.
using Saturation = ServingReport::Saturation;

// Of a prompt's mean tokens those that are read: not what it begins with like others, where the
// pool's cache keeps that.
double read_input(const ServingQuestion& question, const Pool& pool);

// Sequences of mean input that a dp rank's cache holds with such a part of their output: what
// prompts begin with alike it holds once.
double held_sequences(const ServingQuestion& question, const Pool& pool, const CachePlan& cache,
                      double part_of_output);

// Of the pool that decodes, and reads prompts, too, where no other does; with so many requests in
// flight at most, where that is given.
Saturation saturation_of(const ServingQuestion& question, const CachePlan& cache, StepCost& cost,
                         std::optional<std::int64_t> in_flight);

// Of the pool that only reads prompts.
// REQUIRES: question.prefill
Saturation saturation_of_reading(const ServingQuestion& question, StepCost& cost);

// Of what takes requests in, one front end an engine; nothing where it takes no time.
std::optional<Saturation> saturation_of_front_ends(const ServingQuestion& question);

}  // namespace moesim::workloads::serving
