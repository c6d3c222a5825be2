#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "workloads/routing/importers/said_shape.h"
#include "workloads/routing/trace/trace_writer.h"

namespace moesim::workloads {
namespace {

// The values of a line; throws where one is no count.
std::vector<std::uint32_t> numbers(std::string_view line, const std::string& where) {
  std::vector<std::uint32_t> row;
  while (true) {
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc{})
      throw sim::InputError(fmt::format("{}: value {}: expected a count", where, row.size() + 1));
    row.push_back(value);
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t' || line.front() == '\r'))
      line.remove_prefix(1);
    if (line.empty()) return row;
    if (line.front() != ',')
      throw sim::InputError(fmt::format("{}: value {}: expected a count", where, row.size()));
    line.remove_prefix(1);
  }
}

}  // namespace

ImportSummary import_matrices(const Files& files, const std::filesystem::path& out,
                              const ImportOptions& options) {
  ImportSummary summary;
  std::size_t ranks = 0, layers = 0;
  std::unique_ptr<CountWriter> writer;  // made after the first file, which says the shape
  for (const auto& file : files) {
    const std::string text = sim::io::read_text(file);
    std::size_t line_number = 0, lines = 0, matrices = 0;
    std::uint64_t first_matrix = 0;
    std::vector<std::uint32_t> counts;  // [matrices x ranks]
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line(text.data() + at, end - at);
      at = end + 1;
      ++line_number;
      if (line.empty() || line == "\r" || line.front() == '#') continue;
      const std::string where = fmt::format("{}:{}", file.string(), line_number);
      const auto row = numbers(line, where);
      if (ranks == 0) ranks = row.size();
      if (row.size() != ranks || ranks > kMostExperts) {
        throw sim::InputError(
            fmt::format("{}: {} values, but a matrix of {} ranks", where, row.size(), ranks));
      }
      if (lines % ranks == 0) {
        counts.resize(counts.size() + ranks);
        ++matrices;
      }
      std::uint32_t* sums = counts.data() + counts.size() - ranks;
      for (std::size_t r = 0; r < ranks; ++r) {
        if (sums[r] > 0xFFFFFFFF - row[r])
          throw sim::InputError(fmt::format("{}: the counts are too large", where));
        sums[r] += row[r];
        if (matrices == 1) first_matrix += row[r];
      }
      ++lines;
    }
    if (lines == 0 || lines % ranks != 0) {
      throw sim::InputError(fmt::format("{}: {} rows are no whole number of matrices of {} ranks",
                                        file.string(), lines, ranks));
    }
    check_said_experts(file.string(), ranks, options);
    check_said_layers(file.string(), matrices, options);
    check_said_top_k(file.string(), 1, options);
    if (layers == 0) layers = matrices;
    if (matrices != layers) {
      throw sim::InputError(fmt::format("{}: {} matrices, but the files before have {}",
                                        file.string(), matrices, layers));
    }
    if (!writer) {
      writer = std::make_unique<CountWriter>(
          out,
          TraceHeader{.layers = static_cast<std::uint32_t>(layers),
                      .experts = static_cast<std::uint32_t>(ranks),
                      .top_k = 1,
                      .model = options.model,
                      .source = "all-to-all matrices: an expert stands for all those of a rank"});
    }
    writer->append(counts);
    summary.records += matrices;
    summary.tokens += first_matrix;
  }
  if (!writer) throw sim::InputError("the recording has no matrices");
  check_tokens(summary, files);
  writer->close();
  return summary;
}

}  // namespace moesim::workloads
