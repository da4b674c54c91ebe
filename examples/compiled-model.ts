/**
 * @file A page that generates text with a trained model, without cellgrad. The model's step is compiled ahead of time: code
 * and weights are one .wasm file, with a small loader for text next to it. Any web server can serve the folder.
 *
 *   npm run build && npx jiti examples/compiled-model.ts book.txt page && npx vite page
 *
 * Without a file it uses the licence of this project. The command line does the same with a trained model:
 * `cellgrad compile book.safetensors --to wasm --out page`.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createTrainer, type Device, gru, openDevice } from "cellgrad";
import { textBatches, vocabularyOf } from "cellgrad/data";
import { savedModel } from "cellgrad/files";
import { languageModel } from "cellgrad/networks";
import { modelToWasm } from "cellgrad/wasm";

export interface PageSizes {
  readonly units: number;
  readonly embed: number;
  readonly epochs: number;
}

/** Trains on a text and writes a folder with the page and its model. */
export async function writePage(device: Device, text: string, sizes: PageSizes, folder: string) {
  const { units, embed, epochs } = sizes;
  const { characters, encode } = vocabularyOf(text);
  const network = languageModel({ cell: gru, units, layers: 1, embed, vocabulary: characters.length });
  const batches = textBatches(encode(text), { batch: 4, time: 16 });
  const trainer = await createTrainer(device, network, { learningRate: 0.01, clipNorm: 1 });
  for (let epoch = 0; epoch < epochs; epoch++) for (const batch of batches.training) await trainer.step(batch);
  const model = savedModel(network, await trainer.parameters(), { vocabulary: characters });
  trainer.destroy();

  const { wasm, loader, types } = modelToWasm(model, { name: "model" });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "model.wasm"), wasm);
  writeFileSync(join(folder, "model.js"), loader);
  writeFileSync(join(folder, "model.d.ts"), types);
  copyFileSync(new URL("compiled-model.html", import.meta.url), join(folder, "index.html"));
  return model;
}

async function main(): Promise<void> {
  const text = readFileSync(process.argv[2] ?? new URL("../LICENSE", import.meta.url), "utf8");
  const folder = process.argv[3] ?? "page";
  const device = await openDevice();
  await writePage(device, text, { units: 64, embed: 32, epochs: 20 }, folder);
  device.destroy();
  console.log(`wrote ${folder}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
