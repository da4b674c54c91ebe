/**
 * @file The persistent schedule: one dispatch for a whole sequence. A workgroup owns some rows of the batch and walks
 * all steps; its states and what crosses invocations lie in workgroup memory, stages are separated by barriers. Rows of
 * a batch never meet inside a recurrence, so no barrier across workgroups is needed.
 *
 * A long sequence is cut into chunks (chunks.ts): dispatches of the same kernel, each with a range of steps. Every one
 * stores its carries when it ends, those of the last being the scan's results, and loads what the one before stored. Steps
 * are counted from the beginning of the sequence whatever the chunk, so that slots alternate as in an uncut run.
 */
import { type Dim, sizeOf } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { bodyInputs } from "../ops/scan.ts";
import { chunkSteps, flopsOfRow, type StepWork } from "./chunks.ts";
import { emitPositions } from "./emit-stage.ts";
import { Emitter, type Region } from "./emit-values.ts";
import type { Index } from "./index-expression.ts";
import { finishKernel } from "./kernel.ts";
import { type Bound, KernelWriter } from "./kernel-writer.ts";
import type { Lowering } from "./lower.ts";
import type { PersistentPlan, Slots } from "./persistent-plan.ts";
import type { Dispatch, Location } from "./program.ts";
import { hasPositions, type Stage } from "./stages.ts";
import type { ScanContext } from "./stepwise.ts";
import { sharesRows } from "./tiles.ts";
import { wholeLoopWork } from "./work.ts";
import { WorkgroupRows } from "./workgroup-rows.ts";

/** Lowers a scan to one dispatch, cut into chunks. `plan` has found that its rows are separable and that its states fit. */
export function lowerPersistent(lowering: Lowering, context: ScanContext, plan: PersistentPlan): Dispatch {
  const writer = new KernelWriter(lowering.buffers(), lowering.tiles.tuning);
  const kernel = new PersistentKernel(context, plan, writer, carryPlaces(lowering, context, plan));
  kernel.write();
  const ids = plan.stages.flatMap((stage) => [...stage.loops, ...stage.roots]);
  const work = wholeLoopWork(context.work, plan.node, plan.stages, (result) => plan.results.has(result));
  const { body, length } = plan.node.attrs;
  const step: StepWork = {
    flops: plan.rowsPerWorkgroup * flopsOfRow(work.flops, plan.rows, length),
    barriers: plan.groups.length,
    lanes: plan.workgroupSize,
  };
  return {
    kind: "dispatch",
    kernel: finishKernel(lowering, writer, kernel.region, ids, plan.workgroupSize, work),
    grid: [{ rows: [plan.rows], rowsPer: plan.rowsPerWorkgroup, columns: [1], lanes: 1 }],
    phase: lowering.phaseOf([context.scan]),
    chunks: { scan: body.name, length, steps: lowering.chunkSteps ?? chunkSteps(step, lowering.tiles.target) },
  };
}

/** Where each carry lies between chunks, and after the last: in the result that it becomes, if anybody reads that. */
function carryPlaces(
  { memory }: Lowering,
  { order }: ScanContext,
  { node, results }: PersistentPlan,
): ReadonlyMap<NodeId, Location> {
  return new Map(
    bodyInputs(node.attrs).carries.map((id, i) => {
      const { dtype, shape } = nodeAt(node.attrs.body, id).aval;
      return [id, results.get(i) ?? memory.place(dtype, sizeOf(shape), order, order)];
    }),
  );
}

/** An element of a carry, in a loop over all that the workgroup owns. */
interface CarryElement {
  /** Of the carry: which one it is, its input of the body, its slots, and where it lies between chunks. */
  readonly number: number;
  readonly id: NodeId;
  readonly slots: Slots;
  readonly place: Location;
  readonly index: readonly Index[];
  readonly emitter: Emitter;
}

class PersistentKernel {
  readonly region: Region;
  readonly #context: ScanContext;
  readonly #plan: PersistentPlan;
  readonly #writer: KernelWriter;
  readonly #node: ScanNode;
  readonly #carryPlaces: ReadonlyMap<NodeId, Location>;
  readonly #arrays = new Map<NodeId, string>();
  readonly #rows: WorkgroupRows;

  constructor(
    context: ScanContext,
    plan: PersistentPlan,
    writer: KernelWriter,
    carryPlaces: ReadonlyMap<NodeId, Location>,
  ) {
    this.#context = context;
    this.#plan = plan;
    this.#writer = writer;
    this.#node = plan.node;
    this.#carryPlaces = carryPlaces;
    this.region = {
      key: `${context.outer.key}${context.scan}/`,
      graph: this.#node.attrs.body,
      read: (id, index, emitter) => this.#read(id, index, emitter),
    };
    this.#rows = new WorkgroupRows(plan, writer, this.region);
  }

  write(): void {
    const { rowsPerWorkgroup, slots, workgroupSize } = this.#plan;
    const { body } = this.#node.attrs;
    const w = this.#writer;
    const { first, end } = w.chunk();
    for (const [id, { width, count }] of slots) {
      const element =
        nodeAt(body, id).aval.dtype === "f32" ? "f32" : nodeAt(body, id).aval.dtype === "i32" ? "i32" : "u32";
      this.#arrays.set(id, w.workgroupArray(element, rowsPerWorkgroup * width * count));
    }
    this.#rows.declare();
    w.block(`if (${first} == 0u)`, () => this.#loadInitial());
    w.block(`if (${first} > 0u)`, () => this.#loadSaved(first));
    w.line("workgroupBarrier();");
    w.block(`for (var count: u32 = ${first}; count < ${end}; count++)`, () => {
      for (const group of this.#plan.groups) {
        if (group.kind === "scan") throw new InternalError("a scan inside a persistent scan");
        for (const stage of group.stages.filter(hasPositions)) this.#stage(stage, workgroupSize);
        w.line("workgroupBarrier();");
      }
    });
    this.#saveCarries(end);
  }

  #loadInitial(): void {
    const { attrs, operands } = this.#node;
    this.#overCarries(({ number, id, slots, index, emitter }) => {
      const value = emitter.value(this.#context.outer, at(operands, attrs.consts + number), index);
      this.#storeLocal(id, slots, index, this.#writer.index.dim(0), value.text, emitter);
    });
  }

  /** The carries as the chunk before has left them. */
  #loadSaved(first: string): void {
    this.#overCarries(({ id, slots, index, place, emitter }) => {
      const { dtype, shape } = nodeAt(this.#node.attrs.body, id).aval;
      const value = this.#writer.load(place, emitter.positionOf(index, shape), dtype);
      this.#storeLocal(id, slots, index, this.#slotAfter(first, slots, 0), value.text, emitter);
    });
  }

  #saveCarries(end: string): void {
    this.#overCarries(({ id, slots, index, place, emitter }) => {
      const { dtype, shape } = nodeAt(this.#node.attrs.body, id).aval;
      const value = this.#loadLocal(id, slots, index, this.#slotAfter(end, slots, 0), emitter);
      this.#writer.block(`if (${this.#rows.rowAt(index).exists})`, () =>
        this.#writer.store(place, emitter.positionOf(index, shape), dtype, value.text),
      );
    });
  }

  /** Writes a loop over the elements of each carry. */
  #overCarries(body: (element: CarryElement) => void): void {
    const { attrs } = this.#node;
    for (const [number, id] of bodyInputs(attrs).carries.entries()) {
      const slots = this.#plan.slots.get(id);
      const place = this.#carryPlaces.get(id);
      if (slots === undefined || place === undefined) throw new InternalError(`carry %${id} has no place`);
      const emitter = new Emitter(this.#writer, { region: this.region, ids: [] });
      this.#rows.overElements(slots.width, ({ indexIn }) =>
        body({ number, id, slots, place, emitter, index: indexIn(nodeAt(attrs.body, id).aval.shape) }),
      );
    }
  }

  /** The slot that holds a carry after so many steps of the sequence, a number that is known at `depth`. */
  #slotAfter(steps: string, { count }: Slots, depth: number): Index {
    const { index } = this.#writer;
    return count === 1 ? index.dim(0) : index.variable(`(${steps} & 1u)`, depth, 2);
  }

  #stage(stage: Stage, workgroupSize: number): void {
    const emitter = new Emitter(this.#writer, { region: this.region, ids: stage.roots });
    const store = (id: NodeId, index: readonly Index[], value: string) => this.#store(emitter, id, index, value);
    const width = Number(sizePerRow(this.region, stage, this.#plan.rows));
    if (stage.form !== "tile") {
      this.#rows.overElements(width, (position) =>
        emitPositions(emitter, this.region, stage, { positions: [position] }, store),
      );
      return;
    }
    const columns = this.#plan.tileColumns(stage);
    const lanes = width / columns;
    const w = this.#writer;
    const sharing = sharesRows({ rows: this.#plan.rowsPerWorkgroup, columns }, lanes, this.#plan.tiles);
    const turns = Math.ceil(lanes / workgroupSize);
    const isExact = lanes === turns * workgroupSize;
    // Every lane takes part in every turn, since lanes may share what they load; those beyond the last store nothing.
    w.block(turns === 1 ? "" : `for (var turn: u32 = 0u; turn < ${turns}u; turn++)`, () => {
      const own = turns === 1 ? "lane" : `lane + turn * ${workgroupSize}u`;
      w.line(`let column0 = ${isExact ? own : `min(${own}, ${lanes - 1}u)`};`);
      this.#rows.enterBlock();
      const guard = isExact ? "" : `${own} < ${lanes}u && `;
      emitPositions(emitter, this.region, stage, this.#rows.tile(columns, lanes, sharing, guard), store);
    });
  }

  #time(): Index {
    const { length, reverse } = this.#node.attrs;
    const w = this.#writer;
    const count = w.index.variable("count", 1, length);
    if (!reverse) return count;
    return w.index.variable(
      w.indexText(w.index.sub(w.index.sub(w.index.dim(length), w.index.dim(1)), count)),
      1,
      length,
    );
  }

  #read(id: NodeId, index: readonly Index[], emitter: Emitter): Bound | undefined {
    const { attrs, operands } = this.#node;
    const { outer } = this.#context;
    const role = attrs.body.inputs.indexOf(id);
    if (role >= 0 && role < attrs.consts) return emitter.value(outer, at(operands, role), index);
    if (role >= attrs.consts + attrs.carries) return emitter.value(outer, at(operands, role), [this.#time(), ...index]);
    const slots = this.#plan.slots.get(id);
    if (slots === undefined) return undefined;
    return this.#loadLocal(id, slots, index, this.#slotAfter("count", slots, 1), emitter);
  }

  #address({ width }: Slots, index: readonly Index[], slot: Index, shape: readonly Dim[], emitter: Emitter): Index {
    const { index: m } = this.#writer;
    const { local } = this.#rows.rowAt(index);
    const inRow = emitter.positionOf(index.slice(1), shape.slice(1));
    const row = m.add(m.mul(slot, m.dim(this.#plan.rowsPerWorkgroup)), local);
    return m.add(m.mul(row, m.dim(width)), inRow);
  }

  #loadLocal(id: NodeId, slots: Slots, index: readonly Index[], slot: Index, emitter: Emitter): Bound {
    const { dtype, shape } = nodeAt(this.#node.attrs.body, id).aval;
    const address = this.#address(slots, index, slot, shape, emitter);
    const raw = `${this.#arrays.get(id)}[${this.#writer.indexText(address)}]`;
    const text = dtype === "bool" ? `(${raw} != 0u)` : raw;
    const depth = Math.max(address.depth, this.#rows.blockDepth);
    return this.#writer.bind(`local ${id} ${address.text}`, dtype, text, depth);
  }

  #storeLocal(id: NodeId, slots: Slots, index: readonly Index[], slot: Index, value: string, emitter: Emitter): void {
    const { dtype, shape } = nodeAt(this.#node.attrs.body, id).aval;
    const address = this.#address(slots, index, slot, shape, emitter);
    const word = dtype === "bool" ? `select(0u, 1u, ${value})` : value;
    this.#writer.line(`${this.#arrays.get(id)}[${this.#writer.indexText(address)}] = ${word};`);
  }

  /** A value goes to workgroup memory where others read it, and to the results that it is part of. */
  #store(emitter: Emitter, id: NodeId, index: readonly Index[], value: string): void {
    const { attrs } = this.#node;
    const { body, length } = attrs;
    const { aval } = nodeAt(body, id);
    const w = this.#writer;
    const { carries } = bodyInputs(attrs);
    const own = body.inputs.includes(id) ? undefined : this.#plan.slots.get(id);
    if (own !== undefined) this.#storeLocal(id, own, index, w.index.dim(0), value, emitter);
    for (const [i, output] of body.outputs.entries()) {
      if (output !== id) continue;
      const location = this.#plan.results.get(i);
      const carry = i < attrs.carries ? at(carries, i) : undefined;
      const slots = carry === undefined ? undefined : this.#plan.slots.get(carry);
      if (carry !== undefined && slots !== undefined) {
        this.#storeLocal(carry, slots, index, this.#slotAfter("(count + 1u)", slots, 1), value, emitter);
      }
      if (carry !== undefined || location === undefined) continue;
      w.block(`if (${this.#rows.rowAt(index).exists})`, () => {
        const place = emitter.positionOf([this.#time(), ...index], [length, ...aval.shape]);
        w.store(location, place, aval.dtype, value);
      });
    }
  }
}

function sizePerRow(region: Region, stage: Stage, rows: Dim): Dim {
  const id = at([...stage.loops, ...stage.roots], 0);
  const { shape } = nodeAt(region.graph, id).aval;
  if (shape[0] !== rows) throw new InternalError(`%${id} has no rows`);
  return sizeOf(shape.slice(1));
}
