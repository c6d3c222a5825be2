#include <algorithm>

#include "validation/cuda/protocol/measured_set.h"
#include "validation/cuda/protocol/sampling.h"

namespace moesim::validation::cuda {
namespace {

class StreamSet : public Set {
 public:
  StreamSet(Machine& machine, const PlanPoint& point, std::uint64_t seed)
      : read_(point.op == "read"),
        pieces_(static_cast<std::size_t>(point.bytes) / (read_ ? 16 : 32)),
        from_(machine, pieces_),
        to_(machine, read_ ? kReadResultWords / 4 : pieces_) {
    fill(machine, from_.data(), pieces_ * 8, Filling::Bf16, seed, 1);
    fill(machine, to_.data(), to_.size() * 8, Filling::Bf16, seed, 1);
  }
  Operations operations() const override {
    const StreamArgs args{from_.data(), to_.data(), static_cast<std::int64_t>(pieces_)};
    if (read_) return {StreamRead{args}};
    return {StreamCopy{args}};
  }

 private:
  bool read_;
  std::size_t pieces_;
  Buffer<Vector16> from_, to_;
};

class TransferSet : public Set {
 public:
  TransferSet(Machine& machine, const PlanPoint& point)
      : machine_(machine),
        // A copy on the device reads and writes: half of its bytes each.
        bytes_(static_cast<std::size_t>(point.bytes) / (point.op == "copy" ? 2 : 1)),
        kind_(point.op == "h2d"   ? CopyKind::HostToDevice
              : point.op == "d2h" ? CopyKind::DeviceToHost
                                  : CopyKind::DeviceToDevice),
        device_(machine, bytes_),
        other_(machine, kind_ == CopyKind::DeviceToDevice ? bytes_ : 0),
        pinned_(kind_ == CopyKind::DeviceToDevice ? nullptr : machine.allocate_pinned(bytes_)) {
    if (pinned_ == nullptr) return;
    std::fill_n(static_cast<unsigned char*>(pinned_), bytes_, static_cast<unsigned char>(0x5a));
  }
  ~TransferSet() override {
    if (pinned_ != nullptr) machine_.release_pinned(pinned_);
  }
  Operations operations() const override {
    if (kind_ == CopyKind::HostToDevice) {
      return {TransferArgs{kind_, device_.data(), pinned_, bytes_}};
    }
    void* to = kind_ == CopyKind::DeviceToDevice ? static_cast<void*>(other_.data()) : pinned_;
    return {TransferArgs{kind_, to, device_.data(), bytes_}};
  }

 private:
  Machine& machine_;
  std::size_t bytes_;
  CopyKind kind_;
  Buffer<std::uint8_t> device_, other_;
  void* pinned_;
};

class EmptySet : public Set {
 public:
  explicit EmptySet(int executions) : executions_(executions) {}
  Operations operations() const override {
    return Operations(static_cast<std::size_t>(executions_), EmptyKernel{1});
  }

 private:
  int executions_;
};

}  // namespace

std::unique_ptr<Set> make_stream_set(Machine& machine, const PlanPoint& point, std::uint64_t seed) {
  return std::make_unique<StreamSet>(machine, point, seed);
}

std::unique_ptr<Set> make_transfer_set(Machine& machine, const PlanPoint& point) {
  return std::make_unique<TransferSet>(machine, point);
}

std::unique_ptr<Set> make_empty_set(int executions) {
  return std::make_unique<EmptySet>(executions);
}

}  // namespace moesim::validation::cuda
