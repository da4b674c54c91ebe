/**
 * @file Bun runs what Node runs, but for two things that Vulkan needs: its `process.dlopen` takes nothing but addons, and
 * native code does not see what is written to its `process.env`. Its own interface to native code does both.
 */
import { createRequire } from "node:module";

/** What is used of bun:ffi. */
export interface Ffi {
  readonly dlopen: (
    library: string,
    symbols: Readonly<Record<string, { readonly args: readonly string[]; readonly returns: string }>>,
  ) => { readonly symbols: Readonly<Record<string, (...args: readonly unknown[]) => unknown>> };
  readonly ptr: (bytes: Uint8Array) => unknown;
}

/** How native code gets its variables and libraries in Bun. */
export interface Bun {
  /** Loads a Vulkan loader. Throws where it cannot be loaded. */
  readonly load: (library: string) => void;
  /** Sets a variable, or takes it away, where native code looks for it. */
  readonly setVariable: (name: string, value: string | undefined) => void;
}

/** Kept, so that no library is closed: a later load of one, by name, finds it. */
const loaded: unknown[] = [];

export function bunWith({ dlopen, ptr }: Ffi): Bun {
  const text = (given: string) => ptr(Buffer.from(`${given}\0`));
  return {
    load: (library) => {
      // It wants a symbol at least; every Vulkan loader has this one.
      loaded.push(dlopen(library, { vkGetInstanceProcAddr: { args: ["ptr", "ptr"], returns: "ptr" } }));
    },
    setVariable: (name, value) => {
      const { symbols } = dlopen("libc.so.6", {
        setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" },
        unsetenv: { args: ["ptr"], returns: "i32" },
      });
      loaded.push(symbols);
      if (value === undefined) symbols.unsetenv?.(text(name));
      else symbols.setenv?.(text(name), text(value), 1);
    },
  };
}

/** Where this is Bun on Linux; elsewhere nothing has to be told. */
export const bun: Bun | undefined =
  process.versions.bun !== undefined && process.platform === "linux"
    ? bunWith(createRequire(import.meta.url)("bun:ffi") as Ffi)
    : undefined;
