/** @file What an instruction is: its class, and the registers that it reads and writes. */
import { isBranch } from "../flow.ts";
import type { Instruction } from "../listing.ts";
import { type Constants, type Place, placeOf, slot } from "./registers.ts";

export type Class =
  | "fma"
  | "vector"
  | "transcendental"
  | "wideInteger"
  | "scalar"
  | "branch"
  | "scalarLoad"
  | "load"
  | "store"
  | "localRead"
  | "localWrite"
  | "barrier"
  | "wait"
  | "end"
  /** Hints to the hardware, such as `s_clause`. */
  | "hint";

export interface Decoded {
  readonly instruction: Instruction;
  readonly class: Class;
  readonly reads: readonly Place[];
  readonly writes: readonly Place[];
  /** 32-bit words that each lane (for scalar loads: the wave) moves to or from memory. */
  readonly words: number;
  /** Floating-point operations of a lane. */
  readonly flops: number;
  /** Of a wait: how many operations of each kind may be outstanding; undefined for any number. */
  readonly wait: Wait;
}

export interface Wait {
  readonly loads?: number;
  readonly stores?: number;
  /** Scalar loads and workgroup memory. */
  readonly local?: number;
}

export function decode(instruction: Instruction, constants: Constants): Decoded {
  const kind = classOf(instruction.op);
  const places = instruction.operands.flatMap((text) => placeOf(text, constants) ?? []);
  const { reads, writes } = accessesOf(instruction.op, kind, places);
  return {
    ...{ instruction, class: kind, reads, writes },
    words: wordsOf(instruction.op),
    flops: flopsOf(instruction.op, kind),
    wait: waitOf(instruction),
  };
}

const isFma = (op: string) => /^v_(pk_)?(fma|fmac|fmaak|fmamk|mac|mad|fma_mix|dot\w*)_(?!u|i|mix$)/.test(op);

export function classOf(op: string): Class {
  if (op === "s_endpgm") return "end";
  if (op === "s_barrier") return "barrier";
  if (op.startsWith("s_waitcnt")) return "wait";
  if (isBranch(op)) return "branch";
  if (/^s_(clause|nop|sleep|inst_prefetch|setprio|sethalt|dcache|icache|code_end|set_inst_prefetch)/.test(op))
    return "hint";
  if (/^s_(buffer_)?load/.test(op)) return "scalarLoad";
  if (op.startsWith("s_")) return "scalar";
  if (/^(buffer|global|flat|scratch|image)_store/.test(op)) return "store";
  if (/^(buffer|global|flat|scratch|image)_/.test(op)) return "load";
  if (/^ds_write/.test(op)) return "localWrite";
  if (op.startsWith("ds_")) return "localRead";
  if (/^v_(exp|log|rcp|rsq|sqrt|sin|cos|rcp_iflag)_/.test(op)) return "transcendental";
  if (/^v_(mul_lo_u32|mul_hi_|mad_u64_u32|mad_i64_i32|mul_lo_i32)/.test(op)) return "wideInteger";
  return isFma(op) ? "fma" : "vector";
}

/** Those that write no register that they name. */
const writesNone = /^(s_cmp|s_bitcmp|s_(c?branch)|v_cmpx|s_set)/;
/** Those whose result is also an operand. */
const accumulates = /^(v_swap|v_fmac|v_mac|v_pk_fmac|v_dot\dc|s_addk|s_mulk|s_bitset|s_cmov)/;

function accessesOf(op: string, kind: Class, places: readonly Place[]) {
  const special = (index: number, count: number): Place => ({
    ...{ kind: "scalar", index, count, isModified: false, isLiteral: false },
  });
  const [exec, scc, vcc] = [special(slot.exec, 2), special(slot.scc, 1), special(slot.vcc, 2)];
  if (kind === "store" || kind === "localWrite" || writesNone.test(op) || kind === "hint" || kind === "wait") {
    const implied = op.includes("exec") ? [exec] : op.includes("scc") ? [scc] : op.includes("vcc") ? [vcc] : [];
    const reads = [...places, ...(kind === "branch" ? implied : [])];
    return { reads, writes: op.startsWith("v_cmpx") ? [exec] : /^s_(cmp|bitcmp)/.test(op) ? [scc] : [] };
  }
  const results = /_co_|^v_(swap|mad_[ui]64|div_scale)/.test(op) ? 2 : 1;
  const writes = places.slice(0, results);
  const reads = accumulates.test(op) ? places : places.slice(results);
  if (op.includes("saveexec")) return { reads: [...reads, exec], writes: [...writes, exec, scc] };
  if (/^s_(cselect|addc|subb)/.test(op)) return { reads: [...reads, scc], writes };
  return { reads, writes: kind === "scalar" && !/^s_(mov|movk|mul)/.test(op) ? [...writes, scc] : writes };
}

function flopsOf(op: string, kind: Class): number {
  const each = op.startsWith("v_pk_") ? 2 : 1;
  if (kind === "fma") return 2 * each;
  return kind === "transcendental" || (kind === "vector" && /_(f32|f16)$/.test(op) && !op.startsWith("v_cvt"))
    ? each
    : 0;
}

function wordsOf(op: string): number {
  const wide = /(?:dword|b32|b64|b96|b128)?x(\d+)$/.exec(op);
  if (/^(s_|buffer_|global_|flat_|scratch_|image_)/.test(op)) return wide === null ? 1 : Number(wide[1]);
  const bits = /_b(\d+)$/.exec(op);
  if (!op.startsWith("ds_") || bits === null) return op.startsWith("ds_") ? 1 : 0;
  return (Number(bits[1]) / 32) * (/^ds_(read|write)2/.test(op) ? 2 : 1);
}

function waitOf({ op, modifiers }: Instruction): Wait {
  if (op === "s_waitcnt_vscnt") return { stores: Number(modifiers.at(-1)) };
  if (op !== "s_waitcnt") return {};
  const count = (name: string) => {
    const word = modifiers.find((each) => each.startsWith(`${name}(`));
    return word === undefined ? undefined : Number(word.slice(name.length + 1, -1));
  };
  const [loads, local] = [count("vmcnt"), count("lgkmcnt")];
  return { ...(loads === undefined ? {} : { loads }), ...(local === undefined ? {} : { local }) };
}
