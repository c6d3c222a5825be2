#include "validation/cuda/program/cuda_replays.h"

#include <chrono>
#include <thread>

#include "validation/cuda/program/cuda_check.h"

namespace moesim::validation::cuda {

CudaReplays::CudaReplays(cudaStream_t stream, const Nvml& nvml, std::function<void()> enqueue)
    : stream_(stream), nvml_(nvml), enqueue_(std::move(enqueue)) {
  check_cuda(cudaEventCreate(&begin_), "make an event");
  check_cuda(cudaEventCreate(&end_), "make an event");
}

CudaReplays::~CudaReplays() {
  if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
  if (graph_ != nullptr) cudaGraphDestroy(graph_);
  cudaEventDestroy(begin_);
  cudaEventDestroy(end_);
}

bool CudaReplays::capture(int times) {
  if (cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed) != cudaSuccess) return false;
  bool queued = true;
  try {
    for (int i = 0; i < times; ++i) enqueue_();
  } catch (const MachineError&) {
    queued = false;  // a library that does not let itself be captured
  }
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  const bool ended = cudaStreamEndCapture(stream_, &graph) == cudaSuccess;
  if (!queued || !ended || cudaGraphInstantiate(&executable, graph, 0) != cudaSuccess) {
    cudaGetLastError();
    if (graph != nullptr) cudaGraphDestroy(graph);
    return false;
  }
  if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
  if (graph_ != nullptr) cudaGraphDestroy(graph_);
  graph_ = graph;
  executable_ = executable;
  return true;
}

void CudaReplays::launch() {
  if (executable_ == nullptr) return enqueue_();
  check_cuda(cudaGraphLaunch(executable_, stream_), "cudaGraphLaunch");
}

void CudaReplays::mark_begin() {
  check_cuda(cudaEventRecord(begin_, stream_), "cudaEventRecord");
}
void CudaReplays::mark_end() {
  check_cuda(cudaEventRecord(end_, stream_), "cudaEventRecord");
}

double CudaReplays::between_marks() {
  check_cuda(cudaEventSynchronize(end_), "wait for the GPU");
  float milliseconds = 0;
  check_cuda(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
  return milliseconds * 1e-3;
}

bool CudaReplays::busy() {
  const cudaError_t state = cudaStreamQuery(stream_);
  if (state == cudaErrorNotReady) {
    cudaGetLastError();  // an answer, no error that lasts
    return true;
  }
  check_cuda(state, "ask the GPU");
  return false;
}

void CudaReplays::wait() {
  check_cuda(cudaStreamSynchronize(stream_), "wait for the GPU");
}

void CudaReplays::rest(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

double CudaReplays::now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace moesim::validation::cuda
