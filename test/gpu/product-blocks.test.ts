/**
 * @file Products in blocks for GPUs, with registers for tiles of 8 x 8 and with few: sizes that leave a remainder in
 * every block, depths that workgroups share, kernels for several sizes of the batch. Each is compared with the
 * interpreter in the evaluator, where a race, a read past the end or a sum of nothing is a fault; some on a device.
 */
import { afterAll, describe, expect, test } from "vitest";
import { type Dim, dimCoefficient, type Shape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { dot } from "../../compiler/ops/contractions.ts";
import { add, mul, sub } from "../../compiler/ops/elementwise.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { sigmoid, tanh } from "../../compiler/ops/transcendental.ts";
import { reshape, sum } from "../../compiler/ops/views.ts";
import { blockLanes, shapesFor } from "../../compiler/plan/emit/block-shape.ts";
import { blockGrid, usesBlocks } from "../../compiler/plan/emit/blocks.ts";
import type { Form } from "../../compiler/plan/emit/form.ts";
import { forms } from "../../compiler/plan/emit/forms.ts";
import { chunkSums, sumOfChunks, sumsSize } from "../../compiler/plan/emit/split-depth.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { kernelText } from "../../shaders/kernel.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";
import { long, slow, someOf } from "../support/some-of.ts";

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

/** Registers for large tiles, as AMD's and NVIDIA's chips have them, and as few as any GPU has. */
const many = { total: 131072, most: 256, reserved: 64 };
const few = { total: 131072, most: 64, reserved: 32 };
const gpu = { target: "gpu" } as const;

type Float = Tensor<"f32">;

function graphOf(shapes: readonly Shape[], outputs: (inputs: readonly Float[]) => readonly Tensor[]): Graph {
  const avals = shapes.map((shape, i) => ({ name: `x${i}`, dtype: "f32" as const, shape }));
  return traceGraph("products", avals, (inputs) => outputs(inputs as readonly Float[]));
}

/** A value over time and batch as one axis. */
const flat = (x: Float, axis = 0): Float => {
  const shape: Dim[] = [...x.shape];
  shape.splice(axis, 2, "B*T");
  return reshape(x, shape);
};

function errorOf(graph: Graph, sizes: Readonly<Record<string, number>>, options: LowerOptions): number {
  const inputs = inputsOf(graph, false, sizes);
  return farthest(evaluateProgram(planProgram(graph, options), named(graph, inputs)), interpret(graph, inputs));
}

describe.each([
  ["many", many],
  ["few", few],
] as const)("with %s registers", (_, registers) => {
  const options = { ...gpu, registers };

  // Every pair of sizes is in one of these.
  const sizes = [17, 65, 130, 8];
  const triples = sizes.flatMap((m, i) => sizes.map((n, j) => [m, n, at(sizes, (i + 2 * j) % sizes.length)] as const));

  someOf(
    triples,
    ([m, n, k]) => m !== n && n !== k,
    (_, i) => i % 10 === 7,
  )("[%i, %i] by a depth of %i, however it lies in memory", (m, n, k) => {
    const graph = graphOf(
      [
        [m, k],
        [k, m],
        [k, n],
        [n, k],
      ],
      ([a, at, b, bt]) => [
        dot(a as Float, b as Float),
        tanh(dot(at as Float, bt as Float, { transposeA: true, transposeB: true })),
      ],
    );
    expect(errorOf(graph, {}, options)).toBeLessThan(1e-5);
  });

  someOf(
    [3, 65, 300, 1100],
    (T) => T < 1100,
    (_, i) => i === 0,
  )("%i rows of a batch, between elementwise values", (T) => {
    const graph = graphOf(
      [
        ["T", "B", 36],
        [36, 20],
        [36, 20],
      ],
      ([x, u, v]) => {
        const rows = tanh(flat(x as Float));
        return [mul(sigmoid(dot(rows, u as Float)), dot(rows, v as Float)), dot(rows, mul(v as Float, 0.5))];
      },
    );
    expect(errorOf(graph, { B: 1, T }, options)).toBeLessThan(1e-5);
  });

  someOf(
    [0, 7, 65, 130, 300, 1100, 4500],
    (T) => T < 1100,
    (_, i) => i % 3 === 0,
  )("a depth of %i in time and batch", (T) => {
    const graph = graphOf(
      [
        ["T", "B", 17],
        ["T", "B", 9],
        ["T", "B", 9],
      ],
      ([x, g, h]) => [
        dot(flat(x as Float), flat(g as Float), { transposeA: true }),
        add(dot(flat(x as Float), flat(h as Float), { transposeA: true }), 1),
      ],
    );
    expect(errorOf(graph, { B: 1, T }, options)).toBeLessThan(1e-5);
  });

  test("products that are added up, of several left operands, over a long depth", () => {
    const graph = graphOf(
      [
        [20, 700],
        [20, 700],
        [700, 24],
        [700, 24],
      ],
      ([a, b, u, v]) => [mul(add(dot(a as Float, u as Float), dot(b as Float, v as Float)), 0.1)],
    );
    expect(errorOf(graph, {}, options)).toBeLessThan(1e-5);
  });

  // Whole and cut blocks, an odd and an even number of them, of 8 and of 16 steps.
  someOf([24, 32, 40, 48, 64, 70, 80, 90], (depth) => depth % 16 === 8 || depth === 90)(
    "short loops over several left operands, a depth of %i",
    (depth) => {
      const graph = graphOf(
        [
          [20, depth],
          [20, depth],
          [depth, 20],
          [depth, 24],
          [24, depth],
          [24, depth],
        ],
        ([a, b, c, u, v, w]) => [
          add(
            add(dot(a as Float, u as Float), dot(b as Float, v as Float, { transposeB: true })),
            dot(c as Float, w as Float, { transposeA: true, transposeB: true }),
          ),
        ],
      );
      expect(errorOf(graph, {}, options)).toBeLessThan(1e-5);
    },
  );

  test("on a device", slow, async () => {
    const graph = graphOf(
      [
        ["T", "B", 33],
        ["T", "B", 20],
        [33, 20],
      ],
      ([x, g, w]) => [dot(flat(x as Float), flat(g as Float), { transposeA: true }), dot(flat(x as Float), w as Float)],
    );
    const inputs = inputsOf(graph, false, { B: 3, T: 25 });
    expect(await runner.error(graph, inputs, { ...options, maxWorkgroupBytes: 16384 })).toBeLessThan(1e-5);
  });
});

const gradients = graphOf(
  [
    ["T", "B", 32],
    ["T", "B", 32],
    ["T", "B", 32],
  ],
  ([x, g, h]) => [
    dot(flat(x as Float), flat(g as Float), { transposeA: true }),
    dot(flat(x as Float), flat(h as Float), { transposeA: true }),
  ],
);

describe("a depth that workgroups share", () => {
  test("is added up in an order that no subgroup changes", slow, () => {
    const inputs = named(gradients, inputsOf(gradients, false, { B: 4, T: 100 }));
    const program = planProgram(gradients, { ...gpu, registers: many });
    const bits = [1, 32, 64].map((subgroupSize) => evaluateProgram(program, inputs, { subgroupSize }));
    expect(bits[1]).toEqual(bits[0]);
    expect(bits[2]).toEqual(bits[0]);
  });

  test("takes as many workgroups at any length, and one more kernel", () => {
    const program = planProgram(gradients, { ...gpu, registers: many });
    const [choice] = program.steps;
    if (choice?.kind !== "choose") throw new Error("there is one kernel for all sizes");
    for (const { steps } of choice.branches.filter(({ atMost }) => (atMost ?? 1e9) > 256)) {
      const [products, sums] = steps;
      if (products?.kind !== "dispatch" || sums?.kind !== "dispatch") throw new Error("the depth is not shared");
      expect(products.grid).toHaveLength(2);
      for (const { rows, columns } of products.grid) expect([...rows, ...columns].every(Number.isInteger)).toBe(true);
      expect(sums.grid).toHaveLength(2);
    }
    expect(choice.branches.length).toBeGreaterThan(1);
  });

  test("rounds no sum more often than a short one", slow, () => {
    const graph = graphOf(
      [
        ["T", "B", 16],
        ["T", "B", 8],
      ],
      ([x, g]) => [dot(flat(x as Float), flat(g as Float), { transposeA: true })],
    );
    const inputs = inputsOf(graph, false, { B: 1, T: 20000 }).map((x) => ({ ...x, data: x.data.map(() => 1.1) }));
    const [result] = evaluateProgram(planProgram(graph, { ...gpu, registers: many }), named(graph, inputs));
    expect(Math.abs((result?.data[0] ?? 0) / (20000 * 1.21) - 1)).toBeLessThan(2e-6);
  });
});

test("products share a kernel, with blocks of one shape, unless their own are so much better", () => {
  const shapes = [
    [256, 256],
    [256, 256],
    [16, 16],
    [16, 4096],
  ];
  const graph = graphOf(shapes, ([a, b, c, d]) => [dot(a as Float, b as Float), dot(c as Float, d as Float)]);
  const { kernels } = planProgram(graph, { ...gpu, registers: many });
  expect(kernels.map(({ code }) => code.parts.length)).toEqual([2]);
});

test("a depth that is one chunk is added up in parts, where they are stored", long, () => {
  const [shape] = shapesFor(1, { ...gpu, laneRegisters: 192 });
  if (shape === undefined) throw new Error("there is no shape");
  const oneChunk: Form = {
    matches: usesBlocks,
    grid: (context) => blockGrid(context, shape),
    lanes: () => blockLanes,
    scratch: (context) => [{ size: sumsSize(context, 1), dtype: "f32" }],
    emit: (emission) => chunkSums(emission, 0, { shape, chunks: 1 }).emit(emission),
    second: () => sumOfChunks({ shape, chunks: 1 }),
  };
  const graph = graphOf(
    [
      ["T", "B", 16],
      ["T", "B", 8],
    ],
    ([x, g]) => [dot(flat(x as Float), flat(g as Float), { transposeA: true })],
  );
  const options = { ...gpu, forms: [oneChunk, ...forms] };
  for (const T of [100, 700, 9000]) {
    const inputs = inputsOf(graph, false, { B: 1, T }).map((x) => ({ ...x, data: x.data.map(() => 1.1) }));
    const [result] = evaluateProgram(planProgram(graph, options), named(graph, inputs));
    // 9,000 terms that are added up one by one are off by 1e-5.
    expect(Math.abs((result?.data[0] ?? 0) / (T * 1.21) - 1)).toBeLessThan(2e-6);
  }
});

describe("stages of one size", () => {
  test("run apart where their products are large", () => {
    const graph = graphOf(
      [
        [64, 64],
        [64, 64],
        [64, 64],
        [64, 64, 3],
      ],
      ([x, u, v, y]) => [dot(x as Float, u as Float), dot(x as Float, v as Float), sum(y as Float, [2])],
    );
    const [dispatch] = planProgram(graph, { ...gpu, registers: many }).steps;
    expect(dispatch?.kind === "dispatch" ? dispatch.grid.length : 0).toBeGreaterThan(1);
    expect(errorOf(graph, {}, { ...gpu, registers: many })).toBeLessThan(1e-5);
  });

  test("stay together where one overwrites what another reads", () => {
    const graph = graphOf(
      [
        [32, 32],
        [32, 40],
        [40, 32],
        [32, 40],
      ],
      ([w, x, u, y]) => [sub(w as Float, dot(x as Float, u as Float)), mul(w as Float, dot(y as Float, u as Float))],
    );
    const options = { ...gpu, registers: many, donate: { x0: 0 } };
    const program = planProgram(graph, options);
    expect(program.steps.map(({ kind }) => kind)).not.toContain("copy");
    expect(program.outputs.map(({ donated }) => donated)).toEqual(["x0", undefined]);
    expect(program.steps).toHaveLength(1);
    const [dispatch] = program.steps;
    expect(dispatch?.kind === "dispatch" && dispatch.grid).toHaveLength(1);
    expect(errorOf(graph, {}, options)).toBeLessThan(1e-5);
  });
});

describe("operands lie and are read in whole vectors", () => {
  // An odd number of values for each row of the batch comes first in memory.
  const graph = graphOf(
    [
      ["T", "B", 64],
      [64, 64],
      [64, 64],
    ],
    ([x, u, v]) => {
      const hidden = tanh(dot(flat(x as Float), u as Float));
      return [sum(hidden, [1]), dot(tanh(hidden), v as Float)];
    },
  );

  test("every value begins at a multiple of four, at any sizes, on a GPU", () => {
    const offsetsOf = (target: "gpu" | "cpu") =>
      planProgram(graph, { target, registers: many }).outputs.map(({ location }) =>
        location.offset.map(dimCoefficient),
      );
    const isAligned = (offsets: readonly number[]) => offsets.every((offset) => offset % 4 === 0);
    expect(offsetsOf("gpu").every(isAligned)).toBe(true);
    expect(offsetsOf("cpu").every(isAligned)).toBe(false);
  });

  test("and is read from there on: four neighbours are constants away from a multiple of four", () => {
    // In the kernel of the second product: where its left operand begins, and where its result does.
    const startsIn = (text: string) => new Set(text.match(/sizes\.at\d+ \* 4u/g)).size;
    const { kernels } = planProgram(graph, { ...gpu, registers: many });
    expect(Math.max(...kernels.map(({ code }) => startsIn(kernelText(code))))).toBe(2);
  });
});

test("a tile is as large as registers allow", () => {
  const graph = graphOf(
    [
      [64, 64],
      [64, 64],
    ],
    ([x, u]) => [dot(x as Float, u as Float)],
  );
  const vectorsOf = (registers: LowerOptions["registers"]) => {
    const [part] = at(planProgram(graph, { ...gpu, registers }).kernels, 0).code.parts;
    return part?.body.filter((each) => each.kind === "var" && each.variable.type === "f32x4").length;
  };
  expect([many, few].map(vectorsOf)).toEqual([16, 4]);
});

test("right operands of one left operand fit in workgroup memory next to it", () => {
  const graph = graphOf(
    [
      ["T", "B", 64],
      [64, 64],
      [64, 64],
      [64, 64],
      [64, 64],
    ],
    ([x, ...matrices]) => [
      matrices.map((w) => dot(flat(x as Float), w)).reduce((total, product) => add(total, product)),
    ],
  );
  for (const { code } of planProgram(graph, { ...gpu, registers: many }).kernels) {
    const bytes = code.shared.map(({ length, slots }) => length * slots * 16);
    expect(bytes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(16384);
  }
});

test("blocks of all kernels fit in the workgroup memory that WebGPU guarantees", () => {
  const shapes: Shape[] = [
    [64, 64],
    ["T", "B", 64],
    ["T", "B", 64],
    [64, 512],
    [512, 64],
  ];
  const graph = graphOf(shapes, ([w, x, g, a, b]) => [
    dot(flat(x as Float), flat(g as Float), { transposeA: true }),
    dot(a as Float, b as Float),
    dot(flat(x as Float), w as Float),
  ]);
  for (const registers of [many, few])
    for (const { code } of planProgram(graph, { ...gpu, registers }).kernels) {
      const bytes = code.shared.map(({ length, slots, element }) => length * slots * (element === "f32x4" ? 16 : 4));
      expect(bytes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(16384);
    }
});
