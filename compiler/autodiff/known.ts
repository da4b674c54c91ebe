/**
 * @file Whether a value is finite if all inputs are finite, derived from the graph. Results of logarithms, roots,
 * quotients and powers may not be, nor values computed from them. Only derivatives with respect to such values need a
 * guard (chain.ts), so the gradient of a cell of products, sigmoids and tanhs has no additional nodes.
 */
import { at } from "../graph/errors.ts";
import { foldGraph, type OpNode } from "../graph/fold.ts";
import type { Aval, NodeId, ScanNode } from "../graph/graph.ts";
import type { Tensor, Trace } from "../trace/tensor.ts";

/** Facts about all elements of a value, assuming that sums and products do not overflow. */
interface Known {
  readonly finite: boolean;
  /** 2: above 0 by far more than rounding errors; 1: at least 0; 0: unknown. */
  readonly sign: 0 | 1 | 2;
}

/** Smaller constants are treated as 0: their reciprocals are infinite, or nearly so. */
const leastApart = 1e-30;

const finiteInput: Known = { finite: true, sign: 0 };

/** Whether some element may be NaN or infinite even if all inputs are finite. */
export function mayBeInfinite(tensor: Tensor): boolean {
  return !knownOf(tensor).finite;
}

/**
 * Records facts that hold in every step for the inputs of a loop's body, `inside`, in the order of the scan's operands.
 */
export function knowBody({ attrs }: ScanNode, operands: readonly Tensor[], inside: readonly Tensor[]): void {
  const { inputs } = bodyKnown(attrs, operands.map(knownOf));
  inside.forEach(({ frame, id }, i) => {
    if (frame.builder.node(id).op === "input") notesOn(frame).inputs.set(id, at(inputs, i));
  });
}

interface Notes {
  readonly nodes: Known[];
  readonly inputs: Map<NodeId, Known>;
  readonly scans: Map<NodeId, readonly Known[]>;
}

const notes = new WeakMap<Trace, Notes>();

function notesOn(frame: Trace): Notes {
  const found = notes.get(frame) ?? { nodes: [], inputs: new Map(), scans: new Map() };
  notes.set(frame, found);
  return found;
}

/** Extends the facts to nodes that the trace has added since the last call. */
function knownOf({ frame, id }: Tensor): Known {
  const { nodes, inputs, scans } = notesOn(frame);
  for (let next = nodes.length; next <= id; next++) {
    const node = frame.builder.node(next);
    const operands = node.operands.map((operand) => at(nodes, operand));
    if (node.op === "input") {
      const outer = frame.captured.find(({ inner }) => inner === next)?.outer;
      nodes.push(inputs.get(next) ?? (outer === undefined ? finiteInput : knownOf(outer)));
    } else if (node.op === "result") {
      nodes.push(at(scans.get(at(node.operands, 0)) ?? [], node.attrs.index));
    } else if (node.op === "scan") {
      scans.set(next, bodyKnown(node.attrs, operands).outputs);
      nodes.push(finiteInput);
    } else nodes.push(rule(node, operands));
  }
  return at(nodes, id);
}

/** Facts about the inputs of a body in any step, and about the results of the loop. */
function bodyKnown(
  attrs: ScanNode["attrs"],
  operands: readonly Known[],
): { readonly inputs: readonly Known[]; readonly outputs: readonly Known[] } {
  let inputs = operands;
  for (;;) {
    const outputs = foldGraph<Known>(attrs.body, inputs, {
      node: rule,
      scan: (node, given) => bodyKnown(node.attrs, given).outputs,
    }).outputs();
    const next = inputs.map((known, i) => {
      const carry = i - attrs.consts;
      return carry >= 0 && carry < attrs.carries ? both(known, at(outputs, carry)) : known;
    });
    if (next.every(({ finite, sign }, i) => finite === inputs[i]?.finite && sign === inputs[i]?.sign))
      return { inputs, outputs: outputs.map((known, i) => (i < attrs.carries ? at(inputs, attrs.consts + i) : known)) };
    inputs = next;
  }
}

const ofWholeNumbers = ({ dtype }: Aval): Known => ({ finite: true, sign: dtype === "i32" ? 0 : 1 });

const both = (a: Known, b: Known): Known => ({
  finite: a.finite && b.finite,
  sign: a.sign < b.sign ? a.sign : b.sign,
});

function rule(node: OpNode, operands: readonly Known[]): Known {
  if (node.aval.dtype !== "f32") return ofWholeNumbers(node.aval);
  const [a = finiteInput, b = finiteInput] = operands;
  const least = operands.reduce(both, { finite: true, sign: 2 });
  const { finite } = least;
  const higher = a.sign > b.sign ? a.sign : b.sign;
  switch (node.op) {
    case "constant": {
      const { value } = node.attrs;
      return { finite: Number.isFinite(Math.fround(value)), sign: value >= leastApart ? 2 : value >= 0 ? 1 : 0 };
    }
    case "iota":
    case "sigmoid":
    case "softplus":
      return { finite, sign: 1 };
    case "exp":
      return { finite: false, sign: 1 };
    case "pow":
    case "expm1":
      return { finite: false, sign: a.sign > 0 ? 1 : 0 };
    case "log":
      return { finite: finite && a.sign === 2, sign: 0 };
    case "log1p":
      return { finite: finite && a.sign > 0, sign: a.sign > 0 ? 1 : 0 };
    case "sqrt":
      return { finite: finite && a.sign > 0, sign: a.sign };
    case "div":
      return { finite: finite && b.sign === 2, sign: least.sign };
    case "mul":
      return { finite, sign: node.operands[0] === node.operands[1] && a.sign === 0 ? 1 : least.sign };
    case "add":
      return { finite, sign: least.sign > 0 ? higher : 0 };
    case "max":
      return { finite, sign: higher };
    case "abs":
      return { finite, sign: a.sign === 0 ? 1 : a.sign };
    case "where":
      return both(b, operands[2] ?? finiteInput);
    case "gather":
      return a;
    case "customGradient":
      return operands[node.attrs.index] ?? finiteInput;
    case "floor":
    case "roundToHalf":
    case "pad":
    case "scatterAdd":
      return { finite, sign: least.sign > 0 ? 1 : 0 };
    case "sub":
    case "neg":
    case "sin":
    case "cos":
    case "tanh":
      return { finite, sign: 0 };
    case "dimSize":
    case "min":
    case "cast":
    case "stopGradient":
    case "reshape":
    case "transpose":
    case "broadcast":
    case "slice":
    case "concat":
    case "sum":
    case "reduceMax":
    case "dot":
      return least;
    default:
      return { finite: false, sign: 0 };
  }
}
