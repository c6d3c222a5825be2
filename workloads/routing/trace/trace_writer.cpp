#include "workloads/routing/trace/trace_writer.h"

#include <algorithm>

#include "sim/check.h"
#include "sim/io/hdf5_file.h"
#include "workloads/routing/trace/trace.h"

namespace moesim::workloads {
namespace {

using sim::io::Hdf5Writer;
using Stored = Hdf5Writer::Stored;

constexpr const char* kColumns[] = {"/token/request_id", "/token/position", "/token/phase",
                                    "/token/domain"};
constexpr Stored kStored[] = {Stored::U4, Stored::U4, Stored::U1, Stored::U2};

void write_header(Hdf5Writer& file, const TraceHeader& header) {
  file.attribute("format", std::string(kTraceFormat));
  file.attribute("version", kTraceVersion);
  file.attribute("num_experts", std::int64_t{header.experts});
  file.attribute("top_k", std::int64_t{header.top_k});
  if (!header.model.empty()) file.attribute("model", header.model);
  if (!header.source.empty()) file.attribute("source", header.source);
  if (!header.created.empty()) file.attribute("created", header.created);
  if (header.physical) file.attribute("expert_space", std::string("physical"));
  if (!header.layer_ids.empty()) {
    file.attribute("moe_layer_ids", std::span<const std::int64_t>(header.layer_ids));
  }
  if (!header.domains.empty()) file.strings("/domains", header.domains);
}

}  // namespace

TraceWriter::TraceWriter(const std::filesystem::path& file, TraceHeader header)
    : header_(std::move(header)), file_(std::make_unique<Hdf5Writer>(file)) {
  write_header(*file_, header_);
}

TraceWriter::~TraceWriter() = default;

void TraceWriter::append(const TracePart& part) {
  const std::uint64_t row[] = {header_.layers, header_.top_k};
  const std::size_t size = std::size_t{header_.layers} * header_.top_k;
  SIM_CHECK(part.ids.size() % size == 0, "ids are tokens x layers x top_k");
  const std::size_t tokens = part.ids.size() / size;
  // What is no expert stands for a missing one: the type's largest number, or -1.
  const auto [stored, missing] = header_.experts <= 0xFF     ? std::pair(Stored::U1, 0xFF)
                                 : header_.experts <= 0xFFFF ? std::pair(Stored::U2, 0xFFFF)
                                                             : std::pair(Stored::I4, -1);
  if (!ids_) ids_ = file_->create("/expert_ids", stored, row);
  buffer_.resize(part.ids.size());
  std::transform(
      part.ids.begin(), part.ids.end(), buffer_.begin(), [&, none = missing](ExpertId id) {
        SIM_CHECK(id < header_.experts || id == kMissingExpert, "an id is one of the experts");
        return id == kMissingExpert ? none : static_cast<std::int32_t>(id);
      });
  file_->append(*ids_, std::span<const std::int32_t>(buffer_));
  SIM_CHECK(part.weights.empty() || part.weights.size() == part.ids.size(), "a weight an id");
  if (!part.weights.empty()) {
    SIM_CHECK(tokens_ == 0 || weights_, "a column is in every part");
    if (!weights_) weights_ = file_->create("/expert_weights", Stored::F2, row);
    file_->append(*weights_, part.weights);
  }
  const std::span<const std::uint32_t> columns[] = {part.requests, part.positions, part.phases,
                                                    part.domains};
  for (std::size_t c = 0; c < 4; ++c) {
    SIM_CHECK(columns[c].size() == tokens || (columns[c].empty() && !columns_[c]),
              "a column is in every part");
    append_column(c, columns[c]);
  }
  tokens_ += tokens;
}

void TraceWriter::append_column(std::size_t column, std::span<const std::uint32_t> values) {
  if (values.empty()) return;
  if (!columns_[column]) {
    SIM_CHECK(tokens_ == 0, "a column is in every part");
    columns_[column] = file_->create(kColumns[column], kStored[column], {});
  }
  const std::vector<std::int64_t> wide(values.begin(), values.end());
  file_->append(*columns_[column], std::span<const std::int64_t>(wide));
}

void TraceWriter::end_step(std::optional<std::uint32_t> phase,
                           std::optional<std::uint32_t> dp_rank) {
  step_ends_.push_back(static_cast<std::int64_t>(tokens_));
  if (phase) step_phases_.push_back(*phase);
  if (dp_rank) step_ranks_.push_back(*dp_rank);
}

void TraceWriter::close() {
  if (!step_ends_.empty()) {
    step_ends_.insert(step_ends_.begin(), 0);
    const auto list = [&](const char* name, Stored stored,
                          const std::vector<std::int64_t>& values) {
      file_->append(file_->create(name, stored, {}), std::span<const std::int64_t>(values));
    };
    list("/step/token_offset", Stored::U8, step_ends_);
    const std::size_t steps = step_ends_.size() - 1;
    if (step_phases_.size() == steps) list("/step/phase", Stored::U1, step_phases_);
    if (step_ranks_.size() == steps) list("/step/dp_rank", Stored::U2, step_ranks_);
  }
  file_->close();
}

CountWriter::CountWriter(const std::filesystem::path& file, const TraceHeader& header)
    : row_(std::size_t{header.layers} * header.experts), file_(std::make_unique<Hdf5Writer>(file)) {
  write_header(*file_, header);
  const std::uint64_t row[] = {header.layers, header.experts};
  counts_ = file_->create("/counts", Stored::U4, row);
}

CountWriter::~CountWriter() = default;

void CountWriter::append(std::span<const std::uint32_t> counts) {
  SIM_CHECK(counts.size() % row_ == 0, "counts are steps x layers x experts");
  const std::vector<std::int64_t> wide(counts.begin(), counts.end());
  file_->append(counts_, std::span<const std::int64_t>(wide));
}

void CountWriter::close(std::span<const std::uint32_t> step_domains) {
  if (!step_domains.empty()) {
    const std::vector<std::int64_t> domains(step_domains.begin(), step_domains.end());
    file_->append(file_->create("/step/domain", Stored::U2, {}),
                  std::span<const std::int64_t>(domains));
  }
  file_->close();
}

void write_counts(const std::filesystem::path& file, const CountTrace& trace) {
  CountWriter writer(file, trace.header);
  writer.append(trace.counts);
  writer.close(trace.step_domains);
}

}  // namespace moesim::workloads
