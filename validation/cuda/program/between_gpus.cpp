#include "validation/cuda/program/between_gpus.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "validation/cuda/program/cuda_check.h"
#include "validation/cuda/program/shared_library.h"

namespace moesim::validation::cuda {
namespace {

// Of nccl.h: results are 0 for success; ncclInt8 is 0, ncclBfloat16 is 9, ncclSum is 0.
using Comm = void*;
using InitAll = int(Comm*, int, const int*);
using Plain = int();
using Destroy = int(Comm);
using Send = int(const void*, std::size_t, int, int, Comm, cudaStream_t);
using Receive = int(void*, std::size_t, int, int, Comm, cudaStream_t);
using Gather = int(const void*, void*, std::size_t, int, Comm, cudaStream_t);
using Reduce = int(const void*, void*, std::size_t, int, int, Comm, cudaStream_t);
constexpr int kInt8 = 0, kBf16 = 9, kSum = 0;
constexpr std::size_t kBf16Bytes = 2;

void check_nccl(int result, const char* what) {
  if (result != 0)
    throw MachineError(std::string(what) + ": NCCL result " + std::to_string(result));
}

// A stream, two events and two buffers on each GPU; the first GPU is current again afterwards.
class Gpus {
 public:
  Gpus(int count, std::size_t bytes) : members_(static_cast<std::size_t>(count)) {
    for (int i = 0; i < count; ++i) {
      Member& m = members_[static_cast<std::size_t>(i)];
      check_cuda(cudaSetDevice(i), "cudaSetDevice");
      check_cuda(cudaStreamCreateWithFlags(&m.stream, cudaStreamNonBlocking), "make a stream");
      check_cuda(cudaEventCreate(&m.begin), "make an event");
      check_cuda(cudaEventCreate(&m.end), "make an event");
      check_cuda(cudaMalloc(&m.send, bytes), "cudaMalloc");
      check_cuda(cudaMalloc(&m.receive, bytes), "cudaMalloc");
      check_cuda(cudaMemset(m.send, 0x5a, bytes), "cudaMemset");
    }
  }
  ~Gpus() {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      cudaSetDevice(static_cast<int>(i));
      cudaFree(members_[i].send);
      cudaFree(members_[i].receive);
      cudaEventDestroy(members_[i].begin);
      cudaEventDestroy(members_[i].end);
      cudaStreamDestroy(members_[i].stream);
    }
    cudaSetDevice(0);
  }
  Gpus(const Gpus&) = delete;
  Gpus& operator=(const Gpus&) = delete;

  struct Member {
    cudaStream_t stream = nullptr;
    cudaEvent_t begin = nullptr, end = nullptr;
    void *send = nullptr, *receive = nullptr;
  };
  std::vector<Member>& members() { return members_; }

  // The slowest GPU's time for one `action`, of `repeats`, after five to warm up.
  template <class Action>
  Timing time(const TimingRequest& request, Action&& action) {
    using Clock = std::chrono::steady_clock;
    constexpr int kInRow = 10;
    Timing timing;
    const auto start = Clock::now();
    for (int i = -5; i < request.repeats; ++i) {
      each(&Member::begin);
      for (int j = 0; j < kInRow; ++j) action();
      each(&Member::end);
      double slowest = 0;
      for (Member& m : members_) {
        check_cuda(cudaEventSynchronize(m.end), "wait for a GPU");
        float milliseconds = 0;
        check_cuda(cudaEventElapsedTime(&milliseconds, m.begin, m.end), "cudaEventElapsedTime");
        slowest = std::max(slowest, milliseconds * 1e3 / kInRow);
      }
      if (i >= 0) timing.us.push_back(slowest);
      const std::chrono::duration<double> elapsed = Clock::now() - start;
      if (i >= 5 && elapsed.count() > request.most_seconds) break;
    }
    return timing;
  }

 private:
  void each(cudaEvent_t Member::*event) {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      check_cuda(cudaSetDevice(static_cast<int>(i)), "cudaSetDevice");
      check_cuda(cudaEventRecord(members_[i].*event, members_[i].stream), "cudaEventRecord");
    }
    check_cuda(cudaSetDevice(0), "cudaSetDevice");
  }
  std::vector<Member> members_;
};

}  // namespace

std::variant<Timing, Unsupported> time_between_gpus(const std::string& what, int gpus, double bytes,
                                                    const TimingRequest& request) {
  int there = 0;
  check_cuda(cudaGetDeviceCount(&there), "count of GPUs");
  if (gpus < 2 || there < gpus) {
    return Unsupported{"needs " + std::to_string(std::max(2, gpus)) + " GPUs, and there are " +
                       std::to_string(there)};
  }
  const auto size = static_cast<std::size_t>(bytes);
  if (what == "p2p") {
    Gpus pair(2, size);
    int can = 0;
    check_cuda(cudaDeviceCanAccessPeer(&can, 0, 1), "peer access");
    if (can != 0) {
      const cudaError_t enabled = cudaDeviceEnablePeerAccess(1, 0);
      if (enabled != cudaErrorPeerAccessAlreadyEnabled) check_cuda(enabled, "peer access");
      cudaGetLastError();
    }
    return pair.time(request, [&] {
      check_cuda(cudaMemcpyPeerAsync(pair.members()[1].receive, 1, pair.members()[0].send, 0, size,
                                     pair.members()[0].stream),
                 "cudaMemcpyPeerAsync");
    });
  }

  const SharedLibrary nccl({"libnccl.so.2", "libnccl.so"}, cuda_library_folders());
  const auto init = nccl.find<InitAll>("ncclCommInitAll");
  const auto group_start = nccl.find<Plain>("ncclGroupStart");
  const auto group_end = nccl.find<Plain>("ncclGroupEnd");
  const auto send = nccl.find<Send>("ncclSend");
  const auto receive = nccl.find<Receive>("ncclRecv");
  const auto destroy = nccl.find<Destroy>("ncclCommDestroy");
  const auto gather = nccl.find<Gather>("ncclAllGather");
  const auto scatter = nccl.find<Reduce>("ncclReduceScatter");
  const auto reduce = nccl.find<Reduce>("ncclAllReduce");
  if (!init || !group_start || !group_end || !send || !receive || !destroy || !gather || !scatter ||
      !reduce) {
    return Unsupported{"libnccl was not found"};
  }
  const auto count = static_cast<std::size_t>(gpus);
  Gpus all(gpus, size);
  std::vector<Comm> comms(count);
  std::vector<int> devices(count);
  std::iota(devices.begin(), devices.end(), 0);
  check_nccl(init(comms.data(), gpus, devices.data()), "ncclCommInitAll");
  const std::size_t part = size / count;
  const auto to_each = [&](std::size_t i) {
    auto& m = all.members()[i];
    for (std::size_t j = 0; j < count; ++j) {
      const auto peer = static_cast<int>(j);
      check_nccl(send(static_cast<char*>(m.send) + j * part, part, kInt8, peer, comms[i], m.stream),
                 "ncclSend");
      check_nccl(
          receive(static_cast<char*>(m.receive) + j * part, part, kInt8, peer, comms[i], m.stream),
          "ncclRecv");
    }
  };
  Timing timing = all.time(request, [&] {
    check_nccl(group_start(), "ncclGroupStart");
    for (std::size_t i = 0; i < count; ++i) {
      auto& m = all.members()[i];
      if (what == "all_gather") {
        check_nccl(gather(m.send, m.receive, part / kBf16Bytes, kBf16, comms[i], m.stream),
                   "ncclAllGather");
      } else if (what == "reduce_scatter") {
        check_nccl(scatter(m.send, m.receive, part / kBf16Bytes, kBf16, kSum, comms[i], m.stream),
                   "ncclReduceScatter");
      } else if (what == "all_reduce") {
        check_nccl(reduce(m.send, m.receive, size / kBf16Bytes, kBf16, kSum, comms[i], m.stream),
                   "ncclAllReduce");
      } else {
        to_each(i);
      }
    }
    check_nccl(group_end(), "ncclGroupEnd");
  });
  for (const Comm comm : comms) destroy(comm);
  return timing;
}

}  // namespace moesim::validation::cuda
