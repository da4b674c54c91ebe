/**
 * @file Indices: simplification keeps values, and equal indices have one expression, however the position was split. A
 * kernel finds computed values by that expression.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Expressions } from "../../compiler/kernel/expressions.ts";
import { type Index, IndexBuilder } from "../../compiler/kernel/index-arithmetic.ts";
import { printExpression } from "../../compiler/kernel/print.ts";
import { ravel, unravel } from "../../compiler/ops/views.ts";

const e = new Expressions();
const m = new IndexBuilder(e);
const named = new Map<string, ReturnType<typeof e.variable>>();

/** The variable of a name, with values below `bound`. */
function variable(name: string, bound: number | string): Index {
  const known = named.get(name) ?? e.variable(name, "u32", 0);
  named.set(name, known);
  return m.of(known, bound);
}

/** The value of an index for these values of its variables. */
function numberOf({ form, expr }: Index, values: Readonly<Record<string, number>>): number {
  if (form.kind === "size") return Number(form.dim);
  if (form.kind === "leaf") return values[printExpression(expr)] ?? Number.NaN;
  const [a, b] = [numberOf(form.a, values), numberOf(form.b, values)];
  const results = { add: a + b, sub: a - b, mul: a * b, div: Math.floor(a / b), mod: a % b, min: Math.min(a, b) };
  return results[form.kind];
}

/** Shapes of 48 elements; a position is converted through several of them. */
const shapes = [[48], [6, 8], [2, 3, 8], [2, 3, 2, 4], [12, 4], [4, 12], [3, 16], [24, 2], [2, 24], [1, 48], [48, 1]];

test("a position that is split and joined any number of times keeps its value", () => {
  const route = fc.array(fc.constantFrom(...shapes), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(route, fc.nat(7), fc.nat(5), (through, column, row) => {
      let position = m.add(m.mul(variable("row", 6), m.dim(8)), variable("column", 8));
      for (const shape of through) {
        const index = unravel(m, position, shape);
        const values = index.map((i) => numberOf(i, { row, column }));
        for (const [axis, i] of values.entries()) expect(i).toBeLessThan(shape[axis] ?? 0);
        position = ravel(m, index, shape);
      }
      expect(numberOf(position, { row, column })).toBe(row * 8 + column);
    }),
    { seed: 3, numRuns: 300 },
  );
});

/** An index, and its value before simplification. */
interface Known {
  readonly index: Index;
  readonly value: number;
}

const variables = { row: 6, column: 8, group: 5, lane: 4 } as const;
const values = fc.record({ row: fc.nat(5), column: fc.nat(7), group: fc.nat(4), lane: fc.nat(3) });
const divisors = fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 12, 16);

/** Builds expressions from a list of numbers: operations on variables, numbers and earlier results. */
function expressionOf(
  steps: readonly (readonly [op: number, a: number, b: number, d: number])[],
  at: Readonly<Record<string, number>>,
): Known[] {
  const made: Known[] = Object.entries(variables).map(([name, bound]) => ({
    index: variable(name, bound),
    value: at[name] ?? Number.NaN,
  }));
  const number = (value: number): Known => ({ index: m.dim(value), value });
  const operations: ((a: Known, b: Known, d: Known) => Known)[] = [
    (a, b) => ({ index: m.add(a.index, b.index), value: a.value + b.value }),
    (a, _, d) => ({ index: m.mul(a.index, d.index), value: a.value * d.value }),
    (a, _, d) => ({ index: m.div(a.index, d.index), value: Math.floor(a.value / d.value) }),
    (a, _, d) => ({ index: m.mod(a.index, d.index), value: a.value % d.value }),
    (a, b) => ({ index: m.min(a.index, b.index), value: Math.min(a.value, b.value) }),
    // The form of positions: a quotient of one index and a remainder of the same or another.
    (a, b, d) => ({
      index: m.add(m.mul(m.div(a.index, d.index), d.index), m.mod(b.index, d.index)),
      value: Math.floor(a.value / d.value) * d.value + (b.value % d.value),
    }),
    (_, __, d) => ({ index: m.sub(m.dim(20), d.index), value: 20 - d.value }),
    (a) => ({ index: m.mul(a.index, m.dim(0)), value: 0 }),
  ];
  for (const [op, a, b, d] of steps) {
    const pick = (i: number) => made[i % made.length] as Known;
    const make = operations[op % operations.length];
    if (make !== undefined) made.push(make(pick(a), pick(b), number(d)));
  }
  return made;
}

test("every expression of indices has the value of its operations, and stays below its bound", () => {
  const steps = fc.array(fc.tuple(fc.nat(7), fc.nat(20), fc.nat(20), divisors), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(steps, values, (operations, at) => {
      for (const { index, value } of expressionOf(operations, at)) {
        expect(numberOf(index, at)).toBe(value);
        if (typeof index.bound === "number") expect(value).toBeLessThan(index.bound);
      }
    }),
    { seed: 11, numRuns: 2000 },
  );
});

test("nothing is divided by an extent of 0", () => {
  const position = variable("position", "B");
  for (const { expr } of unravel(m, position, [0, 3, 0])) expect(printExpression(expr)).not.toMatch(/[/%] 0/);
});

describe("one expression", () => {
  const texts = (index: readonly Index[]) => index.map(({ expr }) => printExpression(expr));
  const position = variable("position", "B*128");

  test("for a column of a panel that is split by another shape and joined again", () => {
    const column = m.add(m.mul(variable("panel", 6), m.dim(8)), variable("column", 8));
    for (const shape of [[24, 2], [12, 4], [12, 2, 2], [6, 2, 4], [3, 4, 4], [3, 16], [2, 24], [48]]) {
      const position = ravel(m, unravel(m, column, shape), shape);
      expect(texts([position]), `${shape}`).toEqual(["((panel * 8) + column)"]);
    }
  });

  test("for a row and column split by a finer shape and joined again", () => {
    const tile = m.add(m.mul(variable("row", "B*8"), m.dim(16)), variable("column", 16));
    const fine = unravel(m, tile, ["B", 8, 16]);
    expect(texts(fine)).toEqual(["(row / 8)", "(row % 8)", "column"]);
    expect(texts(unravel(m, tile, ["B", 128]))).toEqual(["(row / 8)", "(((row % 8) * 16) + column)"]);
    expect(texts(unravel(m, ravel(m, fine, ["B", 8, 16]), ["B*8", 16]))).toEqual(["row", "column"]);
  });

  test("for an axis that is split in two steps or in one", () => {
    const [batch, rest] = unravel(m, position, ["B", 128]) as [Index, Index];
    const later = [batch, ...unravel(m, rest, [4, 32])];
    expect(texts(later)).toEqual(texts(unravel(m, position, ["B", 4, 32])));
  });
});
