/**
 * @file A numeric series to forecast, written as CSV: 600 rows of two waves. `fast` swells and fades, `slow` gives the
 * rhythm of it, so a network that predicts `fast` has to remember where in the slow wave it is. The library trains on
 * any table of this form, a row for each time step and a column for each quantity:
 *
 *   node examples/two-waves.mjs > waves.csv
 *   cellgrad train waves.csv --units 32 --batch 8 --out waves.safetensors
 *   cellgrad forecast waves.safetensors waves.csv --horizon 50
 */
const rows = Array.from({ length: 600 }, (_, t) => {
  const slow = Math.sin((2 * Math.PI * t) / 90);
  const fast = (1 + 0.5 * slow) * Math.sin((2 * Math.PI * t) / 11);
  return `${fast.toFixed(4)},${slow.toFixed(4)}`;
});
console.log(["fast,slow", ...rows].join("\n"));
