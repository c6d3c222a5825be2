#include "validation/serving/e2e_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "sim/error.h"
#include "sim/io/csv.h"

namespace moesim::validation {
namespace {

using sim::io::CsvTable;

struct Label {
  std::int64_t tp = 1, dp = 1, moe_tp = 1, moe_ep = 1, workers = 1;

  std::string text() const {
    return fmt::format(" {} {} {} {} {}", tp, dp, moe_tp, moe_ep, workers);
  }
};

std::int64_t size_or(const CsvTable& table, std::size_t row, std::size_t column) {
  if (table.text(row, column).empty()) return 1;
  return std::max<std::int64_t>(1, table.integer(row, column));
}

// Where the sizes of an engine stand, "tp_size", or of a pool's, "prefill_tp_size", which a table
// of aggregated rows need not have.
class LabelColumns {
 public:
  explicit LabelColumns(const CsvTable& t)
      : LabelColumns(t.column("tp_size"), t.column("attention_dp_size"), t.column("moe_tp_size"),
                     t.column("moe_ep_size")) {}
  static std::optional<LabelColumns> of_pool(const CsvTable& t, const std::string& pool) {
    const auto workers = t.find_column(pool + "_num_workers");
    if (!workers) return {};
    LabelColumns columns(t.column(pool + "_tp_size"), t.column(pool + "_attention_dp_size"),
                         t.column(pool + "_moe_tp_size"), t.column(pool + "_moe_ep_size"));
    columns.workers_ = workers;
    return columns;
  }

  bool says_workers(const CsvTable& t, std::size_t row) const {
    return workers_ && !t.text(row, *workers_).empty();
  }
  Label of(const CsvTable& t, std::size_t row) const {
    return {size_or(t, row, tp_), size_or(t, row, dp_), size_or(t, row, moe_tp_),
            size_or(t, row, moe_ep_), workers_ ? size_or(t, row, *workers_) : 1};
  }

 private:
  LabelColumns(std::size_t tp, std::size_t dp, std::size_t moe_tp, std::size_t moe_ep)
      : tp_(tp), dp_(dp), moe_tp_(moe_tp), moe_ep_(moe_ep) {}

  std::size_t tp_, dp_, moe_tp_, moe_ep_;
  std::optional<std::size_t> workers_;
};

// The layout that a label means: labels that multiply up, and three families that give products of
// sizes in place of sizes (their rows agree with the plain ones).
std::string layout_of(const Label& l, workloads::Parallelism& p) {
  const auto tensor = [&](std::int64_t n, std::int64_t ep) {
    p = {.tp = n, .ep = ep, .etp = n / ep};
    return std::string{};
  };
  const bool square = l.moe_tp == l.moe_ep && l.moe_tp > 1;
  if (square && l.dp == 1 && l.tp == l.moe_tp * l.moe_ep) return tensor(l.moe_tp, l.moe_ep);
  if (square && l.tp == 1 && l.dp == l.moe_tp * l.moe_ep) {
    p = {.dp = l.moe_tp, .ep = l.moe_ep, .etp = 1};
    return {};
  }
  if (l.tp == l.dp && l.tp > 1 && l.moe_tp == 1 && l.moe_ep == l.tp * l.tp) {
    return tensor(l.tp, l.tp);
  }
  const std::int64_t gpus = l.tp * l.dp;
  if (l.moe_tp * l.moe_ep == gpus) {
    p = {.tp = l.tp, .dp = l.dp, .ep = l.moe_ep, .etp = l.moe_tp};
    return {};
  }
  // Columns of experts are empty in rows of dense models.
  if (l.moe_tp * l.moe_ep == 1 && l.dp == 1) return tensor(l.tp, 1);
  return fmt::format("layout labels do not multiply up");
}

bool starts(const std::string& text, const char* with) {
  return text.rfind(with, 0) == 0;
}

// Rows whose figures cannot be what their labels say.
std::string known_fault(E2eRow& row, const Label&) {
  if (row.engine == "vllm" && row.model.find("Qwen3-235B") != std::string::npos) {
    return "vLLM 0.12 on Qwen3-235B: flat in concurrency and length";
  }
  if (row.model.find("gpt-oss") != std::string::npos && row.system == "h100_sxm" &&
      row.concurrency >= 512) {
    return "gpt-oss on H100 at 512: the batch was capped";
  }
  if (row.model.find("DeepSeek") != std::string::npos && row.system == "b200_sxm" &&
      row.precision == "fp8" && row.layout.gpus() <= 4) {
    return "DeepSeek fp8 on four B200: fits by its memory options alone";
  }
  if (row.precision.empty()) return "no format is stated";
  // 128 heads over 72 ranks: no engine starts so.
  if (row.layout.tp == 72) return "layout labels do not multiply up";
  // Recipes turn expert parallelism on whatever the label says; the options of a run, where they
  // are known, have the last word (RunOptions::expert_parallel).
  if (row.engine == "vllm" && row.model.find("MiniMax") != std::string::npos &&
      (row.system == "h200_sxm" || (row.system == "b200_sxm" && starts(row.version, "0.17")))) {
    const std::int64_t tp = row.layout.tp;
    row.layout = {.tp = tp, .ep = tp, .etp = 1};
  }
  row.cold = row.engine == "sglang" && row.version.empty();
  return {};
}

}  // namespace

std::string E2eRow::deployment() const {
  const workloads::Parallelism& p = layout;
  const auto sizes = [](const workloads::Parallelism& of) {
    return fmt::format("tp{} dp{} ep{} etp{}", of.tp, of.dp, of.ep, of.etp);
  };
  std::string beside;
  if (prefill) {
    beside = fmt::format("{} x prefill {} beside {} x ", prefill->workers, sizes(prefill->layout),
                         workers);
  }
  return fmt::format("{} {} {} {} {} {}{}", engine, version, model, system, precision, beside,
                     sizes(p));
}

std::string E2eRow::group() const {
  return fmt::format("{} {} {} {}{}", engine, model, system, precision, prefill ? " apart" : "");
}

E2eRows read_e2e(const std::vector<std::filesystem::path>& files) {
  E2eRows all;
  std::map<std::string, std::int64_t> skipped;
  std::set<std::string> seen, measured;
  struct Read {
    E2eRow row;
    Label label;
    std::optional<Label> reads = {};
  };
  std::vector<Read> read;
  for (const std::filesystem::path& file : files) {
    const CsvTable t = CsvTable::read(file);
    const auto column = [&](const char* name) { return t.column(name); };
    const std::size_t name = column("case"), engine = column("engine"),
                      version = column("engine_version"), model = column("model"),
                      system = column("system"), precision = column("precision"),
                      mode = column("mode"), isl = column("isl"), osl = column("osl"),
                      concurrency = column("concurrency"), ttft = column("silicon_ttft_ms"),
                      tpot = column("silicon_tpot_ms");
    const LabelColumns together(t);
    const auto reads = LabelColumns::of_pool(t, "prefill"),
               generates = LabelColumns::of_pool(t, "decode");
    for (std::size_t i = 0; i < t.rows(); ++i) {
      const auto text = [&](std::size_t c) { return std::string(t.text(i, c)); };
      Read one{.row = {.name = text(name),
                       .engine = text(engine),
                       .version = text(version),
                       .model = text(model),
                       .system = text(system),
                       .precision = text(precision),
                       .mode = text(mode)},
               .label = {}};
      if (t.text(i, concurrency).empty()) {
        ++skipped["no concurrency"];
        continue;
      }
      one.row.isl = t.integer(i, isl);
      one.row.osl = t.integer(i, osl);
      one.row.concurrency = t.integer(i, concurrency);
      one.row.ttft_ms = t.number(i, ttft);
      one.row.tpot_ms = t.number(i, tpot);
      if (one.row.isl < 1 || one.row.osl < 2 || one.row.concurrency < 1 || !(one.row.ttft_ms > 0) ||
          !(one.row.tpot_ms > 0)) {
        throw sim::InputError(t.where(i) +
                              ": expected isl, concurrency and times above 0, osl above 1");
      }
      if (one.row.mode == "agg") {
        one.label = together.of(t, i);
      } else if (!reads || !generates || !reads->says_workers(t, i) ||
                 !generates->says_workers(t, i)) {
        ++skipped["prefill and decode apart: how many engines is not said"];
        if (reads && generates && !one.row.precision.empty()) {
          const Label reader = reads->of(t, i), generator = generates->of(t, i);
          all.unsaid.push_back({.row = std::move(one.row),
                                .reads_gpus = reader.tp * reader.dp,
                                .reads_ep = reader.moe_ep,
                                .generates_gpus = generator.tp * generator.dp});
        }
        continue;
      } else {
        one.label = generates->of(t, i);
        one.reads = reads->of(t, i);
      }
      read.push_back(std::move(one));
    }
  }
  // Plain labels first, so that of two rows with the same figures the plain one stays.
  std::stable_sort(read.begin(), read.end(), [](const Read& a, const Read& b) {
    const auto plain = [](const Label& l) {
      return l.moe_tp * l.moe_ep == l.tp * l.dp && l.tp <= 8;
    };
    return plain(a.label) > plain(b.label);
  });
  for (Read& one : read) {
    E2eRow& r = one.row;
    const std::string what =
        fmt::format("{} {} {} {} {} {} {} {} {}", r.engine, r.model, r.system, r.precision, r.isl,
                    r.osl, r.concurrency, r.ttft_ms, r.tpot_ms);
    const std::string labels = one.label.text() + (one.reads ? one.reads->text() : "");
    if (!seen.insert(what + labels).second) {
      ++skipped["all figures equal to another row's"];
      continue;
    }
    if (!measured.insert(what).second) {
      ++skipped["the same times under another layout label"];
      continue;
    }
    std::string why = layout_of(one.label, r.layout);
    r.workers = one.label.workers;
    r.label_ep = r.layout.ep;
    if (one.reads && why.empty()) {
      why = layout_of(*one.reads, r.prefill.emplace().layout);
      r.prefill->workers = one.reads->workers;
    }
    if (why.empty()) why = known_fault(r, one.label);
    if (!why.empty()) {
      ++skipped[why];
      continue;
    }
    all.rows.push_back(std::move(r));
  }
  for (const auto& [reason, n] : skipped) all.skipped.push_back({reason, n});
  mark_saturated(all.rows);
  return all;
}

// Near the largest output rate that was measured of a deployment: capacity, not latency.
void mark_saturated(std::vector<E2eRow>& rows) {
  const auto key = [](const E2eRow& r) {
    return fmt::format("{} {} {}", r.deployment(), r.isl, r.osl);
  };
  const auto rate = [](const E2eRow& r) {
    return static_cast<double>(r.concurrency * r.osl) /
           (r.ttft_ms + static_cast<double>(r.osl - 1) * r.tpot_ms);
  };
  std::map<std::string, std::pair<double, std::set<std::int64_t>>> best;
  for (const E2eRow& r : rows) {
    auto& [most, concurrencies] = best[key(r)];
    most = std::max(most, rate(r));
    concurrencies.insert(r.concurrency);
  }
  for (E2eRow& r : rows) {
    const auto& [most, concurrencies] = best.at(key(r));
    r.saturated = concurrencies.size() >= 3 && rate(r) >= 0.8 * most;
  }
}

}  // namespace moesim::validation
