/** @file Gradient flow of a run: compiled when it is first asked for, on the same batch every time. */
import { at, InternalError } from "../../compiler/graph/errors.ts";
import type { Executable } from "../../devices/device.ts";
import { gradientFlow } from "../../train/gradient-flow.ts";
import type { StepGraph } from "../../train/training-step.ts";
import type { GradientFlow } from "../shared/protocol.ts";
import type { Run } from "./run.ts";

export class FlowMeter {
  readonly #run: Run;
  readonly #step: StepGraph;
  readonly #executable: Promise<Executable>;

  constructor(run: Run) {
    this.#run = run;
    this.#step = gradientFlow(run.network);
    this.#executable = run.device.compile(this.#step.graph, { readback: Object.values(this.#step.outputs) });
  }

  async measure(): Promise<GradientFlow> {
    const executable = await this.#executable;
    const { step, checkpoint } = await this.#run.snapshot();
    const { parameters } = checkpoint;
    if (parameters === undefined) throw new InternalError("a checkpoint has no weights");
    const { x, targets } = this.#run.firstBatch();
    const outputs = executable.run({ parameters, x, targets });
    const norms = await Promise.all(outputs.map((output) => output.read()));
    for (const output of outputs) output.destroy();
    const states = Object.entries(this.#step.outputs).map(([name, i]) => {
      return { name, norms: Float32Array.from(at(norms, i).data) };
    });
    return { run: this.#run.name, step, states };
  }

  destroy(): void {
    void this.#executable.then(
      (executable) => executable.destroy(),
      () => {},
    );
  }
}
