#include "validation/cuda/program/cublas.h"

#include <map>
#include <tuple>

#include "validation/cuda/program/cuda_check.h"
#include "validation/cuda/program/shared_library.h"

#if __has_include(<cublasLt.h>) && __has_include(<cublas_v2.h>)
#include <cublasLt.h>
#include <cublas_v2.h>
#define MOESIM_HAVE_CUBLAS_HEADERS 1
#endif

namespace moesim::validation::cuda {

#ifdef MOESIM_HAVE_CUBLAS_HEADERS

namespace {

// What cuBLAS is advised to be given on Hopper.
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw MachineError(std::string(what) + ": cuBLAS status " + std::to_string(status));
  }
}

}  // namespace

struct Cublas::State {
  // The major version that the headers are of; another's structures may differ.
  static std::vector<std::string> names(const char* stem) {
    const std::string base = std::string("lib") + stem + ".so";
    return {base + "." + std::to_string(CUBLAS_VER_MAJOR), base};
  }

  SharedLibrary lt{names("cublasLt"), cuda_library_folders()};
  SharedLibrary blas{names("cublas"), cuda_library_folders()};
  cublasLtHandle_t lt_handle = nullptr;
  cublasHandle_t blas_handle = nullptr;
  void* workspace = nullptr;
  std::optional<double> handle_bytes;

  struct Product {
    cublasLtMatmulDesc_t operation = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
    cublasLtMatmulHeuristicResult_t algorithm{};
  };
  std::map<std::tuple<int, int, int>, Product> products;  // by m, n, k

  struct Pointers {
    void* device = nullptr;  // three arrays of `count`
    int count = 0;
  };
  // By the operands, n, k and loads: memory that was given back may come again for another shape.
  std::map<std::tuple<const void*, const void*, const void*, int, int, std::vector<int>>, Pointers>
      pointers;

  void make_lt() {
    if (lt_handle != nullptr) return;
    const auto create = lt.find<decltype(cublasLtCreate)>("cublasLtCreate");
    std::size_t before = 0, after = 0, total = 0;
    check_cuda(cudaMemGetInfo(&before, &total), "free memory");
    check(create(&lt_handle), "cublasLtCreate");
    make_workspace();
    check_cuda(cudaMemGetInfo(&after, &total), "free memory");
    handle_bytes =
        static_cast<double>(before) - static_cast<double>(after) - double{kWorkspaceBytes};
  }
  void make_workspace() {
    if (workspace == nullptr) check_cuda(cudaMalloc(&workspace, kWorkspaceBytes), "cudaMalloc");
  }

  // Column-major, as cuBLAS thinks: out^T [n, m] = W (k x n, transposed) a^T (k x m).
  Product& product(int m, int n, int k) {
    const auto [place, fresh] = products.try_emplace({m, n, k});
    Product& p = place->second;
    if (!fresh) return p;
    const auto make_operation =
        lt.find<decltype(cublasLtMatmulDescCreate)>("cublasLtMatmulDescCreate");
    const auto set_operation =
        lt.find<decltype(cublasLtMatmulDescSetAttribute)>("cublasLtMatmulDescSetAttribute");
    const auto make_layout =
        lt.find<decltype(cublasLtMatrixLayoutCreate)>("cublasLtMatrixLayoutCreate");
    const auto make_preference =
        lt.find<decltype(cublasLtMatmulPreferenceCreate)>("cublasLtMatmulPreferenceCreate");
    const auto set_preference = lt.find<decltype(cublasLtMatmulPreferenceSetAttribute)>(
        "cublasLtMatmulPreferenceSetAttribute");
    const auto destroy_preference =
        lt.find<decltype(cublasLtMatmulPreferenceDestroy)>("cublasLtMatmulPreferenceDestroy");
    const auto choose =
        lt.find<decltype(cublasLtMatmulAlgoGetHeuristic)>("cublasLtMatmulAlgoGetHeuristic");
    const auto rows = [](int x) { return static_cast<std::uint64_t>(x); };
    check(make_operation(&p.operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    check(set_operation(p.operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
          "cublasLtMatmulDescSetAttribute");
    check(make_layout(&p.a, CUDA_R_16BF, rows(k), rows(n), k), "cublasLtMatrixLayoutCreate");
    check(make_layout(&p.b, CUDA_R_16BF, rows(k), rows(m), k), "cublasLtMatrixLayoutCreate");
    check(make_layout(&p.c, CUDA_R_16BF, rows(n), rows(m), n), "cublasLtMatrixLayoutCreate");
    cublasLtMatmulPreference_t preference = nullptr;
    check(make_preference(&preference), "cublasLtMatmulPreferenceCreate");
    const std::size_t bytes = kWorkspaceBytes;
    check(
        set_preference(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes),
        "cublasLtMatmulPreferenceSetAttribute");
    // Rows of a group begin anywhere: a row of n or k values is what alignment there is.
    for (const auto& [key, extent] : {std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, k},
                                      std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, n},
                                      std::pair{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, n}}) {
      std::uint32_t alignment = 256;
      while (static_cast<std::uint32_t>(2 * extent) % alignment != 0) alignment /= 2;
      check(set_preference(preference, key, &alignment, sizeof alignment),
            "cublasLtMatmulPreferenceSetAttribute");
    }
    int found = 0;
    check(choose(lt_handle, p.operation, p.a, p.b, p.c, p.c, preference, 1, &p.algorithm, &found),
          "cublasLtMatmulAlgoGetHeuristic");
    destroy_preference(preference);
    if (found == 0) {
      products.erase(place);
      throw MachineError("cuBLASLt has no algorithm for this product");
    }
    return p;
  }

  void run_lt(const LibraryGemm& gemm, cudaStream_t stream) {
    make_lt();
    const auto multiply = lt.find<decltype(cublasLtMatmul)>("cublasLtMatmul");
    const auto& args = gemm.args;
    const float one = 1, zero = 0;
    std::size_t row = 0;
    for (std::size_t g = 0; g < gemm.loads.size(); ++g) {
      const int m = gemm.loads[g];
      if (m == 0) continue;
      Product& p = product(m, args.n, args.k);
      const auto n = static_cast<std::size_t>(args.n), k = static_cast<std::size_t>(args.k);
      Bf16* out = args.out + row * n;
      check(multiply(lt_handle, p.operation, &one, args.weights + g * n * k, p.a, args.a + row * k,
                     p.b, &zero, out, p.c, out, p.c, &p.algorithm.algo, workspace, kWorkspaceBytes,
                     stream),
            "cublasLtMatmul");
      row += static_cast<std::size_t>(m);
    }
  }

  void run_grouped(const LibraryGemm& gemm, cudaStream_t stream) {
    const auto create = blas.find<cublasStatus_t(cublasHandle_t*)>("cublasCreate_v2");
    const auto set_stream =
        blas.find<cublasStatus_t(cublasHandle_t, cudaStream_t)>("cublasSetStream_v2");
    const auto set_workspace =
        blas.find<cublasStatus_t(cublasHandle_t, void*, std::size_t)>("cublasSetWorkspace_v2");
    const auto multiply =
        blas.find<decltype(cublasGemmGroupedBatchedEx)>("cublasGemmGroupedBatchedEx");
    if (blas_handle == nullptr) check(create(&blas_handle), "cublasCreate");
    make_workspace();
    check(set_stream(blas_handle, stream), "cublasSetStream");
    check(set_workspace(blas_handle, workspace, kWorkspaceBytes), "cublasSetWorkspace");
    const auto& args = gemm.args;
    const auto n = static_cast<std::size_t>(args.n), k = static_cast<std::size_t>(args.k);
    std::vector<int> rows;
    std::vector<const void*> addresses[3];
    std::size_t row = 0;
    for (std::size_t g = 0; g < gemm.loads.size(); ++g) {
      if (gemm.loads[g] == 0) continue;
      rows.push_back(gemm.loads[g]);
      addresses[0].push_back(args.weights + g * n * k);
      addresses[1].push_back(args.a + row * k);
      addresses[2].push_back(args.out + row * n);
      row += static_cast<std::size_t>(gemm.loads[g]);
    }
    // The arrays of addresses have to lie on the device, and to stay there for the graph.
    const auto count = rows.size();
    const auto [place, fresh] =
        pointers.try_emplace({args.a, args.weights, args.out, args.n, args.k, gemm.loads});
    Pointers& array = place->second;
    if (fresh) {
      const std::size_t bytes = count * sizeof(void*);
      check_cuda(cudaMalloc(&array.device, 3 * bytes), "cudaMalloc");
      for (std::size_t i = 0; i < 3; ++i) {
        check_cuda(cudaMemcpy(static_cast<char*>(array.device) + i * bytes,
                              static_cast<const void*>(addresses[i].data()), bytes,
                              cudaMemcpyHostToDevice),
                   "cudaMemcpy");
      }
    }
    const std::vector<cublasOperation_t> transposed(count, CUBLAS_OP_T), plain(count, CUBLAS_OP_N);
    const std::vector<int> widths(count, args.n), depths(count, args.k), ones(count, 1);
    const std::vector<float> alpha(count, 1.0f), beta(count, 0.0f);
    auto** device = static_cast<void**>(array.device);
    check(multiply(blas_handle, transposed.data(), plain.data(), widths.data(), rows.data(),
                   depths.data(), alpha.data(), const_cast<const void* const*>(device), CUDA_R_16BF,
                   depths.data(), const_cast<const void* const*>(device + count), CUDA_R_16BF,
                   depths.data(), beta.data(), device + 2 * count, CUDA_R_16BF, widths.data(),
                   static_cast<int>(count), ones.data(), CUBLAS_COMPUTE_32F),
          "cublasGemmGroupedBatchedEx");
  }

  ~State() {
    const auto destroy_operation =
        lt.find<decltype(cublasLtMatmulDescDestroy)>("cublasLtMatmulDescDestroy");
    const auto destroy_layout =
        lt.find<decltype(cublasLtMatrixLayoutDestroy)>("cublasLtMatrixLayoutDestroy");
    for (auto& [shape, p] : products) {
      for (const cublasLtMatrixLayout_t layout : {p.a, p.b, p.c}) {
        if (layout != nullptr) destroy_layout(layout);
      }
      if (p.operation != nullptr) destroy_operation(p.operation);
    }
    for (auto& [operands, array] : pointers) cudaFree(array.device);
    cudaFree(workspace);
    if (lt_handle != nullptr) lt.find<decltype(cublasLtDestroy)>("cublasLtDestroy")(lt_handle);
    if (blas_handle != nullptr) {
      blas.find<cublasStatus_t(cublasHandle_t)>("cublasDestroy_v2")(blas_handle);
    }
  }
};

Cublas::Cublas() : state_(std::make_unique<State>()) {}
Cublas::~Cublas() = default;

std::optional<Unsupported> Cublas::cannot(Library library) const {
  if (library == Library::CublasLt && !state_->lt) {
    return Unsupported{"libcublasLt was not found (MOESIM_CUBLAS_DIR names its folder)"};
  }
  if (library == Library::CublasGrouped) {
    if (!state_->blas) {
      return Unsupported{"libcublas was not found (MOESIM_CUBLAS_DIR names its folder)"};
    }
    if (state_->blas.find<void()>("cublasGemmGroupedBatchedEx") == nullptr) {
      return Unsupported{"this libcublas has no cublasGemmGroupedBatchedEx"};
    }
  }
  return std::nullopt;
}

void Cublas::run(const LibraryGemm& gemm, cudaStream_t stream) {
  if (gemm.library == Library::CublasLt) {
    state_->run_lt(gemm, stream);
  } else {
    state_->run_grouped(gemm, stream);
  }
}

std::string Cublas::version() const {
  const auto version = state_->lt.find<std::size_t()>("cublasLtGetVersion");
  return version == nullptr ? "absent" : std::to_string(version());
}

std::optional<double> Cublas::handle_bytes() const {
  if (!state_->lt) return std::nullopt;
  state_->make_lt();
  return state_->handle_bytes;
}

#else  // built where cuBLAS has no headers

struct Cublas::State {};
Cublas::Cublas() = default;
Cublas::~Cublas() = default;
std::optional<Unsupported> Cublas::cannot(Library) const {
  return Unsupported{"this program was built without the headers of cuBLAS"};
}
void Cublas::run(const LibraryGemm&, cudaStream_t) {
  throw MachineError("this program was built without the headers of cuBLAS");
}
std::string Cublas::version() const {
  return "absent";
}
std::optional<double> Cublas::handle_bytes() const {
  return std::nullopt;
}

#endif

}  // namespace moesim::validation::cuda
