/** @file What the programs of the recipes claim; see claims.ts. */
import type { Claim } from "./claims.ts";

/** Of the recipes, by page; the blocks of a page are one program. */
export const recipeClaims: Readonly<Record<string, readonly Claim[]>> = {};
