#include "validation/cuda/program/cuda_machine.h"

#include "validation/cuda/program/between_gpus.h"
#include "validation/cuda/program/cuda_check.h"
#include "validation/cuda/program/cuda_replays.h"
#include "validation/cuda/program/launches.h"
#include "validation/cuda/protocol/points.h"

namespace moesim::validation::cuda {
namespace {

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

Availability look_for_gpu() {
  GpuAnswer answer;
  cudaRuntimeGetVersion(&answer.runtime);
  if (cudaDriverGetVersion(&answer.driver) != cudaSuccess) answer.driver = 0;
  cudaError_t error = cudaGetDeviceCount(&answer.count);
  cudaDeviceProp properties{};
  if (error == cudaSuccess && answer.count > 0) error = cudaGetDeviceProperties(&properties, 0);
  answer.error = error;
  answer.error_text = cudaGetErrorString(error);
  answer.name = properties.name;
  answer.major = properties.major;
  answer.minor = properties.minor;
  return judge(answer);
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
      {"cuda_driver", cuda_version_text(driver)},
      {"cuda_runtime", cuda_version_text(runtime)},
      {"cublaslt", cublas_.version()},
      {"free_bytes", std::to_string(info_.free_bytes)},
  };
}

CudaMachine::~CudaMachine() {
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

void CudaMachine::enqueue_all(std::span<const Operations> sets) {
  for (const Operations& set : sets) {
    for (const Operation& operation : set) enqueue(operation);
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

Timing CudaMachine::time(std::span<const Operations> sets, const TimingRequest& request) {
  return naming(sets.front().front(), [&] { return time_named(sets, request); });
}

Timing CudaMachine::time_named(std::span<const Operations> sets, const TimingRequest& request) {
  enqueue_all(sets);  // loads code, makes what libraries keep
  wait();
  CudaReplays queue(stream_, nvml_, [&] { enqueue_all(sets); });
  Replayed replayed = time_replays(queue, sets.size(), request);
  health_ = replayed.health;
  return std::move(replayed.timing);
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
    enqueue_all(std::span(&thousand, 1));
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
