/** @file The types of the matchers of cellgrad/testing, for every test of this repository. */
import type { CellMatchers } from "../../testing/matchers.ts";

declare module "vitest" {
  // The type parameter is that of Vitest's own declaration.
  interface Matchers<T> extends CellMatchers<T> {}
}
