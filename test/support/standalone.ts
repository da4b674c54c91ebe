/** @file Models that were compiled ahead of time, loaded as a program loads them: from files in a folder. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildCpuProgram } from "../../compiler/compile-cpu.ts";
import { deviceOnCpu } from "../../devices/cpu.ts";
import { type Device, refuseEncode } from "../../devices/device.ts";
import type { StandaloneModel } from "../../entries/wasm.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";

/** What a loader gives, with the members of all kinds of models. */
export interface Loaded {
  readonly batch: number;
  readonly shapes: { readonly x: number[]; readonly output: number[]; readonly states: Record<string, number[]> };
  step(x: unknown, state?: unknown): Float32Array;
  zeros(): Float32Array;
  run(sequence: Iterable<unknown>): Float32Array[];
  reset(): void;
  readonly vocabulary: readonly string[];
  readonly columns: readonly string[];
  readonly targets: readonly string[];
  encode(text: string): number[];
  decode(tokens: ArrayLike<number>): string;
  sample(options?: object): Generator<string, void, void>;
  forecast(past: Iterable<ArrayLike<number>>, horizon: number): number[][];
  predict(sequence: unknown): Record<string, number>;
  classify(sequence: unknown): string;
}

export type Load = (source?: unknown) => Promise<Loaded>;

/** The device cpu as it is in every engine: what is compiled ahead of time has no instructions that only some of them have. */
export async function openPlainCpu(): Promise<Device> {
  const context = await CpuContext.open({ threads: 1 });
  return {
    ...deviceOnCpu(context),
    compile: async (graph, options = {}) => {
      const program = buildCpuProgram(graph, { ...options, memory: context.memory });
      const loaded = await LoadedCpuProgram.load(context, program, options.readback);
      return {
        graph,
        run: (inputs) => loaded.run(inputs),
        encode: refuseEncode(graph.name, "cpu"),
        profile: (inputs) => loaded.profile(inputs),
        destroy: () => loaded.destroy(),
      };
    },
  };
}

/** A folder of its own for compiled models. */
export class CompiledFolder {
  readonly path = mkdtempSync(join(tmpdir(), "cellgrad-standalone-"));

  /** Writes the three files of a model, and gives what its loader exports. */
  async add(name: string, { wasm, loader, types }: StandaloneModel): Promise<Load> {
    writeFileSync(join(this.path, "package.json"), '{ "type": "module" }');
    writeFileSync(join(this.path, `${name}.wasm`), wasm);
    writeFileSync(join(this.path, `${name}.js`), loader);
    writeFileSync(join(this.path, `${name}.d.ts`), types);
    const { load } = (await import(pathToFileURL(join(this.path, `${name}.js`)).href)) as { load: Load };
    return load;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
