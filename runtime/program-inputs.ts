/** @file The inputs of a run, before any memory is allocated: the sizes that follow from their shapes. */
import { bindShape, type DimSizes } from "../compiler/graph/dim.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { arrayFault, type NdArray } from "../compiler/graph/ndarray.ts";
import { unmetRequirement } from "../compiler/graph/requirements.ts";
import type { Program } from "../compiler/plan/program.ts";
import type { DeviceArray } from "./device-array.ts";

/** Inputs by name. */
export type Inputs = Readonly<Record<string, NdArray | DeviceArray>>;

type Interface = Pick<Program, "name" | "symbols" | "requires" | "inputs">;

/** The size of each symbol. Throws a UserError if an input is missing or has a wrong shape, or a size is too small. */
export function sizesOf(program: Interface, inputs: Inputs): DimSizes {
  const sizes: Record<string, number> = {};
  for (const { name, shape } of program.inputs) {
    const given = inputs[name];
    if (given === undefined) throw new UserError(`${program.name}: input ${name} is missing`);
    const fault = arrayFault(given);
    if (fault !== undefined) throw new UserError(`${program.name}: input ${name} ${fault}`);
    const problem = bindShape(shape, given.shape, sizes);
    if (problem !== undefined) throw new UserError(`${program.name}: input ${name}: ${problem}`);
  }
  for (const symbol of program.symbols) {
    if (sizes[symbol] === undefined) throw new UserError(`${program.name}: no input determines the size of ${symbol}`);
  }
  const unmet = unmetRequirement(program.requires, sizes);
  if (unmet !== undefined) throw new UserError(`${program.name}: ${unmet}`);
  return sizes;
}

/** A key that is equal for equal sizes. */
export function sizesKey(program: Interface, sizes: DimSizes): string {
  return program.symbols.map((symbol) => sizes[symbol]).join(",");
}

/** The program and its sizes in words, such as "trainingStep at B=16, T=32". */
export function taskAt(program: Interface, sizes: DimSizes): string {
  const known = program.symbols.map((symbol) => `${symbol}=${sizes[symbol]}`).join(", ");
  return known === "" ? program.name : `${program.name} at ${known}`;
}
