/**
 * @file Traced cells as versioned JSON, the form in which a cell leaves a sandbox, which can be hostile. Every field is
 * checked, and then every graph against its trace, so that any input gives either a cell or a one-line error.
 */
import { chrono, type Initializer, ringModulus, ringPhase } from "../../compiler/dsl/initializers.ts";
import type { ParameterSpec } from "../../compiler/dsl/parameters.ts";
import { type CellTrace, checkTrace, type TracedCell, type TracedState } from "../../compiler/dsl/traced-cell.ts";
import { sameShape } from "../../compiler/graph/dim.ts";
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { graphFrom, textWithGraphs } from "./graph-json.ts";
import { repeatedKey } from "./repeated-key.ts";

/** Increased whenever a cell of an older version would be read wrongly. */
const cellVersion = 1;

/** Maximum characters of a cell's text, and elements of one parameter: more would only exhaust memory. */
const longest = 2 ** 24;
const largest = 2 ** 26;

/** A cell as JSON, with the source lines of its nodes, which kernels and error messages name. */
export function encodeCell(traced: TracedCell): string {
  expectArgument(Array.isArray(traced?.traces), "encodeCell: the cell", traced, "the result of traceCell");
  const text = textWithGraphs({ version: cellVersion, ...traced }, { sites: true });
  // Checks that it can be read again, while the cell is still available.
  decodeCell(text);
  return text;
}

/** Reads a cell written by `encodeCell`. Throws a UserError of one line if it is invalid. */
export function decodeCell(text: string): TracedCell {
  const document = asRecord(parsed(text), "the cell");
  if (document.version !== cellVersion)
    wrong("the cell's version", `${cellVersion}, the version that this release reads`);
  const name = asName(document.name, "name");
  const traces = asList(document.traces, "traces").map((trace, i) => asTrace(trace, `traces[${i}]`));
  if (traces.length === 0) wrong("traces", "at least one");
  for (const trace of traces) checkTrace(name, trace);
  checkSizes(traces);
  return { name, traces };
}

function parsed(text: unknown): unknown {
  if (typeof text !== "string" || text.length > longest)
    return wrong("the cell", `a text of at most ${longest} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return wrong("the cell", "JSON");
  }
  return repeatedKey(text) === undefined ? value : wrong("the cell", "JSON without repeated keys");
}

function asTrace(value: unknown, where: string): CellTrace {
  const { units, features, states, parameters, graph } = asRecord(value, where);
  return {
    units: asCount(units, `${where}.units`),
    features: asCount(features, `${where}.features`),
    states: different(
      asList(states, `${where}.states`).map((state, i) => asState(state, `${where}.states[${i}]`)),
      ({ name }) => name,
      `${where}.states`,
    ),
    parameters: different(
      asList(parameters, `${where}.parameters`).map((spec, i) => asSpec(spec, `${where}.parameters[${i}]`)),
      ({ path }) => path,
      `${where}.parameters`,
    ),
    graph: graphFrom(graph, ["B"]),
  };
}

function asState(value: unknown, where: string): TracedState {
  const { name, shape } = asRecord(value, where);
  return { name: asName(name, `${where}.name`), shape: asShape(shape, `${where}.shape`) };
}

function asSpec(value: unknown, where: string): ParameterSpec {
  const { path, shape, initializer } = asRecord(value, where);
  return {
    path: asName(path, `${where}.path`),
    shape: asShape(shape, `${where}.shape`),
    initializer: asInitializer(initializer, `${where}.initializer`, 0),
  };
}

function asInitializer(value: unknown, where: string, depth: number): Initializer {
  const given = asRecord(value, where);
  const number = (key: string) => asNumber(given[key], `${where}.${key}`);
  switch (given.kind) {
    case "glorot":
      return { kind: "glorot" };
    case "constant":
      return { kind: "constant", value: number("value") };
    case "orthogonal":
      return { kind: "orthogonal", gain: number("gain") };
    case "identity":
      return { kind: "identity", gain: number("gain") };
    case "chrono":
      return chrono(number("longest"));
    case "ringModulus":
      return ringModulus(number("inner"), number("outer"));
    case "ringPhase":
      return ringPhase(number("largest"));
    case "normal":
      return { kind: "normal", deviation: number("deviation") };
    case "uniform":
      return { kind: "uniform", low: number("low"), high: number("high") };
    case "rows": {
      if (depth > 0) return wrong(where, "rows of other kinds");
      const parts = asList(given.parts, `${where}.parts`).map((part, i) => {
        const { rows, initializer } = asRecord(part, `${where}.parts[${i}]`);
        return {
          rows: asCount(rows, `${where}.parts[${i}].rows`),
          initializer: asInitializer(initializer, `${where}.parts[${i}].initializer`, depth + 1),
        };
      });
      return { kind: "rows", parts };
    }
    default:
      return wrong(`${where}.kind`, "an initializer of this release");
  }
}

/** Checks that there is one trace for each size, and that traces with equal units have the same states. */
function checkSizes(traces: readonly CellTrace[]): void {
  different(traces, ({ units, features }) => `units ${units}, features ${features}`, "traces");
  const first = new Map<number, CellTrace>();
  for (const [i, trace] of traces.entries()) {
    const other = first.get(trace.units) ?? trace;
    first.set(trace.units, other);
    const same =
      other.states.length === trace.states.length &&
      trace.states.every(({ name, shape }, k) => {
        const before = other.states[k];
        return before?.name === name && sameShape(before.shape, shape);
      });
    if (!same) wrong(`traces[${i}].states`, `the states of the other trace with ${trace.units} units`);
  }
}

function different<T>(items: readonly T[], keyOf: (item: T) => string, where: string): readonly T[] {
  if (new Set(items.map(keyOf)).size !== items.length) wrong(where, "different names");
  return items;
}

function asShape(value: unknown, where: string): number[] {
  const shape = asList(value, where).map((size, i) => asCount(size, `${where}[${i}]`));
  if (shape.reduce((a, b) => a * b, 1) > largest) wrong(where, `at most ${largest} elements`);
  return shape;
}

/** The name of a cell, a state or a parameter: one short line. */
function asName(value: unknown, where: string): string {
  const fits = typeof value === "string" && value.length > 0 && value.length <= 200 && !/\p{Cc}/u.test(value);
  return fits ? value : wrong(where, "a short name");
}

function asCount(value: unknown, where: string): number {
  return Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : wrong(where, "a whole number above 0");
}

function asNumber(value: unknown, where: string): number {
  return typeof value === "number" && Number.isFinite(value) ? value : wrong(where, "a number");
}

function asRecord(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return wrong(where, "an object");
  return value as Readonly<Record<string, unknown>>;
}

function asList(value: unknown, where: string): readonly unknown[] {
  return Array.isArray(value) ? value : wrong(where, "a list");
}

function wrong(where: string, expected: string): never {
  throw new UserError(`${where}: expected ${expected}`);
}
