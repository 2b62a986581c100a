// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Backward functions.
//
// Before: functions of the mixer level, straight-line code.
// After: the same, and beside each that was asked for its backward function,
// at mixer level too: inputs and gradients of results in, gradients of inputs
// and then of parameters out. It computes again what it needs of the forward,
// or with `save` takes what is costly of that, which a forward function beside
// it returns after the results.

#include "DerivativeRules.h"
#include "SavedValues.h"
#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_DIFFERENTIATEPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

bool isLoad(Operation &op) {
  return isa<ml_program::GlobalLoadConstOp, ml_program::GlobalLoadOp>(op);
}

/// The type that a gradient is returned in: of a number a tensor of rank 0, as
/// functions return tensors.
Type getReturnedType(Type type) {
  return isa<RankedTensorType>(type) ? type : RankedTensorType::get({}, type);
}

/// What a function has a gradient of.
struct Wanted {
  SmallVector<unsigned> inputs;
  SmallVector<StringAttr> parameters;
};

struct DifferentiatePass
    : public bfly::impl::DifferentiatePassBase<DifferentiatePass> {
  using DifferentiatePassBase::DifferentiatePassBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, BflyDialect, complex::ComplexDialect,
                    func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                    tensor::TensorDialect>();
    registerArithmeticRules(registry);
    registerComplexRules(registry);
    registerTensorRules(registry);
    registerStructuredRules(registry);
  }

  void runOnOperation() override;

private:
  LogicalResult differentiate(func::FuncOp function);
  FailureOr<Wanted> choose(func::FuncOp function);
  /// The parameters that a function reads, as the module has them in order.
  SmallVector<StringAttr> getParameters(func::FuncOp function);
};

void DifferentiatePass::runOnOperation() {
  ModuleOp module = getOperation();
  SmallVector<func::FuncOp> functions;
  if (!function.empty()) {
    auto named = module.lookupSymbol<func::FuncOp>(function);
    if (!named || named.isExternal()) {
      module.emitError("has no function '") << function << "' with a body";
      return signalPassFailure();
    }
    functions.push_back(named);
  } else {
    for (auto candidate : module.getOps<func::FuncOp>())
      if (candidate.isPublic() && !candidate.isExternal())
        functions.push_back(candidate);
  }
  for (func::FuncOp candidate : functions)
    if (failed(differentiate(candidate)))
      return signalPassFailure();
}

SmallVector<StringAttr>
DifferentiatePass::getParameters(func::FuncOp function) {
  llvm::DenseSet<StringAttr> read;
  for (Operation &op : function.front())
    if (isLoad(op))
      read.insert(op.getAttrOfType<SymbolRefAttr>("global").getLeafReference());
  SmallVector<StringAttr> parameters;
  for (auto global : getOperation().getOps<ml_program::GlobalOp>())
    if (read.contains(global.getSymNameAttr()) && global.getValue() &&
        isa<ml_program::ExternAttr>(*global.getValue()) &&
        hasGradient(global.getType()))
      parameters.push_back(global.getSymNameAttr());
  return parameters;
}

FailureOr<Wanted> DifferentiatePass::choose(func::FuncOp function) {
  Wanted wanted;
  SmallVector<StringAttr> parameters = getParameters(function);
  if (of.empty()) {
    for (auto [index, type] : llvm::enumerate(function.getArgumentTypes()))
      if (hasGradient(type))
        wanted.inputs.push_back(index);
    wanted.parameters = parameters;
  }
  // Results have the order of inputs and parameters: another one in `of` would
  // be taken for theirs.
  int64_t last = -1;
  for (StringRef name : of) {
    unsigned index;
    int64_t place;
    if (!name.getAsInteger(10, index)) {
      if (index >= function.getNumArguments() ||
          !hasGradient(function.getArgumentTypes()[index]))
        return function.emitOpError("has no floating-point input ") << index;
      place = index;
      wanted.inputs.push_back(index);
    } else {
      const auto *parameter = llvm::find_if(
          parameters, [&](StringAttr parameter) { return parameter == name; });
      if (parameter == parameters.end())
        return function.emitOpError("reads no floating-point parameter '")
               << name << "'";
      place = function.getNumArguments() + (parameter - parameters.begin());
      wanted.parameters.push_back(*parameter);
    }
    if (place <= last)
      return function.emitOpError("has gradients of inputs in their order and "
                                  "then of parameters in theirs, each once: '")
             << name << "' is out of place";
    last = place;
  }
  return wanted;
}

LogicalResult DifferentiatePass::differentiate(func::FuncOp function) {
  std::string name = function.getSymName().str() + "_backward";
  if (getOperation().lookupSymbol(name))
    return function.emitOpError("has a backward function already: '")
           << name << "'";
  std::string forwardName = function.getSymName().str() + "_forward";
  if (save && getOperation().lookupSymbol(forwardName))
    return function.emitOpError("has a forward function already: '")
           << forwardName << "'";
  if (!function.getBody().hasOneBlock())
    return function.emitOpError("has no derivative: it is not one block");
  FailureOr<Wanted> wanted = choose(function);
  if (failed(wanted))
    return failure();
  SmallVector<Type> results;
  for (unsigned index : wanted->inputs)
    results.push_back(getReturnedType(function.getArgumentTypes()[index]));
  SymbolTable symbols(getOperation());
  for (StringAttr parameter : wanted->parameters)
    results.push_back(
        symbols.lookup<ml_program::GlobalOp>(parameter).getType());
  bool hasResult = llvm::any_of(function.getResultTypes(), hasGradient);
  if (results.empty() || !hasResult)
    return function.emitOpError("has no floating-point ")
           << (results.empty() ? "input" : "result");

  // The forward's body, and after it the gradients.
  func::FuncOp backward = function.clone();
  backward.setSymName(name);
  OpBuilder builder(function->getContext());
  builder.setInsertionPointAfter(function);
  builder.insert(backward);
  Block &body = backward.front();
  Operation *end = body.getTerminator();
  // A parameter's gradient stays where it is read.
  SmallVector<Operation *> operations, reads;
  for (Operation &op : body.without_terminator())
    (isLoad(op) ? reads : operations).push_back(&op);
  builder.setInsertionPoint(end);

  Gradients gradients(/*savesStates=*/save);
  for (unsigned index : wanted->inputs)
    gradients.want(body.getArgument(index));
  llvm::DenseMap<StringAttr, SmallVector<Value>> loads;
  for (Operation *read : reads) {
    StringAttr global =
        read->getAttrOfType<SymbolRefAttr>("global").getLeafReference();
    loads[global].push_back(read->getResult(0));
    if (llvm::is_contained(wanted->parameters, global))
      gradients.want(read->getResult(0));
  }
  gradients.follow(operations);

  SmallVector<BlockArgument> given;
  for (Value result : end->getOperands()) {
    if (!hasGradient(result.getType()))
      continue;
    given.push_back(body.addArgument(result.getType(), result.getLoc()));
    gradients.add(builder, result, given.back());
  }
  if (failed(gradients.propagate(builder, operations))) {
    backward.erase();
    return failure();
  }

  Location loc = function.getLoc();
  SmallVector<Value> returned;
  for (unsigned index : wanted->inputs) {
    Value input = body.getArgument(index);
    Value gradient = gradients.get(input);
    if (!gradient)
      gradient = createZeroLike(builder, loc, input);
    Type type = getReturnedType(input.getType());
    if (gradient.getType() != type)
      gradient = tensor::SplatOp::create(builder, loc, gradient, type);
    returned.push_back(gradient);
  }
  for (StringAttr parameter : wanted->parameters) {
    Value sum;
    ArrayRef<Value> places = loads[parameter];
    for (Value place : places)
      if (Value gradient = gradients.get(place))
        sum = sum ? Value(arith::AddFOp::create(builder, loc, sum, gradient))
                  : gradient;
    returned.push_back(sum ? sum : createZeroLike(builder, loc, places[0]));
  }
  SmallVector<Value> forwardResults(end->getOperands());
  end->setOperands(returned);
  if (save)
    saveForward(backward, given, forwardResults).setSymName(forwardName);
  SmallVector<Type> inputs(body.getArgumentTypes());
  backward.setFunctionType(builder.getFunctionType(inputs, results));
  // Attributes are the forward's, of what it has; results are others.
  if (ArrayAttr attributes = backward.getArgAttrsAttr()) {
    SmallVector<Attribute> extended(attributes.begin(), attributes.end());
    extended.resize(inputs.size(), builder.getDictionaryAttr({}));
    backward.setArgAttrsAttr(builder.getArrayAttr(extended));
  }
  backward.removeResAttrsAttr();
  eraseDeadOps(body);
  return success();
}

} // namespace
