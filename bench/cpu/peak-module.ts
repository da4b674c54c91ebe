/** @file A WebAssembly module that only multiplies and adds, to measure the peak of a CPU in an engine. */
import { encodeModule } from "../../wasm/encode.ts";
import type { Instruction, Local, Plain } from "../../wasm/instruction.ts";

export interface PeakForm {
  /** Independent vectors. */
  readonly accumulators: number;
  /** f32x4.relaxed_madd instead of f32x4.mul and f32x4.add. */
  readonly isRelaxed: boolean;
}

const unrolled = 8;

/** Operations of one loop iteration: a multiplication and an addition in each lane. */
export const flopsOfTurn = ({ accumulators }: PeakForm) => accumulators * unrolled * 4 * 2;

const plain = (op: string, operands: readonly Instruction[] = [], rest: Partial<Plain> = {}): Plain => ({
  ...{ kind: "plain" as const, op, operands },
  ...rest,
});
const get = (name: string) => plain("local.get", [], { name });
const set = (name: string, value: Instruction) => plain("local.set", [value], { name });
const number = (value: number) => plain("i32.const", [], { value });
const splat = (value: number) => plain("f32x4.splat", [plain("f32.const", [], { value })]);

/** Exports `run(turns: i32): f32`, and needs a memory of one page. */
export function peakModule(form: PeakForm): Uint8Array<ArrayBuffer> {
  const names = Array.from({ length: form.accumulators }, (_, i) => `a${i}`);
  // Each value converges to factor * 1 + term = 1, so there are no denormals or overflows.
  const once = (name: string) =>
    form.isRelaxed
      ? set(name, plain("f32x4.relaxed_madd", [get(name), get("factor"), get("term")]))
      : set(name, plain("f32x4.add", [plain("f32x4.mul", [get(name), get("factor")]), get("term")]));
  const all = Array.from({ length: unrolled }, () => names.map(once)).flat();
  const sum = names.map(get).reduce((total, next) => plain("f32x4.add", [total, next]));
  const locals: Local[] = ["factor", "term", ...names].map((name) => ({ name, type: "v128" }));
  const body: Instruction[] = [
    set("factor", splat(0.75)),
    set("term", splat(0.25)),
    ...names.map((name, i) => set(name, splat(i))),
    {
      kind: "loop",
      label: "again",
      body: [
        ...all,
        set("turns", plain("i32.sub", [get("turns"), number(1)])),
        plain("br_if", [get("turns")], { name: "again" }),
      ],
    },
    plain("f32x4.extract_lane", [sum], { lane: 0 }),
  ];
  const run = {
    ...{ name: "run", isExported: true, result: "f32" as const, locals, body },
    parameters: [{ name: "turns", type: "i32" as const }],
  };
  return encodeModule({ functions: [run] }, { initialPages: 1, maximumPages: 1, isShared: false });
}
