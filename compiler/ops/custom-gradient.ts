/**
 * @file The op behind `customGradient`: a result of a function with a custom vjp. The nodes of the function are in the
 * graph like any others; this op passes on one of their values and carries the vjp that reverse mode uses instead of
 * their rules. A function with several results has one such node for each, on the same operands.
 *
 *   operands ::= results… arguments… captured by the function… captured by the vjp…
 *   vjp      ::= (captured by the vjp…, cotangents of the results…, arguments…) -> cotangents of the arguments `wanted`
 *
 * Reverse mode handles it (`autodiff/custom-gradient.ts`), and the first pass replaces it by the value itself.
 */
import { at, InternalError, UserError } from "../graph/errors.ts";
import { type Aval, formatAval, nodeAt, type OpAttrs, sameAval } from "../graph/graph.ts";
import { faultOf } from "../trace/fault.ts";
import { view } from "./views.ts";

/** Splits the operands into results, arguments and what the function and its vjp have captured. */
export function customOperands<T>({ outputs, args, captured }: OpAttrs["customGradient"], operands: readonly T[]) {
  const [first, second] = [outputs + args, outputs + args + captured];
  return {
    results: operands.slice(0, outputs),
    args: operands.slice(outputs, first),
    captured: operands.slice(first, second),
    capturedByVjp: operands.slice(second),
  };
}

const entry = view("customGradient", {
  aval: (operands, attrs) => {
    const { vjp, index, wanted } = attrs;
    const { results, args, capturedByVjp } = customOperands(attrs, operands);
    const expected = [...capturedByVjp, ...results, ...args];
    if (expected.length !== vjp.inputs.length || results.length !== attrs.outputs || args.length !== attrs.args)
      throw new UserError(`${operands.length} operands do not fit a vjp of ${vjp.inputs.length} inputs`);
    if (index >= results.length) throw new UserError(`result ${index} of ${results.length} does not exist`);
    if (results.some(({ dtype }) => dtype !== "f32")) throw new UserError("a result is not f32");
    const hold = (what: string, wanted: Aval | undefined, got: Aval) => {
      if (wanted === undefined || !sameAval(wanted, got))
        throw new UserError(`${what} is ${formatAval(got)}, expected ${wanted ? formatAval(wanted) : "none"}`);
    };
    for (const [i, id] of vjp.inputs.entries()) hold(`input ${i} of the vjp`, expected[i], nodeAt(vjp, id).aval);
    if (wanted.length !== vjp.outputs.length)
      throw new UserError(`${vjp.outputs.length} cotangents for ${wanted.length}`);
    for (const [i, id] of vjp.outputs.entries())
      hold(`cotangent ${i} of the vjp`, args[at(wanted, i)], nodeAt(vjp, id).aval);
    return at(results, index);
  },
  locate: ({ index, attrs }) => [{ operand: attrs.index, index }],
  vjp: () => {
    throw new InternalError("reverse mode asks the vjp of a customGradient itself");
  },
  jvp: (tangents, { attrs }) => {
    const { args, captured } = customOperands(attrs, tangents);
    if ([...args, ...captured].every((tangent) => tangent === undefined)) return undefined;
    throw faultOf(
      "customGradient",
      "forward mode (jvp) does not go through it: only a vjp is given; take the gradient in reverse mode, with grad",
    );
  },
});

export const customGradientOp = { entry };
