/** @file All mutants: every rule of every op, every pass, the lowering, and every function in WGSL. */
import { codeMutants } from "./code.ts";
import type { Mutant } from "./mutant.ts";
import { opMutants } from "./ops.ts";

export const mutants: readonly Mutant[] = [...opMutants, ...codeMutants];
