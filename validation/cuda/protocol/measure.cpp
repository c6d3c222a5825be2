#include "validation/cuda/protocol/measure.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>

#include "validation/cuda/protocol/checks.h"
#include "validation/cuda/protocol/layer.h"
#include "validation/cuda/protocol/statistics.h"

namespace moesim::validation::cuda {
namespace {

std::size_t size(std::int64_t a, std::int64_t b = 1, std::int64_t c = 1) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c);
}

// Operands of one execution; several, on different memory, keep the caches cold.
class Set {
 public:
  virtual ~Set() = default;
  virtual Operations operations() const = 0;
  virtual void poison() {}
  // Of the result, where there is something to compare.
  virtual std::optional<double> error(std::uint64_t /*seed*/) { return std::nullopt; }
  // Results that must all have been written; none: null.
  virtual const Buffer<Bf16>* output() const { return nullptr; }
};

using MakeSet = std::function<std::unique_ptr<Set>(std::uint64_t seed)>;

struct Job {
  MakeSet make;
  double set_bytes = 0;       // that one set reads of what should be cold
  int executions = 1;         // of the operation in one set
  double bound = kBf16Bound;  // of the error
};

void fill(Machine& machine, void* to, std::size_t count, Filling as, std::uint64_t seed,
          double scale, double shift = 0) {
  if (count > 0) {
    machine.run(FillArgs{to, static_cast<std::int64_t>(count), as, seed, static_cast<float>(scale),
                         static_cast<float>(shift)});
  }
}

constexpr int kSamples = 96;  // outputs that are computed again

std::size_t sample(std::uint64_t seed, std::uint64_t i, std::size_t below) {
  return static_cast<std::size_t>(hash_bits(seed, i) % below);
}

// Samples out = a W^T for rows sorted by group.
std::optional<double> gemm_error(const Buffer<Bf16>& a, const Bf16* w_begin,
                                 const Buffer<Bf16>& weights, const Buffer<Bf16>& out,
                                 const std::vector<int>& offsets, int n, int k,
                                 std::uint64_t seed) {
  const auto rows = static_cast<std::size_t>(offsets.back());
  if (rows == 0) return std::nullopt;
  RelativeError error;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const std::size_t row = sample(seed, 2 * i, rows), column = sample(seed, 2 * i + 1, size(n));
    const auto group = static_cast<std::size_t>(
        std::upper_bound(offsets.begin(), offsets.end(), static_cast<int>(row)) - offsets.begin() -
        1);
    const std::size_t w_row =
        static_cast<std::size_t>(w_begin - weights.data()) + (group * size(n) + column) * size(k);
    error.add(to_float(out.read(row * size(n) + column, 1)[0]),
              reference_dot(a.read(row * size(k), size(k)), weights.read(w_row, size(k))));
  }
  return error.value();
}

struct Fp8Operands {
  const Buffer<Fp8>& a;
  const Buffer<float>& a_scales;
  const Buffer<Fp8>& weights;
  const Buffer<float>& weight_scales;
  int scale_stride;
};

std::optional<double> gemm_error_fp8(const Fp8Operands& in, const Buffer<Bf16>& out,
                                     const std::vector<int>& offsets, int n, int k,
                                     std::uint64_t seed) {
  const auto rows = static_cast<std::size_t>(offsets.back());
  if (rows == 0) return std::nullopt;
  const std::size_t stride = size(round_up(k, 16)), blocks = size(ceil_div(k, kScaleBlock));
  RelativeError error;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const std::size_t row = sample(seed, 2 * i, rows), column = sample(seed, 2 * i + 1, size(n));
    const auto group = static_cast<std::size_t>(
        std::upper_bound(offsets.begin(), offsets.end(), static_cast<int>(row)) - offsets.begin() -
        1);
    const std::vector<Fp8> a = in.a.read(row * stride, size(k));
    const std::vector<Fp8> w = in.weights.read((group * size(n) + column) * stride, size(k));
    const std::vector<float> scales = in.weight_scales.read(
        (group * size(ceil_div(n, kScaleBlock)) + column / kScaleBlock) * blocks, blocks);
    double sum = 0;
    for (std::size_t b = 0; b < blocks; ++b) {
      double block = 0;
      for (std::size_t x = b * kScaleBlock; x < std::min(size(k), (b + 1) * kScaleBlock); ++x) {
        block += double{to_float(a[x])} * to_float(w[x]);
      }
      sum += block * in.a_scales.read(b * size(in.scale_stride) + row, 1)[0] * scales[b];
    }
    error.add(to_float(out.read(row * size(n) + column, 1)[0]), sum);
  }
  return error.value();
}

std::vector<int> offsets_of(const std::vector<int>& loads) {
  std::vector<int> offsets{0};
  for (const int load : loads) offsets.push_back(offsets.back() + load);
  return offsets;
}

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
    return gemm_error(a_, weights_.data(), weights_, out_, host_offsets_, point_.n, point_.k, seed);
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

LayerShape layer_shape(const PlanPoint& point) {
  LayerShape shape;
  shape.rule = {point.experts, point.top_k, false, 1, 1, true, 1};
  shape.tokens = point.tokens;
  shape.hidden = point.hidden;
  shape.inter = point.inter;
  shape.fp8 = point.impl == "moesim_fp8";
  shape.wgmma = point.impl == "moesim_wgmma";
  return shape;
}

class LayerSet : public Set {
 public:
  LayerSet(Machine& machine, const PlanPoint& point, std::uint64_t seed)
      : layer_(machine, layer_shape(point), seed), weights_(machine, layer_.shape, seed + 10) {
    // Logits that choose what the plan asks for: 8 above the rest, which is noise.
    std::vector<float> logits = layer_.logits.read();
    const std::vector<int> ids = deal_selections(point.loads, point.tokens, point.top_k);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      logits[i / size(point.top_k) * size(point.experts) + size(ids[i])] += 16;
    }
    machine.upload(layer_.logits.data(), logits.data(), logits.size() * sizeof(float));
    host_offsets_ = offsets_of(point.loads);
  }

  Operations operations() const override { return layer_.operations(weights_); }
  void poison() override { layer_.poison(); }
  const Buffer<Bf16>* output() const override { return &layer_.output; }

  // Each step from the input that it really had, so that no weight need be read whole.
  std::optional<double> error(std::uint64_t seed) override {
    const LayerShape& s = layer_.shape;
    if (layer_.offsets.read() != host_offsets_) return std::numeric_limits<double>::infinity();
    std::vector<std::optional<double>> errors;
    if (s.fp8) {
      const int stride = round_up(s.rows(), 4);
      errors.push_back(gemm_error_fp8({layer_.permuted_codes, layer_.permuted_scales,
                                       weights_.gate_up_codes, weights_.gate_up_scales, stride},
                                      layer_.gate_up, host_offsets_, 2 * s.inter, s.hidden, seed));
      errors.push_back(gemm_error_fp8({layer_.activated_codes, layer_.activated_scales,
                                       weights_.down_codes, weights_.down_scales, stride},
                                      layer_.down, host_offsets_, s.hidden, s.inter, seed + 1));
    } else {
      errors.push_back(gemm_error(layer_.permuted, weights_.gate_up.data(), weights_.gate_up,
                                  layer_.gate_up, host_offsets_, 2 * s.inter, s.hidden, seed));
      errors.push_back(gemm_error(layer_.activated, weights_.down.data(), weights_.down,
                                  layer_.down, host_offsets_, s.hidden, s.inter, seed + 1));
    }
    RelativeError activation, sum;
    const std::vector<int> row_of = layer_.row_of.read();
    const std::vector<float> gate = layer_.gate.read();
    for (std::uint64_t i = 0; i < kSamples; ++i) {
      const std::size_t row = sample(seed + 2, i, size(s.rows()));
      const std::size_t x = sample(seed + 3, i, size(s.inter));
      const auto value = [&](const Buffer<Bf16>& buffer, std::size_t at) {
        return double{to_float(buffer.read(at, 1)[0])};
      };
      activation.add(value(layer_.activated, row * size(s.inter) + x),
                     reference_swiglu(value(layer_.gate_up, row * 2 * size(s.inter) + x),
                                      value(layer_.gate_up, (row * 2 + 1) * size(s.inter) + x)));
      const std::size_t token = sample(seed + 4, i, size(s.tokens));
      const std::size_t h = sample(seed + 5, i, size(s.hidden));
      double total = 0;
      for (std::size_t k = 0; k < size(s.rule.top_k); ++k) {
        const std::size_t selection = token * size(s.rule.top_k) + k;
        total += double{gate[selection]} *
                 value(layer_.down, size(row_of[selection]) * size(s.hidden) + h);
      }
      sum.add(value(layer_.output, token * size(s.hidden) + h), total);
    }
    double worst = std::max(activation.value(), sum.value());
    if (std::isnan(activation.value()) || std::isnan(sum.value())) return NAN;
    for (const auto& e : errors) {
      if (e && !(*e <= worst)) worst = *e;  // NaN stays
    }
    return worst;
  }

 private:
  Layer layer_;
  LayerWeights weights_;
  std::vector<int> host_offsets_;
};

// Router, sort, permute, unpermute, SwiGLU, quantise: the parts of a layer, on its own data.
class PartSet : public Set {
 public:
  PartSet(Machine& machine, const PlanPoint& point, std::uint64_t seed)
      : whole_(machine, with_widths(point), seed), weights_(machine, none(), 1) {
    Operations all = whole_.operations(weights_);
    // What comes before has to have run once: row numbers and offsets must be real.
    for (const Operation& operation : all) {
      if (std::holds_alternative<GroupedGemm>(operation) ||
          std::holds_alternative<GroupedGemmFp8Args>(operation)) {
        continue;
      }
      machine.run(operation);
    }
    fill(machine, whole_.gate_up.data(), whole_.gate_up.size(), Filling::Bf16, seed + 5, 1);
    fill(machine, whole_.down.data(), whole_.down.size(), Filling::Bf16, seed + 6, 1);
    for (Operation& operation : all) {
      if ((point.op == "router" && std::holds_alternative<RouterArgs>(operation)) ||
          (point.op == "sort" && std::holds_alternative<SortArgs>(operation)) ||
          (point.op == "permute" && std::holds_alternative<PermuteArgs>(operation)) ||
          (point.op == "unpermute" && std::holds_alternative<UnpermuteArgs>(operation)) ||
          (point.op == "swiglu" && std::holds_alternative<SwigluArgs>(operation)) ||
          (point.op == "quantise" && std::holds_alternative<QuantiseArgs>(operation) &&
           part_.empty())) {
        part_.push_back(std::move(operation));
      }
    }
  }
  Operations operations() const override { return part_; }

 private:
  static LayerShape with_widths(const PlanPoint& point) {
    LayerShape shape = layer_shape(point);
    shape.fp8 = point.op == "quantise";
    shape.hidden = std::max(8, point.hidden);
    shape.inter = std::max(8, point.inter);
    return shape;
  }
  static LayerShape none() {
    LayerShape shape;
    shape.hidden = shape.inter = 8;  // and no experts
    return shape;
  }
  Layer whole_;
  LayerWeights weights_;
  Operations part_;
};

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
        pinned_(machine.allocate_pinned(bytes_)) {
    std::fill_n(static_cast<unsigned char*>(pinned_), bytes_, static_cast<unsigned char>(0x5a));
  }
  ~TransferSet() override { machine_.release_pinned(pinned_); }
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

class AttentionSet : public Set {
 public:
  AttentionSet(Machine& machine, const PlanPoint& p, std::uint64_t seed)
      : point_(p),
        // Blocks for every multiprocessor twice, each with 64 keys at least.
        splits_(std::clamp(2 * machine.info().multiprocessors / std::max(1, p.tokens * p.experts),
                           1, std::max(1, p.k / 64))),
        query_(machine, size(p.tokens, p.top_k, 128)),
        out_(machine, size(p.tokens, p.top_k, 128)),
        keys_(machine, size(p.tokens, p.experts, p.k) * 128),
        values_(machine, size(p.tokens, p.experts, p.k) * 128),
        partial_(machine, size(p.tokens, p.top_k, splits_) * 130) {
    fill(machine, query_.data(), query_.size(), Filling::Bf16, seed, 1);
    fill(machine, keys_.data(), keys_.size(), Filling::Bf16, seed + 1, 1);
    fill(machine, values_.data(), values_.size(), Filling::Bf16, seed + 2, 1);
  }
  Operations operations() const override {
    return {AttentionArgs{query_.data(), keys_.data(), values_.data(), partial_.data(), out_.data(),
                          point_.tokens, point_.top_k, point_.experts, point_.k, splits_}};
  }
  void poison() override { out_.poison(); }
  const Buffer<Bf16>* output() const override { return &out_; }
  std::optional<double> error(std::uint64_t seed) override {
    RelativeError error;
    for (std::uint64_t i = 0; i < 4; ++i) {
      const std::size_t head = sample(seed, i, size(point_.tokens, point_.top_k));
      const std::size_t cache = head / size(point_.top_k / point_.experts) * size(point_.k) * 128;
      const std::vector<double> expected =
          reference_attention(query_.read(head * 128, 128), keys_.read(cache, size(point_.k) * 128),
                              values_.read(cache, size(point_.k) * 128));
      const std::vector<Bf16> out = out_.read(head * 128, 128);
      for (std::size_t d = 0; d < 128; ++d) error.add(to_float(out[d]), expected[d]);
    }
    return error.value();
  }

 private:
  PlanPoint point_;
  int splits_;
  Buffer<Bf16> query_, out_, keys_, values_;
  Buffer<float> partial_;
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

// Why a shape is none that the kernels take; empty: it is one.
std::string unfit(const PlanPoint& p) {
  const auto one_of = [](const std::string& value, std::initializer_list<const char*> values) {
    return std::any_of(values.begin(), values.end(), [&](const char* v) { return value == v; });
  };
  if (one_of(p.op, {"gemm", "grouped_gemm"})) {
    if (!one_of(p.impl,
                {"moesim_mma", "moesim_wgmma", "moesim_fp8", "cublaslt", "cublas_grouped"})) {
      return "no implementation is called " + p.impl;
    }
    if (p.n < 8 || p.k < 8 || p.n % 8 != 0 || p.k % 8 != 0) return "n and k are not multiples of 8";
    if (p.rows() == 0) return "there are no rows";
  } else if (one_of(p.op,
                    {"layer", "router", "sort", "permute", "unpermute", "swiglu", "quantise"})) {
    if (p.experts < 1 || p.experts > kMaxExperts || p.top_k < 1 || p.top_k > kMaxTopK ||
        p.top_k > p.experts || p.tokens < 1) {
      return "tokens, experts or top_k out of range";
    }
    if (p.hidden % 8 != 0 || p.inter % 8 != 0) return "hidden and inter are not multiples of 8";
    if (p.op == "layer") {
      if (p.hidden < 8 || p.inter < 8) return "a layer has hidden and inter";
      if (!one_of(p.impl, {"moesim_mma", "moesim_wgmma", "moesim_fp8"})) {
        return "no implementation is called " + p.impl;
      }
      if (static_cast<int>(p.loads.size()) != p.experts || p.rows() != p.tokens * p.top_k ||
          *std::max_element(p.loads.begin(), p.loads.end()) > p.tokens) {
        return "the loads are not those of tokens x top_k selections";
      }
    }
  } else if (p.op == "attention_decode") {
    if (p.tokens < 1 || p.k < 1 || p.experts < 1 || p.top_k < 1 || p.top_k % p.experts != 0) {
      return "the heads are not a multiple of the cache heads";
    }
  } else if (one_of(p.op, {"copy", "read", "h2d", "d2h", "p2p", "all_to_all"})) {
    if (p.bytes < 32) return "too few bytes";
  } else if (!one_of(p.op, {"empty"})) {
    return "no operation is called " + p.op;
  }
  return "";
}

Job job_of(Machine& machine, const PlanPoint& point) {
  Job job;
  const std::string& op = point.op;
  job.set_bytes = point.bytes;
  if (op == "empty") {
    job.executions = 100;  // one alone is shorter than what surrounds it
    job.make = [](std::uint64_t) { return std::make_unique<EmptySet>(100); };
  } else if (op == "gemm" || op == "grouped_gemm") {
    job.make = [&](std::uint64_t seed) { return std::make_unique<GemmSet>(machine, point, seed); };
  } else if (op == "layer") {
    job.make = [&](std::uint64_t seed) { return std::make_unique<LayerSet>(machine, point, seed); };
    job.bound = kBf16Bound;
  } else if ((op == "copy" || op == "read") && point.impl != "cuda") {
    job.make = [&](std::uint64_t seed) {
      return std::make_unique<StreamSet>(machine, point, seed);
    };
  } else if (op == "copy" || op == "h2d" || op == "d2h") {
    job.make = [&](std::uint64_t) { return std::make_unique<TransferSet>(machine, point); };
  } else if (op == "attention_decode") {
    job.make = [&](std::uint64_t seed) {
      return std::make_unique<AttentionSet>(machine, point, seed);
    };
  } else {
    job.make = [&](std::uint64_t seed) { return std::make_unique<PartSet>(machine, point, seed); };
  }
  return job;
}

// Memory, not time: what was taken beside what the formula says.
void measure_memory(Machine& machine, const PlanPoint& point, PointResult& result) {
  if (point.detail == "layer peak") {
    const std::size_t before = machine.free_memory();
    const LayerShape shape = layer_shape(point);
    const Layer layer(machine, shape, 1);
    result.measured_bytes =
        static_cast<double>(before) - static_cast<double>(machine.free_memory());
    return;
  }
  if (const auto bytes = machine.footprint(point.detail, point.bytes)) {
    result.measured_bytes = *bytes;
  } else {
    result.flags.push_back("skipped: this machine cannot tell " + point.detail);
  }
}

void summarise(const Timing& timing, int executions, Machine& machine, PointResult& result) {
  std::vector<double> us = timing.us;
  for (double& value : us) value /= executions;
  result.repeats = static_cast<int>(us.size());
  if (us.empty()) {
    result.flags.push_back("failed: nothing was timed");
    return;
  }
  result.p10_us = percentile(us, 0.1);
  result.p50_us = percentile(us, 0.5);
  result.p90_us = percentile(us, 0.9);
  result.health = machine.health();
  if (!timing.graph) result.flags.push_back("no_graph");
  if (result.p90_us > 1.2 * result.p10_us) result.flags.push_back("noisy");
  // NVML's clock event reasons: hardware slowdown, thermal (software, hardware), power brake.
  constexpr std::uint64_t kThrottled = 0x8 | 0x20 | 0x40 | 0x80;
  if (result.health.throttle && (*result.health.throttle & kThrottled) != 0) {
    result.flags.push_back("throttled");
  }
}

void measure_between(Machine& machine, const PlanPoint& point, const MeasureOptions& options,
                     PointResult& result) {
  const auto answer = machine.between_gpus(point.op, point.op == "p2p" ? 2 : point.tokens,
                                           point.bytes, options.timing);
  if (const auto* reason = std::get_if<Unsupported>(&answer)) {
    result.flags.push_back("skipped: " + reason->why);
  } else {
    summarise(std::get<Timing>(answer), 1, machine, result);
  }
}

void measure_time(Machine& machine, const PlanPoint& point, const MeasureOptions& options,
                  PointResult& result) {
  const Job job = job_of(machine, point);
  std::vector<std::unique_ptr<Set>> sets;
  sets.push_back(job.make(options.seed));
  for (const Operation& operation : sets[0]->operations()) {
    if (const auto reason = machine.cannot(operation)) {
      result.flags.push_back("skipped: " + reason->why);
      return;
    }
  }
  // First right, then fast.
  sets[0]->poison();
  for (const Operation& operation : sets[0]->operations()) machine.run(operation);
  if (const Buffer<Bf16>* output = sets[0]->output()) {
    const Buffer<std::uint64_t> nans(machine, std::vector<std::uint64_t>{0});
    machine.run(CountNanArgs{output->data(), static_cast<std::int64_t>(output->size()),
                             reinterpret_cast<unsigned long long*>(nans.data())});
    if (nans.read()[0] > 0) result.flags.push_back("unwritten");
  }
  result.relative_error = sets[0]->error(options.seed + 7);
  if (result.relative_error && !(*result.relative_error <= job.bound)) {
    result.flags.push_back("wrong");
  }

  if (point.cold) {
    const double enough = options.cold_over_l2 * static_cast<double>(machine.info().l2_bytes);
    const double wanted = std::ceil(enough / std::max(job.set_bytes, 1.0));
    const int count = static_cast<int>(std::min<double>(wanted, options.most_sets));
    for (int i = 1; i < count; ++i) {
      try {
        sets.push_back(job.make(options.seed + static_cast<std::uint64_t>(i) * 1000));
      } catch (const OutOfMemory&) {
        break;
      }
    }
  }
  std::vector<Operations> programs;
  for (const auto& set : sets) programs.push_back(set->operations());
  const Timing timing = machine.time(programs, options.timing);
  summarise(timing, job.executions, machine, result);
}

}  // namespace

std::vector<int> deal_selections(const std::vector<int>& loads, int tokens, int top_k) {
  std::vector<int> ids(size(tokens, top_k), -1);
  std::vector<int> order(loads.size());
  std::iota(order.begin(), order.end(), 0);
  // Experts one after another, each to the next `load` tokens round the table: none meets a token
  // twice while its load is at most the number of tokens, and every token is met top_k times.
  std::size_t place = 0;
  for (const int expert : order) {
    for (int i = 0; i < loads[static_cast<std::size_t>(expert)]; ++i, ++place) {
      const std::size_t token = place % size(tokens), turn = place / size(tokens);
      ids[token * size(top_k) + turn] = expert;
    }
  }
  return ids;
}

PointResult measure(Machine& machine, const PlanPoint& point, const MeasureOptions& options) {
  PointResult result;
  try {
    if (point.op == "memory") {
      measure_memory(machine, point, result);
    } else if (const std::string reason = unfit(point); !reason.empty()) {
      result.flags.push_back("failed: " + reason);
    } else if (point.op == "p2p" || point.op == "all_to_all") {
      measure_between(machine, point, options, result);
    } else {
      measure_time(machine, point, options, result);
    }
  } catch (const std::exception& error) {
    std::string what = error.what();
    std::replace(what.begin(), what.end(), ';', ',');
    result.flags.push_back("failed: " + what);
  }
  return result;
}

}  // namespace moesim::validation::cuda
