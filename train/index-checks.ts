/**
 * @file Checks indices on the host: on a device an index out of range would silently read another row of a table, or no
 * class. The ranges come from the graph: `gather` looks up rows of a table, also in loops, and losses and layers declare
 * their classes and lengths (see `trace/index-ranges.ts`). An index that is computed from a batch, such as a class under a
 * mask, is computed here as well; one that depends on weights is not checked.
 */
import { bindShape, type Dim, evaluateDim } from "../compiler/graph/dim.ts";
import { at, InternalError, UserError } from "../compiler/graph/errors.ts";
import { Fold } from "../compiler/graph/fold.ts";
import { ancestorsOf, type Graph, inputName, type NodeId, nodeAt } from "../compiler/graph/graph.ts";
import { type NdArray, strangerTo } from "../compiler/graph/ndarray.ts";
import { evaluateNode } from "../compiler/ops/interpret.ts";
import { bodyInputs } from "../compiler/ops/scan.ts";
import type { IndexRange } from "../compiler/trace/index-ranges.ts";
import type { DeviceArray } from "../devices/device.ts";

type Arrays = Readonly<Record<string, NdArray | DeviceArray>>;

/** The valid range of an index. */
export interface Range {
  /** Name of the indices, such as "classes". */
  readonly what: string;
  /** The largest valid index; the smallest is 0. */
  readonly to: number;
  readonly except?: number | undefined;
}

/** The ranges of all indices that are computed from a batch. */
export interface IndexChecks {
  readonly graph: Graph;
  readonly checks: readonly IndexCheck[];
}

interface IndexCheck {
  readonly index: NodeId;
  readonly mask: NodeId | undefined;
  /** Names of the inputs from which the index is computed. */
  readonly names: readonly string[];
  /** All inputs that the index and its mask are computed from. */
  readonly inputs: readonly NodeId[];
  readonly what: string;
  readonly to: Dim;
  readonly below: number;
  readonly except: number | undefined;
}

/** The index checks of a graph, for its inputs with these names. `ranges` are the ranges that its functions declare. */
export function indexChecks(graph: Graph, names: readonly string[], ranges: readonly IndexRange[] = []): IndexChecks {
  const given = new Set(graph.inputs.filter((id) => names.includes(inputName(graph, id))));
  const declared = ranges.map(({ index, mask, what, to, below = 0, except }) => {
    return { index: index.id, mask: mask?.id, what, to, below, except };
  });
  const looked = lookups(graph).map(([index, rows]) => {
    return { index, mask: undefined, what: "indices", to: rows, below: 1, except: undefined };
  });
  // A lookup of indices that a function has declared is checked with them.
  const isNew = (each: (typeof looked)[number]) =>
    !declared.some(({ index, mask, to, below, except }) => {
      return index === each.index && mask === undefined && to === each.to && below === 1 && except === undefined;
    });
  const checks = [...declared, ...looked.filter(isNew)].flatMap((check): IndexCheck[] => {
    const needed = [...ancestorsOf(graph, check.mask === undefined ? [check.index] : [check.index, check.mask])];
    const isKnown = needed.every((id) => {
      const { op } = nodeAt(graph, id);
      return op === "input" ? given.has(id) : op !== "scan";
    });
    const sources = [...ancestorsOf(graph, [check.index])].filter((id) => given.has(id));
    if (!isKnown || sources.length === 0) return [];
    const inputs = needed.filter((id) => nodeAt(graph, id).op === "input");
    return [{ ...check, names: sources.map((id) => inputName(graph, id)), inputs }];
  });
  return { graph, checks };
}

/** Every index of a lookup, as a node of the outermost graph, and the number of rows of its table. */
function lookups(graph: Graph): (readonly [index: NodeId, rows: number])[] {
  return graph.nodes.flatMap((node) => {
    if (node.op === "gather") {
      const [table, index] = [nodeAt(graph, at(node.operands, 0)), at(node.operands, 1)];
      return [[index, Number(table.aval.shape[0])] as const];
    }
    if (node.op !== "scan") return [];
    const { consts, xs } = bodyInputs(node.attrs);
    const outside = new Map([
      ...consts.map((id, i) => [id, at(node.operands, i)] as const),
      ...xs.map((id, i) => [id, at(node.operands, node.attrs.consts + node.attrs.carries + i)] as const),
    ]);
    return lookups(node.attrs.body).flatMap(([index, rows]) => {
      const outer = outside.get(index);
      return outer === undefined ? [] : [[outer, rows] as const];
    });
  });
}

/**
 * Throws a UserError of one line if a number of the inputs does not fit its dtype, or an index is out of range. What is
 * computed from arrays on the device is not known here, and not checked.
 */
export function checkIndices({ graph, checks }: IndexChecks, inputs: Arrays): void {
  const sizes: Record<string, number> = {};
  const known: (readonly [NodeId, NdArray])[] = [];
  for (const id of graph.inputs) {
    const array = inputs[inputName(graph, id)];
    if (array === undefined) continue;
    const { dtype, shape } = nodeAt(graph, id).aval;
    // Wrong dtypes and shapes are reported when the graph runs.
    const isFitting = array.dtype === dtype && Array.isArray(array.shape);
    if (!isFitting || bindShape(shape, array.shape, sizes) !== undefined) return;
    if (isOnHost(array)) known.push([id, array]);
    else if (!("read" in array)) return;
  }
  const numbers = new Map(known);
  const isKnown = (check: IndexCheck) => check.inputs.every((id) => numbers.has(id));
  const fold = new Fold<NdArray>(
    graph,
    {
      node: (node, operands) => evaluateNode(node, operands, sizes),
      scan: () => {
        throw new InternalError("an index is checked that a loop computes");
      },
    },
    known,
  );
  for (const check of checks) {
    if (!isKnown(check)) continue;
    const { index, mask, names, what, to, below, except } = check;
    const range = { what, to: evaluateDim(to, sizes) - below, except };
    const found = fold.value(index);
    const position = strangerIn(found.data, range, () => (mask === undefined ? undefined : fold.value(mask)));
    if (position === undefined) continue;
    const [name = ""] = names;
    const source = inputs[name];
    // The message gives the value in the batch, before any function on the way to the index.
    const isSame =
      names.length === 1 && source !== undefined && isOnHost(source) && source.data.length === found.data.length;
    const value = isSame ? source.data[position] : found.data[position];
    const axes = nodeAt(graph, index).aval.shape;
    const subject = isSame ? name : `the index computed from ${names.join(" and ")}`;
    throw new UserError(outOfRange(subject, Number(value), placeOf(position, found.shape, axes), range));
  }
  for (const [id, { dtype, data, shape }] of known) {
    const position = strangerTo(dtype, data);
    if (position < 0) continue;
    const place = placeOf(position, shape, nodeAt(graph, id).aval.shape);
    throw new UserError(
      `${inputName(graph, id)} holds ${data[position]}${place}; expected ${dtype === "bool" ? "0 or 1" : `whole numbers that fit into ${dtype}`}`,
    );
  }
}

const isOnHost = (array: NdArray | DeviceArray): array is NdArray => "data" in array && array.data !== undefined;

/** The position of the first unmasked number that is out of range. */
export function strangerIn(
  data: ArrayLike<number>,
  { to, except }: Range,
  maskOf: () => NdArray | undefined = () => undefined,
): number | undefined {
  let mask: NdArray | undefined;
  for (let i = 0; i < data.length; i++) {
    const value = data[i] ?? Number.NaN;
    if (value >>> 0 === value && value <= to && value !== except) continue;
    // Most batches are valid, and then the mask need not be computed.
    mask ??= maskOf();
    if (mask === undefined || mask.data[Math.floor((i * mask.data.length) / data.length)] !== 0) return i;
  }
  return undefined;
}

/** The message about a number outside the range. */
export function outOfRange(subject: string, value: number, place: string, { what, to, except }: Range): string {
  const but = except === undefined ? "" : ` other than ${except}`;
  return `${subject} holds ${value}${place}; expected ${what}, whole numbers from 0 to ${to}${but}`;
}

/** The indices of a position in an array, with names for the axes T and B. */
function placeOf(position: number, shape: readonly number[], axes: readonly Dim[]): string {
  const names = axes.map((dim) => ({ T: "step", B: "row" })[String(dim)] ?? "index");
  const index: string[] = [];
  let rest = position;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    index.unshift(`${names[axis]} ${rest % size}`);
    rest = Math.floor(rest / size);
  }
  return index.length === 0 ? "" : ` at ${index.join(", ")} (counted from 0)`;
}
