#include <algorithm>
#include <map>
#include <memory>

#include "hardware/choose_fitted.h"
#include "hardware/kernels/training_attention.h"
#include "validation/tables/composed_task.h"
#include "validation/tables/kernel_tables.h"
#include "validation/tables/task_builder.h"
#include "validation/tables/training_rows.h"

namespace moesim::validation {
namespace {

using hardware::AttentionPass;
using hardware::Precision;
using hardware::TrainingAttentionInput;
using hardware::TrainingAttentionModel;

AttentionPass attention_pass(const TableReader& reader, std::size_t row, std::string_view column) {
  const auto found = std::ranges::find(hardware::kAttentionPassNames, reader.word(row, column));
  if (found == hardware::kAttentionPassNames.end())
    reader.fail(row, column, "forward, backward or forward+backward");
  return static_cast<AttentionPass>(found - hardware::kAttentionPassNames.begin());
}

std::string variant_of(std::string_view precision, AttentionPass pass) {
  return fmt::format("{}_{}", precision,
                     hardware::kAttentionPassNames[static_cast<std::size_t>(pass)]);
}

// A length is held out whole; where a table has few of them, heads of one number and width.
void hold_out_by(Item& item, const hardware::TrainingAttentionShape& s) {
  item.groups = {fmt::format("keys{:06}", s.keys)};
  item.finer = {fmt::format("heads{:03}x{:03}", s.heads, s.qk_dim)};
}

// Both passes of an implementation that has each fitted, and not the two in one: one after another.
class BothPasses {
 public:
  BothPasses(const hardware::Device& device, const std::string& impl, std::string_view precision)
      : forward_(fit_of(device, impl, precision, AttentionPass::Forward)),
        backward_(fit_of(device, impl, precision, AttentionPass::Backward)) {}

  static bool answer(const hardware::Device& device, const std::string& impl,
                     std::string_view precision) {
    const auto own = [&](AttentionPass pass) {
      const auto chosen = choose(device, impl, precision, pass);
      return chosen.model != nullptr && chosen.model->implementation == impl;
    };
    const auto both = choose(device, impl, precision, AttentionPass::Both);
    const bool fitted = both.model != nullptr && !both.stand_in && both.model->carried_from.empty();
    return !fitted && own(AttentionPass::Forward) && own(AttentionPass::Backward);
  }

  hardware::Estimate of(TrainingAttentionInput x, const hardware::Rates& rates) const {
    x.pass = AttentionPass::Forward;
    const hardware::Estimate f = forward_.estimate(x, rates);
    x.pass = AttentionPass::Backward;
    const hardware::Estimate b = backward_.estimate(x, rates);
    const double us = f.us + b.us;
    const auto mean = [&](double of_f, double of_b) { return (f.us * of_f + b.us * of_b) / us; };
    return {.us = us,
            .low = mean(f.low, b.low),
            .high = mean(f.high, b.high),
            .p10 = mean(f.p10, b.p10),
            .p90 = mean(f.p90, b.p90),
            .outside = f.outside | b.outside,
            .extrapolated = f.extrapolated || b.extrapolated};
  }

 private:
  using Fit = hardware::Fitted<TrainingAttentionModel>;
  static hardware::Chosen choose(const hardware::Device& device, const std::string& impl,
                                 std::string_view precision, AttentionPass pass) {
    return hardware::choose_fitted(device, "training_attention", impl, variant_of(precision, pass));
  }
  static Fit fit_of(const hardware::Device& device, const std::string& impl,
                    std::string_view precision, AttentionPass pass) {
    const hardware::Chosen chosen = choose(device, impl, precision, pass);
    return Fit(*chosen.model, chosen.doubt);
  }

  Fit forward_, backward_;
};

}  // namespace

Tasks read_attention_backward(const sim::io::CsvTable& table, const hardware::Device& device,
                              const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<TrainingAttentionModel> builder("training_attention", device, reader);
  const std::string_view pass = first_of(reader, "pass", "stage"),
                         length = first_of(reader, "seq", "m"),
                         format = first_of(reader, "precision", "out_dtype");
  const hardware::Rates rates = hardware::rates_of(device, Precision::BF16);
  struct Summed {
    BothPasses price;
    std::unique_ptr<ComposedTask> task;
  };
  std::map<std::string, Summed> summed;
  reader.for_each_row([&](std::size_t row) {
    if (!is_attention(reader, row, true)) return;
    look_at_device(reader, row, device);
    TrainingAttentionInput x;
    x.pass = attention_pass(reader, row, pass);
    x.shape.sequences = reader.has("batch") ? reader.count(row, "batch") : 1;
    x.shape.queries = x.shape.keys = reader.count(row, length);
    x.shape.heads = reader.count(row, "heads");
    x.shape.kv_heads = reader.count(row, "kv_heads");
    if (x.shape.heads % x.shape.kv_heads != 0) reader.fail(row, "kv_heads", "a divisor of heads");
    x.shape.qk_dim = reader.count(row, "qk_dim");
    x.shape.v_dim = reader.count(row, "v_dim");
    x.shape.causal = yes(reader, row, "causal", true);
    // Both formats of 16 bits have the same rates; what was timed in which stays apart.
    const bool half =
        letters_of(reader.text(row, format)) == "fp16" || reader.text(row, format) == "float16";
    if (!half && reader.precision(row, format) != Precision::BF16)
      reader.guess(row, format, "bf16");
    Item item = reader.item(row, "time_us");
    hold_out_by(item, x.shape);
    const std::string named = implementation_of(reader, row, impl);
    const std::string_view precision = half ? "fp16" : "bf16";
    if (x.pass != AttentionPass::Both || !BothPasses::answer(device, named, precision)) {
      builder.add(named, variant_of(precision, x.pass), Precision::BF16, std::move(item), x);
      return;
    }
    const std::string variant = variant_of(precision, x.pass);
    auto at = summed.find(named + " " + variant);
    if (at == summed.end())
      at =
          summed
              .emplace(named + " " + variant,
                       Summed{BothPasses(device, named, precision),
                              std::make_unique<ComposedTask>("training_attention", named, variant)})
              .first;
    item.guess = reader.guess_of(row);
    at->second.task->add(std::move(item), at->second.price.of(x, rates));
  });
  Tasks tasks = builder.take();
  for (auto& [name, one] : summed) tasks.push_back(std::move(one.task));
  return tasks;
}

Tasks read_training_points(const sim::io::CsvTable& table, const hardware::Device& device,
                           const std::string&) {
  // What the host takes before a core, which these timings hold (validation/measured/README.md).
  constexpr double kHostForward = 90, kHostBackward = 130;
  const TableReader reader(table);
  TaskBuilder<TrainingAttentionModel> builder("training_attention", device, reader);
  reader.for_each_row([&](std::size_t row) {
    const std::string_view op = reader.text(row, "op");
    if (op != "attention_forward" && op != "attention_backward") return;
    const bool backward = op == "attention_backward";
    TrainingAttentionInput x{.shape = {.sequences = reader.count(row, "groups"),
                                       .queries = reader.count(row, "m"),
                                       .keys = reader.count(row, "m"),
                                       .heads = reader.count(row, "n"),
                                       .kv_heads = reader.count(row, "k"),
                                       .qk_dim = reader.count(row, "width_k"),
                                       .v_dim = reader.count(row, "width_v"),
                                       .causal = reader.text(row, "detail") == "causal"},
                             .pass = backward ? AttentionPass::Backward : AttentionPass::Forward,
                             .host_us = backward ? kHostBackward : kHostForward};
    // Of the quickest runs: later ones wait for the card's power.
    Item item = reader.item(row, "p10_us");
    hold_out_by(item, x.shape);
    // A library that still looks for its kernels takes now one, now another.
    constexpr double kUnsettled = 1.5;
    item.anomalous = reader.time_us(row, "p50_us") > kUnsettled * item.measured_us;
    const std::string_view impl = reader.word(row, "impl");
    builder.add(impl == "flash" ? "flash_attention_2" : std::string(impl),
                variant_of(reader.word(row, "dtype"), x.pass), Precision::BF16, std::move(item), x);
  });
  return builder.take();
}

}  // namespace moesim::validation
