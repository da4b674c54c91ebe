/** @file Everything that `npm run test:jax` compares with the interpreter, by group. */
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { roundToHalf } from "../../compiler/ops/half.ts";
import { mul, sum, type Tensor, traceGraph } from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { exactCases } from "../numbers/exact-cases.ts";
import { arrayCases } from "../support/array-cases.ts";
import { composedCases } from "../support/composed-cases.ts";
import { elementwiseCases } from "../support/elementwise-cases.ts";
import { evaluate, type FloatFunction, type OpCase, type TensorFunction } from "../support/evaluate.ts";
import type { JaxCase, JaxGroup } from "./case.ts";
import { gradientCase, valueCase } from "./graph-case.ts";
import { networkGroups } from "./networks.ts";

type Float = Tensor<"f32">;

const opCases: Readonly<Record<string, OpCase>> = { ...arrayCases, ...elementwiseCases, ...composedCases };

function* ofOps(): Iterable<JaxCase> {
  for (const [op, { gives, derivatives }] of Object.entries(opCases)) {
    for (const [i, [f, args]] of gives.entries()) yield ofFunction(`op ${op} ${i}`, f, args);
    for (const [i, [f, args]] of (derivatives ?? []).entries()) yield ofDerivative(`gradient of ${op} ${i}`, f, args);
  }
  yield ofDerivative("gradient of roundToHalf", (x) => mul(roundToHalf(x), x), [ndarray([3], [0.3, -1.2, 100.7])]);
  for (const [name, cases] of Object.entries(exactCases))
    for (const [i, [f, args]] of cases.entries()) yield ofFunction(`edges of ${name} ${i}`, f, args);
}

function ofFunction(name: string, f: TensorFunction, args: readonly NdArray[]): JaxCase {
  const avals = args.map(({ dtype, shape }, i) => ({ name: `x${i}`, dtype, shape }));
  const graph = traceGraph("f", avals, (tensors) => [f(...(tensors as never[]))].flat() as Tensor[]);
  return valueCase(name, graph, args);
}

function ofDerivative(name: string, f: FloatFunction, args: readonly NdArray[]): JaxCase {
  const weights = randomFloats(generator(5), evaluate(f as TensorFunction, args).shape);
  const inputs = [...args, weights];
  const avals = inputs.map(({ dtype, shape }, i) => ({ name: `x${i}`, dtype, shape }));
  return gradientCase(
    name,
    avals,
    inputs,
    ({ name: input }) => input !== `x${args.length}`,
    (tensors) => sum(mul(f(...(tensors.slice(0, args.length) as Float[])), at(tensors, args.length) as Float)),
  );
}

export const groups: readonly JaxGroup[] = [{ name: "ops and their edges", cases: ofOps }, ...networkGroups];
