/**
 * @file Mutants of the ops: each rule of each entry, broken in turn, by text that is put behind the table of ops. What
 * has no rule to break (a vjp that gives no cotangent) is given one that is wrong.
 */
import { opTable, type TableOp } from "../../compiler/ops/table.ts";
import type { Mutant } from "./mutant.ts";

const ops = Object.keys(opTable) as TableOp[];
const table = "compiler/ops/table.ts";
const values = "test/ops/ops.test.ts";
const edges = "test/ops/op-edges.test.ts";
const onDevice = "test/gpu/ops.test.ts";
/** What goes into these or comes out is no f32, or their rules are not theirs: they have no derivative to get wrong. */
const discrete = new Set<TableOp>([
  "cast",
  "less",
  "equal",
  "and",
  "or",
  "not",
  "finite",
  "randomBits",
  "iota",
  "dimSize",
  // Its derivative is what it holds; autodiff.ts has the mutants.
  "customGradient",
]);
const sources = new Set<TableOp>(["input", "constant", "iota", "dimSize"]);
/** The operands that are differentiated; of all other ops the first alone. */
const differentiated: Readonly<Partial<Record<TableOp, readonly number[]>>> = {
  add: [0, 1],
  sub: [0, 1],
  mul: [0, 1],
  div: [0, 1],
  pow: [0, 1],
  min: [0, 1],
  max: [0, 1],
  dot: [0, 1],
  concat: [0, 1],
  where: [1, 2],
  scatterAdd: [1],
};

/** A mutant that replaces rules of an entry; `make` is the body of a function of the entry that gives the new rules. */
function ruleMutant(op: TableOp, rule: string, make: string, tests: readonly string[]): Mutant {
  return {
    name: `${op}: ${rule}`,
    file: table,
    append: `{ const entry = opTable.${op}; Object.assign(entry, ((entry) => { ${make} })({ ...entry })); }`,
    tests,
  };
}

/** Changes an expression of a kernel. */
const changedValue = `const changed = (e, x) => x.type === "bool" ? e.not(x) : x.type === "f32" ? e.mul(x, e.f32(1.001)) : e.add(x, e.literal(1, x.type));`;

function derivativeMutants(op: TableOp): Mutant[] {
  const operands = differentiated[op] ?? [0];
  const ofOperand = (rule: string, i: number) => (operands.length === 1 ? rule : `${rule}, operand ${i}`);
  const vjps = operands.map((i) =>
    ruleMutant(
      op,
      ofOperand("vjp off by a thousandth", i),
      `return { vjp: (ct, context) => entry.vjp(ct, context).map((one, i) => i !== ${i} ? one : one === undefined ? ct : elementwise.mul(one, 1.001)) };`,
      [values, edges],
    ),
  );
  const jvps = operands.map((i) =>
    ruleMutant(
      op,
      ofOperand("jvp off by a thousandth", i),
      `return { jvp: (tangents, context) => entry.jvp(tangents.map((one, i) => i !== ${i} ? one : one && elementwise.mul(one, 1.001)), context) ?? tangents[${i}] };`,
      [values, edges],
    ),
  );
  // Derivatives end before a stopGradient: its vjp is never asked.
  return op === "stopGradient" ? jvps : [...vjps, ...jvps];
}

function mutantsOf(op: TableOp): Mutant[] {
  const { kind } = opTable[op];
  const mutants = discrete.has(op) || sources.has(op) ? [] : derivativeMutants(op);
  if (kind === "elementwise") {
    mutants.push(
      ruleMutant(
        op,
        "another meaning",
        `return { scalar: (operands, dtype, attrs) => { const value = entry.scalar(operands, dtype, attrs); return dtype === "bool" ? Number(!value) : value + 0.001 + Number(dtype !== "f32"); } };`,
        [values, edges],
      ),
      ruleMutant(
        op,
        "another expression in kernels",
        `${changedValue} return { kernel: (e, operands, dtype, attrs) => changed(e, entry.kernel(e, operands, dtype, attrs)) };`,
        [onDevice],
      ),
    );
  }
  if (kind === "source" && op !== "input") {
    mutants.push(
      ruleMutant(
        op,
        "another meaning",
        `return { element: (index, attrs, sizes) => entry.element(index, attrs, sizes) + 1 };`,
        op === "dimSize" ? [onDevice] : [values],
      ),
      ruleMutant(
        op,
        "another expression in kernels",
        `${changedValue} return { kernel: (e, index, attrs) => changed(e, entry.kernel(e, index, attrs)) };`,
        [onDevice],
      ),
    );
  }
  if (kind === "view") {
    mutants.push(
      ruleMutant(
        op,
        "one element further",
        `return { locate: (context) => entry.locate(context).map((piece) => ({ ...piece, index: piece.index.map((i, axis) => axis < piece.index.length - 1 ? i : context.arithmetic.mod(context.arithmetic.add(i, context.arithmetic.dim(1)), context.arithmetic.dim(context.operands[piece.operand][axis]))) })) };`,
        // The interpreter reads a reshape as it lies.
        op === "reshape" ? [onDevice] : [values],
      ),
    );
  }
  if (kind === "reduction") {
    mutants.push(
      ruleMutant(op, "the last one only", `return { combine: (a, b) => b };`, [values]),
      ruleMutant(op, "the last one only, in kernels", `return { kernel: (e, a, b) => b };`, [onDevice]),
      ruleMutant(op, "another start", `return { initial: 1 };`, [values]),
    );
  }
  if (kind === "contraction") {
    mutants.push(
      ruleMutant(
        op,
        "another meaning",
        `return { evaluate: (operands, attrs, shape) => { const value = entry.evaluate(operands, attrs, shape); return { ...value, data: value.data.map((x) => x * 1.001) }; } };`,
        [values],
      ),
    );
  }
  return mutants;
}

export const opEntryMutants: readonly Mutant[] = ops.flatMap(mutantsOf);
