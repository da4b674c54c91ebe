/**
 * @file A loop over a matrix memory in three parts:
 *
 *   before    everything that does not depend on the memory: an ordinary loop if other carries are part of it
 *   chunks    a loop over chunks, which reads vectors of all their steps (memory-chunks.ts) and computes a chunk again
 *             before its backward step
 *   after     everything that depends on what was read
 *
 * A last chunk that is not full has steps that change nothing: decays of 1, and nothing written.
 */
import { ceilDim, type Dim, mulDims, type Shape } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { Fold } from "../graph/fold.ts";
import { dependentsOf, inputName, type NodeId, nodeAt, type ScanAttrs } from "../graph/graph.ts";
import { cast, less } from "../ops/elementwise.ts";
import { copyRules } from "../ops/inline.ts";
import { where } from "../ops/logic.ts";
import { pad, slice } from "../ops/pieces.ts";
import { bodyInputs, scanTensors } from "../ops/scan.ts";
import { dimSize, iota } from "../ops/sources.ts";
import { broadcast, broadcastAxes, constant, reshape, transpose } from "../ops/views.ts";
import { reasonAgainstAllSteps } from "../passes/all-steps.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { memoryStep } from "./matrix-memory.ts";
import { type ChunkSteps, memoryChunk } from "./memory-chunks.ts";
import { type MemoryStep, mapStep, valuesOf } from "./memory-step.ts";
import { ancestorsWithout, border, splitLoop } from "./split-loop.ts";

type Float = Tensor<"f32">;

/** A carry that is a matrix memory. */
export interface ChunkedMemory {
  readonly carry: number;
  /** The values of the step that are read from it. */
  readonly reads: readonly NodeId[];
  /** Steps of a chunk, a power of two. */
  readonly steps: number;
}

/** Runs a loop without the memory, which may have another one. */
export type RunLoop = (attrs: ScanAttrs, operands: readonly Tensor[]) => readonly Tensor[];

/** Final carries, then ys, of a loop with a memory. */
export function chunkedLoop(
  attrs: ScanAttrs,
  operands: readonly Tensor[],
  memory: ChunkedMemory,
  run: RunLoop,
): readonly Tensor[] {
  return new ChunkedLoop(attrs, operands, memory, run).results();
}

/** What does not depend on the memory, for all steps. */
interface Before {
  /** The final carries. */
  readonly carries: readonly Tensor[];
  /** The other outputs of the step, padded. */
  readonly values: readonly Tensor[];
  /** Those of a value that is needed afterwards. */
  readonly value: (id: NodeId) => Tensor;
  /** The memory's step, with positions among `values`. */
  readonly step: MemoryStep<number>;
}

class ChunkedLoop {
  readonly #attrs: ScanAttrs;
  readonly #operands: readonly Tensor[];
  readonly #carry: number;
  readonly #steps: number;
  readonly #run: RunLoop;
  readonly #reads: readonly NodeId[];
  /** Values of the step that depend on the memory. */
  readonly #later: ReadonlySet<NodeId>;
  /** The carries that do not depend on the memory, and those that do. */
  readonly #earlyCarries: readonly number[];
  readonly #lateCarries: readonly number[];
  readonly #isPadded: boolean;

  constructor(attrs: ScanAttrs, operands: readonly Tensor[], { carry, reads, steps }: ChunkedMemory, run: RunLoop) {
    this.#attrs = attrs;
    this.#operands = operands;
    this.#carry = carry;
    this.#steps = steps;
    this.#run = run;
    this.#reads = reads;
    const { carries } = bodyInputs(attrs);
    const late = carriesAfter(attrs, carry);
    this.#lateCarries = late;
    this.#earlyCarries = carries.map((_, i) => i).filter((i) => i !== carry && !late.includes(i));
    this.#later = dependentsOf(
      attrs.body,
      [carry, ...late].map((i) => at(carries, i)),
    );
    this.#isPadded = typeof attrs.length !== "number" || attrs.length % steps !== 0;
  }

  get #count(): Dim {
    return ceilDim(this.#attrs.length, this.#steps);
  }

  get #paddedLength(): Dim {
    return this.#isPadded ? mulDims(this.#steps, this.#count) : this.#attrs.length;
  }

  /** Final carries, then ys. */
  results(): readonly Tensor[] {
    const { body, carries } = this.#attrs;
    const before = this.#before();
    const { memory, found } = this.#chunks(before);
    const after = this.#after(before, found);
    return body.outputs.map((id, i) => {
      if (i === this.#carry) return memory;
      if (i < carries)
        return this.#earlyCarries.includes(i) ? at(before.carries, this.#earlyCarries.indexOf(i)) : after.carry(i);
      return this.#later.has(id) ? after.y(id) : this.#unpadded(before.value(id));
    });
  }

  // -- before -----------------------------------------------------------------------------------------------------------

  /** Everything that does not depend on the memory, for all steps, padded. */
  #before(): Before {
    const { body, consts, carries } = this.#attrs;
    const frame = new Frame(`${body.name}.before`);
    const inputs = bodyInputs(this.#attrs);
    const early = this.#earlyCarries.map((i) => at(inputs.carries, i));
    const ys = body.outputs.slice(carries).filter((id) => !this.#later.has(id));
    const needed = [...new Set([...ys, ...this.#readLater()])];
    const outputs: Tensor[] = [];
    const places = new Map<NodeId, number>();
    const place = (tensor: Tensor): number => {
      const known = places.get(tensor.id);
      if (known !== undefined) return known;
      places.set(tensor.id, outputs.length);
      return outputs.push(tensor) - 1;
    };
    const of = new Map<NodeId, number>();
    let step: MemoryStep<number> | undefined;
    const graph = within(frame, () => {
      const own = [...inputs.consts, ...early, ...inputs.xs];
      const known = own.map((id) => [id, frame.input(inputName(body, id), nodeAt(body, id).aval)] as const);
      const rows = this.#rowsOfCarries();
      const exists = this.#isPadded ? frame.input("exists", { dtype: "bool", shape: rows }) : undefined;
      step = mapStep(memoryStep(this.#attrs, this.#carry, known), place);
      const fold = new Fold(body, copyRules(body), known);
      for (const id of needed) of.set(id, place(fold.value(id)));
      const next = this.#earlyCarries.map((i, k) => {
        const value = fold.value(at(body.outputs, i));
        const old = at(known, inputs.consts.length + k)[1];
        return exists === undefined ? value : where(broadcastAxes(exists, value.shape, axesOf(rows)), value, old);
      });
      const ids = [...known.map(([, { id }]) => id), ...(exists === undefined ? [] : [exists.id])];
      return frame.finish(ids, [...next, ...outputs]);
    });
    const xs = this.#operands.slice(consts + carries).map((x) => this.#padded(x));
    const operands = [
      ...this.#operands.slice(0, consts),
      ...this.#earlyCarries.map((i) => at(this.#operands, consts + i)),
      ...xs,
      ...(this.#isPadded ? [this.#existsInRows()] : []),
    ];
    const attrs = { ...this.#attrs, body: graph, carries: early.length, length: this.#paddedLength };
    const results = this.#loop(attrs, operands);
    const values = results.slice(early.length);
    const value = (id: NodeId) => at(values, of.get(id) ?? -1);
    if (step === undefined) throw new InternalError("a memory without a step");
    return { carries: results.slice(0, early.length), values, value, step };
  }

  #loop(attrs: ScanAttrs, operands: readonly Tensor[]): readonly Tensor[] {
    if (reasonAgainstAllSteps(attrs) !== undefined) return this.#run(attrs, operands);
    return splitLoop(attrs, operands, this.#run);
  }

  /** Early values that later ones read; views and constants are computed again. */
  #readLater(): NodeId[] {
    const { body } = this.#attrs;
    const late = body.outputs.filter((id, i) => this.#later.has(id) && i !== this.#carry);
    const reads = new Set(this.#reads);
    const readers = [...ancestorsWithout(body, late, reads)].filter((id) => this.#later.has(id) && !reads.has(id));
    return border(this.#attrs, readers, this.#later);
  }

  // -- chunks -----------------------------------------------------------------------------------------------------------

  #chunks({ values, step }: Before): {
    readonly memory: Tensor;
    readonly found: readonly Tensor[];
  } {
    const { body, consts, reverse } = this.#attrs;
    const steps = this.#steps;
    const used = [...new Set(valuesOf(step))];
    const cut = (x: Tensor) => reshape(x, [this.#count, steps, ...x.shape.slice(1)]);
    const exists = this.#isPadded ? [cut(this.#exists())] : [];
    const { carries, ys } = scanTensors(
      ([memory], xs) => {
        const stack = (memory as Float).shape.slice(0, -2);
        const exists = this.#isPadded ? (at(xs, used.length) as Tensor<"bool">) : undefined;
        /** Vectors of steps that do not exist may be NaN. */
        const vector = (place: number, neutral: 0 | 1): Float => {
          const x = at(xs, used.indexOf(place)) as Float;
          const wide = x.shape.length === stack.length + 1 ? reshape(x, [...x.shape, 1]) : x;
          const turned = transpose(wide, stepsLast(stack.length));
          if (exists === undefined) return turned;
          return where(broadcastAxes(exists, turned.shape, [stack.length]), turned, neutral);
        };
        const chunk: ChunkSteps = { ...mapStep(step, vector), reverse };
        const result = memoryChunk(memory as Float, steps, chunk);
        return { carries: [result.memory], ys: result.found.map((x) => transpose(x, stepsFirst(stack.length))) };
      },
      [at(this.#operands, consts + this.#carry)],
      [...used.map((place) => cut(at(values, place))), ...exists],
      { reverse, recompute: true, length: this.#count, name: `${body.name}.chunks` },
    );
    const found = ys.map((y) => reshape(y, [this.#paddedLength, ...y.shape.slice(2)]));
    return { memory: at(carries, 0), found: found.map((y) => this.#unpadded(y)) };
  }

  // -- after ------------------------------------------------------------------------------------------------------------

  /** Everything that depends on what was read. */
  #after(before: Before, found: readonly Tensor[]) {
    const { body, consts, carries } = this.#attrs;
    const inputs = bodyInputs(this.#attrs);
    const late = this.#lateCarries.map((i) => at(inputs.carries, i));
    const ys = body.outputs.slice(carries).filter((id) => this.#later.has(id));
    const reads = before.step.reads.map(({ id }) => id);
    const early = this.#readLater();
    const frame = new Frame(`${body.name}.after`);
    const graph = within(frame, () => {
      const own = [...inputs.consts, ...late, ...inputs.xs, ...early];
      const known: (readonly [NodeId, Tensor])[] = own.map((id) => {
        const name = nodeAt(body, id).op === "input" ? inputName(body, id) : `early${id}`;
        return [id, frame.input(name, nodeAt(body, id).aval)] as const;
      });
      const results = reads.map((id, i) => {
        const { shape } = at(found, i);
        return [id, frame.input(`read${i}`, { dtype: "f32", shape: shape.slice(1) })] as const;
      });
      for (const [id, x] of results) known.push([id, reshape(x, nodeAt(body, id).aval.shape)]);
      const fold = new Fold(body, copyRules(body), known);
      const next = this.#lateCarries.map((i) => fold.value(at(body.outputs, i)));
      const ids = [...known.slice(0, own.length).map(([, { id }]) => id), ...results.map(([, { id }]) => id)];
      return frame.finish(ids, [...next, ...ys.map((id) => fold.value(id))]);
    });
    const operands = [
      ...this.#operands.slice(0, consts),
      ...this.#lateCarries.map((i) => at(this.#operands, consts + i)),
      ...this.#operands.slice(consts + carries),
      ...early.map((id) => this.#unpadded(before.value(id))),
      ...found,
    ];
    const results = this.#loop({ ...this.#attrs, body: graph, carries: late.length }, operands);
    return {
      carry: (i: number) => at(results, this.#lateCarries.indexOf(i)),
      y: (id: NodeId) => at(results, late.length + ys.indexOf(id)),
    };
  }

  // -- time -------------------------------------------------------------------------------------------------------------

  /** Which of the padded steps exist. */
  #exists(): Tensor<"bool"> {
    const { length } = this.#attrs;
    const end = typeof length === "number" ? constant(length, "i32") : cast(dimSize(length), "i32");
    const steps = iota([this.#paddedLength], 0, "i32");
    return less(steps, broadcast(end, steps.shape));
  }

  /** The rows of the batch, if all early carries have them in front: their loop can then be cut by rows. */
  #rowsOfCarries(): Shape {
    const { body } = this.#attrs;
    const inputs = bodyInputs(this.#attrs).carries;
    const all = this.#earlyCarries.map((i) => nodeAt(body, at(inputs, i)).aval.shape[0]);
    const [rows] = all;
    return typeof rows === "string" && all.every((dim) => dim === rows) ? [rows] : [];
  }

  #existsInRows(): Tensor<"bool"> {
    return broadcastAxes(this.#exists(), [this.#paddedLength, ...this.#rowsOfCarries()], [0]);
  }

  #padded(x: Tensor): Tensor {
    return this.#isPadded ? pad(x, 0, 0, this.#paddedLength) : x;
  }

  #unpadded(x: Tensor): Tensor {
    return this.#isPadded ? slice(x, 0, 0, this.#attrs.length) : x;
  }
}

/** The carries that depend on `carry`, directly or through others, other than itself. */
function carriesAfter(attrs: ScanAttrs, carry: number): number[] {
  const { body } = attrs;
  const inputs = bodyInputs(attrs).carries;
  const after = new Set([carry]);
  for (let before = 0; before !== after.size; ) {
    before = after.size;
    const reached = dependentsOf(
      body,
      [...after].map((i) => at(inputs, i)),
    );
    for (const i of inputs.keys()) if (reached.has(at(body.outputs, i))) after.add(i);
  }
  return [...after].filter((i) => i !== carry).sort((a, b) => a - b);
}

const axesOf = (shape: Shape): number[] => shape.map((_, axis) => axis);

/** From [steps, ..stack, width] to [..stack, steps, width]. */
function stepsLast(stack: number): number[] {
  return [...Array.from({ length: stack }, (_, i) => i + 1), 0, stack + 1];
}

/** The opposite. */
function stepsFirst(stack: number): number[] {
  return [stack, ...Array.from({ length: stack }, (_, i) => i), stack + 1];
}
