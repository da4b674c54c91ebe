/**
 * @file Mutants of the ops: each rule of each entry, broken in turn, by text that is put behind the table of ops. What
 * has no rule to break (a vjp that gives no cotangent) is given one that is wrong.
 */
import { opTable, type TableOp } from "../../compiler/ops/table.ts";
import type { Mutant } from "./mutant.ts";

const ops = Object.keys(opTable) as TableOp[];
const table = "compiler/ops/table.ts";
const values = "test/core/ops.test.ts";
const onDevice = "test/gpu/ops.test.ts";
/** What goes into these or comes out is no f32, so they have no derivative to get wrong. */
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
]);
const sources = new Set<TableOp>(["input", "constant", "iota", "dimSize"]);

/** A mutant that replaces rules of an entry; `make` is the body of a function of the entry that gives the new rules. */
function ruleMutant(op: TableOp, rule: string, make: string, tests: readonly string[]): Mutant {
  return {
    name: `${op}: ${rule}`,
    file: table,
    append: `{ const entry = opTable.${op}; Object.assign(entry, ((entry) => { ${make} })({ ...entry })); }`,
    tests,
  };
}

const scaledText = `const scaled = (text, dtype) => dtype === "bool" ? "(!" + text + ")" : dtype === "f32" ? "(" + text + " * 1.001f)" : "(" + text + " + " + dtype + "(1))";`;

function mutantsOf(op: TableOp): Mutant[] {
  const { kind } = opTable[op];
  const mutants: Mutant[] = [];
  // Derivatives end before a stopGradient: its vjp is never asked.
  if (!discrete.has(op) && !sources.has(op) && op !== "stopGradient") {
    mutants.push(
      ruleMutant(
        op,
        "vjp off by a thousandth",
        `return { vjp: (ct, context) => { const all = [...entry.vjp(ct, context)]; const i = all.findIndex((one) => one !== undefined); if (i < 0) return [ct]; all[i] = e.mul(all[i], 1.001); return all; } };`,
        [values, "test/core/op-edges.test.ts"],
      ),
      ruleMutant(
        op,
        "jvp off by a thousandth",
        `return { jvp: (tangents, context) => { const tangent = entry.jvp(tangents, context); return tangent === undefined ? tangents[0] : e.mul(tangent, 1.001); } };`,
        [values, "test/core/op-edges.test.ts"],
      ),
    );
  }
  if (kind === "elementwise") {
    mutants.push(
      ruleMutant(
        op,
        "another meaning",
        `return { scalar: (operands, dtype, attrs) => { const value = entry.scalar(operands, dtype, attrs); return dtype === "bool" ? Number(!value) : value + 0.001 + Number(dtype !== "f32"); } };`,
        [values, "test/core/op-edges.test.ts"],
      ),
      ruleMutant(
        op,
        "other WGSL",
        `${scaledText} return { wgsl: (operands, dtype, attrs, from) => scaled(entry.wgsl(operands, dtype, attrs, from), dtype) };`,
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
        [values, onDevice],
      ),
    );
  }
  if (kind === "reduction") {
    mutants.push(
      ruleMutant(op, "the last one only", `return { combine: (a, b) => b };`, [values]),
      ruleMutant(op, "WGSL of the last one only", `return { wgsl: { ...entry.wgsl, combine: (a, b) => b } };`, [
        onDevice,
      ]),
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

export const opMutants: readonly Mutant[] = ops.flatMap(mutantsOf);
