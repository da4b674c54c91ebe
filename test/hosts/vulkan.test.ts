/** @file Vulkan on Linux: which drivers are found, and how Bun sets variables of native code. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { bunWith, type Ffi } from "../../runtime/hosts/bun.ts";
import { lavapipe, loadFault } from "../../runtime/hosts/vulkan.ts";

const folder = mkdtempSync(join(tmpdir(), "cellgrad-vulkan-"));
beforeAll(() => {
  const foreign = ["lvp_icd.i686.json", "lvp_icd.riscv64.json", "intel_icd.x86_64.json", "lvp_icd.txt"];
  for (const [place, files] of Object.entries({ foreign, named: ["lvp_icd.x86_64.json"], plain: ["lvp_icd.json"] })) {
    mkdirSync(join(folder, place, "vulkan/icd.d"), { recursive: true });
    for (const file of files) writeFileSync(join(folder, place, "vulkan/icd.d", file), "{}");
  }
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(folder, { recursive: true }));

test("lavapipe is found where a Vulkan loader searches, only for this architecture", () => {
  const foundIn = (...places: string[]) => {
    for (const name of ["XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME"]) vi.stubEnv(name, join(folder, "none"));
    vi.stubEnv("XDG_DATA_DIRS", places.map((place) => join(folder, place)).join(":"));
    return lavapipe("x64");
  };
  expect(foundIn("foreign")).toBeUndefined();
  expect(foundIn("foreign", "named")).toBe(join(folder, "named/vulkan/icd.d/lvp_icd.x86_64.json"));
  expect(foundIn("none", "plain")).toBe(join(folder, "plain/vulkan/icd.d/lvp_icd.json"));
});

/** A fake bun:ffi that records its calls. */
function noting(known: readonly string[]): { readonly ffi: Ffi; readonly calls: string[] } {
  const calls: string[] = [];
  const ffi: Ffi = {
    ptr: (bytes) => new TextDecoder().decode(bytes).replace("\0", "$"),
    dlopen: (library, symbols) => {
      if (!known.includes(library)) throw new Error(`${library}: cannot open shared object file`);
      if (Object.keys(symbols).length === 0) throw new Error("Expected at least one symbol");
      calls.push(`open ${library}`);
      const functions = Object.keys(symbols).map((name) => {
        return [name, (...args: readonly unknown[]) => calls.push(`${name}(${args.join(", ")})`)] as const;
      });
      return { symbols: Object.fromEntries(functions) };
    },
  };
  return { ffi, calls };
}

test("in Bun, libraries are loaded and variables set through bun:ffi", () => {
  const { ffi, calls } = noting(["libvulkan.so.1", "libc.so.6"]);
  const bun = bunWith(ffi);
  expect(loadFault("libvulkan.so.1", bun)).toBeUndefined();
  expect(loadFault("/nowhere/libvulkan.so.1", bun)).toBe("/nowhere/libvulkan.so.1: cannot open shared object file");
  bun.setVariable("VK_DRIVER_FILES", "a.json");
  bun.setVariable("VK_ADD_DRIVER_FILES", undefined);
  expect(calls).toEqual([
    "open libvulkan.so.1",
    "open libc.so.6",
    "setenv(VK_DRIVER_FILES$, a.json$, 1)",
    "open libc.so.6",
    "unsetenv(VK_ADD_DRIVER_FILES$)",
  ]);
});

test("a library that cannot be loaded says why", () => {
  expect(loadFault("/nowhere/libvulkan.so.1")).toContain("/nowhere/libvulkan.so.1: cannot open shared object file");
});
