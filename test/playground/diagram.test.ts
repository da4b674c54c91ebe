/** @file The drawing of a cell follows from its graph: what is shown, what is left out, and where it stands. */
import { expect, test } from "vitest";
import { lif } from "../../cells/zoo.ts";
import { traceCell } from "../../compiler/dsl/traced-cell.ts";
import minimalGatedUnit from "../../examples/minimal-gated-unit.ts";
import {
  add,
  type CellDefinition,
  cell,
  cells,
  dense,
  matmul,
  mul,
  normal,
  parameter,
  relu,
  sigmoid,
  tanh,
} from "../../index.ts";
import { type Arrangement, arrange } from "../../playground/page/diagram/arrange.ts";
import { type Diagram, diagramOf } from "../../playground/page/diagram/diagram.ts";
import { gateColours } from "../../playground/page/diagram/gate-colours.ts";

function traceOf(definition: CellDefinition<never> | CellDefinition) {
  const [trace] = traceCell(definition as CellDefinition, [{ units: 6, features: 4 }]).traces;
  if (trace === undefined) throw new Error("no trace");
  return trace;
}

/** Each part as "label <- labels of what it reads". */
function readings({ parts, links }: Diagram): string[] {
  return parts
    .filter(({ kind }) => kind !== "x" && kind !== "state")
    .map(({ id, label, squash }) => {
      const sources = links.filter(({ to }) => to === id).map(({ from }) => parts[from]?.label ?? "?");
      return `${squash === undefined ? "" : `${squash} `}${label} <- ${sources.sort().join(" ")}`;
    });
}

test("a spike is drawn as the comparison that it is, without what its gradient reads", () => {
  const diagram = diagramOf(traceOf(lif()));
  expect(diagram.parts.map(({ label }) => label).join(" ")).not.toMatch(/custom/i);
  // The output reads the comparison of the new potential, and nothing else.
  expect(readings(diagram).filter((line) => line.includes("customGradient"))).toEqual([]);
  expect(readings(diagram).filter((line) => line.startsWith("u′"))).toHaveLength(1);
});

test("an LSTM is four gates, the carousel, and two loops", () => {
  const diagram = diagramOf(traceOf(cells.lstm as CellDefinition));
  expect(readings(diagram).sort()).toEqual(
    [
      "σ input <- h x",
      "σ forget <- h x",
      "σ output <- h x",
      "tanh candidate <- h x",
      "× <- c forget",
      "× <- candidate input",
      "+ <- × ×",
      "c′ <- +",
      "tanh <- +",
      "× <- output tanh",
      "h′ <- ×",
    ].sort(),
  );
  const named = diagram.loops.map(({ state, from, to }) => [
    state,
    diagram.parts[from]?.label,
    diagram.parts[to]?.label,
  ]);
  expect(named).toEqual([
    ["c", "c′", "c"],
    ["h", "h′", "h"],
  ]);
});

test("a product that no function squashes, constants and an output of its own are shown as what they are", () => {
  const odd = cell("odd", { state: ({ units }) => ({ s: [units] }) }, ({ x, s, units }) => {
    const map = dense("map", [x, s], units);
    const scaled = mul(parameter("scale", [units], normal(0.1)), s);
    const next = add(mul(map, 0.5), relu(scaled));
    return { state: { s: next }, output: tanh(matmul(next, parameter("out", [units, 3], normal(0.1)))) };
  });
  const shown = readings(diagramOf(traceOf(odd)));
  expect(shown).toContain("map <- s x");
  expect(shown).toContain("× 0.5 <- map");
  expect(shown).toContain("tanh out <- +");
  expect(shown).toContain("out <- out");
  expect(shown).toContain("s′ <- +");
});

test("a part tells the line it was written on", () => {
  const here = cell("here", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
    const gate = sigmoid(dense("gate", [x, h], units));
    return { state: { h: gate }, output: gate };
  });
  const lines = diagramOf(traceOf(here)).parts.map(({ label, line }) => [label, line]);
  const [, line] = /diagram\.test\.ts:(\d+)/.exec(new Error("here").stack ?? "") ?? [];
  expect(lines).toContainEqual(["gate", Number(line) - 4]);
});

const drawn: [string, CellDefinition][] = [
  ...Object.entries(cells).map(([name, definition]): [string, CellDefinition] => [name, definition as CellDefinition]),
  ["minimal gated unit", minimalGatedUnit as CellDefinition],
];

test.each(drawn)(
  "%s is laid out from left to right, with nothing on top of another and loops around it",
  (_, definition) => {
    const trace = traceOf(definition);
    const { parts, links, loops, width, height } = arrange(diagramOf(trace));
    for (const { from, to } of links) expect(rightOf(parts[from])).toBeLessThan(leftOf(parts[to]));
    for (const [i, a] of parts.entries()) {
      for (const b of parts.slice(i + 1)) {
        const apart =
          Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2;
        expect(apart, `${a.part.label} and ${b.part.label}`).toBe(true);
      }
    }
    for (const { from, to, y } of loops) {
      expect(parts.every((part) => leftOf(part) >= leftOf(to) - 40 && rightOf(part) <= rightOf(from) + 40)).toBe(true);
      expect(parts.every((part) => y < part.y - part.height / 2 || y > part.y + part.height / 2)).toBe(true);
      expect(y).toBeGreaterThan(0);
      expect(y).toBeLessThan(height);
    }
    expect(Math.max(...parts.map(rightOf))).toBeLessThan(width);
    const gates = parts.flatMap(({ part }) => (part.kind === "gate" && part.scope !== undefined ? [part.scope] : []));
    const colours = gates.map((scope) => gateColours(trace).get(scope));
    expect(new Set(colours).size).toBe(gates.length);
    expect(colours).not.toContain(undefined);
  },
);

type Placed = Arrangement["parts"][number] | undefined;
const leftOf = (placed: Placed) => (placed?.x ?? Number.NaN) - (placed?.width ?? 0) / 2;
const rightOf = (placed: Placed) => (placed?.x ?? Number.NaN) + (placed?.width ?? 0) / 2;
