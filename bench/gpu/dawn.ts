/** @file Replaces the npm package `webgpu` in the bundle: its native part is next to the bundle. */
import { createRequire } from "node:module";

const dawn = createRequire(import.meta.url)("./dawn.node") as {
  readonly create: (flags: string[]) => GPU;
  readonly globals: object;
};

export const { create, globals } = dawn;
