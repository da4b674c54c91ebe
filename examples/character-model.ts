/**
 * @file A character model: an LSTM reads a text and learns to predict the next character; then it generates text. These are
 * all the parts: a vocabulary, batches with a state carried from one to the next (truncated backpropagation through time),
 * a network, a trainer, and a stream that runs one character at a time.
 *
 *   npm run build && npx jiti examples/character-model.ts book.txt
 *
 * Without a file it uses the licence of this project, which is short: a book gives better text. The command line does the
 * same with `cellgrad train` and `cellgrad sample`.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createTrainer, type Device, lstm, openDevice } from "cellgrad";
import { textBatches, vocabularyOf } from "cellgrad/data";
import { languageModel } from "cellgrad/networks";
import { createStream, sampleText } from "cellgrad/stream";

export interface Sizes {
  readonly units: number;
  readonly embed: number;
  readonly batch: number;
  readonly time: number;
  readonly epochs: number;
}

/** Trains on a text, prints the held-out loss after every epoch, and generates `length` characters. */
export async function readAndWrite(device: Device, text: string, sizes: Sizes, length: number) {
  const vocabulary = vocabularyOf(text);
  const { units, embed, batch, time } = sizes;
  const batches = textBatches(vocabulary.encode(text), { batch, time });
  const network = languageModel({ cell: lstm, units, layers: 1, embed, vocabulary: vocabulary.characters.length });
  const trainer = await createTrainer(device, network, { learningRate: 0.01, clipNorm: 1 });
  const losses = [await trainer.evaluate(batches.validation)];
  for (let epoch = 1; epoch <= sizes.epochs; epoch++) {
    for (const batch of batches.training) await trainer.step(batch);
    losses.push(await trainer.evaluate(batches.validation));
    console.log(`epoch ${epoch}: held-out loss ${losses.at(-1)?.toFixed(3)} nats per character`);
  }
  const stream = await createStream(device, network, await trainer.parameters());
  let written = "";
  for await (const character of sampleText({ stream, vocabulary, length, temperature: 0.7 })) written += character;
  stream.destroy();
  trainer.destroy();
  return { losses, written };
}

async function main(): Promise<void> {
  const text = readFileSync(process.argv[2] ?? new URL("../LICENSE", import.meta.url), "utf8");
  const device = await openDevice();
  const { written } = await readAndWrite(device, text, { units: 64, embed: 32, batch: 4, time: 16, epochs: 20 }, 200);
  console.log(written);
  device.destroy();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
