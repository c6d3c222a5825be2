#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include "hardware/kernels/grouped_product.h"
#include "hardware/kernels/training_product.h"
#include "sim/error.h"
#include "validation/tables/composed_task.h"
#include "validation/tables/kernel_tables.h"
#include "validation/tables/task_builder.h"
#include "validation/tables/training_rows.h"

namespace moesim::validation {
namespace {

using hardware::GroupedProductModel;
using hardware::Precision;
using hardware::ProductPass;
using hardware::TrainingProduct;

constexpr double kMostNumbers = 9007199254740992;  // 2^53: their bytes are whole numbers
double largest_of(const TrainingProduct& p) {
  const auto m = static_cast<double>(p.m), n = static_cast<double>(p.n),
             k = static_cast<double>(p.k);
  return std::max({m * n, n * k, m * k});
}
// The forward product whose pass has a shape m x n of depth k.
TrainingProduct forward_of(ProductPass pass, std::int64_t m, std::int64_t n, std::int64_t k) {
  switch (pass) {
    case ProductPass::Forward:
      return {.m = m, .n = n, .k = k};
    case ProductPass::Input:
      return {.m = m, .n = k, .k = n};
    case ProductPass::Weight:
      break;
  }
  return {.m = k, .n = m, .k = n};
}

std::int64_t number_of(const TableReader& reader, std::size_t row, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > kMost)
    reader.fail(row, "k", "a whole number, or IN/OUT;IN/OUT;… of several products");
  return value;
}

// Shapes of a row's forward products: it has a pass's own; or the sum of several, whose widths are
// in k.
std::vector<TrainingProduct> products_of(const TableReader& reader, std::size_t row,
                                         ProductPass pass) {
  const std::string_view widths = reader.text(row, "k");
  const std::int64_t m = reader.count(row, "m");
  if (widths.find('/') == std::string_view::npos) {
    // SimuMax's grouped products have the forward's shape in all three passes.
    const bool forward = reader.has("kind") && reader.text(row, "kind") == "grouped_gemm";
    return {forward_of(forward ? ProductPass::Forward : pass, m, reader.count(row, "n"),
                       reader.count(row, "k"))};
  }
  std::vector<TrainingProduct> products;
  for (std::string_view left = widths; !left.empty();) {
    const std::size_t end = std::min(left.find(';'), left.size()), slash = left.find('/');
    if (slash >= end) reader.fail(row, "k", "IN/OUT of each product");
    const std::int64_t in = number_of(reader, row, left.substr(0, slash)),
                       out = number_of(reader, row, left.substr(slash + 1, end - slash - 1));
    products.push_back({.m = m, .n = out, .k = in});
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return products;
}

struct ProductRow {
  ProductPass pass = ProductPass::Forward;
  std::string implementation = {};
  bool casts = false;  // in its time, to 8 bits
  std::int64_t groups = 1;
  std::vector<TrainingProduct> products = {};
};

// What a gradient of a weight writes beside the product: TrainingProduct::accumulate_bytes.
double accumulated(const TableReader& reader, std::size_t row) {
  // Added to what is there; or written in fp32, 2 bytes a number more than a product's, as a sum in
  // 16 bits would be.
  const bool single =
      reader.has("out_dtype")
          ? reader.text(row, "out_dtype") != "bf16"
          : !reader.has("accumulate") || letters_of(reader.text(row, "accumulate")) != "bf16";
  if (yes(reader, row, "accumulate", false)) return single ? 4 : 2;
  return reader.has("out_dtype") && single ? 2 : 0;
}

std::string_view pass_name(const ProductRow& row) {
  return hardware::kProductPassNames[static_cast<std::size_t>(row.pass)];
}

ProductRow row_of(const TableReader& reader, std::size_t row, const std::string& impl) {
  const std::string_view column = first_of(reader, "pass", "stage");
  const auto found = std::ranges::find(hardware::kProductPassNames, reader.word(row, column));
  if (found == hardware::kProductPassNames.end())
    reader.fail(row, column, "forward, dgrad or wgrad");
  ProductRow one{.pass = static_cast<ProductPass>(found - hardware::kProductPassNames.begin()),
                 .implementation = implementation_of(reader, row, impl),
                 .casts = yes(reader, row, "includes_quantisation", false),
                 .groups = reader.has("groups") ? reader.count(row, "groups") : 1};
  // A column of results alone: what is multiplied is in 16 bits.
  const Precision precision =
      reader.has("precision") ? reader.precision(row, "precision") : Precision::BF16;
  const double accumulate_bytes = accumulated(reader, row);
  one.products = products_of(reader, row, one.pass);
  for (TrainingProduct& product : one.products) {
    if (largest_of(product) > kMostNumbers)
      reader.fail(row, "m", "matrices of at most 2^53 numbers");
    product.precision = precision;
    product.accumulate_bytes = accumulate_bytes;
    product.x_cast = product.dy_cast = product.weight_cast = !one.casts;
  }
  return one;
}

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

  // Its products one after another, or as grouped ones are fitted.
  workloads::Work work(const ProductRow& row, const hardware::Kernels& kernels) {
    workloads::Work work;
    const hardware::GroupedProducts& grouped = grouped_of(row.implementation);
    for (const TrainingProduct& p : row.products) {
      workloads::Work one;
      if (row.groups > 1 && grouped.know(p.precision))
        one += grouped.cost(p, row.pass);
      else
        one = alone(row, kernels, p);
      work.add(one, row.groups);
    }
    return work;
  }

 private:
  const hardware::GroupedProducts& grouped_of(const std::string& impl) {
    auto& products = grouped_[impl];
    if (!products) products = std::make_unique<hardware::GroupedProducts>(device_, impl);
    return *products;
  }

  static workloads::Work alone(const ProductRow& row, const hardware::Kernels& kernels,
                               const TrainingProduct& p) {
    workloads::Work work;
    switch (row.pass) {
      case ProductPass::Forward:
        work += product_forward(kernels, p);
        return work;
      case ProductPass::Input:
        work += product_input(kernels, p);
        return work;
      case ProductPass::Weight:
        break;
    }
    work += product_weight(kernels, p);
    if (p.accumulate_bytes > 0) work += product_sum(kernels, p);
    constexpr std::int64_t kCast = 3;  // bytes a number: of the other operand
    if (row.casts) work += kernels.elementwise({.bytes = sim::Bytes(kCast * p.m * p.k)});
    return work;
  }

  const TableReader& reader_;
  const hardware::Device& device_;
  std::map<std::string, std::unique_ptr<hardware::Kernels>> kernels_;
  std::map<std::string, std::unique_ptr<hardware::GroupedProducts>> grouped_;
};

}  // namespace

Tasks read_gemm_backward(const sim::io::CsvTable& table, const hardware::Device& device,
                         const std::string& impl) {
  const TableReader reader(table);
  ProductPricing pricing(reader, device);
  std::map<std::string, std::unique_ptr<ComposedTask>> tasks;
  reader.for_each_row([&](std::size_t row) {
    if (is_attention(reader, row, false)) return;
    look_at_device(reader, row, device);
    const ProductRow one = row_of(reader, row, impl);
    const hardware::Kernels& kernels = pricing.kernels_of(row, one.implementation);
    try {
      const workloads::Work sum = pricing.work(one, kernels);
      Item item = reader.item(row, "time_us");
      item.guess = reader.guess_of(row);
      const std::string pass(pass_name(one));
      auto& task = tasks[one.implementation + " " + pass];
      if (!task) task = std::make_unique<ComposedTask>("gemm_backward", one.implementation, pass);
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

Tasks read_grouped_gemm(const sim::io::CsvTable& table, const hardware::Device& device,
                        const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<GroupedProductModel> builder("grouped_gemm", device, reader);
  reader.for_each_row([&](std::size_t row) {
    if (is_attention(reader, row, false)) return;
    look_at_device(reader, row, device);
    const ProductRow one = row_of(reader, row, impl);
    if (one.groups == 1) return;
    if (one.products.size() > 1) reader.fail(row, "k", "one product, of so many groups");
    const TrainingProduct& product = one.products.front();
    if (product.precision != Precision::BF16) reader.set_apart(row, "precision", "is not bf16");
    Item item = reader.item(row, "time_us");
    item.groups = {fmt::format("rows{:06}", product.m)};
    builder.add(one.implementation, fmt::format("bf16_{}", pass_name(one)), Precision::BF16,
                std::move(item), {product, one.pass, one.groups});
  });
  return builder.take();
}

}  // namespace moesim::validation
