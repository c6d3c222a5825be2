#include "validation/serving/pool_recipes.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "sim/io/csv.h"
#include "validation/serving/option_cells.h"

namespace moesim::validation {
namespace {

using sim::io::CsvTable;
using Fitting = std::vector<const PoolRecipe*>;

constexpr double kOfOneRun = 0.05;  // repeats of one run are no farther apart

constexpr const char* kUnsaid = "prefill and decode apart: how many engines is not said";

// "P on; D off", "on", or the label of the sweep where the recipe does not set it.
bool is_on(std::string_view cell, PoolSide side, bool label) {
  const std::string_view word = part_of(cell, side);
  return word.empty() ? label : word == "on";
}

workloads::Parallelism layout_of(std::int64_t gpus, std::int64_t ep, bool attention_dp) {
  return {.tp = attention_dp ? 1 : gpus, .dp = attention_dp ? gpus : 1, .ep = ep, .etp = gpus / ep};
}

std::string text_of(const workloads::Parallelism& p) {
  return fmt::format("{} {} {} {}", p.tp, p.dp, p.ep, p.etp);
}

std::string workers_of(const PoolRecipe& r) {
  return fmt::format("{} x {}, {} x {}", r.reads.workers, text_of(r.reads.layout),
                     r.generates.workers, text_of(r.generates.layout));
}

// A label of one side has that worker's GPUs; with one size for both it has all of the row's.
bool label_fits(const UnsaidRow& row, const PoolRecipe& r) {
  if (row.reads_gpus == 1 && row.generates_gpus == 1) return true;
  if (!r.sized) return false;
  const std::int64_t reads = r.reads.layout.gpus(), generates = r.generates.layout.gpus();
  if (row.row.version.empty()) return row.reads_gpus == r.reads.gpus() + r.generates.gpus();
  return row.reads_gpus == reads && row.generates_gpus == generates && row.reads_ep == r.label_ep;
}

bool question_fits(const E2eRow& row, const PoolRecipe& r) {
  return r.engine == row.engine && r.model == row.model && r.system == row.system &&
         r.precision == row.precision && allows(r.isl, row.isl) && allows(r.osl, row.osl) &&
         (row.version.empty() ? r.from < kVersionsSince : r.version == row.version);
}

bool clients_fit(std::int64_t clients, const PoolRecipe& r) {
  return clients >= end_of(r.least, 0) && clients <= end_of(r.most, clients);
}

struct Fits {
  Fitting recipes = {};
  bool unsized = false;  // one fits of which only the numbers of workers are known
};

// Those that fit a row, with sizes: where a recipe has only the numbers of workers, the sizes of
// another sweep's of that time with the same numbers.
Fits fitting(const UnsaidRow& row, const std::vector<PoolRecipe>& recipes) {
  Fits fits;
  Fitting& found = fits.recipes;
  std::set<std::pair<std::int64_t, std::int64_t>> numbers;
  for (const PoolRecipe& r : recipes) {
    if (!question_fits(row.row, r) || !clients_fit(row.row.concurrency, r)) continue;
    if (!r.sized)
      numbers.emplace(r.reads.workers, r.generates.workers);
    else if (label_fits(row, r))
      found.push_back(&r);
  }
  for (const auto& [reads, generates] : numbers) {
    const auto has_numbers = [&, &a = reads, &b = generates](const PoolRecipe& r) {
      return r.sized && r.reads.workers == a && r.generates.workers == b;
    };
    if (std::ranges::any_of(found, [&](const PoolRecipe* r) { return has_numbers(*r); })) continue;
    const auto other = std::ranges::find_if(recipes, [&](const PoolRecipe& r) {
      return has_numbers(r) && question_fits(row.row, r) && label_fits(row, r);
    });
    if (other != recipes.end())
      found.push_back(&*other);
    else
      fits.unsized = true;
  }
  return fits;
}

// Whether drafting recipes have as many generating workers as the plain ones, or more: what they
// generate without drafts would be no slower.
bool no_fewer(const Fitting& drafting, const Fitting& plain) {
  const PoolRecipe& of = *plain.front();
  return std::ranges::all_of(drafting, [&](const PoolRecipe* r) {
    return text_of(r->generates.layout) == text_of(of.generates.layout) &&
           r->generates.workers >= of.generates.workers;
  });
}

// Lists of sweeps alone label all workers alike; what is started in workers as large is in recipes
// of other versions, of the same lengths first.
void take_later_layouts(std::vector<PoolRecipe>& recipes) {
  const auto gpus = [](const PoolRecipe& r) {
    return std::pair(r.reads.layout.gpus(), r.generates.layout.gpus());
  };
  for (PoolRecipe& r : recipes) {
    if (!r.listed || !r.sized) continue;
    const PoolRecipe* found = nullptr;
    for (const PoolRecipe& other : recipes) {
      if (other.listed || other.engine != r.engine || other.model != r.model ||
          other.system != r.system || other.precision != r.precision || gpus(other) != gpus(r))
        continue;
      const bool lengths = other.isl == r.isl && other.osl == r.osl;
      if (found == nullptr || (lengths && (found->isl != r.isl || found->osl != r.osl)))
        found = &other;
    }
    if (found == nullptr) continue;
    r.reads.layout = found->reads.layout;
    r.generates.layout = found->generates.layout;
  }
}

std::set<std::string> divisions_of(const Fitting& recipes) {
  std::set<std::string> all;
  for (const PoolRecipe* r : recipes) all.insert(workers_of(*r));
  return all;
}

// Rows that nothing but what was measured tells apart.
std::string label_of(const UnsaidRow& u) {
  const E2eRow& r = u.row;
  return fmt::format("{} {} {} {} {} {} {} {} {} {} {}", r.engine, r.version, r.model, r.system,
                     r.precision, r.isl, r.osl, r.concurrency, u.reads_gpus, u.reads_ep,
                     u.generates_gpus);
}

class Settling {
 public:
  Settling(E2eRows& rows, const std::vector<PoolRecipe>& recipes)
      : rows_(rows), recipes_(recipes) {}

  void run() {
    // Those that are looked at now; a table without columns of workers has others.
    const auto looked_at = static_cast<std::int64_t>(rows_.unsaid.size());
    for (const SkippedRows& s : rows_.skipped) {
      const std::int64_t left = s.n - (s.reason == kUnsaid ? looked_at : 0);
      if (left > 0) skipped_[s.reason] += left;
    }
    rows_.skipped.clear();
    give_options();
    std::map<std::string, std::vector<UnsaidRow>> by_label;
    std::set<std::string> seen;
    for (UnsaidRow& u : rows_.unsaid) {
      if (!seen.insert(label_of(u) + fmt::format(" {:.6g} {:.6g}", u.row.ttft_ms, u.row.tpot_ms))
               .second)
        ++skipped_["all figures equal to another row's"];
      else
        by_label[label_of(u)].push_back(std::move(u));
    }
    rows_.unsaid.clear();
    for (auto& [label, alike] : by_label) settle(alike);
    for (const auto& [reason, n] : skipped_) rows_.skipped.push_back({reason, n});
    for (const auto& [what, n] : taken_) rows_.taken.push_back({what, n});
    mark_saturated(rows_.rows);
  }

 private:
  // Rows that say how many engines they had; of recipes of as many, and as large, ones.
  void give_options() {
    std::vector<E2eRow> kept;
    for (E2eRow& row : rows_.rows) {
      if (!row.prefill || row.load) {
        kept.push_back(std::move(row));
        continue;
      }
      Fitting plain, drafting;
      for (const PoolRecipe& r : recipes_) {
        if (!r.sized || !question_fits(row, r) || r.reads.workers != row.prefill->workers ||
            r.generates.workers != row.workers ||
            r.reads.layout.gpus() != row.prefill->layout.gpus() ||
            r.generates.layout.gpus() != row.layout.gpus())
          continue;
        // Some recipes count the clients of each engine that generates.
        const bool each = row.concurrency % row.workers == 0 && r.least == r.most &&
                          clients_fit(row.concurrency / row.workers, r);
        if (!clients_fit(row.concurrency, r) && !each) continue;
        (r.drafts ? drafting : plain).push_back(&r);
      }
      if (plain.empty() && !drafting.empty()) {
        ++skipped_["recipes draft tokens: how many are taken is in no column"];
        continue;
      }
      if (plain.empty()) {
        ++taken_["workers and layouts of the row, options of the engine's own: no recipe fits"];
      } else {
        give(row, plain);
        ++taken_["workers and layouts of the row, options of its recipe"];
      }
      kept.push_back(std::move(row));
    }
    rows_.rows = std::move(kept);
  }

  // The first in force; how many differ is said.
  static void give(E2eRow& row, const Fitting& recipes) {
    std::set<std::pair<RunOptions, RunOptions>> sets;
    for (const PoolRecipe* r : recipes) {
      const ApartRun run = r->run(row);
      if (sets.empty()) row.apart = run;
      sets.emplace(run.reads, run.generates);
    }
    row.apart->sets = static_cast<std::int64_t>(sets.size());
  }

  void take(UnsaidRow& u, const Fitting& recipes, const char* what) {
    E2eRow& row = u.row;
    const PoolRecipe& r = *recipes.front();
    row.layout = r.generates.layout;
    row.workers = r.generates.workers;
    row.label_ep = row.layout.ep;
    row.prefill = r.reads;
    row.cold = row.engine == "sglang" && row.version.empty();
    give(row, recipes);
    ++taken_[what];
    rows_.rows.push_back(std::move(row));
  }

  void settle(std::vector<UnsaidRow>& alike) {
    const auto n = static_cast<std::int64_t>(alike.size());
    const Fits fits = fitting(alike.front(), recipes_);
    Fitting plain, drafting;
    for (const PoolRecipe* r : fits.recipes) (r->drafts ? drafting : plain).push_back(r);
    if (fits.recipes.empty() || fits.unsized) {
      skipped_["apart: no recipe with sizes of its workers fits"] += n;
    } else if (plain.empty()) {
      skipped_["apart: all recipes that fit draft tokens"] += n;
    } else if (divisions_of(plain).size() > 1) {
      skipped_["apart: recipes with other numbers or layouts of workers fit as well"] += n;
    } else if (drafting.empty()) {
      for (UnsaidRow& u : alike) take(u, plain, "workers of the one division that recipes have");
    } else if (!no_fewer(drafting, plain)) {
      skipped_["apart: recipes that draft have other workers and fit as well"] += n;
    } else {
      settle_drafts(alike, plain);
    }
  }

  // One division of workers, with and without drafts.
  void settle_drafts(std::vector<UnsaidRow>& alike, const Fitting& plain) {
    double slowest = 0, quickest = alike.front().row.tpot_ms;
    for (const UnsaidRow& u : alike) {
      slowest = std::max(slowest, u.row.tpot_ms);
      quickest = std::min(quickest, u.row.tpot_ms);
    }
    const double least = (1 - kOfOneRun) * slowest;
    for (UnsaidRow& u : alike) {
      if (quickest >= least)
        ++skipped_["apart: whether the row is of the recipe that drafts is not said"];
      else if (u.row.tpot_ms < least)
        ++skipped_["apart: quicker than its label's other row, and a recipe drafts"];
      else
        take(u, plain,
             "workers of the one division, as the slower of two rows of which one drafts");
    }
  }

  E2eRows& rows_;
  const std::vector<PoolRecipe>& recipes_;
  std::map<std::string, std::int64_t> skipped_, taken_;
};

}  // namespace

ApartRun PoolRecipe::run(const E2eRow& row) const {
  const auto options_of = [&](PoolSide side, const workloads::Parallelism& layout) {
    const auto number = [&](const std::string& cell) -> std::optional<std::int64_t> {
      const auto value = value_of(part_of(cell, side), row);
      return value && *value > 0 ? value : std::nullopt;
    };
    RunOptions run{.tokens = number(tokens),
                   .sequences = number(sequences),
                   .chunk = number(chunk),
                   .balance = balance_of(part_of(balance, side)),
                   .memory_fraction = share_of(part_of(memory, side)),
                   .cache = cache_of(part_of(cache, side)),
                   .moe = experts_of(part_of(moe, side)),
                   .all_to_all = exchange_of(part_of(moe, side)),
                   .graph_sizes = graphs_of(part_of(graphs, side), engine)};
    // SGLang counts the requests of an engine, and divides them over its dp ranks
    // (managers/scheduler.py, max_running_requests // dp_size).
    if (run.sequences && engine == "sglang")
      run.sequences = std::max<std::int64_t>(1, *run.sequences / layout.dp);
    // No more can be read at once than all clients send: of larger budgets nothing is seen. (By
    // powers of two, so that rows have budgets in common.)
    const std::int64_t prompts = row.concurrency * row.isl;
    const auto all = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(prompts)));
    for (std::optional<std::int64_t>* budget : {&run.tokens, &run.chunk})
      if (*budget && side == PoolSide::Reads) *budget = std::min(**budget, std::max(all, row.isl));
    return run;
  };
  return {.reads = options_of(PoolSide::Reads, reads.layout),
          .generates = options_of(PoolSide::Generates, generates.layout),
          .sets = 1};
}

std::vector<PoolRecipe> read_pool_recipes(const std::filesystem::path& file) {
  const CsvTable t = CsvTable::read(file);
  std::vector<PoolRecipe> recipes;
  if (!t.find_column("prefill_workers")) return recipes;
  const auto column = [&](const char* name) { return t.column(name); };
  const std::vector<std::pair<std::size_t, std::string PoolRecipe::*>> columns{
      {column("engine"), &PoolRecipe::engine},
      {column("engine_version"), &PoolRecipe::version},
      {column("model"), &PoolRecipe::model},
      {column("system"), &PoolRecipe::system},
      {column("precision"), &PoolRecipe::precision},
      {column("isl"), &PoolRecipe::isl},
      {column("osl"), &PoolRecipe::osl},
      {column("concurrency_min"), &PoolRecipe::least},
      {column("concurrency_max"), &PoolRecipe::most},
      {column("date_from"), &PoolRecipe::from},
      {column("max_num_tokens"), &PoolRecipe::tokens},
      {column("max_num_seqs"), &PoolRecipe::sequences},
      {column("chunk"), &PoolRecipe::chunk},
      {column("kv_cache_dtype"), &PoolRecipe::cache},
      {column("memory_fraction"), &PoolRecipe::memory},
      {column("graphs"), &PoolRecipe::graphs},
      {column("attention_dp_balance"), &PoolRecipe::balance},
      {column("moe_backend"), &PoolRecipe::moe}};
  const std::size_t mode = column("mode"), speculation = column("speculation"),
                    parallel = column("expert_parallel"), attention = column("attention_dp"),
                    certainty = column("certainty");
  for (std::size_t i = 0; i < t.rows(); ++i) {
    if (t.text(i, mode) != "disagg") continue;
    PoolRecipe r;
    r.listed = t.text(i, certainty) == "config only";
    for (const auto& [c, member] : columns) r.*member = std::string(t.text(i, c));
    r.drafts = !t.text(i, speculation).empty();
    const auto pool = [&](const std::string& name, PoolSide side, E2ePool& of) {
      const auto whole = [&](const char* what) {
        return std::max<std::int64_t>(1, t.integer(i, column((name + what).c_str())));
      };
      const std::int64_t tp = whole("_tp"), ep = whole("_ep");
      // Under attention dp some lists have 1 for the GPUs.
      const std::int64_t gpus = std::max(tp, ep);
      if (side == PoolSide::Reads) r.label_ep = ep;
      const bool dp = is_on(t.text(i, attention), side,
                            t.text(i, column((name + "_dp_attention").c_str())) == "on");
      const bool experts = is_on(t.text(i, parallel), side, ep > 1);
      const std::int64_t groups = !experts ? 1 : ep > 1 ? ep : gpus;
      if ((r.listed && gpus == 1) || gpus % groups != 0) r.sized = false;
      of.workers = t.integer(i, column((name + "_workers").c_str()));
      of.layout = layout_of(gpus, gpus % groups == 0 ? groups : 1, dp);
    };
    pool("prefill", PoolSide::Reads, r.reads);
    pool("decode", PoolSide::Generates, r.generates);
    // One engine that does both.
    if (r.reads.workers < 1 || r.generates.workers < 1) continue;
    recipes.push_back(std::move(r));
  }
  std::ranges::stable_sort(recipes, {}, &PoolRecipe::from);
  take_later_layouts(recipes);
  return recipes;
}

void settle_pools(E2eRows& rows, const std::vector<PoolRecipe>& recipes) {
  Settling(rows, recipes).run();
}

}  // namespace moesim::validation
