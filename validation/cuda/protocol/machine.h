// Where operations run: a GPU, or the emulator. Checks and measurements are written against this,
// so that what runs on a GPU for the first time has already run without one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "validation/cuda/kernels/arguments.h"

namespace moesim::validation::cuda {

enum class GemmBy { Mma, Wgmma };
struct GroupedGemm {
  GemmBy by = GemmBy::Mma;
  GroupedGemmArgs args;
};

// The same by a library, which must be told the rows of each group on the host.
enum class Library { CublasLt, CublasGrouped };
struct LibraryGemm {
  Library library = Library::CublasLt;
  GroupedGemmArgs args;
  std::vector<int> loads;  // rows of each group
};

struct StreamCopy {
  StreamArgs args;
};
struct StreamRead {
  StreamArgs args;
};
struct EmptyKernel {
  int blocks = 1;
};
// The run time's own copy: between host (pinned) and device, or on the device.
enum class CopyKind { HostToDevice, DeviceToHost, DeviceToDevice };
struct TransferArgs {
  CopyKind kind = CopyKind::DeviceToDevice;
  void* to = nullptr;
  const void* from = nullptr;
  std::size_t bytes = 0;
};

using Operation =
    std::variant<RouterArgs, SortArgs, PermuteArgs, UnpermuteArgs, SwigluArgs, QuantiseArgs,
                 GroupedGemm, GroupedGemmFp8Args, LibraryGemm, AttentionArgs, AttentionPrefillArgs,
                 StreamCopy, StreamRead, EmptyKernel, FillArgs, CountNanArgs, TransferArgs>;
using Operations = std::vector<Operation>;

// "grouped_gemm_wgmma", "sort": what a message calls it.
std::string name_of(const Operation& operation);

struct MachineInfo {
  std::string device = "emulator";
  int multiprocessors = 0;
  std::size_t l2_bytes = 0, memory_bytes = 0, free_bytes = 0;
  // Versions and identity, in the order in which they are printed: "driver" -> "13000".
  std::vector<std::pair<std::string, std::string>> details;

  // All of it but what is free: "device", "multiprocessors", "l2_bytes", "memory_bytes", details.
  std::vector<std::pair<std::string, std::string>> metadata() const;
};

struct Health {  // what can be read of clocks and power; absent: cannot be read
  std::optional<double> sm_mhz, memory_mhz, watts, celsius;
  std::optional<std::uint64_t> throttle;  // clock event mask
};

struct TimingRequest {
  int repeats = 30;             // timed replays, at least
  double least_seconds = 0.02;  // and go on for that long
  double most_seconds = 1.0;    // but stop after this, with no fewer than 5
};

struct Timing {
  std::vector<double> us;  // of one run of the operations, one value a replay
  bool graph = false;      // replayed from a captured graph
};

// An operation that this machine has no means for ("needs sm_90a", "libcublasLt was not found").
struct Unsupported {
  std::string why;
};

class Machine {
 public:
  virtual ~Machine() = default;
  virtual const MachineInfo& info() const = 0;

  // Throws OutOfMemory.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  virtual void* allocate_pinned(std::size_t bytes) = 0;  // on the host
  virtual void release_pinned(void* memory) noexcept = 0;
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;
  virtual void set_bytes(void* to, int value, std::size_t bytes) = 0;
  virtual std::size_t free_memory() = 0;
  // Whether it still answers: after some errors (a wrong address) a GPU's context never does.
  virtual bool usable() = 0;

  virtual std::optional<Unsupported> cannot(const Operation& operation) const = 0;
  // Runs it to its end. REQUIRES: !cannot(operation). Throws MachineError, which names it.
  virtual void run(const Operation& operation) = 0;
  // Times the operations, warm; with several sets (of equal work on different memory) in turn.
  virtual Timing time(std::span<const Operations> sets, const TimingRequest& request) = 0;
  virtual Health health() = 0;
  // Times what several GPUs do together: "p2p" (the run time's copy from the first to the second,
  // of `bytes`), or of NCCL "all_to_all" (each sends `bytes` in all, an equal part to each),
  // "all_gather", "reduce_scatter" and "all_reduce" (in bf16; `bytes` of the whole buffer, as
  // nccl-tests counts them).
  virtual std::variant<Timing, Unsupported> between_gpus(const std::string& what, int gpus,
                                                         double bytes,
                                                         const TimingRequest& request) = 0;
  // Memory that something takes, by name: "context", "cublas_handle", "graph", "allocation" (of
  // `size` bytes). Empty where it cannot be told.
  virtual std::optional<double> footprint(const std::string& what, double size) = 0;
};

struct MachineError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct OutOfMemory : MachineError {
  using MachineError::MachineError;
};

// Device memory for `count` values, given back at the end.
template <class T>
class Buffer {
 public:
  Buffer(Machine& machine, std::size_t count)
      : machine_(&machine),
        data_(static_cast<T*>(machine.allocate((count == 0 ? 1 : count) * sizeof(T)))),
        count_(count) {}
  Buffer(Machine& machine, const std::vector<T>& values) : Buffer(machine, values.size()) {
    if (!values.empty()) machine.upload(data_, values.data(), values.size() * sizeof(T));
  }
  ~Buffer() {
    if (data_ != nullptr) machine_->release(data_);
  }
  Buffer(Buffer&& other) noexcept
      : machine_(other.machine_), data_(other.data_), count_(other.count_) {
    other.data_ = nullptr;
  }
  Buffer& operator=(Buffer&&) = delete;

  T* data() const { return data_; }
  std::size_t size() const { return count_; }
  std::size_t bytes() const { return count_ * sizeof(T); }
  // Every byte 0xff: NaN in every format, -1 as an integer.
  void poison() { machine_->set_bytes(data_, 0xff, bytes()); }
  std::vector<T> read() const { return read(0, count_); }
  std::vector<T> read(std::size_t first, std::size_t count) const {
    std::vector<T> values(count);
    if (count > 0) machine_->download(values.data(), data_ + first, count * sizeof(T));
    return values;
  }

 private:
  Machine* machine_;
  T* data_;
  std::size_t count_;
};

}  // namespace moesim::validation::cuda
