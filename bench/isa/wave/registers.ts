/**
 * @file Operands as places. Scalars, special registers and constants are slots of one array, so that reading any of them
 * is the same; a lane's registers are numbered apart.
 */

/** Slots of special registers. VCC, M0, NULL and EXEC have the numbers of their encoding. */
export const slot = { vcc: 106, m0: 124, none: 125, exec: 126, scc: 128 } as const;
/** Constants follow. */
export const firstConstant = 130;
export const vectorRegisters = 256;

export interface Place {
  readonly kind: "scalar" | "vector";
  readonly index: number;
  /** Registers of 32 bits, one after the other. */
  readonly count: number;
  /** Whether the value is negated or its sign dropped, as floating-point operands can be. */
  readonly isModified: boolean;
  /** Whether it is a literal: as an operand of 64 bits it is extended by zeros, a short constant by its sign. */
  readonly isLiteral: boolean;
}

/** Gives each constant of a kernel a slot. */
export class Constants {
  readonly #slots = new Map<number, number>();

  slotOf(bits: number): number {
    const known = this.#slots.get(bits);
    if (known !== undefined) return known;
    const made = firstConstant + this.#slots.size;
    this.#slots.set(bits, made);
    return made;
  }

  get values(): readonly number[] {
    return [...this.#slots.keys()];
  }
}

const named: Readonly<Record<string, readonly [index: number, count: number]>> = {
  vcc: [slot.vcc, 2],
  vcc_lo: [slot.vcc, 1],
  vcc_hi: [slot.vcc + 1, 1],
  exec: [slot.exec, 2],
  exec_lo: [slot.exec, 1],
  exec_hi: [slot.exec + 1, 1],
  m0: [slot.m0, 1],
  null: [slot.none, 1],
  scc: [slot.scc, 1],
  src_scc: [slot.scc, 1],
  src_execz: [slot.none, 1],
  off: [slot.none, 1],
};

const floatBits = new DataView(new ArrayBuffer(4));

/** The place of an operand; undefined for what is no register and no number, such as the label of a branch. */
export function placeOf(text: string, constants: Constants): Place | undefined {
  const bare = text.replace(/^-?\|(.*)\|$/, "$1").replace(/^-(?=[sv][[\d])/, "");
  const isModified = bare !== text;
  const register = /^([sv])(?:(\d+)|\[(\d+)(?::(\d+))?\])$/.exec(bare);
  if (register !== null) {
    const [, letter, one, first, last] = register;
    const index = Number(one ?? first);
    const count = last === undefined ? 1 : Number(last) - index + 1;
    return { kind: letter === "v" ? "vector" : "scalar", index, count, isModified, isLiteral: false };
  }
  const special = named[bare];
  if (special !== undefined)
    return { kind: "scalar", index: special[0], count: special[1], isModified, isLiteral: false };
  const bits = bitsOf(bare);
  if (bits === undefined) return undefined;
  return { kind: "scalar", index: constants.slotOf(bits), count: 1, isModified, isLiteral: bare.startsWith("0x") };
}

function bitsOf(text: string): number | undefined {
  if (/^-?(0x[\da-f]+|\d+)$/i.test(text)) {
    const value = Number(text.replace(/^-/, ""));
    return (text.startsWith("-") ? -value : value) | 0;
  }
  if (!/^-?\d+\.\d+$/.test(text)) return undefined;
  floatBits.setFloat32(0, Number(text));
  return floatBits.getInt32(0);
}
