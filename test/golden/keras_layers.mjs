/**
 * @file Reference figures of Keras's recurrent layers, for test/interchange/keras.test.ts, from the Keras API of
 * TensorFlow.js (float32). Not needed to run the tests:
 *
 *   npm install @tensorflow/tfjs@4      (anywhere else)
 *   node keras_layers.mjs keras_layers.json
 *
 * x is [batch, time, features]; weights have the shapes and names of Keras. Two layers of each kind, and one of each in
 * both directions. TensorFlow.js has no GRU with reset_after.
 */
import { writeFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";

const [batch, time, features, units] = [2, 4, 2, 3];
let seed = 29;

/** Uniform numbers with three decimals, so that the file stays small. */
function draw(shape) {
  const values = tf.randomUniform(shape, -0.9, 0.9, "float32", seed++).dataSync();
  return tf.tensor(Array.from(values, (value) => Math.round(1000 * value) / 1000), shape);
}

const rounded = (tensor, digits) =>
  JSON.parse(JSON.stringify(tensor.arraySync(), (_, v) => (typeof v === "number" ? Number(v.toPrecision(digits)) : v)));

function figures(cell, make) {
  const model = tf.sequential({ layers: make() });
  model.setWeights(model.getWeights().map(({ shape }) => draw(shape)));
  const x = draw([batch, time, features]);
  const weights = Object.fromEntries(model.weights.map((weight) => [weight.name, rounded(weight.read(), 6)]));
  return { cell, weights, x: rounded(x, 6), output: rounded(model.predict(x), 8) };
}

const sizes = { units, returnSequences: true };
const kinds = {
  rnn: (options) => tf.layers.simpleRNN({ ...sizes, ...options }),
  lstm: (options) => tf.layers.lstm({ ...sizes, recurrentActivation: "sigmoid", ...options }),
  gru: (options) => tf.layers.gru({ ...sizes, recurrentActivation: "sigmoid", resetAfter: false, ...options }),
};
const inputShape = [time, features];
const cases = Object.entries(kinds).flatMap(([cell, layer]) => [
  figures(cell, () => [layer({ inputShape }), layer()]),
  figures(cell, () => [tf.layers.bidirectional({ layer: layer(), mergeMode: "concat", inputShape })]),
]);
writeFileSync(process.argv[2], `${JSON.stringify({ source: `TensorFlow.js ${tf.version.tfjs}, float32`, cases })}\n`);
