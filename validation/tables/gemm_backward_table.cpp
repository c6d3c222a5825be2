#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include "hardware/kernels/training_product.h"
#include "sim/error.h"
#include "validation/tables/composed_task.h"
#include "validation/tables/kernel_tables.h"
#include "validation/tables/training_rows.h"

namespace moesim::validation {
namespace {

using hardware::Precision;

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