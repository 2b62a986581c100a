// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Functions.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <utility>

using namespace bfly_torch;

[[noreturn]] static void refuse(const Operator &op, const std::string &name,
                                const std::string &why) {
  throw std::runtime_error("bfly." + std::string(op.name) + ": " + name + ": " +
                           why);
}

/// "tensor<2x64x16xf32>".
static std::string typeOf(const std::vector<int64_t> &sizes,
                          const std::string &element) {
  std::string text = "tensor<";
  for (int64_t size : sizes)
    text += std::to_string(size) + "x";
  return text + element + ">";
}

/// What x is called in messages, and what it has to be: a type and a device for
/// all arguments, three dimensions.
static void checkFirst(const Operator &op, const Arguments &arguments) {
  const View &x = arguments.tensors[0];
  if (!x.type())
    refuse(op, op.names[0],
           "its dtype is none of float32, bfloat16, float16 and float64");
  if (x.rank != 3 || x.sizes[1] < 1 || x.sizes[2] < 1)
    refuse(op, op.names[0],
           "shape " + x.shape() +
               ", expected (B, N, D) with N and D at least 1");
}

/// An argument that has to be of x's type and on its device.
static void checkLike(const Operator &op, const std::string &name,
                      const View &view, const View &x) {
  if (view.deviceType != x.deviceType || view.deviceIndex != x.deviceIndex)
    refuse(op, name, "on " + view.device() + ", but x is on " + x.device());
  if (view.dtype != x.dtype)
    refuse(op, name,
           std::string("dtype ") +
               (view.type() ? view.type() : "of no floating-point number") +
               ", but x has " + x.type());
}

static void checkShape(const Operator &op, unsigned index,
                       const Arguments &arguments,
                       const std::vector<int64_t> &expected) {
  const View &view = arguments.tensors[index];
  checkLike(op, op.names[index], view, arguments.tensors[0]);
  if (view.rank == static_cast<int64_t>(expected.size()) &&
      std::equal(expected.begin(), expected.end(), view.sizes))
    return;
  View wanted;
  wanted.rank = expected.size();
  wanted.sizes = expected.data();
  refuse(op, op.names[index],
         "shape " + view.shape() + ", expected " + wanted.shape());
}

void bfly_torch::checkGradient(const Operator &op, const View &gradient,
                               const View &x) {
  checkLike(op, "the gradient", gradient, x);
  if (gradient.rank != x.rank ||
      !std::equal(x.sizes, x.sizes + x.rank, gradient.sizes))
    refuse(op, "the gradient",
           "shape " + gradient.shape() + ", expected " + x.shape());
}

/// modReLU of a bin times a real factor: relu(|G| + bias) G / (|G| + 1e-10).
static std::string modReLU(const std::string &real, const std::string &factor) {
  std::string text = R"(    %zero = arith.constant 0.0 : REAL
    %tiny = arith.constant 1.0e-10 : REAL
    %wz = complex.create FACTOR, %zero : COMPLEX
    %g = complex.mul %bin, %wz : COMPLEX
    %abs = complex.abs %g : COMPLEX
    %sum = arith.addf %abs, %b : REAL
    %kept = arith.maximumf %sum, %zero : REAL
    %size = arith.addf %abs, %tiny : REAL
    %gain = arith.divf %kept, %size : REAL
    %gz = complex.create %gain, %zero : COMPLEX
    %a = complex.mul %g, %gz : COMPLEX
    bfly.yield %a : COMPLEX
  }
)";
  const std::pair<std::string, std::string> names[] = {
      {"FACTOR", factor}, {"COMPLEX", "complex<" + real + ">"}, {"REAL", real}};
  for (const auto &[name, value] : names)
    for (size_t at; (at = text.find(name)) != std::string::npos;)
      text.replace(at, name.size(), value);
  return text;
}

/// What 16-bit types compute in.
static std::string computeType(const std::string &element) {
  return element == "f64" ? "f64" : "f32";
}

static Function describeSpectralFilter(const Operator &op,
                                       const Arguments &arguments) {
  checkFirst(op, arguments);
  const View &x = arguments.tensors[0], &first = arguments.tensors[2];
  int64_t batch = x.sizes[0], n = x.sizes[1], d = x.sizes[2];
  if (first.rank != 2 || first.sizes[0] < 1 || first.sizes[1] != d) {
    checkLike(op, op.names[2], first, x);
    refuse(op, op.names[2],
           "shape " + first.shape() + ", expected (hidden, " +
               std::to_string(d) + ")");
  }
  int64_t hidden = first.sizes[0];
  Function function;
  function.shapes = {{batch, n, d}, {d}, {hidden, d}, {hidden},
                     {d, hidden},   {d}, {d}};
  for (unsigned i = 1; i < op.numTensors; ++i)
    checkShape(op, i, arguments, function.shapes[i]);

  std::string element = x.type(), real = computeType(element);
  std::string sequence = typeOf({batch, n, d}, element),
              context = typeOf({batch, d}, element),
              inner = typeOf({batch, hidden}, element),
              vector = typeOf({d}, element), wide = typeOf({hidden}, element),
              up = typeOf({hidden, d}, element),
              down = typeOf({d, hidden}, element);
  function.text =
      "func.func @spectral_filter(%x: " + sequence + ", %w_base: " + vector +
      ", %w1: " + up + ", %b1: " + wide + ", %w2: " + down +
      ", %b2: " + vector + ", %bias: " + vector + ") -> " + sequence + " {\n" +
      "  %m = bfly.mean %x : " + sequence + " -> " + context + "\n" +
      "  %h = bfly.linear %m, %w1 bias(%b1 : " + wide + ") relu : " + context +
      ", " + up + " -> " + inner + "\n" +
      "  %dw = bfly.linear %h, %w2 bias(%b2 : " + vector + ") : " + inner +
      ", " + down + " -> " + context + "\n" +
      "  %y = bfly.spectral_filter %x params(%w_base[channel] : " + vector +
      ", %dw[batch, channel] : " + context + ", %bias[channel] : " + vector +
      ") : " + sequence + " -> " + sequence + " {\n" + "  ^bb0(%bin: complex<" +
      real + ">, %k: index, %wb: " + real + ", %d: " + real + ", %b: " + real +
      "):\n" + "    %w = arith.addf %wb, %d : " + real + "\n" +
      modReLU(real, "%w") + "  return %y : " + sequence + "\n}\n";
  return function;
}

static Function describeModReLUFilter(const Operator &op,
                                      const Arguments &arguments) {
  checkFirst(op, arguments);
  const View &x = arguments.tensors[0];
  int64_t batch = x.sizes[0], n = x.sizes[1], d = x.sizes[2];
  Function function;
  function.shapes = {{batch, n, d}, {batch, d}, {d}};
  for (unsigned i = 1; i < op.numTensors; ++i)
    checkShape(op, i, arguments, function.shapes[i]);
  std::string element = x.type(), real = computeType(element);
  std::string sequence = typeOf({batch, n, d}, element),
              context = typeOf({batch, d}, element),
              vector = typeOf({d}, element);
  function.text =
      "func.func @modrelu_filter(%x: " + sequence + ", %w: " + context +
      ", %bias: " + vector + ") -> " + sequence + " {\n" +
      "  %y = bfly.spectral_filter %x params(%w[batch, channel] : " + context +
      ", %bias[channel] : " + vector + ") : " + sequence + " -> " + sequence +
      " {\n" + "  ^bb0(%bin: complex<" + real + ">, %k: index, %f: " + real +
      ", %b: " + real + "):\n" + modReLU(real, "%f") +
      "  return %y : " + sequence + "\n}\n";
  return function;
}

static Function describeButterflyAttention(const Operator &op,
                                           const Arguments &arguments) {
  checkFirst(op, arguments);
  const View &x = arguments.tensors[0], &wq = arguments.tensors[1];
  int64_t n = x.sizes[1], d = x.sizes[2], heads = arguments.heads;
  if (heads < 1 || d % heads)
    refuse(op, "heads",
           std::to_string(heads) + ", expected a divisor of the " +
               std::to_string(d) + " channels");
  bool isF64 = !std::strcmp(x.type(), "f64");
  double largest = isF64 ? 1.7976931348623157e308 : 3.4028234663852886e38;
  if (!(std::fabs(arguments.scale) <= largest))
    refuse(op, "scale", "a finite number is expected");
  int64_t stages = 0, dh = d / heads;
  while ((int64_t(1) << stages) < n)
    ++stages;
  stages = stages > 0 ? stages : 1;
  auto has = [&](std::initializer_list<int64_t> form) {
    return wq.rank == static_cast<int64_t>(form.size()) + 1 &&
           std::equal(form.begin(), form.end(), wq.sizes + 1);
  };
  checkLike(op, op.names[1], wq, x);
  if (!has({d, d}) && !has({heads, dh, dh}) && !has({dh, dh})) {
    std::string s = "(S, ", one = std::to_string(dh);
    refuse(op, op.names[1],
           "shape " + wq.shape() + ", expected " + s + std::to_string(d) +
               ", " + std::to_string(d) + "), " + s + std::to_string(heads) +
               ", " + one + ", " + one + ") or " + s + one + ", " + one + ")");
  }
  if (wq.sizes[0] != 1 && wq.sizes[0] < stages)
    refuse(op, op.names[1],
           "weights for " + std::to_string(wq.sizes[0]) + " stages, but " +
               std::to_string(n) + " tokens have " + std::to_string(stages));
  std::vector<int64_t> weights(wq.sizes, wq.sizes + wq.rank);
  checkShape(op, 2, arguments, weights);
  // Weights of later stages are for more tokens.
  if (weights[0] > stages)
    weights[0] = stages;

  Function function;
  function.shapes = {{x.sizes[0], n, d}, weights, weights};
  std::string sequence = typeOf(function.shapes[0], x.type()),
              matrices = typeOf(weights, x.type());
  char scale[40];
  std::snprintf(scale, sizeof(scale), "%.17e", arguments.scale);
  function.text =
      "func.func @butterfly_attention(%x: " + sequence + ", %wq: " + matrices +
      ", %wk: " + matrices + ") -> " + sequence + " {\n" +
      "  %y = bfly.butterfly_attention %x, %wq, %wk heads(" +
      std::to_string(heads) + ") scale(" + scale + ") : " + sequence + ", " +
      matrices + "\n" + "  return %y : " + sequence + "\n}\n";
  return function;
}

const Operator bfly_torch::kSpectralFilter = {
    "spectral_filter",
    7,
    {"x", "w_base", "w1", "b1", "w2", "b2", "bias"},
    /*hasHeads=*/false,
    describeSpectralFilter};

const Operator bfly_torch::kModReLUFilter = {"modrelu_filter",
                                             3,
                                             {"x", "w", "bias"},
                                             /*hasHeads=*/false,
                                             describeModReLUFilter};

const Operator bfly_torch::kButterflyAttention = {"butterfly_attention",
                                                  3,
                                                  {"x", "wq", "wk"},
                                                  /*hasHeads=*/true,
                                                  describeButterflyAttention};
