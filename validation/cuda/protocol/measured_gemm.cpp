#include <cmath>

#include "validation/cuda/protocol/measured_set.h"
#include "validation/cuda/protocol/sampling.h"

namespace moesim::validation::cuda {
namespace {

class GemmSet : public Set {
 public:
  GemmSet(Machine& machine, const PlanPoint& point, std::uint64_t seed)
      : point_(point),
        fp8_(point.impl == "moesim_fp8"),
        host_offsets_(offsets_of(point.loads)),
        scale_stride_(round_up(std::max(point.rows(), 1), 4)),
        offsets_(machine, host_offsets_),
        out_(machine, size(point.rows(), point.n)),
        a_(machine, fp8_ ? 0 : size(point.rows(), point.k)),
        weights_(machine, fp8_ ? 0 : size(groups(), point.n, point.k)),
        a_codes_(machine, fp8_ ? size(point.rows(), round_up(point.k, 16)) : 0),
        weight_codes_(machine, fp8_ ? size(groups(), point.n, round_up(point.k, 16)) : 0),
        a_scales_(machine, fp8_ ? size(scale_stride_, blocks(point.k)) : 0),
        weight_scales_(machine, fp8_ ? size(groups(), blocks(point.n), blocks(point.k)) : 0) {
    const double scale = 1 / std::sqrt(static_cast<double>(point.k));
    fill(machine, a_.data(), a_.size(), Filling::Bf16, seed, 1);
    fill(machine, weights_.data(), weights_.size(), Filling::Bf16, seed + 1, scale);
    fill(machine, a_codes_.data(), a_codes_.size(), Filling::Fp8, seed, 64);
    fill(machine, weight_codes_.data(), weight_codes_.size(), Filling::Fp8, seed + 1, 64);
    fill(machine, a_scales_.data(), a_scales_.size(), Filling::Float, seed + 2, 0.001, 0.016);
    fill(machine, weight_scales_.data(), weight_scales_.size(), Filling::Float, seed + 3,
         scale / 500, scale / 64);
  }

  Operations operations() const override {
    const int active = std::max(1, point_.active());
    const int expected = ceil_div(std::max(1, point_.rows()), active);
    const GroupedGemmArgs args{a_.data(), weights_.data(), out_.data(),   offsets_.data(), groups(),
                               point_.n,  point_.k,        point_.rows(), expected};
    if (fp8_) {
      return {GroupedGemmFp8Args{a_codes_.data(), a_scales_.data(), weight_codes_.data(),
                                 weight_scales_.data(), out_.data(), offsets_.data(), groups(),
                                 point_.n, point_.k, round_up(point_.k, 16), scale_stride_,
                                 point_.rows(), expected}};
    }
    if (point_.impl == "cublaslt") return {LibraryGemm{Library::CublasLt, args, point_.loads}};
    if (point_.impl == "cublas_grouped") {
      return {LibraryGemm{Library::CublasGrouped, args, point_.loads}};
    }
    return {GroupedGemm{point_.impl == "moesim_wgmma" ? GemmBy::Wgmma : GemmBy::Mma, args}};
  }
  void poison() override { out_.poison(); }
  const Buffer<Bf16>* output() const override { return &out_; }
  std::optional<double> error(std::uint64_t seed) override {
    if (fp8_) {
      return gemm_error_fp8({a_codes_, a_scales_, weight_codes_, weight_scales_, scale_stride_},
                            out_, host_offsets_, point_.n, point_.k, seed);
    }
    return gemm_error(a_, weights_, out_, host_offsets_, point_.n, point_.k, seed);
  }

 private:
  int groups() const { return static_cast<int>(point_.loads.size()); }
  static int blocks(int extent) { return ceil_div(extent, kScaleBlock); }

  PlanPoint point_;
  bool fp8_;
  std::vector<int> host_offsets_;
  int scale_stride_;
  Buffer<int> offsets_;
  Buffer<Bf16> out_, a_, weights_;
  Buffer<Fp8> a_codes_, weight_codes_;
  Buffer<float> a_scales_, weight_scales_;
};

}  // namespace

std::unique_ptr<Set> make_gemm_set(Machine& machine, const PlanPoint& point, std::uint64_t seed) {
  return std::make_unique<GemmSet>(machine, point, seed);
}

}  // namespace moesim::validation::cuda
