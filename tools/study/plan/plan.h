// A plan: the engines that carry a load within its targets, chosen among all layouts that there
// are, each with what it carries, how sure that is, and why the others are not it.
//
//   layout   enumerated; what no engine can be, or this one does not start, is refused
//   memory   what does not fit, or leaves no room for a request, is refused
//   floor    what is proved to miss a target, or to take more than the limits, is refused
//   pools    where that is asked for: pairs of engines that read and that generate (apart.h)
//   search   the others (search.h): proved worse, estimated worse beyond the margin, or measured
//   final    the answers, as scenarios: each is run as `moesim run` would; one whose self-check
//            fails is refused, and the question asked again
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/io/json.h"
#include "tools/study/plan/availability.h"
#include "tools/study/plan/floor.h"
#include "tools/study/plan/measure.h"
#include "tools/study/plan/search.h"
#include "workloads/run.h"

namespace moesim::tools {

// An engine that was thought of.
struct Candidate {
  EngineChoice choice = {};
  std::string device = {}, name = {};  // "H200 SXM", "tp2-dp8-ep16, kv_cache fp8"
  std::optional<Rejection> rejected = {};
  std::optional<Estimate> part = {}, estimate = {};  // by a part of the layers, by all of them
  std::optional<MeasuredEngine> measured = {};
  std::optional<Offer> offer = {};  // at the plan's objective and confidence

  std::int64_t gpus() const { return choice.gpus(); }
  // The better of both; null where there is none.
  const Estimate* estimated() const { return estimate ? &*estimate : part ? &*part : nullptr; }
};

// What a plan draws at the load, by the use that its run makes of the cards.
struct PlanPower {
  double gpu_w = 0;    // of one GPU, on average
  double total_w = 0;  // of all, with hosts and what cooling adds
  double per_token_j = 0,
         gpu_per_token_j = 0;               // of output tokens (of steps: all); all of it on them
  double error = 0;                         // a part
  std::string origin = "fitted";            // or "assumed": what of the card is another's
  std::vector<std::string> stand_ins = {};  // what was not known and is another's, or left out
};

// What a whole run of training takes, at its capacity.
struct RunCost {
  double days = 0, days_p10 = 0, days_p90 = 0, gpu_hours = 0;
  double cost = 0;  // 0: no price is known
  std::optional<double> energy_kwh = {};
  workloads::RunPlan plan = {};  // what it was reckoned with
};

struct PlanAnswer {
  std::string id = {};                  // point_id of its scenario
  std::string engine_id = {};           // of one engine of it, as of points of the front
  std::vector<std::string> roles = {};  // "chosen", "fewest", "cheapest": PlanWork::roles
  std::size_t candidate = 0;
  Offer offer = {};
  double confidence = 0;  // that it was asked for
  double capacity_p10 = 0, capacity_p90 = 0, deviation = 0;
  double without_spare = 0;  // carried when a node is lost
  double without_gpu = 0;    // carried when a GPU's engine is
  std::int64_t nodes = 0;
  std::string scenario = {};      // as YAML
  workloads::RunResult run = {};  // of it
  // Per million tokens, all of the cost on them; of steps both are the same.
  std::optional<double> cost_per_million_output = {}, cost_per_million_total = {};
  // With prompts read apart: input tokens with the cost of the pool that reads them, output tokens
  // with that of the pool that generates.
  std::optional<double> cost_per_million_read = {}, cost_per_million_generated = {};
  std::optional<PlanPower> power = {};
  Reliability reliability = {};          // of its GPUs
  Availability availability = {};        // of a load that stays
  Losses losses = {};                    // of the same
  std::optional<RunCost> run_cost = {};  // of a run of training
};

// What comes nearest where nothing meets the targets.
struct Nearest {
  std::size_t candidate = 0;
  std::int64_t engines = 0;            // of it within the limits
  double carried = 0;                  // by those
  std::string refused = {};            // why, where none was looked at: the largest
  std::optional<Offer> would_do = {};  // without limits, of engines of all sizes
  std::optional<Candidate> would_do_by = {};
  // What would do within the limits, were the question another one.
  struct Otherwise {
    std::string what = {};             // "a TPOT of 30 ms", "a cache in fp8"
    std::string key = {}, value = {};  // what the question would say
    Candidate engine = {};
    Offer offer = {};
  };
  std::vector<Otherwise> otherwise = {};
  // No batch meets the time of a token, or of a prompt: the least there is.
  std::optional<double> least_token_s = {}, least_first_s = {};
  // Of a run of training: the days that it takes, and those within which it is done with the
  // confidence that was asked for; or how many bytes a GPU lacks.
  std::optional<double> days = {}, days_would_do = {};
  std::int64_t lacks = 0;
};

struct PlanStage {
  std::string name;
  std::size_t in = 0, out = 0;
  std::optional<double> wall_s = {};  // where there is a clock
};

// An engine that none beats in both tokens a GPU and tokens a user.
struct ParetoPoint {
  std::size_t candidate = 0;
  std::string id = {};  // of one engine
  double tokens_per_s_per_gpu = 0, tokens_per_s_per_user = 0;
};

struct PlanTie {
  std::size_t candidate = 0;  // the best of another layout
  double probability = 0;     // that the chosen one carries more with as many GPUs
};

struct Plan {
  std::vector<Candidate> candidates = {};
  std::vector<PlanStage> stages = {};
  std::vector<PlanAnswer> answers = {};  // chosen first; empty: nothing meets the targets
  std::optional<Nearest> nearest = {};
  std::optional<PlanTie> second = {};
  std::vector<ParetoPoint> pareto = {};  // estimated; the most a GPU first
  double margin_used = 0, largest_error = 0;
  bool stopped = false;
};

struct PlanOptions {
  // Of an answer's iterations, on average, played again (service.h): beyond it another is chosen.
  double most_error_percent = 1;
  workloads::Shipped shipped = {};
  std::shared_ptr<const workloads::TraceCache> traces = {};
  std::string version = {};  // of the program: ids hang on it
  // Seconds since any instant, for what stages take. None: a plan is a function of its question.
  std::function<double()> clock = {};
  std::function<bool()> stop = {};
  // What is done, and of how many: "estimated", 120, 1000.
  std::function<void(const std::string&, std::size_t, std::size_t)> progress = {};
};

// Throws ConfigError, InputError of what the plan names; sim::Error (Interrupted) once stop says
// so.
Plan make_plan(const PlanSpec& spec, const PlanOptions& options);

// "TTFT 2 s, TPOT 80 ms, 99 % of requests"
std::string targets_told(const PlanSpec& spec);
// Candidates that are no answer, by code, in the order of codes.
struct RejectedCode {
  std::string code;
  std::size_t count = 0;
  std::size_t example = 0;  // the largest candidate: what the smaller ones lack is more still
};
std::vector<RejectedCode> rejected_by_code(const Plan& plan);

sim::io::Json to_json(const Plan& plan, const PlanSpec& spec);
// A row for each candidate: its GPUs, its layout, what an engine of it carries where that was
// estimated or measured, and the code and the reason where it is no answer.
std::string candidates_csv(const Plan& plan);

}  // namespace moesim::tools
