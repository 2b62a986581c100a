// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Plans.h"

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <unordered_map>

using namespace bfly_torch;

void Key::add(const View &view, const char *name) {
  if (view.rank > kMaxRank)
    throw std::runtime_error(std::string("bfly: ") + name + ": shape " +
                             view.shape() + " has too many dimensions");
  add(view.rank | int64_t(view.dtype) << 8 | int64_t(view.deviceType) << 24 |
      int64_t(view.deviceIndex) << 40);
  for (int64_t i = 0; i < view.rank; ++i)
    add(view.sizes[i]);
}

uint64_t Key::hash() const {
  uint64_t hash = size;
  for (unsigned i = 0; i < size; ++i) {
    hash = (hash ^ static_cast<uint64_t>(words[i])) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  return hash;
}

Key Request::key() const {
  Key key;
  key.add(reinterpret_cast<intptr_t>(&op) | int64_t(isBackward));
  for (unsigned i = 0; i < op.numTensors; ++i)
    key.add(arguments.tensors[i], op.names[i]);
  if (isBackward) {
    key.add(gradient, "the gradient");
    key.add(wanted);
  }
  if (op.hasHeads) {
    int64_t bits;
    std::memcpy(&bits, &arguments.scale, sizeof(bits));
    key.add(arguments.heads);
    key.add(bits);
  }
  key.add(threads);
  return key;
}

namespace {

struct Hash {
  size_t operator()(const Key &key) const { return key.hash(); }
};

/// A plan on its way: who comes first makes it, the others wait.
struct Entry {
  std::mutex mutex;
  std::shared_ptr<Plan> plan;
  std::atomic<const Plan *> ready{nullptr};
};

/// More plans than this are not kept: the longest unused half goes.
constexpr size_t kMaxPlans = 1024;

struct Table {
  std::shared_mutex mutex;
  std::unordered_map<Key, std::shared_ptr<Entry>, Hash> entries;
  /// By device, threads and text.
  std::mutex textMutex;
  std::unordered_map<std::string, std::weak_ptr<Kernel>> kernels;
  std::atomic<uint64_t> uses{0};
};

/// Never destroyed: threads may be in a call while the process ends.
Table &table() {
  static Table &table = *new Table();
  return table;
}

[[noreturn]] void fail(const Operator &op) {
  throw std::runtime_error("bfly." + std::string(op.name) + ": " +
                           bfly_last_error());
}

std::shared_ptr<Kernel> compile(const Request &request,
                                const std::string &forward) {
  const Operator &op = request.op;
  std::string device = request.arguments.tensors[0].device(), text = forward,
              of;
  if (request.isBackward) {
    for (unsigned i = 0; i < op.numTensors; ++i)
      if (request.wanted >> i & 1)
        of += (of.empty() ? "" : ",") + std::to_string(i);
  }
  std::string name = device + " " + std::to_string(request.threads) + " " + of +
                     "\n" + forward;
  Table &all = table();
  {
    std::lock_guard<std::mutex> held(all.textMutex);
    auto found = all.kernels.find(name);
    if (found != all.kernels.end())
      if (std::shared_ptr<Kernel> kernel = found->second.lock())
        return kernel;
  }
  std::string title = "<bfly." + std::string(op.name) + ">";
  if (request.isBackward) {
    char *derived = bfly_differentiate(forward.data(), forward.size(),
                                       title.c_str(), nullptr, of.c_str());
    if (!derived)
      fail(op);
    text = derived;
    bfly_free(derived);
  }
  bfly_compile_options options = {};
  options.device = device.c_str();
  options.threads = request.threads;
  bfly_kernel *handle =
      bfly_compile(text.data(), text.size(), title.c_str(), &options);
  if (!handle)
    fail(op);
  auto kernel = std::make_shared<Kernel>(handle);
  std::lock_guard<std::mutex> held(all.textMutex);
  all.kernels[name] = kernel;
  return kernel;
}

std::shared_ptr<Plan> makePlan(const Request &request) {
  const Operator &op = request.op;
  const View &x = request.arguments.tensors[0];
  Function function = op.describe(op, request.arguments);
  if (request.isBackward)
    checkGradient(op, request.gradient, x);
  auto plan = std::make_shared<Plan>();
  plan->shapes = std::move(function.shapes);
  auto describe = [&](const std::vector<int64_t> &shape) {
    bfly_array array = {};
    array.shape = shape.data();
    array.rank = static_cast<int32_t>(shape.size());
    array.dtype = x.number();
    array.device_type = x.onCPU() ? BFLY_CPU : BFLY_CUDA;
    array.device_id = x.onCPU() ? 0 : x.deviceIndex;
    return array;
  };
  for (const std::vector<int64_t> &shape : plan->shapes)
    plan->inputs.push_back(describe(shape));
  unsigned numResults = request.isBackward ? op.numTensors : 1;
  if (request.isBackward)
    plan->inputs.push_back(plan->inputs[0]);
  for (unsigned i = 0; i < numResults; ++i) {
    const View &like = request.arguments.tensors[i];
    bool isWanted = !request.isBackward || (request.wanted >> i & 1);
    plan->isWanted.push_back(isWanted);
    plan->isPartial.push_back(isWanted && like.sizes[0] != plan->shapes[i][0]);
    if (!isWanted) {
      plan->sizes.push_back({0});
      continue;
    }
    plan->sizes.emplace_back(like.sizes, like.sizes + like.rank);
    plan->results.push_back(plan->inputs[i]);
  }
  if (x.sizes[0] > 0 && !plan->results.empty())
    plan->kernel = compile(request, function.text);
  return plan;
}

/// Forgets the longest unused half. A plan that is in use lives on.
void shrink(Table &all) {
  std::vector<uint64_t> uses;
  for (const auto &[key, entry] : all.entries)
    if (const Plan *plan = entry->ready)
      uses.push_back(plan->lastUse);
  if (uses.empty())
    return;
  auto middle = uses.begin() + uses.size() / 2;
  std::nth_element(uses.begin(), middle, uses.end());
  for (auto it = all.entries.begin(); it != all.entries.end();) {
    const Plan *plan = it->second->ready;
    it =
        plan && plan->lastUse < *middle ? all.entries.erase(it) : std::next(it);
  }
  std::lock_guard<std::mutex> held(all.textMutex);
  for (auto it = all.kernels.begin(); it != all.kernels.end();)
    it = it->second.expired() ? all.kernels.erase(it) : std::next(it);
}

} // namespace

std::shared_ptr<const Plan> bfly_torch::getPlan(const Request &request) {
  Table &all = table();
  Key key = request.key();
  std::shared_ptr<Entry> entry;
  {
    std::shared_lock<std::shared_mutex> held(all.mutex);
    auto found = all.entries.find(key);
    if (found != all.entries.end())
      entry = found->second;
  }
  if (!entry) {
    std::unique_lock<std::shared_mutex> held(all.mutex);
    if (all.entries.size() >= kMaxPlans)
      shrink(all);
    std::shared_ptr<Entry> &place = all.entries[key];
    if (!place)
      place = std::make_shared<Entry>();
    entry = place;
  }
  if (!entry->ready) {
    std::lock_guard<std::mutex> held(entry->mutex);
    // What fails is tried again by the next call: memory may be there then.
    if (!entry->plan)
      entry->plan = makePlan(request);
    entry->ready = entry->plan.get();
  }
  entry->plan->lastUse.store(all.uses.fetch_add(1, std::memory_order_relaxed),
                             std::memory_order_relaxed);
  return entry->plan;
}
