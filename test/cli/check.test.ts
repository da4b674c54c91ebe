/** @file `cellgrad check`: cells with right gradients pass; wrong ones are reported with their smallest failing case. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cells } from "../../index.ts";
import { fewOf, slow, someOf } from "../support/some-of.ts";
import { jsonLines, run, start, Workspace } from "./run.ts";

const OPS =
  "abs, add, cell, dense, div, floor, less, log, mul, relu, sigmoid, softmax, sqrt, stopGradient, sub, tanh, where";

/** A module with one cell: equations on x, h and units that define `next`. */
function moduleOf(name: string, equations: string): string {
  return `import { ${OPS} } from "cellgrad";
export default cell("${name}", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  ${equations}
  return { state: { h: next }, output: next };
});
`;
}

let space: Workspace;

beforeAll(() => {
  space = new Workspace({
    "truncated.ts": moduleOf(
      "truncated",
      'const next = tanh(add(dense("a", x, units), dense("r", stopGradient(h), units)));',
    ),
    "linear.ts": moduleOf("linear", 'const next = add(dense("a", x, units), stopGradient(h));'),
    "nan.ts": moduleOf("nan", 'const z = dense("a", [x, h], units); const next = mul(z, sqrt(mul(z, 0)));'),
    "value.ts": moduleOf("value", 'const next = log(dense("a", [x, h], units));'),
    "kink.ts": moduleOf("kink", 'const next = tanh(add(abs(h), relu(dense("a", [x, relu(h)], units))));'),
    "attention.ts": moduleOf(
      "attention",
      'const next = mul(softmax(dense("a", [x, h], units)), tanh(dense("b", x, units)));',
    ),
    "square.ts": moduleOf("square", 'const next = tanh(add(x, dense("a", h, units)));'),
  });
});

afterAll(() => space.remove());

const check = (name: string, ...options: string[]) =>
  run("check", space.file(name), "--seed", "5", "--cases", "40", ...options);

fewOf(Object.keys(cells), (_, i) => i < 2)("%s is right", async (name) => {
  const { code, stdout } = await run("check", name, "--cases", "4", "--seed", "1", "--json");
  const report = jsonLines(stdout)[0] as { comparisons: number; worst: { forward: number; difference: number } };
  expect(code).toBe(0);
  expect(report).toMatchObject({ cell: name, right: true, cases: 4, kinks: 0 });
  // A derivative for each weight, for x and for each state.
  expect(report.comparisons).toBeGreaterThanOrEqual(16);
  for (const error of Object.values(report.worst)) expect(error).toBeGreaterThan(0);
});

test("the example is right, and its error and random seed are printed", slow, async () => {
  const example = fileURLToPath(new URL("../../examples/minimal-gated-unit.ts", import.meta.url));
  const { code, stdout, stderr } = await start(space.path, ["check", example, "--cases", "20"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^minimal-gated-unit: reverse-mode gradient, 20 random cases \(seed \d+\)\n/);
  expect(stdout).toMatch(/against central differences {2}worst error \d\.\de-\d+ \(limit/);
  expect(stdout).toMatch(/\nright\n$/);
});

test("a blocked gradient is wrong, with the smallest case and the line that blocks it", async () => {
  const { code, stdout } = await check("truncated.ts");
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /^wrong: the derivative with respect to state h: reverse mode gives 0, the difference quotient -?\d\.\d+$/m,
  );
  expect(stdout).toMatch(/smallest failing case: units 1, features 1, batch 1, time 1, starting at zero/);
  expect(stdout).toMatch(/parameter truncated\/a\/kernel = \[-?[\d.]+\] {2}\(shape \[1, 1\]\)/);
  expect(stdout).toMatch(/note: stopGradient at .*truncated\.ts:3: no derivative passes through it/);
  expect(stdout).toMatch(/again: npx cellgrad check .*truncated\.ts --cases 40 --seed 5$/m);
});

test("second order is checked too, and the printed command includes --order", slow, async () => {
  const { code, stdout } = await check("truncated.ts", "--order", "2");
  expect(code).toBe(1);
  expect(stdout).toMatch(/again: npx cellgrad check .*truncated\.ts --cases 40 --seed 5 --order 2$/m);
  const compared = async (order: string) =>
    jsonLines((await run("check", "gru", "--cases", "3", "--seed", "1", "--order", order, "--json")).stdout)[0]
      ?.comparisons;
  // One more in each case: the second order moves all arguments together.
  expect(await compared("2")).toBe(Number(await compared("1")) + 3);
});

test("the same seed gives the same cases, another seed gives others", slow, async () => {
  const seeded = (seed: string) => run("check", space.file("attention.ts"), "--seed", seed, "--cases", "10", "--json");
  const [first, again] = [await seeded("5"), await seeded("5")];
  expect(again).toEqual(first);
  const other = await seeded("6");
  expect(jsonLines(other.stdout)[0]?.worst).not.toEqual(jsonLines(first.stdout)[0]?.worst);
});

someOf(["1", "2", "3", "4", "5", "6"], (seed) => seed === "1")(
  "a wrong gradient of a linear function is not taken for a kink (seed %s)",
  async (seed) => {
    const { code, stdout } = await run("check", space.file("linear.ts"), "--seed", seed, "--json");
    expect(code).toBe(1);
    expect(jsonLines(stdout)[0]).toMatchObject({ cases: 1, kinks: 0 });
  },
);

test("a gradient that is not a number is wrong", slow, async () => {
  const { code, stdout } = await check("nan.ts");
  expect(code).toBe(1);
  expect(stdout).toMatch(/wrong: the derivative with respect to parameter nan\/a\/kernel: reverse mode gives NaN$/m);
});

test("a cell whose value is not a number is wrong", async () => {
  const { code, stdout } = await check("value.ts");
  expect(code).toBe(1);
  expect(stdout).toMatch(/wrong: the cell itself computes NaN/);
});

test("kinks are left out and counted, and the rest is compared", slow, async () => {
  const { code, stdout } = await check("kink.ts", "--json");
  const [report] = jsonLines(stdout);
  expect(code).toBe(0);
  expect(report?.kinks).toBeGreaterThan(0);
  expect(report?.comparisons).toBeGreaterThan(Number(report?.kinks));
});

test("a stopGradient without effect, as in softmax, is right", slow, async () => {
  expect((await check("attention.ts")).code).toBe(0);
});

test("a cell that supports only some sizes reports them, and is checked at the given ones", async () => {
  const free = await check("square.ts");
  expect(free.code).toBe(2);
  expect(free.stderr).toMatch(/shape.* \[at units \d, features \d; --units and --features fix them\]/);
  expect(await check("square.ts", "--units", "3", "--features", "3")).toMatchObject({ code: 0, stderr: "" });
});

test("a surrogate gradient is wrong with a note that says why, and right with --surrogates", async () => {
  const strict = await run("check", "lif", "--seed", "1", "--cases", "20");
  expect(strict.code).toBe(1);
  expect(strict.stdout).toMatch(
    /note: customGradient at \S*lif\.ts:\d+(, \S*lif\.ts:\d+)*: reverse mode uses its vjp, .* \(--surrogates\)$/m,
  );
  const { code, stdout } = await run("check", "lif", "--seed", "1", "--cases", "4", "--surrogates");
  expect(code).toBe(0);
  expect(stdout).toMatch(/not compared: the vjp of customGradient at \S*lif\.ts:\d+(, \S*lif\.ts:\d+)* was taken/);
});

test("with --json a failure is one object", async () => {
  const { code, stdout } = await check("truncated.ts", "--json");
  expect(code).toBe(1);
  const [report, ...more] = jsonLines(stdout);
  expect(more).toEqual([]);
  expect(report).toMatchObject({
    right: false,
    seed: 5,
    failure: { case: { units: 1, time: 1 }, fault: { argument: "state h" } },
  });
});
