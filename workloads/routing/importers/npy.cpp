#include "sim/io/packed_stream.h"
#include "workloads/routing/importers/npy_reader.h"
#include "workloads/routing/importers/token_sink.h"

namespace moesim::workloads {

ImportSummary import_npy(const Files& files, const std::filesystem::path& out,
                         const ImportOptions& options) {
  TokenSink sink(out, options, "npy");
  ImportSummary summary;
  std::vector<std::int32_t> ids;
  for (const auto& file : files) {
    const std::string name = file.string();
    sim::io::PackedStream in(file);
    NpyReader reader(in, name);
    const NpyHeader& header = reader.header();
    const auto layers = static_cast<std::uint32_t>(header.shape[1]);
    const auto top_k = static_cast<std::uint32_t>(header.shape[2]);
    sink.begin_request();
    ids.resize(std::size_t{layers} * top_k);
    for (std::uint64_t t = 0; t < header.shape[0]; ++t) {
      reader.read(ids, t);
      sink.add(ids, layers, top_k, {}, {name, t});
    }
    reader.expect_end();
    ++summary.records;
  }
  sink.close(summary, files);
  return summary;
}

}  // namespace moesim::workloads
