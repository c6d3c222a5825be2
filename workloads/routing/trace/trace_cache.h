// Unpacked traces in a folder, so that a trace is inflated once and not by every run.
//
// Optional, and never needed: an entry is named by the hash and the size of the trace's file,
// checked by a hash of its own whenever it is opened, and made anew where it is damaged. It appears
// whole (written beside its place under a name that nobody else has, then renamed), so that any
// number of processes may share the folder; whoever has one open keeps it while it is deleted. What
// cannot be written is not kept, silently: the answer is the same.
//
// Beside it, in memory, the trace that was opened last, what laws have drawn and the hashes of
// files: who shares the one shares the others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>

#include "sim/io/file_hashes.h"
#include "workloads/routing/laws/drawn_ids.h"
#include "workloads/routing/trace/unpacked_trace.h"

namespace moesim::workloads {

class TraceCache {
 public:
  // Entries come to at most so many bytes: those that were not used for longest make room.
  explicit TraceCache(std::filesystem::path folder,
                      std::uint64_t most_bytes = std::uint64_t{1} << 30);

  const std::filesystem::path& folder() const { return folder_; }

  // The trace, from its entry, else read and kept. Null where its form is counts, or a single entry
  // would take more than a quarter of the room: the caller then reads it. Throws InputError as
  // RoutingTrace::open does. From any thread.
  std::shared_ptr<const UnpackedTrace> open(const std::filesystem::path& file) const;

  const std::shared_ptr<DrawnIds>& drawn() const { return drawn_; }
  const std::shared_ptr<sim::io::FileHashes>& hashes() const { return hashes_; }

 private:
  // The trace that was opened last, as long as its entry is as it was then.
  struct Opened {
    std::mutex mutex;
    std::filesystem::path file, entry;
    sim::io::FileStamp stamp = {};  // of the entry
    std::shared_ptr<const UnpackedTrace> trace;
  };
  std::shared_ptr<const UnpackedTrace> opened(const std::filesystem::path& file,
                                              const std::filesystem::path& entry, std::uint64_t key,
                                              std::uint64_t size) const;

  std::filesystem::path folder_;
  std::uint64_t most_bytes_;
  std::unique_ptr<Opened> last_ = std::make_unique<Opened>();
  std::shared_ptr<DrawnIds> drawn_ = std::make_shared<DrawnIds>();
  std::shared_ptr<sim::io::FileHashes> hashes_ = std::make_shared<sim::io::FileHashes>();
};

}  // namespace moesim::workloads
