/** @file `--cell FILE.cell`: a file of equations is a cell for every command, and its errors show the character. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeModel } from "../../entries/files.ts";
import { textOf } from "../interchange/equations/cells.ts";
import { run, Workspace } from "./run.ts";

let space: Workspace;
const gated = "z = σ(W_z [x, h] + b_z)\nfresh = tanh(W_n [x, h] + b_n)\nh' = z ∘ h + (1 - z) ∘ fresh\n";

beforeAll(() => {
  space = new Workspace({
    "book.txt": "she sells sea shells by the sea shore. ".repeat(20),
    "gru.cell": textOf("gru"),
    "gated.cell": gated,
    "open.cell": "z_t = σ(W_z [x_t, h_{t-1}] + b_z\nh_t = z_t ∘ h_{t-1}\n",
    "wide.cell": "h_t = tanh(U h_{t-1}) + x_t\n",
  });
});

afterAll(() => space.remove());

const sizes = ["--units", "4", "--embed", "3", "--batch", "2", "--time", "4", "--device", "interpreter"];

test("a model that is trained with the equations of a built-in cell is the built-in cell's", async () => {
  const args = ["train", space.file("book.txt"), ...sizes, "--steps", "3"];
  const written = await run(...args, "--cell", space.file("gru.cell"), "--out", space.file("written.safetensors"));
  const builtIn = await run(...args, "--cell", "gru", "--out", space.file("built-in.safetensors"));
  expect([written.code, builtIn.code]).toEqual([0, 0]);
  const [a, b] = ["written", "built-in"].map((name) => {
    const file = space.file(`${name}.safetensors`);
    return decodeModel(readFileSync(file), file);
  });
  expect(a?.parameters).toEqual(b?.parameters);
  expect(a?.cell).toBe("gru");
});

test("its model leaves as JAX with the equations as comments", async () => {
  const [cell, model] = [space.file("gated.cell"), space.file("gated.safetensors")];
  await run("train", space.file("book.txt"), ...sizes, "--steps", "1", "--cell", cell, "--out", model);
  const { code, stderr } = await run("export", model, "--to", "jax", "--cell", cell, "--out", space.file("jax"));
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const source = readFileSync(space.file("jax/model.py"), "utf8");
  expect(source).toContain("    # fresh = tanh(W_n [x, h] + b_n)\n    fresh = jnp.tanh(");
});

test.each([
  ["open.cell", "open.cell:1:8: this bracket is not closed", "  z_t = σ(W_z [x_t, h_{t-1}] + b_z", "         ^"],
  [
    "wide.cell",
    "wide.cell:1:23: + of 2 and 1 numbers (there are 1 features and 2 units); multiply x by a matrix [at units 2, features 1; --units and --features fix them]",
    "  h_t = tanh(U h_{t-1}) + x_t",
    "                        ^",
  ],
])("%s", async (file, line, text, caret) => {
  const outcome = await run("check", space.file(file), "--seed", "1", "--units", "2", "--features", "1");
  expect(outcome).toMatchObject({ code: 2, stdout: "" });
  expect(outcome.stderr.replaceAll(`${space.path}/`, "")).toBe(`cellgrad: ${line}\n${text}\n${caret}\n`);
});
