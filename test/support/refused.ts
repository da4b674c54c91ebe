/** @file The one line that a person reads who gave something wrong. */
import { expect, test } from "vitest";
import { type NamedAval, type Tensor, traceGraph } from "../../index.ts";

type Float = Tensor<"f32">;

/** Anything at all in the place of what the types ask for: from JavaScript it comes all the same. */
export const whatever = <T>(value: unknown): T => value as T;

/** The message of the UserError that `f` throws; lines of test files are written as `…`. */
export function lineOf(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    return lineOfError(error);
  }
  return "no error";
}

/** The same of a promise. */
export async function lineOfPromise(task: () => Promise<unknown>): Promise<string> {
  try {
    await task();
  } catch (error) {
    return lineOfError(error);
  }
  return "no error";
}

function lineOfError(error: unknown): string {
  if (!(error instanceof Error)) throw error;
  expect([error.name, error.message]).toEqual(["UserError", expect.not.stringContaining("\n")]);
  return error.message.replace(/test\/[\w/-]+\.test\.ts:\d+:\d+/g, "…");
}

/** What the functions below are given: a matrix, one of a symbolic size, indices, a mask, and a sequence. */
export interface Given {
  readonly p: Float;
  readonly q: Float;
  readonly i: Tensor<"i32">;
  readonly m: Tensor<"bool">;
  readonly s: Float;
}

export const sequence: NamedAval = { name: "s", dtype: "f32", shape: ["T", 2, 3] };
export const avals: readonly NamedAval[] = [
  { name: "p", dtype: "f32", shape: [2, 3] },
  { name: "q", dtype: "f32", shape: [4, "B"] },
  { name: "i", dtype: "i32", shape: [5] },
  { name: "m", dtype: "bool", shape: ["T", 2] },
  sequence,
];

/** What was given, and the line that the person read. */
type Row = readonly [given: string, f: (given: Given) => unknown, line: string];

/** What a test file refuses: a test for each row, and how many rows there were. Files share a process, not a count. */
export function refusals() {
  let count = 0;
  return {
    rowsRefused: () => count,
    /** A test for each row, run while a graph is traced. */
    refused: (rows: readonly Row[]): void => {
      count += rows.length;
      test.each(rows)("%s", (_, f, line) => {
        const trace = () =>
          traceGraph("f", avals, ([p, q, i, m, s]) => {
            f({ p, q, i, m, s } as Given);
            return [];
          });
        expect(lineOf(trace)).toBe(line);
      });
    },
  };
}
