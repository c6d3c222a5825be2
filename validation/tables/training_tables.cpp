#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <memory>

#include "hardware/choose_fitted.h"
#include "hardware/kernels/training_attention.h"
#include "hardware/kernels/training_product.h"
#include "sim/error.h"
#include "validation/tables/composed_task.h"
#include "validation/tables/kernel_tables.h"
#include "validation/tables/task_builder.h"

namespace moesim::validation {
namespace {

using hardware::AttentionPass;
using hardware::Precision;
using hardware::TrainingAttentionInput;
using hardware::TrainingAttentionModel;

// "H100 SXM" and "h100_sxm" are one card: letters and digits alone.
std::string letters_of(std::string_view text) {
  std::string letters;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)))
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return letters;
}

// "h100" of "H100 SXM" and of "h100_pcie".
std::string chip_of(std::string_view text) {
  return letters_of(text.substr(0, text.find_first_of(" _-")));
}

// Rows of other chips are set apart; of another card with the same chip a row is priced for the one
// that was asked for, and says so.
void look_at_device(const TableReader& reader, std::size_t row, const hardware::Device& device) {
  if (!reader.has("device")) return;
  const std::string_view named = reader.text(row, "device");
  if (named.empty() || letters_of(device.name).starts_with(letters_of(named))) return;
  if (chip_of(named) != chip_of(device.name)) reader.set_apart(row, "device", "is another device");
  reader.guess(row, "device", device.name);
}

std::string_view first_of(const TableReader& reader, std::string_view a, std::string_view b) {
  return reader.has(a) ? a : b;
}

// A word for yes or no; a gradient's sum may be named by its format.
bool yes(const TableReader& reader, std::size_t row, std::string_view column, bool otherwise) {
  constexpr std::array<std::string_view, 3> kNo{"false", "no", "0"};
  constexpr std::array<std::string_view, 5> kYes{"true", "yes", "1", "fp32", "bf16"};
  if (!reader.has(column)) return otherwise;
  const std::string text = letters_of(reader.text(row, column));
  if (text.empty()) return otherwise;
  if (std::ranges::find(kNo, text) != kNo.end()) return false;
  if (std::ranges::find(kYes, text) == kYes.end())
    reader.fail(row, column,
                column == "accumulate" ? "fp32, bf16, True, False or no" : "True or False");
  return true;
}

// Tables of several kinds of kernels say which a row is of.
bool is_attention(const TableReader& reader, std::size_t row, bool otherwise) {
  return reader.has("kind") ? reader.text(row, "kind") == "attention" : otherwise;
}

std::string implementation_of(const TableReader& reader, std::size_t row, const std::string& impl) {
  if (!reader.has("implementation") || reader.text(row, "implementation").empty()) return impl;
  return std::string(reader.text(row, "implementation"));
}

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

namespace {

enum class ProductPass { Forward, Input, Weight };

struct Product {
  std::int64_t m, n, k;  // of what is computed
};
constexpr double kMostNumbers = 9007199254740992;  // 2^53: their bytes are whole numbers
double largest_of(const Product& p) {
  const auto m = static_cast<double>(p.m), n = static_cast<double>(p.n),
             k = static_cast<double>(p.k);
  return std::max({m * n, n * k, m * k});
}
// Of y[m, n] = x[m, k] w[n, k]^T.
Product shaped(ProductPass pass, std::int64_t m, std::int64_t n, std::int64_t k) {
  switch (pass) {
    case ProductPass::Forward:
      return {m, n, k};
    case ProductPass::Input:
      return {m, k, n};
    case ProductPass::Weight:
      break;
  }
  return {n, k, m};
}

std::int64_t number_of(const TableReader& reader, std::size_t row, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > kMost)
    reader.fail(row, "k", "a whole number, or IN/OUT;IN/OUT;… of several products");
  return value;
}

// A row of a shape of its own; or of the sum of several products, whose widths are in k.
std::vector<Product> products_of(const TableReader& reader, std::size_t row, ProductPass pass) {
  const std::string_view widths = reader.text(row, "k");
  const std::int64_t m = reader.count(row, "m");
  if (widths.find('/') == std::string_view::npos) {
    const std::int64_t n = reader.count(row, "n"), k = reader.count(row, "k");
    // SimuMax's grouped products have the forward's shape in all three passes.
    if (!reader.has("kind") || reader.text(row, "kind") != "grouped_gemm") return {{m, n, k}};
    return {shaped(pass, m, n, k)};
  }
  std::vector<Product> products;
  for (std::string_view left = widths; !left.empty();) {
    const std::size_t end = std::min(left.find(';'), left.size()), slash = left.find('/');
    if (slash >= end) reader.fail(row, "k", "IN/OUT of each product");
    const std::int64_t in = number_of(reader, row, left.substr(0, slash)),
                       out = number_of(reader, row, left.substr(slash + 1, end - slash - 1));
    products.push_back(shaped(pass, m, out, in));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return products;
}

struct Row {
  ProductPass pass = ProductPass::Forward;
  Precision precision = Precision::BF16;
  bool casts = false;  // in its time, to 8 bits
  // Of a weight's gradient, beside its product: TrainingProduct::accumulate_bytes.
  double accumulate_bytes = 0;
};

class ProductPricing {
 public:
  ProductPricing(const TableReader& reader, const hardware::Device& device)
      : reader_(reader), device_(device) {}

  // Whose kernels price a row: Transformer Engine's products are cuBLAS's, which answer where the
  // device has no table of it.
  const hardware::Kernels& kernels_of(std::size_t row, const std::string& impl) {
    constexpr std::array<std::string_view, 4> kKnown{"trtllm", "sglang", "vllm", "deepgemm"};
    const bool fitted = std::ranges::any_of(device_.fitted, [&](const auto& model) {
      return model.kind == "gemm" && model.implementation == impl;
    });
    std::string asked = impl;
    if (!fitted && std::ranges::find(kKnown, impl) == kKnown.end()) {
      asked = kKnown[0];
      if (reader_.has("implementation")) reader_.guess(row, "implementation", asked);
    }
    auto& kernels = kernels_[asked];
    if (!kernels)
      kernels = std::make_unique<hardware::Kernels>(device_, hardware::KernelChoice{.gemm = asked});
    return *kernels;
  }

  // What all products of a row have in common.
  Row row_of(std::size_t row, ProductPass pass) const {
    Row common{.pass = pass};
    // A column of results alone: what is multiplied is in 16 bits.
    if (reader_.has("precision")) common.precision = reader_.precision(row, "precision");
    common.casts = yes(reader_, row, "includes_quantisation", false);
    // Added to what is there; or written in fp32, 2 bytes a number more than a product's, as a sum
    // in 16 bits would be.
    const bool single =
        reader_.has("out_dtype")
            ? reader_.text(row, "out_dtype") != "bf16"
            : !reader_.has("accumulate") || letters_of(reader_.text(row, "accumulate")) != "bf16";
    if (yes(reader_, row, "accumulate", false))
      common.accumulate_bytes = single ? 4 : 2;
    else if (reader_.has("out_dtype") && single)
      common.accumulate_bytes = 2;
    return common;
  }

  static workloads::Work work(const Row& row, const hardware::Kernels& kernels,
                              const Product& product) {
    hardware::TrainingProduct p{.m = product.m,
                                .n = product.n,
                                .k = product.k,
                                .precision = row.precision,
                                .x_cast = !row.casts,
                                .dy_cast = !row.casts,
                                .weight_cast = !row.casts};
    workloads::Work work;
    if (row.pass != ProductPass::Weight) {
      work += product_forward(kernels, p);
      return work;
    }
    // The row has the gradient's own shape: the weight is m x n, and k are the tokens.
    p.m = product.k;
    p.n = product.m;
    p.k = product.n;
    work += product_weight(kernels, p);
    p.accumulate_bytes = row.accumulate_bytes;
    if (row.accumulate_bytes > 0) work += product_sum(kernels, p);
    constexpr std::int64_t kCast = 3;  // bytes a number: of the other operand
    if (row.casts) work += kernels.elementwise({.bytes = sim::Bytes(kCast * p.k * p.m)});
    return work;
  }

 private:
  const TableReader& reader_;
  const hardware::Device& device_;
  std::map<std::string, std::unique_ptr<hardware::Kernels>> kernels_;
};

}  // namespace

Tasks read_gemm_backward(const sim::io::CsvTable& table, const hardware::Device& device,
                         const std::string& impl) {
  const TableReader reader(table);
  ProductPricing pricing(reader, device);
  std::map<std::string, std::unique_ptr<ComposedTask>> tasks;
  const std::string_view column = first_of(reader, "pass", "stage");
  reader.for_each_row([&](std::size_t row) {
    if (is_attention(reader, row, false)) return;
    look_at_device(reader, row, device);
    constexpr std::array<std::string_view, 3> kNames{"forward", "dgrad", "wgrad"};
    const auto found = std::ranges::find(kNames, reader.word(row, column));
    if (found == kNames.end()) reader.fail(row, column, "forward, dgrad or wgrad");
    const auto pass = static_cast<ProductPass>(found - kNames.begin());
    const std::string named = implementation_of(reader, row, impl);
    const hardware::Kernels& kernels = pricing.kernels_of(row, named);
    const std::int64_t groups = reader.has("groups") ? reader.count(row, "groups") : 1;
    try {
      workloads::Work sum;
      const Row common = pricing.row_of(row, pass);
      for (const Product& product : products_of(reader, row, pass)) {
        if (largest_of(product) > kMostNumbers)
          reader.fail(row, "m", "matrices of at most 2^53 numbers");
        sum.add(ProductPricing::work(common, kernels, product), groups);
      }
      Item item = reader.item(row, "time_us");
      item.guess = reader.guess_of(row);
      auto& task = tasks[named + " " + std::string(*found)];
      if (!task) task = std::make_unique<ComposedTask>("gemm_backward", named, std::string(*found));
      task->add(std::move(item), estimate_of(sum));
    } catch (const sim::InfeasibleError&) {
      reader.fail(row, "m", "a product that takes less than 106 days");
    }
  });
  Tasks result;
  for (auto& [name, task] : tasks) result.push_back(std::move(task));
  result.apart = reader.apart();
  return result;
}

}  // namespace moesim::validation
