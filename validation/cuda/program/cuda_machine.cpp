#include "validation/cuda/program/cuda_machine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "validation/cuda/program/between_gpus.h"
#include "validation/cuda/program/cuda_check.h"
#include "validation/cuda/program/launches.h"
#include "validation/cuda/protocol/points.h"

namespace moesim::validation::cuda {
namespace {

double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

std::string version_text(int version) {  // 13000 -> 13.0
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// One graph lasts at least this long, so that what surrounds a replay is small beside it.
constexpr double kGraphSeconds = 400e-6;
constexpr int kMostRepeatsInGraph = 50;

class Graph {
 public:
  Graph() = default;
  ~Graph() {
    if (executable != nullptr) cudaGraphExecDestroy(executable);
    if (graph != nullptr) cudaGraphDestroy(graph);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
};

// What an action throws names the operation that it is about.
template <class Action>
auto naming(const Operation& operation, Action&& action) {
  try {
    return action();
  } catch (const OutOfMemory&) {
    throw;
  } catch (const MachineError& error) {
    throw MachineError(name_of(operation) + ": " + error.what());
  }
}

}  // namespace

std::string why_no_gpu() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  if (count == 0) return "no CUDA device";
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess) return "the device cannot be asked";
  if (properties.major < 8) {
    return std::string(properties.name) + " has compute capability " +
           std::to_string(properties.major) + "." + std::to_string(properties.minor) +
           ", and 8.0 is needed";
  }
  return "";
}

CudaMachine::CudaMachine(int device) {
  char bus[32] = {};
  check_cuda(cudaDeviceGetPCIBusId(bus, sizeof bus, device), "bus id of the device");
  nvml_.select(bus);
  const std::optional<double> before = nvml_.used_bytes();
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  check_cuda(cudaFree(nullptr), "make a context");
  if (const auto after = nvml_.used_bytes(); before && after) context_bytes_ = *after - *before;
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
  check_cuda(cudaEventCreate(&begin_), "make an event");
  check_cuda(cudaEventCreate(&end_), "make an event");

  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  info_.device = properties.name;
  info_.multiprocessors = properties.multiProcessorCount;
  info_.l2_bytes = static_cast<std::size_t>(properties.l2CacheSize);
  info_.memory_bytes = properties.totalGlobalMem;
  info_.free_bytes = free_memory();
  hopper_ = properties.major == 9 && properties.minor == 0;
  int driver = 0, runtime = 0;
  check_cuda(cudaDriverGetVersion(&driver), "version of the driver");
  check_cuda(cudaRuntimeGetVersion(&runtime), "version of the run time");
  const std::string uuid(properties.uuid.bytes, sizeof properties.uuid.bytes);
  info_.details = {
      {"compute_capability",
       std::to_string(properties.major) + "." + std::to_string(properties.minor)},
      {"device_id", std::to_string(text_hash(uuid))},
      {"driver", nvml_.driver_version().value_or("unknown")},
      {"cuda_driver", version_text(driver)},
      {"cuda_runtime", version_text(runtime)},
      {"cublaslt", cublas_.version()},
      {"free_bytes", std::to_string(info_.free_bytes)},
  };
}

CudaMachine::~CudaMachine() {
  cudaEventDestroy(begin_);
  cudaEventDestroy(end_);
  cudaStreamDestroy(stream_);
}

void* CudaMachine::allocate(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error != cudaSuccess) {
    cudaGetLastError();  // an allocation that failed is no lasting error
    check_cuda(error, ("cudaMalloc of " + std::to_string(bytes) + " bytes").c_str());
  }
  return memory;
}
void CudaMachine::release(void* memory) noexcept {
  cudaFree(memory);
}

void* CudaMachine::allocate_pinned(std::size_t bytes) {
  void* memory = nullptr;
  check_cuda(cudaMallocHost(&memory, bytes), "cudaMallocHost");
  return memory;
}
void CudaMachine::release_pinned(void* memory) noexcept {
  cudaFreeHost(memory);
}

void CudaMachine::upload(void* to, const void* from, std::size_t bytes) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "upload");
  wait();
}
void CudaMachine::download(void* to, const void* from, std::size_t bytes) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "download");
  wait();
}
void CudaMachine::set_bytes(void* to, int value, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemsetAsync(to, value, bytes, stream_), "cudaMemset");
  wait();
}

std::size_t CudaMachine::free_memory() {
  std::size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "free memory");
  return free;
}

void CudaMachine::wait() {
  check_cuda(cudaStreamSynchronize(stream_), "wait for the GPU");
}

std::optional<Unsupported> CudaMachine::cannot(const Operation& operation) const {
  const auto* gemm = std::get_if<GroupedGemm>(&operation);
  if (!hopper_ && (std::holds_alternative<GroupedGemmFp8Args>(operation) ||
                   (gemm != nullptr && gemm->by == GemmBy::Wgmma))) {
    return Unsupported{"needs compute capability 9.0 (sm_90a)"};
  }
  if (const auto* library = std::get_if<LibraryGemm>(&operation)) {
    return cublas_.cannot(library->library);
  }
  return std::nullopt;
}

void CudaMachine::enqueue(const Operation& operation) {
  if (const auto* library = std::get_if<LibraryGemm>(&operation)) {
    cublas_.run(*library, stream_);
  } else if (const auto* transfer = std::get_if<TransferArgs>(&operation)) {
    const cudaMemcpyKind kind = transfer->kind == CopyKind::HostToDevice ? cudaMemcpyHostToDevice
                                : transfer->kind == CopyKind::DeviceToHost
                                    ? cudaMemcpyDeviceToHost
                                    : cudaMemcpyDeviceToDevice;
    check_cuda(cudaMemcpyAsync(transfer->to, transfer->from, transfer->bytes, kind, stream_),
               "cudaMemcpyAsync");
  } else if (!launch_portable_on(stream_, info_.multiprocessors, operation) &&
             !launch_hopper_on(stream_, info_.multiprocessors, operation)) {
    throw MachineError("an operation that no one launches");
  }
}

void CudaMachine::enqueue_all(std::span<const Operations> sets, int times) {
  for (int i = 0; i < times; ++i) {
    for (const Operations& set : sets) {
      for (const Operation& operation : set) enqueue(operation);
    }
  }
}

void CudaMachine::run(const Operation& operation) {
  naming(operation, [&] {
    enqueue(operation);
    wait();
  });
}

bool CudaMachine::usable() {
  cudaGetLastError();  // an error that can be forgotten is
  return cudaStreamSynchronize(stream_) == cudaSuccess && cudaGetLastError() == cudaSuccess;
}

// Seconds of one replay (or, without a graph, of as many runs).
double CudaMachine::replay(cudaGraphExec_t graph, std::span<const Operations> sets, int times) {
  check_cuda(cudaEventRecord(begin_, stream_), "cudaEventRecord");
  if (graph != nullptr) {
    check_cuda(cudaGraphLaunch(graph, stream_), "cudaGraphLaunch");
  } else {
    enqueue_all(sets, times);
  }
  check_cuda(cudaEventRecord(end_, stream_), "cudaEventRecord");
  check_cuda(cudaEventSynchronize(end_), "wait for the GPU");
  float milliseconds = 0;
  check_cuda(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
  return milliseconds * 1e-3;
}

Timing CudaMachine::time(std::span<const Operations> sets, const TimingRequest& request) {
  return naming(sets.front().front(), [&] { return time_named(sets, request); });
}

Timing CudaMachine::time_named(std::span<const Operations> sets, const TimingRequest& request) {
  enqueue_all(sets, 1);  // loads code, makes what libraries keep
  wait();
  const auto capture = [&](Graph& into, int times) {
    if (cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed) != cudaSuccess) return false;
    bool queued = true;
    try {
      enqueue_all(sets, times);
    } catch (const MachineError&) {
      queued = false;  // a library that does not let itself be captured
    }
    const bool ended = cudaStreamEndCapture(stream_, &into.graph) == cudaSuccess;
    const bool good =
        queued && ended && cudaGraphInstantiate(&into.executable, into.graph, 0) == cudaSuccess;
    if (!good) cudaGetLastError();
    return good;
  };
  Graph once, several;
  const bool graph = capture(once, 1);
  replay(once.executable, sets, 1);
  const double alone = replay(once.executable, sets, 1);
  const int times = std::clamp(static_cast<int>(std::ceil(kGraphSeconds / std::max(alone, 1e-7))),
                               1, kMostRepeatsInGraph);
  cudaGraphExec_t executable = once.executable;
  int in_graph = 1;
  if (times > 1 && (!graph || capture(several, times))) {
    if (graph) executable = several.executable;
    in_graph = times;
  }
  for (int i = 0; i < 3; ++i) replay(executable, sets, in_graph);

  Timing timing;
  timing.graph = graph;
  const double runs = static_cast<double>(sets.size()) * in_graph;
  const double start = seconds();
  bool read = false;
  while (true) {
    const double elapsed = seconds() - start;
    const auto count = static_cast<int>(timing.us.size());
    if (count >= request.repeats && elapsed >= request.least_seconds) break;
    if (count >= 5 && elapsed >= request.most_seconds) break;
    timing.us.push_back(replay(executable, sets, in_graph) / runs * 1e6);
    if (!read && (elapsed >= request.least_seconds / 2 || count >= request.repeats / 2)) {
      // Read while the GPU works: a replay more, not waited for.
      read = true;
      if (executable != nullptr) cudaGraphLaunch(executable, stream_);
      health_ = nvml_.read();
      wait();
    }
  }
  return timing;
}

std::variant<Timing, Unsupported> CudaMachine::between_gpus(const std::string& what, int gpus,
                                                            double bytes,
                                                            const TimingRequest& request) {
  return time_between_gpus(what, gpus, bytes, request);
}

std::optional<double> CudaMachine::footprint(const std::string& what, double size) {
  const auto taken = [&](std::size_t before) {
    return static_cast<double>(before) - static_cast<double>(free_memory());
  };
  if (what == "context") return context_bytes_;
  if (what == "cublas_handle") return cublas_.handle_bytes();
  if (what == "graph") {  // of 1,000 kernels
    const Operations thousand(1000, EmptyKernel{1});
    run(thousand[0]);
    const std::size_t before = free_memory();
    Graph graph;
    check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "capture");
    enqueue_all(std::span(&thousand, 1), 1);
    check_cuda(cudaStreamEndCapture(stream_, &graph.graph), "capture");
    check_cuda(cudaGraphInstantiate(&graph.executable, graph.graph, 0), "cudaGraphInstantiate");
    check_cuda(cudaGraphLaunch(graph.executable, stream_), "cudaGraphLaunch");
    wait();
    return taken(before);
  }
  if (what == "allocation") {  // the mean of 64 of this size
    constexpr int kCount = 64;
    const std::size_t before = free_memory();
    std::vector<Buffer<std::uint8_t>> buffers;
    for (int i = 0; i < kCount; ++i) buffers.emplace_back(*this, static_cast<std::size_t>(size));
    return taken(before) / kCount;
  }
  return std::nullopt;
}

}  // namespace moesim::validation::cuda
