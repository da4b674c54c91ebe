/**
 * @file Bun differs from Node in two things that Vulkan needs: its `process.dlopen` loads only addons, and native code does
 * not see changes of `process.env`. bun:ffi can do both.
 */
import { createRequire } from "node:module";

/** The part of bun:ffi that is used. */
export interface Ffi {
  readonly dlopen: (
    library: string,
    symbols: Readonly<Record<string, { readonly args: readonly string[]; readonly returns: string }>>,
  ) => { readonly symbols: Readonly<Record<string, (...args: readonly unknown[]) => unknown>> };
  readonly ptr: (bytes: Uint8Array) => unknown;
}

/** Native environment variables and libraries in Bun. */
export interface Bun {
  /** Loads a Vulkan loader. Throws if it cannot be loaded. */
  readonly load: (library: string) => void;
  /** Sets or removes a variable of the native environment. */
  readonly setVariable: (name: string, value: string | undefined) => void;
}

/** Keeps the libraries open: a later load by name finds them. */
const loaded: unknown[] = [];

export function bunWith({ dlopen, ptr }: Ffi): Bun {
  const text = (given: string) => ptr(Buffer.from(`${given}\0`));
  return {
    load: (library) => {
      // dlopen needs at least one symbol; every Vulkan loader has this one.
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

/** Set only in Bun on Linux, where it is needed. */
export const bun: Bun | undefined =
  process.versions.bun !== undefined && process.platform === "linux"
    ? bunWith(createRequire(import.meta.url)("bun:ffi") as Ffi)
    : undefined;
