/** @file `npm run test:jax` where there is no JAX: it says so in a line, and is no failure. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/test-jax.mjs", import.meta.url));

test.each([
  ["a Python that is not there", "/nowhere/python3"],
  ["a Python without JAX", process.execPath],
])("%s", (_what, python) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "--python", python], { encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({
    status: 0,
    stdout: `JAX: not run: ${python} has no JAX\n`,
    stderr: "",
  });
});
