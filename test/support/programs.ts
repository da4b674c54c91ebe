/** @file Programs in a test: a graph compiled with any choice of the compiler's, run once on the device. */
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import type { CompileProgramOptions } from "../../compiler/plan-program.ts";
import { uploadArray } from "../../runtime/arrays.ts";
import { type CompileLimits, GpuContext } from "../../runtime/context.ts";
import type { AdapterChoice } from "../../runtime/host.ts";
import { LoadedProgram } from "../../runtime/loaded-program.ts";
import { difference } from "../train/devices.ts";

export class ProgramRunner {
  readonly #context: GpuContext;

  constructor(context: GpuContext) {
    this.#context = context;
  }

  static async open(choice: AdapterChoice = "auto"): Promise<ProgramRunner> {
    return new ProgramRunner(await GpuContext.open(choice));
  }

  /** The name of the adapter. */
  get name(): string {
    return this.#context.host.name;
  }

  /** What the compiler may count on. */
  get limits(): CompileLimits {
    return this.#context.compileLimits;
  }

  /** Resolves when the device is lost. */
  get lost(): Promise<unknown> {
    return this.#context.lost;
  }

  destroy(): void {
    this.#context.destroy();
  }

  /** The outputs of a graph; arrays that are donated are uploaded for it. */
  async run(graph: Graph, inputs: readonly NdArray[], options: CompileProgramOptions = {}): Promise<NdArray[]> {
    return at(await this.runs(graph, [inputs], options), 0);
  }

  /** The outputs of several runs of one program, which find in its memory what the runs before them left. */
  async runs(
    graph: Graph,
    rounds: readonly (readonly NdArray[])[],
    options: CompileProgramOptions = {},
  ): Promise<NdArray[][]> {
    const program = compileProgram(graph, { ...this.#context.compileLimits, ...options });
    const loaded = await LoadedProgram.load(this.#context, program);
    const all: NdArray[][] = [];
    for (const inputs of rounds) {
      const given = graph.inputs.map((id, i) => {
        const [name, value] = [inputName(graph, id), at(inputs, i)];
        return [name, options.donate?.[name] === undefined ? value : uploadArray(this.#context, value)] as const;
      });
      const outputs = loaded.run(Object.fromEntries(given));
      all.push(await Promise.all(outputs.map((output) => output.read())));
      for (const output of outputs) output.destroy();
    }
    loaded.destroy();
    return all;
  }

  /** How far the outputs are from the interpreter's, relative to the largest number of each. */
  async error(graph: Graph, inputs: readonly NdArray[], options: CompileProgramOptions = {}): Promise<number> {
    const expected = interpret(graph, inputs);
    const results = await this.run(graph, inputs, options);
    return Math.max(...results.map(({ data }, i) => difference(data, at(expected, i).data)));
  }
}
