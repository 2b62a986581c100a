// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// bfly's operators for torch, on its stable ABI: one library for all versions
// from 2.10 on. Each says what it is by its arguments alone, whose types and
// shapes make the text of a module, and finds what that was compiled to in a
// table of the process. Gradients and shapes are told to torch in Python
// (python/bfly/torch): the stable ABI has neither.

#include "Plans.h"

#include <torch/csrc/stable/library.h>

#include <dlfcn.h>
#include <stdexcept>

using namespace bfly_torch;
namespace stable = torch::stable::detail;

static void run(const Plan &plan, const Request &request, Tensor *tensors,
                const Tensor *gradient, std::vector<Tensor> &results) {
  const Operator &op = request.op;
  const View &x = request.arguments.tensors[0];
  for (size_t i = 0; i < plan.sizes.size(); ++i) {
    results.push_back(allocate(x, plan.sizes[i]));
    if (plan.isWanted[i] && (plan.isPartial[i] || !plan.kernel))
      setToZero(results.back());
  }
  if (!plan.kernel)
    return;
  // Copies live until the work is in the stream, whose memory torch reuses in
  // the stream's order.
  Tensor copies[kMaxTensors + 1];
  bfly_array inputs[kMaxTensors + 1], outputs[kMaxTensors];
  size_t numInputs = plan.inputs.size(), numOutputs = 0;
  std::copy(plan.inputs.begin(), plan.inputs.end(), inputs);
  for (unsigned i = 0; i < op.numTensors; ++i)
    inputs[i].data =
        dataOf(tensors[i], request.arguments.tensors[i], copies[i]);
  if (gradient)
    inputs[op.numTensors].data =
        dataOf(*gradient, request.gradient, copies[op.numTensors]);
  for (size_t i = 0; i < results.size(); ++i) {
    if (!plan.isWanted[i])
      continue;
    outputs[numOutputs] = plan.results[numOutputs];
    outputs[numOutputs++].data = dataOf(results[i]);
  }
  void *stream = x.onCPU() ? nullptr : currentStream(x.deviceIndex);
  if (bfly_kernel_run(plan.kernel->get(), inputs, numInputs, nullptr, 0,
                      outputs, numOutputs, stream))
    throw std::runtime_error("bfly." + std::string(op.name) + ": " +
                             bfly_last_error());
}

/// A call of an operator or of its derivative. The stack holds the gradient
/// first, then tensors, then numbers, and the results in the end.
static void call(const Operator &op, bool isBackward, StableIValue *stack) {
  Tensor tensors[kMaxTensors], gradient;
  unsigned next = 0;
  if (isBackward)
    gradient = Tensor(stable::to<AtenTensorHandle>(stack[next++]));
  for (unsigned i = 0; i < op.numTensors; ++i)
    tensors[i] = Tensor(stable::to<AtenTensorHandle>(stack[next++]));
  Request request{op, {}, isBackward, {}, 0, 0};
  for (unsigned i = 0; i < op.numTensors; ++i)
    request.arguments.tensors[i] = read(tensors[i]);
  if (op.hasHeads) {
    request.arguments.heads = stable::to<int64_t>(stack[next++]);
    request.arguments.scale = stable::to<double>(stack[next++]);
  }
  if (isBackward) {
    request.gradient = read(gradient);
    request.wanted = stable::to<int64_t>(stack[next++]) &
                     ((uint64_t(1) << op.numTensors) - 1);
  }
  if (request.arguments.tensors[0].onCPU())
    request.threads = numThreads();
  std::shared_ptr<const Plan> plan = getPlan(request);
  std::vector<Tensor> results;
  results.reserve(kMaxTensors);
  run(*plan, request, tensors, isBackward ? &gradient : nullptr, results);
  for (size_t i = 0; i < results.size(); ++i)
    stack[i] = stable::from(results[i].release());
}

template <const Operator &op, bool isBackward>
static void boxed(StableIValue *stack, uint64_t, uint64_t) {
  call(op, isBackward, stack);
}

namespace {

/// The operators of this library, for as long as it is there.
class Registration {
public:
  Registration() {
    check(aoti_torch_library_init_fragment("bfly", __FILE__, __LINE__,
                                           &definitions),
          "define operators");
    define("spectral_filter(Tensor x, Tensor w_base, Tensor w1, Tensor b1, "
           "Tensor w2, Tensor b2, Tensor bias) -> Tensor");
    define("spectral_filter_backward(Tensor gy, Tensor x, Tensor w_base, "
           "Tensor w1, Tensor b1, Tensor w2, Tensor b2, Tensor bias, int "
           "wanted) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, "
           "Tensor)");
    define("modrelu_filter(Tensor x, Tensor w, Tensor bias) -> Tensor");
    define("modrelu_filter_backward(Tensor gy, Tensor x, Tensor w, Tensor "
           "bias, int wanted) -> (Tensor, Tensor, Tensor)");
    define("butterfly_attention(Tensor x, Tensor wq, Tensor wk, int heads, "
           "float scale) -> Tensor");
    define("butterfly_attention_backward(Tensor gy, Tensor x, Tensor wq, "
           "Tensor wk, int heads, float scale, int wanted) -> (Tensor, Tensor, "
           "Tensor)");
    for (const char *key : {"CPU", "CUDA"}) {
      TorchLibraryHandle library;
      check(aoti_torch_library_init_impl("bfly", key, __FILE__, __LINE__,
                                         &library),
            "register operators");
      implement<kSpectralFilter>(library, "spectral_filter",
                                 "spectral_filter_backward");
      implement<kModReLUFilter>(library, "modrelu_filter",
                                "modrelu_filter_backward");
      implement<kButterflyAttention>(library, "butterfly_attention",
                                     "butterfly_attention_backward");
    }
  }

private:
  /// With tags where torch takes them, from 2.12 on.
  void define(const char *schema) {
    using Getter = int32_t (*)();
    using Define = AOTITorchError (*)(TorchLibraryHandle, const char *,
                                      const int32_t *, int32_t);
    auto find = [](const char *name) { return dlsym(RTLD_DEFAULT, name); };
    auto defineWithTags =
        reinterpret_cast<Define>(find("torch_library_def_with_tags"));
    auto compliant =
        reinterpret_cast<Getter>(find("torch_tag_pt2_compliant_tag"));
    auto contiguous =
        reinterpret_cast<Getter>(find("torch_tag_needs_contiguous_strides"));
    AOTITorchError error;
    if (defineWithTags && compliant && contiguous) {
      int32_t tags[] = {compliant(), contiguous()};
      error = defineWithTags(definitions, schema, tags, 2);
    } else {
      error = aoti_torch_library_def(definitions, schema);
    }
    check(error, "define an operator");
  }

  template <const Operator &op>
  void implement(TorchLibraryHandle library, const char *forward,
                 const char *backward) {
    check(torch_library_impl(library, forward, boxed<op, false>,
                             TORCH_ABI_VERSION),
          "register an operator");
    check(torch_library_impl(library, backward, boxed<op, true>,
                             TORCH_ABI_VERSION),
          "register an operator");
  }

  TorchLibraryHandle definitions;
};

} // namespace

static const Registration &registration = *new Registration();
