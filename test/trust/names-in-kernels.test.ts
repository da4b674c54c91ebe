/**
 * @file User-chosen names (of cells, states, scopes, parameters, files) appear in kernels only in comments, as printable
 * ASCII on one line: for any names, the code is the same as with plain names.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { WgslReflect } from "wgsl_reflect/wgsl_reflect.module.js";
import { compileProgram } from "../../compiler/compile.ts";
import { cell } from "../../compiler/dsl/cell.ts";
import { dense } from "../../compiler/dsl/dense.ts";
import { zerosInit } from "../../compiler/dsl/initializers.ts";
import { parameter, scope } from "../../compiler/dsl/parameters.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { add, mul } from "../../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../../compiler/ops/transcendental.ts";
import type { Program } from "../../compiler/plan/program.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { initialize } from "../../train/initialize.ts";
import { seriesModel } from "../../train/networks.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { createTrainer } from "../../train/trainer.ts";
import { evaluationStep, trainingStep } from "../../train/training-step.ts";
import { slow } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";

type Float = Tensor<"f32">;

interface Names {
  readonly cell: string;
  readonly state: string;
  readonly scope: string;
  readonly parameter: string;
  readonly site: string;
}

const plain: Names = { cell: "cell", state: "memory", scope: "gate", parameter: "key", site: "mine.ts:1:1" };
const injection = "\n*/ } @compute @workgroup_size(1) fn main() {}\r\u2028\u2029\u0085\v\f\0 //\"'`$1;\\ é 🙂 \u202e";
const hostile: Names = {
  ...{ cell: `cell${injection}`, state: `memory${injection}`, scope: `gate${injection}`, parameter: `key${injection}` },
  site: `mine${injection}.ts:1:1`,
};

/** A network of one cell with names of every kind. */
function networkOf(names: Names) {
  const made = cell(names.cell, { state: ({ units }) => ({ h: [units], [names.state]: [units] }) }, (given) => {
    const { x, units } = given;
    const [h, memory] = [given.h as Float, given[names.state] as Float];
    const gate = scope(names.scope, () => sigmoid(dense(names.parameter, [x, h], units)));
    const next = add(mul(memory, gate), parameter(`${names.parameter}2`, [units], zerosInit));
    const state: Record<string, Float> = { h: tanh(next), [names.state]: next };
    return { state, output: next };
  });
  return seriesModel({ cell: made, units: 3, layers: 1, features: 2 });
}

/** Every source line replaced, in the bodies of scans too. */
function withSites(graph: Graph, site: string): Graph {
  return {
    ...graph,
    sites: graph.sites.map(() => site),
    nodes: graph.nodes.map((node) =>
      node.op === "scan" ? { ...node, attrs: { ...node.attrs, body: withSites(node.attrs.body, site) } } : node,
    ),
  };
}

type Compile = (names: Names) => Program[];

/** Forward, backward and update, in both schedules. */
const trainingPrograms: Compile = (names) => {
  const step = trainingStep(networkOf(names), { optimizer: adam(), clipNorm: 1 });
  return (["persistent", "stepwise"] as const).map((schedule) =>
    compileProgram(withSites(step.graph, names.site), { donate: step.donate, schedule, target: "gpu" }),
  );
};

/** Forward only, which compiles quickly. */
const evaluationPrograms: Compile = (names) => {
  const step = evaluationStep(networkOf(names));
  return [compileProgram(withSites(step.graph, names.site), { donate: step.donate, target: "software" })];
};

const kernelsOf = (programs: readonly Program[]) =>
  programs.flatMap(({ kernels }) => kernels.map(({ about, wgsl }) => about + wgsl));
/** The lines that are code, with what may stand behind them. */
const codeOf = (wgsl: string) => wgsl.split("\n").filter((line) => !line.startsWith("// "));

/** Compares the kernels with those of plain names. */
function onlyInComments(compile: Compile): (names: Names) => string[] {
  const expected = kernelsOf(compile(plain)).map(codeOf);
  return (names) => {
    const kernels = kernelsOf(compile(names));
    expect(kernels.map(codeOf)).toEqual(expected);
    for (const wgsl of kernels) expect(wgsl).toMatch(/^[\x20-\x7e\n]*$/);
    return kernels;
  };
}

test("names designed to break out of a comment leave the code of every kernel unchanged, and it parses", () => {
  const kernels = onlyInComments(trainingPrograms)(hostile);
  // The names are there, for people.
  expect(kernels.some((wgsl) => /^\/\/ .*computes cell\?\*\/ \} @compute/m.test(wgsl))).toBe(true);
  expect(kernels.some((wgsl) => /^\/\/ {3}from mine\?\*\/ \} @compute/m.test(wgsl))).toBe(true);
  for (const wgsl of kernels) expect(new WgslReflect(wgsl).entry.compute.map(({ name }) => name)).toEqual(["main"]);
});

test("so do any names", () => {
  // Rules of the DSL: names are not empty, and a slash separates scopes.
  const name = fc
    .string({ unit: "binary", minLength: 1, maxLength: 150 })
    .map((text) => `n${text.replaceAll("/", "")}`);
  const names = fc.record({ cell: name, state: name, scope: name, parameter: name, site: name });
  const check = onlyInComments(evaluationPrograms);
  fc.assert(
    fc.property(names, (drawn) => {
      check(drawn);
    }),
    { numRuns: 4 },
  );
});

test("a cell of such names trains on a device, with the losses of plain names", slow, async () => {
  const device = await openWebgpu();
  const numbers = Array.from({ length: 12 }, (_, i) => Math.sin(i));
  const batch = { x: ndarray([3, 2, 2], numbers), targets: ndarray([3, 2, 2], numbers), fresh: true };
  const weights = Object.values(initialize(networkOf(plain).specs, 1));
  const lossesOf = async (names: Names) => {
    const network = networkOf(names);
    const trainer = await createTrainer(device, network);
    trainer.setParameters(Object.fromEntries(network.specs.map(({ path }, i) => [path, at(weights, i)])));
    return [(await trainer.step(batch)).loss, (await trainer.step(batch)).loss];
  };
  expect(await lossesOf(hostile)).toEqual(await lossesOf(plain));
  device.destroy();
});
