/** @file The entry "cellgrad/node": files in, models out, and one line where a file is not what it should be. */
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { savedModel } from "../../entries/files.ts";
import { loadCell, loadModel, readSeries, readText, saveModel } from "../../entries/node.ts";
import { initialize } from "../../index.ts";
import { languageModel } from "../../train/networks.ts";
import { Workspace } from "../cli/run.ts";
import { root } from "../docs/pages.ts";

const workspace = new Workspace({
  "hello.txt": "\uFEFFhello",
  "waves.csv": "fast,slow\n1,2\n3,4\n",
});

afterAll(() => workspace.remove());

test("texts and tables", async () => {
  expect(await readText(workspace.file("hello.txt"))).toBe("hello");
  const { columns, length, values } = await readSeries(workspace.file("waves.csv"));
  expect({ columns, length, values: [...values] }).toEqual({
    columns: ["fast", "slow"],
    length: 2,
    values: [1, 2, 3, 4],
  });
});

test("a cell from a module becomes a model in a file, and the model is read again", async () => {
  const cell = await loadCell(join(root, "examples/minimal-gated-unit.ts"));
  const network = languageModel({ cell, units: 3, layers: 1, vocabulary: 2, embed: 2 });
  const model = savedModel(network, initialize(network.specs, 5), { vocabulary: ["a", "b"] });
  const before = workspace.list();
  await saveModel(workspace.file("ab.safetensors"), model);
  expect(workspace.list()).toEqual([...before, "ab.safetensors"].sort());
  const { parameters, vocabulary, cell: name } = await loadModel(workspace.file("ab.safetensors"));
  expect({ vocabulary, name }).toEqual({ vocabulary: ["a", "b"], name: "minimal-gated-unit" });
  for (const { path } of network.specs) {
    const expected = Float32Array.from(model.parameters[path]?.data ?? []);
    expect(Float32Array.from(parameters[path]?.data ?? [])).toEqual(expected);
  }
});
