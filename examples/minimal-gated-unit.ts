/**
 * @file A custom recurrent cell in one file. The library has no special support for the minimal gated unit; these lines
 * are all it takes. The compiler differentiates the equations through time and generates their kernels, and the command
 * line checks and trains them:
 *
 *   cellgrad check examples/minimal-gated-unit.ts
 *   cellgrad train your-text.txt --cell examples/minimal-gated-unit.ts --out model.safetensors
 *   cellgrad sample model.safetensors
 *
 * Zhou, Wu, Zhang & Zhou 2016, "Minimal gated unit for recurrent neural networks", arXiv:1603.09420, eq. 6a-6c. It has
 * one gate, which both forgets and updates, and so two thirds of a GRU's weights:
 *
 *   f  = sigmoid(W_f [h, x] + b_f)            forget gate
 *   n  = tanh(W_n [f * h, x] + b_n)           candidate
 *   h' = (1 - f) * h + f * n
 */
import { add, cell, dense, mul, oneMinus, sigmoid, tanh } from "cellgrad";

export default cell("minimal-gated-unit", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const f = sigmoid(dense("forget", [h, x], units));
  const n = tanh(dense("candidate", [mul(f, h), x], units));
  const next = add(mul(oneMinus(f), h), mul(f, n));
  return { state: { h: next }, output: next };
});
