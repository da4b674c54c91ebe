/**
 * @file Times cellgrad's recurrent layers on this machine's GPU and prints one line of JSON per cell, size and pass. Runs
 * from the bundle folder with Node; see the usage below.
 */
import { appendFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { at, messageOf } from "../../compiler/graph/errors.ts";
import { GpuArray } from "../../runtime/arrays.ts";
import { GpuContext } from "../../runtime/context.ts";
import { instantiate } from "../../runtime/instance.ts";
import type { LoadedProgram } from "../../runtime/loaded-program.ts";
import { median } from "../measure/measure.ts";
import { type Layer, layerGraph, loadLayer, type Pass } from "./layer.ts";
import {
  checkedNumbers,
  filled,
  fullGrid,
  type Grid,
  gpuCells,
  type Line,
  seedOf,
  seeds,
  smokeGrid,
} from "./shapes.ts";

const usage = `node run.mjs [--smoke] [--cells A,B] [--units N,…] [--batch N,…] [--time N,…] [--profile] [--out FILE]
  Lines go to stdout, or are appended to FILE. --smoke uses tiny sizes and any adapter. --profile adds the time of each
  kernel. Without options: ${fullGrid.cells.join(", ")} at units ${fullGrid.units.join(", ")}, batch ${fullGrid.batch.join(", ")}, time ${fullGrid.time.join(", ")}.`;

const options = parsed();

function parsed() {
  try {
    return parseArgs({
      options: {
        smoke: { type: "boolean", default: false },
        cells: { type: "string" },
        units: { type: "string" },
        batch: { type: "string" },
        time: { type: "string" },
        profile: { type: "boolean", default: false },
        out: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return refuse(messageOf(error));
  }
}

function refuse(fault: string): never {
  console.error(`bench:gpu: ${fault.replaceAll("\n", " ")}`);
  process.exit(2);
}

function gridOf(): Grid {
  const base = options.smoke ? smokeGrid : fullGrid;
  const numbers = (option: "units" | "batch" | "time") => {
    const list = options[option]?.split(",").map(Number) ?? base[option];
    if (!list.every((value) => Number.isInteger(value) && value > 0))
      refuse(`--${option} must be whole numbers above 0, such as 64,128, got ${options[option]}`);
    return list;
  };
  const cells = options.cells?.split(",") ?? base.cells;
  const unknown = cells.find((cell) => !Object.hasOwn(gpuCells, cell));
  if (unknown !== undefined) refuse(`unknown cell ${unknown}; the cells are ${Object.keys(gpuCells).join(", ")}`);
  return { cells, units: numbers("units"), batch: numbers("batch"), time: numbers("time") };
}

function write(line: Line | object): void {
  const text = `${JSON.stringify(line)}\n`;
  if (options.out === undefined) process.stdout.write(text);
  else appendFileSync(options.out, text);
}

function uploaded(context: GpuContext, shape: readonly number[], seed: number, scale: number): GpuArray {
  const data = filled(
    shape.reduce((a, b) => a * b, 1),
    seed,
    scale,
  );
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = context.pool.take(data.byteLength, usage, "bench input");
  context.device.queue.writeBuffer(buffer, 0, data);
  return new GpuArray(context, buffer, "f32", shape);
}

interface Size {
  readonly cell: string;
  readonly units: number;
  readonly batch: number;
  readonly time: number;
}

async function rootMeanSquares(context: GpuContext, layer: Layer, results: readonly GpuArray[]) {
  const check: Record<string, number> = {};
  for (const [i, name] of layer.outputs.entries()) {
    const array = at(results, i);
    if (array.buffer === undefined) continue;
    const isParameter = name !== "outputs" && name !== "dx";
    // Gradients of weights are compared as a whole, because libraries store them in different orders.
    const count = isParameter ? array.size : Math.min(array.size, checkedNumbers);
    const numbers = new Float32Array(await context.readBuffer(array.buffer, count * 4));
    const key = isParameter ? name.split("/").slice(-2).join("/") : name;
    check[key] = Math.sqrt(numbers.reduce((total, v) => total + v * v, 0) / count);
  }
  return check;
}

/** Runs are enqueued back to back in groups of about 0.1 s, and each group is awaited as a whole. */
async function timeRuns(context: GpuContext, once: () => void): Promise<number[]> {
  const { queue } = context.device;
  const group = async (runs: number) => {
    const start = performance.now();
    for (let i = 0; i < runs; i++) once();
    await queue.onSubmittedWorkDone();
    return (performance.now() - start) / runs;
  };
  await group(1);
  const one = await group(2);
  const runs = Math.max(1, Math.min(options.smoke ? 2 : 50, Math.round(100 / one)));
  const groups = options.smoke ? 2 : one > 1000 ? 3 : 7;
  const times: number[] = [];
  for (let i = 0; i < groups; i++) times.push(await group(runs));
  return times;
}

async function timeSize(
  context: GpuContext,
  size: Size,
  pass: Pass,
  layer: Layer,
  program: LoadedProgram,
): Promise<Partial<Line>> {
  const { units, batch, time } = size;
  const held: GpuArray[] = [];
  const input = (shape: readonly number[], seed: number, scale: number) => {
    const array = uploaded(context, shape, seed, scale);
    held.push(array);
    return array;
  };
  try {
    const inputs: Record<string, GpuArray> = {};
    for (const { path, shape } of layer.specs) {
      const scale = path.endsWith("/bias") ? 0.1 : 2 / Math.sqrt(units);
      inputs[path] = input(shape.map(Number), seedOf(path), scale);
    }
    inputs.x = input([time, batch, units], seeds.x, 2);
    if (pass === "forward+backward") inputs.cotangent = input([time, batch, units], seeds.cotangent, 1);
    // No output is staged: `readback` is empty.
    const results = program.run(inputs).filter((array) => array instanceof GpuArray);
    held.push(...results);
    await at(results, results.length - 1).read();
    const check = await rootMeanSquares(context, layer, results);
    const times = await timeRuns(context, () => {
      for (const array of program.run(inputs)) array.destroy();
    });
    if (options.profile) {
      const kernels = await program.profile(inputs);
      write({ profile: true, ...size, pass, kernels });
    }
    const { steps } = instantiate(program.program, { B: batch, T: time });
    return {
      medianMs: median(times),
      minMs: Math.min(...times),
      repeats: times.length,
      check,
      dispatches: steps.filter((step) => !("kind" in step)).length,
    };
  } finally {
    for (const array of held) array.destroy();
    // Pooled buffers have this size; the next case needs another.
    context.pool.destroyFree();
  }
}

async function main(): Promise<void> {
  if (options.help) {
    console.log(usage);
    return;
  }
  const grid = gridOf();
  const context = await GpuContext.open(options.smoke ? "auto" : "gpu").catch((error) => refuse(messageOf(error)));
  const device = context.host.name;
  for (const cell of grid.cells) {
    const definition = gpuCells[cell];
    if (definition === undefined) continue;
    for (const units of grid.units) {
      for (const pass of ["forward", "forward+backward"] as const) {
        const layer = layerGraph(definition, units, pass);
        const start = performance.now();
        const program = await loadLayer(context, layer);
        const compileMs = performance.now() - start;
        const schedules = program.program.schedules.map(({ schedule, reason }) => `${schedule}: ${reason}`);
        for (const batch of grid.batch) {
          for (const time of grid.time) {
            const size = { cell, units, batch, time };
            const facts = { who: "cellgrad", ...size, pass, device, version: BENCH_VERSIONS.cellgrad };
            console.error(`${cell} H=${units} B=${batch} T=${time} ${pass}`);
            try {
              const found = await timeSize(context, size, pass, layer, program);
              write({ ...facts, ...found, schedules, compileMs } satisfies Partial<Line>);
            } catch (error) {
              write({ ...facts, skipped: error instanceof Error ? error.message : String(error) });
            }
          }
        }
        program.destroy();
      }
    }
  }
  context.destroy();
}

await main();
process.exit(0);
