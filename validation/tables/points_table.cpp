#include "hardware/kernels/moe.h"
#include "validation/cuda/protocol/points.h"
#include "validation/tables/kernel_tables.h"
#include "validation/tables/task_builder.h"

namespace moesim::validation {
namespace {

hardware::GroupRows rows_of(const TableReader& reader, std::size_t row) {
  const std::string text(reader.text(row, "loads"));
  std::vector<int> loads;
  try {
    loads = cuda::parse_loads(text);
  } catch (const cuda::PlanError&) {
    reader.fail(row, "loads", "rows of each group as 16x8;3;0x119");
  }
  const std::vector<std::int64_t> wide(loads.begin(), loads.end());
  const hardware::GroupRows rows = hardware::group_rows(wide);
  if (!(rows.rows > 0)) reader.fail(row, "loads", "a group that has rows");
  return rows;
}

}  // namespace

// Rows of other operations, and those of other implementations than `impl`, are passed over.
Tasks read_points(const sim::io::CsvTable& table, const hardware::Device& device,
                  const std::string& impl) {
  const TableReader reader(table);
  TaskBuilder<hardware::MoeModel> builder("moe", device);
  const auto real = [&](std::size_t row, std::string_view column) {
    return static_cast<double>(reader.count(row, column));
  };
  for (std::size_t row = 0; row < reader.rows(); ++row) {
    const std::string_view op = reader.text(row, "op");
    const bool layer = op == "layer";
    if (!layer && op != "gemm" && op != "grouped_gemm") continue;
    if (reader.text(row, "impl") != impl) continue;
    hardware::MoeInput x;
    x.precision = reader.precision(row, "dtype");
    x.rows = rows_of(reader, row);
    Item item = reader.item(row, "p50_us");
    if (reader.has("flags")) item.anomalous = !reader.text(row, "flags").empty();
    if (layer) {
      x.tokens = real(row, "tokens");
      x.top_k = real(row, "top_k");
      x.hidden = real(row, "hidden");
      x.inter = real(row, "inter");
      x.experts = real(row, "experts");
      item.groups = {fmt::format("layer {}x{}", x.hidden, x.inter)};
    } else {
      x.single = true;
      x.hidden = real(row, "k");
      x.inter = real(row, "n");
      x.experts = x.rows.groups;
      x.tokens = x.rows.rows;
      item.groups = {fmt::format("{}x{}", x.inter, x.hidden)};
    }
    builder.add(impl, std::string(name_of(x.precision)), x.precision, std::move(item), x);
  }
  return builder.take();
}

}  // namespace moesim::validation
