/**
 * @file The stepwise schedule: a loop with one dispatch per stage of the body. Carries alternate between two slots, so
 * that a step reads what the previous one wrote while it writes its own; one that only its own next value reads, at the
 * same position, such as a sum of gradients, changes in place. The first step reads the initial values in place, and the
 * last also writes the final ones; if there are no steps, a dispatch copies the initial values there. A scan in the body
 * becomes a nested loop.
 */
import { type Dim, mulDims, type Shape, sizeOf } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { type NodeId, nodeAt, type ScanNode } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr } from "../../kernel/ir.ts";
import { bodyInputs } from "../../ops/scan.ts";
import { buildHandover, buildKernels, type Handover } from "../emit/kernel.ts";
import type { Emitter, Region } from "../emit/values.ts";
import type { Lowering, ScanContext, ScanSchedule } from "../lowering.ts";
import { placing } from "../memory/too-large.ts";
import type { Dispatch, Location, Loop, ScanStep } from "../program.ts";
import { formStages } from "../stages/form-stages.ts";
import { type Group, membersOf } from "../stages/groups.ts";
import { hasPositions } from "../stages/stages.ts";
import { stagesWork, type WorkScope } from "../work.ts";
import { resultPlaces } from "./scan-context.ts";

/** One location that a value of the body is written to. */
interface Target {
  readonly location: Location;
  readonly when: "each step" | "last step";
  /** The leading index inside the location: `[t, ...]` for a y, `[slot, ...]` for a carry, or none. */
  readonly leading: "time" | "next slot" | "none";
}

export const stepwise: ScanSchedule = {
  plan: (lowering, context) => ({ steps: () => [lowerStepwise(lowering, context)] }),
};

function lowerStepwise(lowering: Lowering, context: ScanContext): Loop {
  const { outer, scan, order } = context;
  const node = nodeAt(outer.graph, scan);
  if (node.op !== "scan") throw new InternalError("lowerStepwise needs a scan");
  const { body, length, reverse } = node.attrs;
  const otherwise = () => passInitialOn(lowering, context, node);
  if (length === 0) return { kind: "loop", length, reverse, body: [], otherwise: otherwise() };
  const clock = new Clock(node, context.nesting);
  const results = resultPlaces(context);
  const kept = body.outputs.filter((_, i) => i < node.attrs.carries || results.has(i));
  const { groups, stored } = formStages(body, [...new Set(kept)], { copyResults: true });
  const { targets, slots } = placeOutputs(lowering, context, node, groups);
  const scratch = (id: NodeId): Location => {
    const { aval } = nodeAt(body, id);
    return placing(body, id, () => lowering.memory.place(aval.dtype, sizeOf(aval.shape), order, order));
  };
  for (const id of stored)
    if (!targets.has(id)) targets.set(id, [{ location: scratch(id), when: "each step", leading: "none" }]);
  const nestedResults = new Map<NodeId, Location>();

  const region: Region = {
    key: `${outer.key}${scan}/`,
    graph: body,
    read: (id, index, emitter) => {
      const { aval, op } = nodeAt(body, id);
      if (op === "input") return readInput(node, context, clock, slots, id, index, emitter);
      const result = nestedResults.get(id);
      if (result !== undefined)
        return emitter.writer.loadValue(result, emitter.positionOf(index, aval.shape), aval.dtype);
      const target = targets.get(id)?.find(({ when }) => when === "each step");
      if (target === undefined) return undefined;
      return emitter.writer.loadValue(
        target.location,
        clock.position(emitter, target.leading, index, aval.shape),
        aval.dtype,
      );
    },
  };
  const store = (emitter: Emitter, id: NodeId, index: readonly Index[], value: Expr, how: "set" | "add") => {
    const { aval } = nodeAt(body, id);
    for (const { location, when, leading } of targets.get(id) ?? []) {
      const write = () =>
        emitter.writer.storeValue(location, clock.position(emitter, leading, index, aval.shape), value, how);
      if (when === "each step") write();
      else emitter.writer.if(clock.isLast(emitter), write);
    }
  };

  const work: WorkScope = {
    depth: context.work.depth + 1,
    graph: body,
    stored: new Set([...stored, ...targets.keys()]),
    loop: { outer: context.work, scan: node, persistent: false },
  };
  const places = (id: NodeId) => targets.get(id)?.filter(({ when }) => when === "each step").length ?? 0;
  const { phase } = context;
  const steps = groups.flatMap((group): ScanStep[] => {
    if (group.kind === "stages") {
      const some = group.stages.filter(hasPositions);
      if (some.length === 0) return [];
      const built = buildKernels(lowering, region, some, {
        own: { begin: (emitter) => void clock.count(emitter), store },
        scratch: (size, dtype) => lowering.memory.place(dtype, size, order, order),
        work: stagesWork(work, some, places),
      });
      return built.map((each) => ({ ...each, kind: "dispatch", phase }));
    }
    for (const id of group.results) nestedResults.set(id, scratch(id));
    const resultPlace = (id: NodeId) => nestedResults.get(id);
    const inner = {
      outer: region,
      scan: group.scan,
      results: group.results,
      work,
      nesting: context.nesting + 1,
      phase,
      order,
      resultPlace,
    };
    return [...lowering.lowerScan(inner)];
  });
  return { kind: "loop", length, reverse, body: steps, otherwise: otherwise() };
}

/**
 * What a loop of length 0 does: its initial carries are its final ones. A loop that is known to have steps needs no
 * such dispatch.
 */
function passInitialOn(lowering: Lowering, context: ScanContext, { attrs, operands }: ScanNode): Dispatch[] {
  const { outer, scan } = context;
  const { length, consts, carries } = attrs;
  const results = resultPlaces(context);
  const values = operands.slice(consts, consts + carries).flatMap((id, i): Handover[] => {
    const to = results.get(i);
    return to === undefined || sizeOf(nodeAt(outer.graph, id).aval.shape) === 0 ? [] : [{ id, to }];
  });
  if (values.length === 0 || (typeof length === "number" && length > 0)) return [];
  return [{ ...buildHandover(lowering, outer, scan, values), kind: "dispatch", phase: context.phase }];
}

/** Which step of the loop a kernel runs in, and the time index and slots that follow from it. */
class Clock {
  readonly #node: ScanNode;
  readonly #nesting: number;

  constructor(node: ScanNode, nesting: number) {
    this.#node = node;
    this.#nesting = nesting;
  }

  count(emitter: Emitter): Index {
    return emitter.writer.index.of(emitter.writer.stepCount(this.#nesting), this.#node.attrs.length);
  }

  isLast(emitter: Emitter): Expr {
    return emitter.writer.equal(this.count(emitter).expr, emitter.writer.bound(this.#lastCount(emitter)));
  }

  /** The position in the sequence. */
  time(emitter: Emitter): Index {
    const count = this.count(emitter);
    if (!this.#node.attrs.reverse) return count;
    const { writer } = emitter;
    return writer.index.of(writer.bound(writer.index.sub(this.#lastCount(emitter), count)), this.#node.attrs.length);
  }

  /** The slot of the carries that this step reads (ahead = 0) or writes (ahead = 1). */
  slot(emitter: Emitter, ahead: 0 | 1): Index {
    const { writer } = emitter;
    const count = writer.index.add(this.count(emitter), writer.index.dim(ahead)).expr;
    return writer.index.of(writer.bitAnd(count, writer.u32(1)), 2);
  }

  /** The row-major position of an element inside a target. */
  position(emitter: Emitter, leading: Target["leading"], index: readonly Index[], shape: Shape): Index {
    if (leading === "none") return emitter.positionOf(index, shape);
    const first = leading === "time" ? this.time(emitter) : this.slot(emitter, 1);
    const extent: Dim = leading === "time" ? this.#node.attrs.length : 2;
    return emitter.positionOf([first, ...index], [extent, ...shape]);
  }

  #lastCount(emitter: Emitter): Index {
    const { index } = emitter.writer;
    return index.sub(index.dim(this.#node.attrs.length), index.dim(1));
  }
}

/** Where a carry is stored between steps. */
interface Slots {
  readonly location: Location;
  readonly count: 1 | 2;
}

/** Where each output of the body is stored, and the slots of each carry. A y that is not read is not stored. */
function placeOutputs(lowering: Lowering, context: ScanContext, { attrs }: ScanNode, groups: readonly Group[]) {
  const { body, carries } = attrs;
  const inputs = bodyInputs(attrs);
  const targets = new Map<NodeId, Target[]>();
  const slots = new Map<NodeId, Slots>();
  const results = resultPlaces(context);
  const { order } = context;
  const add = (id: NodeId, target: Target) => targets.set(id, [...(targets.get(id) ?? []), target]);
  for (const [i, id] of body.outputs.entries()) {
    const result = results.get(i);
    if (i >= carries) {
      if (result !== undefined) add(id, { location: result, when: "each step", leading: "time" });
      continue;
    }
    const { aval } = nodeAt(body, id);
    const carry = at(inputs.carries, i);
    if (changesInPlace(groups, carry, id)) {
      // The final value is where it was summed up, unless that is memory of the caller.
      const isFree =
        result !== undefined && result.half === undefined && result.buffer >= lowering.region.graph.inputs.length;
      const location = isFree ? result : lowering.memory.place(aval.dtype, sizeOf(aval.shape), order, order);
      slots.set(carry, { location, count: 1 });
      add(id, { location, when: "each step", leading: "none" });
      if (result !== undefined && !isFree) add(id, { location: result, when: "last step", leading: "none" });
      continue;
    }
    const location = lowering.memory.place(aval.dtype, mulDims(2, sizeOf(aval.shape)), order, order);
    slots.set(carry, { location, count: 2 });
    add(id, { location, when: "each step", leading: "next slot" });
    if (result !== undefined) add(id, { location: result, when: "last step", leading: "none" });
  }
  return { targets, slots };
}

/** Whether only the stage that computes a carry's next value reads the carry, each invocation at its own position. */
function changesInPlace(groups: readonly Group[], carry: NodeId, next: NodeId): boolean {
  if (carry === next) return false;
  return groups.flatMap(membersOf).every((stage) => {
    const reads = stage.reads.filter(({ id }) => id === carry);
    if (reads.length === 0) return true;
    return stage.kind === "stage" && stage.roots.includes(next) && reads.every(({ samePosition }) => samePosition);
  });
}

function readInput(
  { attrs, operands }: ScanNode,
  { outer, scan }: ScanContext,
  clock: Clock,
  slots: ReadonlyMap<NodeId, Slots>,
  id: NodeId,
  index: readonly Index[],
  emitter: Emitter,
): Expr {
  const { aval } = nodeAt(attrs.body, id);
  const role = attrs.body.inputs.indexOf(id);
  const operand = at(operands, role);
  if (role < attrs.consts) return emitter.value(outer, operand, index);
  if (role >= attrs.consts + attrs.carries) return emitter.value(outer, operand, [clock.time(emitter), ...index]);
  const slot = slots.get(id);
  if (slot === undefined) throw new InternalError(`carry %${id} of ${attrs.body.name} has no slot`);
  const first = emitter.value(outer, operand, index);
  const { location, count } = slot;
  const place =
    count === 1
      ? emitter.positionOf(index, aval.shape)
      : emitter.positionOf([clock.slot(emitter, 0), ...index], [2, ...aval.shape]);
  const { writer } = emitter;
  const later = writer.loadValue(location, place, aval.dtype);
  const value = writer.select(writer.equal(clock.count(emitter).expr, writer.u32(0)), first, later);
  return writer.bind(`carry ${outer.key}${scan} ${id} ${place.expr.id}`, value);
}
