// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Code that is tried beside other code for the same function.

#include "Trial.h"

#include "bfly/Arrays/Compare.h"
#include "bfly/Engine/Measure.h"

using namespace mlir;
using namespace mlir::bfly;

/// The trials of a round, whose arrays are on the device at once, or so.
static constexpr int64_t kTrials = 16;
/// What one sample takes at least, unless a call takes longer, in seconds.
static constexpr double kSampleTime = 0.01;

template <typename Pointer>
static std::vector<Pointer> pointersTo(std::vector<HostArray> &arrays) {
  std::vector<Pointer> pointers;
  for (HostArray &array : arrays)
    pointers.push_back(&array);
  return pointers;
}

llvm::Expected<std::unique_ptr<Trial>> Trial::create(TrialSetup &setup,
                                                     StringRef text) {
  auto program = Program::parseText(text, setup.name, setup.source);
  if (!program)
    return program.takeError();
  auto function = (*program)->function(setup.function);
  if (!function)
    return function.takeError();
  Lowering lowering(**program, **function, setup.settings);
  auto executable = Executable::create(lowering);
  if (!executable)
    return executable.takeError();
  auto trial = std::make_unique<Trial>();
  trial->setup = &setup;
  trial->executable = std::move(*executable);

  auto inputs = pointersTo<const HostArray *>(setup.inputs);
  auto parameters = pointersTo<const HostArray *>(setup.parameters);
  bool isFirst = setup.copies == 0;
  if (isFirst) {
    for (auto *arrays : {&setup.expected, &setup.results}) {
      auto allocated = trial->executable->allocateResults(inputs, parameters);
      if (!allocated)
        return allocated.takeError();
      *arrays = std::move(*allocated);
    }
    uint64_t bytes = 0;
    for (auto *arrays : {&setup.inputs, &setup.parameters, &setup.results})
      for (const HostArray &array : *arrays)
        bytes += array.sizeInBytes();
    auto copies = copiesBeyondCache(setup.settings.device, bytes, kTrials);
    if (!copies)
      return copies.takeError();
    setup.copies = *copies;
  }
  std::vector<HostArray> &filled = isFirst ? setup.expected : setup.results;
  for (int64_t i = 0; i < setup.copies; ++i) {
    auto call = trial->executable->bind(inputs, parameters,
                                        pointersTo<HostArray *>(filled));
    if (!call)
      return call.takeError();
    trial->calls.push_back(std::move(*call));
    if (llvm::Error error = trial->calls.back().run())
      return std::move(error);
  }
  for (auto [i, result] : llvm::enumerate(setup.results)) {
    if (isFirst)
      break;
    CompareOptions options;
    options.tolerance = getTolerance(result.elementType());
    options.equalNaN = true;
    Comparison comparison = compareArrays(result, setup.expected[i], options);
    if (!comparison.matches && trial->wrong.empty())
      trial->wrong = "result " + std::to_string(i) + ": " + comparison.message;
  }
  return trial;
}

llvm::Error mlir::bfly::timeTrials(ArrayRef<Trial *> trials, int samples) {
  const Device &device = trials.front()->setup->settings.device;
  std::vector<std::vector<Invocation *>> calls;
  std::vector<int64_t> counts;
  for (Trial *trial : trials) {
    std::vector<Invocation *> &all = calls.emplace_back();
    for (Invocation &call : trial->calls)
      all.push_back(&call);
    auto count = countCalls(all, device, kSampleTime);
    if (!count)
      return count.takeError();
    counts.push_back(*count);
  }
  std::vector<std::vector<double>> seconds(trials.size());
  for (int sample = 0; sample < samples; ++sample)
    for (size_t i = 0; i < trials.size(); ++i) {
      auto each = timeCalls(calls[i], device, counts[i]);
      if (!each)
        return each.takeError();
      seconds[i].push_back(*each);
    }
  for (auto [trial, all] : llvm::zip_equal(trials, seconds)) {
    llvm::sort(all);
    size_t quarter = all.size() / 4;
    trial->timing = {all[all.size() / 2], all[quarter],
                     all[all.size() - 1 - quarter]};
  }
  return llvm::Error::success();
}
