// Reading a routing trace slab by slab, against plain inflate of bytes packed the same way; and a
// table of 200,000 rows.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "sim/io/csv.h"
#include "sim/io/hdf5_file.h"
#include "sim/io/yaml_reader.h"
#include "sim/random.h"

namespace {

using namespace moesim::sim;
using io::Hdf5Writer;

constexpr std::uint64_t kLayers = 58, kTopK = 8, kTokens = 20'000;

// Ids of 256 experts, skewed: the least of two even draws.
std::vector<std::int32_t> make_ids() {
  Random random(1, "bench_io");
  std::vector<std::int32_t> ids(kTokens * kLayers * kTopK);
  for (std::int32_t& id : ids) {
    id = static_cast<std::int32_t>(std::min(random.below(256), random.below(256)));
  }
  return ids;
}

class TraceFile {
 public:
  explicit TraceFile(Hdf5Writer::Stored stored)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("moesim-bench-{}.h5", getpid())) {
    Hdf5Writer writer(path_);
    const std::vector<std::uint64_t> row = {kLayers, kTopK};
    writer.append(writer.create("/expert_ids", stored, row), make_ids());
    writer.close();
  }
  ~TraceFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void read_trace(benchmark::State& state, Hdf5Writer::Stored stored, std::int64_t width) {
  const TraceFile file(stored);
  std::vector<std::int32_t> out;
  for (auto _ : state) {
    const io::Hdf5Dataset set = io::Hdf5File::open(file.path()).dataset("/expert_ids");
    for (std::uint64_t row = 0; row < set.rows(); row += set.chunk_rows()) {
      const std::uint64_t count = std::min(set.chunk_rows(), set.rows() - row);
      out.resize(count * set.row_size());
      set.read(row, count, std::span(out));
      benchmark::DoNotOptimize(out.data());
    }
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(kTokens * kLayers * kTopK) * width);
}

void read_trace_u2(benchmark::State& state) {
  read_trace(state, Hdf5Writer::Stored::U2, 2);
}
void read_trace_u1(benchmark::State& state) {
  read_trace(state, Hdf5Writer::Stored::U1, 1);
}

// As it lies, into bytes: how the ids of a trace are read to be counted.
void read_trace_bytes(benchmark::State& state) {
  const TraceFile file(Hdf5Writer::Stored::U1);
  std::vector<std::uint8_t> out;
  for (auto _ : state) {
    const io::Hdf5Dataset set = io::Hdf5File::open(file.path()).dataset("/expert_ids");
    for (std::uint64_t row = 0; row < set.rows(); row += set.chunk_rows()) {
      const std::uint64_t count = std::min(set.chunk_rows(), set.rows() - row);
      out.resize(count * set.row_size());
      set.read_bits(row, count, std::span(out));
      benchmark::DoNotOptimize(out.data());
    }
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(kTokens * kLayers * kTopK));
}

// The yardstick: the same ids as 16 bits, shuffled by hand, deflated at level 1 in pieces of 1 MiB.
void inflate_u2(benchmark::State& state) {
  const std::vector<std::int32_t> ids = make_ids();
  constexpr std::size_t kPiece = std::size_t{1} << 19;  // values
  std::vector<std::vector<Bytef>> packed;
  for (std::size_t start = 0; start < ids.size(); start += kPiece) {
    const std::size_t count = std::min(kPiece, ids.size() - start);
    std::vector<Bytef> shuffled(2 * count, 0);
    for (std::size_t i = 0; i < count; ++i) shuffled[i] = static_cast<Bytef>(ids[start + i]);
    std::vector<Bytef> out(compressBound(static_cast<uLong>(shuffled.size())));
    uLongf size = static_cast<uLongf>(out.size());
    compress2(out.data(), &size, shuffled.data(), static_cast<uLong>(shuffled.size()), 1);
    out.resize(size);
    packed.push_back(std::move(out));
  }
  std::vector<Bytef> out(2 * kPiece);
  for (auto _ : state) {
    for (const std::vector<Bytef>& piece : packed) {
      uLongf size = static_cast<uLongf>(out.size());
      uncompress(out.data(), &size, piece.data(), static_cast<uLong>(piece.size()));
      benchmark::DoNotOptimize(out.data());
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(ids.size()) * 2);
}

void parse_csv(benchmark::State& state) {
  Random random(1, "bench_csv");
  io::CsvWriter writer({"gemm_dtype", "m", "n", "k", "latency_us"});
  for (int i = 0; i < 200'000; ++i) {
    writer.add("bfloat16");
    for (int j = 0; j < 3; ++j) writer.add(static_cast<std::int64_t>(random.below(65536)));
    writer.add(random.uniform() * 1000).end_row();
  }
  double sum = 0;
  for (auto _ : state) {
    const io::CsvTable table = io::CsvTable::parse(writer.text(), "t.csv");
    const std::size_t m = table.column("m"), latency = table.column("latency_us");
    for (std::size_t row = 0; row < table.rows(); ++row) {
      sum += table.number(row, latency) * static_cast<double>(table.integer(row, m));
    }
  }
  benchmark::DoNotOptimize(sum);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(writer.text().size()));
}

// Plain YAML; with an anchor, the same by yaml-cpp.
void parse_yaml(benchmark::State& state, const char* first) {
  std::string text = fmt::format("device: {}1\ndevices:\n", first);
  for (int i = 0; i < 1000; ++i) {
    text += fmt::format("- {{name: H{}, memory: 80 GiB, peak: 989 TFLOP/s}}\n", i);
  }
  for (auto _ : state) {
    const io::YamlDocument document = io::YamlDocument::parse(text, "x.yaml");
    benchmark::DoNotOptimize(document.root());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

BENCHMARK(inflate_u2)->Unit(benchmark::kMillisecond);
BENCHMARK(read_trace_u2)->Unit(benchmark::kMillisecond);
BENCHMARK(read_trace_u1)->Unit(benchmark::kMillisecond);
BENCHMARK(read_trace_bytes)->Unit(benchmark::kMillisecond);
BENCHMARK(parse_csv)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parse_yaml, plain, "")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parse_yaml, by_yaml_cpp, "&a ")->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
