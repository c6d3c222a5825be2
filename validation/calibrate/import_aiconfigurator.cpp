#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <vector>

#include "sim/error.h"
#include "validation/calibrate/import.h"

namespace moesim::validation {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kRenamed{{
    {"latency", "latency_us"},
    {"message_size", "bytes"},
    {"nccl_dtype", "dtype"},
    {"allreduce_dtype", "dtype"},
    {"dispatch_sms", "sms"},
    {"dispatch_avg_t_us", "dispatch_us"},
    {"combine_avg_t_us", "combine_us"},
}};

std::int64_t bytes_of(std::string_view type) {
  if (type == "int8" || type == "uint8" || type == "fp8") return 1;
  return type == "float" || type == "float32" ? 4 : 2;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// Rows of decode have one new token each; a context table has other lengths, too.
bool all_of_one_token(const sim::io::CsvTable& table, std::size_t isl) {
  for (std::size_t row = 0; row < table.rows(); ++row)
    if (table.integer(row, isl) != 1) return false;
  return true;
}

class Importer {
 public:
  explicit Importer(const sim::io::CsvTable& table)
      : table_(table),
        latency_(table.find_column("latency")),
        elements_(table.find_column("message_size")),
        step_(table.find_column("isl") ? table.find_column("step") : std::nullopt),
        decode_(step_ && all_of_one_token(table, *table.find_column("isl"))) {
    type_ = table.find_column("nccl_dtype");
    all_reduce_ = table.find_column("allreduce_dtype").has_value();
    if (all_reduce_) type_ = table.find_column("allreduce_dtype");
    if (all_reduce_ && !table.find_column("engine")) framework_ = table.find_column("framework");
  }

  std::string csv() const {
    sim::io::CsvWriter writer(names());
    for (std::size_t row = 0; row < table_.rows(); ++row) {
      for (std::size_t c = 0; c < table_.columns().size(); ++c) add(writer, row, c);
      if (framework_) {
        writer.add(lower(table_.text(row, *framework_)));
        writer.add(eager(row) ? "eager" : "graph");
      }
      writer.end_row();
    }
    return writer.text();
  }

 private:
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (std::size_t c = 0; c < table_.columns().size(); ++c) {
      std::string name = table_.columns()[c];
      for (const auto& [theirs, ours] : kRenamed)
        if (name == theirs && !table_.find_column(ours)) name = ours;
      if (step_ && c == *step_) name = "kv_len";
      names.push_back(std::move(name));
    }
    if (framework_) names.insert(names.end(), {"engine", "mode"});
    return names;
  }

  void add(sim::io::CsvWriter& writer, std::size_t row, std::size_t c) const {
    if (latency_ && c == *latency_) {
      const double ms = table_.number(row, c);
      if (!(ms > 0))
        throw sim::InputError(fmt::format("{}: latency: expected a time above zero, not \"{}\"",
                                          table_.where(row), table_.text(row, c)));
      writer.add(ms * 1000);
    } else if (elements_ && c == *elements_) {
      writer.add(table_.integer(row, c) * (type_ ? bytes_of(table_.text(row, *type_)) : 2));
    } else if (step_ && c == *step_) {
      // The keys of a step of decode: those before it and its own.
      writer.add(table_.integer(row, c) + (decode_ ? 1 : 0));
    } else {
      writer.add(table_.text(row, c));
    }
  }

  bool eager(std::size_t row) const {
    for (const char* column : {"kernel_source", "op_name", "implementation"})
      if (const auto c = table_.find_column(column))
        if (table_.text(row, *c).ends_with("_eager")) return true;
    return false;
  }

  const sim::io::CsvTable& table_;
  std::optional<std::size_t> latency_, elements_, step_, type_ = {}, framework_ = {};
  bool decode_, all_reduce_ = false;
};

}  // namespace

std::string import_aiconfigurator(const sim::io::CsvTable& table) {
  return Importer(table).csv();
}

}  // namespace moesim::validation
