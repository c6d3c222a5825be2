#include "workloads/routing/trace/trace_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sim/error.h"
#include "sim/io/content_hash.h"
#include "sim/io/json.h"

namespace moesim::workloads {
namespace {

namespace fs = std::filesystem;
using sim::io::Json;

constexpr std::array<char, 16> kMagic{"moesim ids 1"};
constexpr const char* kEnding = ".ids";

// An entry begins with this; then what the trace says of itself, as JSON filled up to eight bytes;
// its runs; its ids.
struct Head {
  std::array<char, 16> magic = kMagic;
  std::uint64_t key = 0;   // hash of the trace's file
  std::uint64_t size = 0;  // of the trace's file
  std::uint64_t json_bytes = 0, runs = 0, width = 0, id_bytes = 0;
  std::uint64_t hash = 0;  // of all before this and all that follows
};
struct Run {
  std::uint64_t first = 0, count = 0, domain = 0;
};
std::span<const char> hashed(const Head& head) {
  return {reinterpret_cast<const char*>(&head), offsetof(Head, hash)};
}
constexpr std::uint64_t filled(std::uint64_t bytes) {
  return (bytes + 7) / 8 * 8;
}

Json json_of(const TraceInfo& info) {
  return {{"model", info.model},
          {"source", info.source},
          {"created", info.created},
          {"tokens", info.tokens},
          {"steps", info.steps},
          {"layers", info.layers},
          {"experts", info.experts},
          {"top_k", info.top_k},
          {"physical", info.physical},
          {"ambiguous", info.ambiguous_expert ? std::int64_t{*info.ambiguous_expert} : -1},
          {"layer_ids", info.layer_ids},
          {"domains", info.domains},
          {"has",
           {info.has_requests, info.has_positions, info.has_phases, info.has_domains,
            info.has_weights, info.has_gate_scores, info.has_gate_bias}}};
}

TraceInfo info_of(const Json& json, const fs::path& file) {
  TraceInfo info;
  info.file = file.string();
  json.at("model").get_to(info.model);
  json.at("source").get_to(info.source);
  json.at("created").get_to(info.created);
  json.at("tokens").get_to(info.tokens);
  json.at("steps").get_to(info.steps);
  json.at("layers").get_to(info.layers);
  json.at("experts").get_to(info.experts);
  json.at("top_k").get_to(info.top_k);
  json.at("physical").get_to(info.physical);
  if (const auto expert = json.at("ambiguous").get<std::int64_t>(); expert >= 0)
    info.ambiguous_expert = static_cast<std::uint32_t>(expert);
  json.at("layer_ids").get_to(info.layer_ids);
  json.at("domains").get_to(info.domains);
  bool* const has[] = {&info.has_requests, &info.has_positions, &info.has_phases,
                       &info.has_domains,  &info.has_weights,   &info.has_gate_scores,
                       &info.has_gate_bias};
  for (std::size_t i = 0; i < std::size(has); ++i) json.at("has").at(i).get_to(*has[i]);
  return info;
}

// A file in memory.
class Mapped {
 public:
  explicit Mapped(const fs::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    struct stat status {};
    if (::fstat(descriptor, &status) == 0 && status.st_size > 0) {
      size_ = static_cast<std::size_t>(status.st_size);
      data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0);
      if (data_ == MAP_FAILED) data_ = nullptr;
    }
    ::close(descriptor);
  }
  ~Mapped() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  std::span<const char> bytes() const {
    return data_ == nullptr ? std::span<const char>()
                            : std::span(static_cast<const char*>(data_), size_);
  }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

// What an entry holds; nothing where it is not there, damaged, or of another file.
std::shared_ptr<const UnpackedTrace> read_entry(const fs::path& entry, const fs::path& file,
                                                std::uint64_t key, std::uint64_t size) {
  const auto mapped = std::make_shared<const Mapped>(entry);
  const std::span<const char> bytes = mapped->bytes();
  Head head;
  if (bytes.size() < sizeof head) return nullptr;
  std::memcpy(&head, bytes.data(), sizeof head);
  const std::span<const char> rest = bytes.subspan(sizeof head);
  if (head.magic != kMagic || head.key != key || head.size != size ||
      head.json_bytes > rest.size() || head.runs > rest.size() / sizeof(Run) ||
      head.id_bytes > rest.size() ||
      filled(head.json_bytes) + head.runs * sizeof(Run) + head.id_bytes != rest.size())
    return nullptr;
  sim::io::ContentHash hash;
  hash.add(hashed(head));
  hash.add(rest);
  if (hash.value() != head.hash) return nullptr;
  auto trace = std::make_shared<UnpackedTrace>();
  try {
    trace->info =
        info_of(sim::io::parse_json({rest.data(), head.json_bytes}, entry.string()), file);
  } catch (const std::exception&) {
    return nullptr;
  }
  std::vector<Run> runs(head.runs);
  const char* const at = rest.data() + filled(head.json_bytes);
  std::memcpy(runs.data(), at, runs.size() * sizeof(Run));
  for (const Run& run : runs)
    trace->runs.push_back({run.first, run.count, static_cast<std::uint32_t>(run.domain)});
  trace->width = head.width;
  trace->ids = std::as_bytes(std::span(at + runs.size() * sizeof(Run), head.id_bytes));
  trace->memory = mapped;
  return trace;
}

bool write_all(int descriptor, const void* bytes, std::size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t written = ::write(descriptor, at, size);
    if (written <= 0) return false;
    at += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

bool write_entry(const fs::path& entry, const UnpackedTrace& trace, std::uint64_t key,
                 std::uint64_t size) {
  std::string json = sim::io::to_text(json_of(trace.info));
  Head head{.key = key,
            .size = size,
            .json_bytes = json.size(),
            .runs = trace.runs.size(),
            .width = trace.width,
            .id_bytes = trace.ids.size()};
  json.resize(filled(json.size()), ' ');
  std::vector<Run> runs;
  for (const RequestRun& run : trace.runs) runs.push_back({run.first, run.count, run.domain});
  const std::span<const char> ids(reinterpret_cast<const char*>(trace.ids.data()),
                                  trace.ids.size());
  sim::io::ContentHash hash;
  hash.add(hashed(head));
  hash.add(json);
  hash.add({reinterpret_cast<const char*>(runs.data()), runs.size() * sizeof(Run)});
  hash.add(ids);
  head.hash = hash.value();

  std::string temporary = entry.string() + ".tmp.XXXXXX";
  const int descriptor = ::mkostemp(temporary.data(), O_CLOEXEC);  // exclusive
  if (descriptor < 0) return false;
  bool whole = write_all(descriptor, &head, sizeof head) &&
               write_all(descriptor, json.data(), json.size()) &&
               write_all(descriptor, runs.data(), runs.size() * sizeof(Run)) &&
               write_all(descriptor, ids.data(), ids.size());
  whole = ::close(descriptor) == 0 && whole;
  std::error_code error;
  if (whole) fs::rename(temporary, entry, error);
  if (whole && !error) return true;
  fs::remove(temporary, error);
  return false;
}

// Removes what was not used for longest, and what writers that died left behind.
void make_room(const fs::path& folder, std::uint64_t most_bytes) {
  struct Entry {
    fs::path path;
    fs::file_time_type used;
    std::uint64_t bytes;
  };
  std::vector<Entry> entries;
  std::uint64_t sum = 0;
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (const auto& found : fs::directory_iterator(folder, error)) {
    const fs::path& path = found.path();
    const auto used = fs::last_write_time(path, error);
    if (error) continue;
    if (path.extension() == kEnding) {
      const std::uint64_t bytes = fs::file_size(path, error);
      if (error) continue;
      entries.push_back({path, used, bytes});
      sum += bytes;
    } else if (path.filename().string().find(std::string(kEnding) + ".tmp.") != std::string::npos &&
               now - used > std::chrono::hours(24)) {
      fs::remove(path, error);
    }
  }
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.used, e.path); });
  for (const Entry& entry : entries) {
    if (sum <= most_bytes) break;
    fs::remove(entry.path, error);
    sum -= entry.bytes;
  }
}

}  // namespace

TraceCache::TraceCache(std::filesystem::path folder, std::uint64_t most_bytes)
    : folder_(std::move(folder)), most_bytes_(most_bytes) {}

std::shared_ptr<const UnpackedTrace> TraceCache::open(const std::filesystem::path& file) const {
  std::error_code error;
  const std::uint64_t size = fs::file_size(file, error);
  if (error) return nullptr;  // whoever reads it says so
  const std::uint64_t key = hashes_->of(file);
  const fs::path entry = folder_ / fmt::format("{:016x}-{:x}{}", key, size, kEnding);
  const std::lock_guard lock(last_->mutex);
  Opened& last = *last_;
  const bool same = last.trace && last.file == file && last.entry == entry;
  if (same && last.stamp != sim::io::FileStamp{} && sim::io::stamp_of(entry) == last.stamp)
    return last.trace;
  last.trace = opened(file, entry, key, size);
  last.file = file;
  last.entry = entry;
  last.stamp = sim::io::stamp_of(entry);
  return last.trace;
}

std::shared_ptr<const UnpackedTrace> TraceCache::opened(const fs::path& file, const fs::path& entry,
                                                        std::uint64_t key,
                                                        std::uint64_t size) const {
  std::error_code error;
  if (auto kept = read_entry(entry, file, key, size)) {
    fs::last_write_time(entry, fs::file_time_type::clock::now(), error);  // used
    return kept;
  }
  const RoutingTrace trace = RoutingTrace::open(file);
  if (!trace.info().per_token || unpacked_bytes(trace.info()) > most_bytes_ / 4) return nullptr;
  auto made = std::make_shared<const UnpackedTrace>(unpack(trace));
  fs::create_directories(folder_, error);
  // A file that changed while it was read is not what its hash says.
  if (!error && sim::io::content_hash_of(file) == key && write_entry(entry, *made, key, size))
    make_room(folder_, most_bytes_);
  return made;
}

}  // namespace moesim::workloads
