/** @file The built-in tasks: their sequences follow the published rules, and their bounds are those of an oracle. */
import { describe, expect, test } from "vitest";
import { rnn } from "../../cells/index.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Batch } from "../../train/data/batches.ts";
import { adding } from "../../train/tasks/adding.ts";
import { tasks } from "../../train/tasks/index.ts";
import { networkOfTask } from "../../train/tasks/network.ts";
import { noisySine } from "../../train/tasks/noisy-sine.ts";
import { embeddedReber } from "../../train/tasks/reber.ts";
import type { Task, TaskBatches } from "../../train/tasks/task.ts";

const sizes = { batch: 4, time: 24 };
const numbersOf = ({ x, targets }: Batch) => [...x.data, ...targets.data];

/** The first batches of a task that may have no end. */
function first(batches: Iterable<Batch>, count: number): Batch[] {
  const found: Batch[] = [];
  for (const batch of batches) {
    found.push(batch);
    if (found.length === count) break;
  }
  return found;
}

describe.each(Object.values(tasks).map((task) => [task.name, task] as const))("%s", (_name, task) => {
  const all = (made: TaskBatches) => [...first(made.training, 3), ...made.validation].map(numbersOf);

  test("one seed gives one set of sequences, another seed others", () => {
    expect(all(task.batches(7, sizes))).toEqual(all(task.batches(7, sizes)));
    expect(all(task.batches(8, sizes))).not.toEqual(all(task.batches(7, sizes)));
  });

  test("held-out data is not trained on", () => {
    const made = task.batches(7, sizes);
    const trained = new Set(first(made.training, 50).map((batch) => String(numbersOf(batch))));
    expect([...made.validation].length).toBeGreaterThan(0);
    for (const batch of made.validation) expect(trained.has(String(numbersOf(batch)))).toBe(false);
  });

  test("has a network of its kind, with the widths of its inputs and targets", () => {
    const made = task.batches(7, sizes);
    const network = networkOfTask(task, made, { cell: rnn, units: 3, layers: 1, embed: 2 });
    const [batch] = first(made.training, 1);
    const { vocabulary, columns = [], targets = columns } = made;
    expect([network.kind, network.config.outputs]).toEqual([
      task.kind,
      vocabulary?.characters.length ?? targets.length,
    ]);
    expect([network.x.dtype, network.x.shape.slice(2)]).toEqual([batch?.x.dtype, batch?.x.shape.slice(2)]);
  });

  test("an unknown parameter is a one-line error", () => {
    expect(() => task.batches(7, { ...sizes, parameters: { toString: 1 } })).toThrow(
      /^\S+ has no parameter "toString"; it has/,
    );
  });
});

test("a parameter out of range is a one-line error", () => {
  const refused = (task: Task, parameters: Record<string, number>) => () => task.batches(7, { ...sizes, parameters });
  expect(refused(noisySine, { noise: -1 })).toThrow("noisy-sine: noise is -1; expected a number from 0 to 10");
  expect(refused(embeddedReber, { length: 500.5 })).toThrow(
    "length is 500.5; expected a whole number from 100 to 2000000",
  );
  expect(() => adding.batches(7, { batch: 2, time: 5 })).toThrow("adding: time is 5; expected 6 or more");
});

describe("embedded Reber grammar", () => {
  const made = embeddedReber.batches(3, { batch: 1, time: 18_000 - 1 });
  const [batch] = made.training;
  const text = made.vocabulary?.decode(batch?.x.data ?? []) ?? "";
  // The automaton of Reber 1967, fig. 1, as a regular expression of its own.
  const inner = "B(?:TS*X(?:XT*VP)*(?:S|XT*VV)|PT*V(?:PXT*V)*(?:V|PS))E";
  const strings = text.match(new RegExp(`B(?:T${inner}T|P${inner}P)E`, "g")) ?? [];

  test("strings follow each other without a break", () => {
    expect(strings.length).toBeGreaterThan(1000);
    expect(text.startsWith(strings.join(""))).toBe(true);
    // Only the last may be cut off.
    expect(text.length - strings.join("").length).toBeLessThan(100);
    expect(new Set(strings).size).toBeGreaterThan(100);
  });

  test("the best loss is that of one coin for each choice", () => {
    // All of a string is a choice but its frame BtB…EtE, of which t is one.
    const choices = strings.reduce((total, string) => total + string.length - 5, 0);
    expect(made.best).toBeCloseTo((choices * Math.LN2) / strings.join("").length, 2);
  });
});

describe("adding problem", () => {
  const rows = first(adding.batches(3, { batch: 50, time: 40 }).training, 20).flatMap(({ x, targets }) => {
    const [steps = 0, batch = 0] = x.shape;
    return Array.from({ length: batch }, (_, row) => {
      const column = ({ data }: Batch["x"], k: number) =>
        Array.from({ length: steps }, (_, t) => data[(t * batch + row) * 2 + k] ?? Number.NaN);
      return {
        steps,
        numbers: column(x, 0),
        marks: column(x, 1),
        answers: column(targets, 0),
        weights: column(targets, 1),
      };
    });
  });
  const marked = (marks: number[]) => marks.flatMap((mark, t) => (mark === 1 ? [t] : []));

  test("two steps are marked, one of them early, both in the first half", () => {
    for (const { marks, steps } of rows) {
      const places = marked(marks);
      expect(places.length).toBe(2);
      expect(at(places, 0)).toBeLessThan(10);
      expect(at(places, 1)).toBeLessThan(19);
      expect(at(marks, steps - 1)).toBe(-1);
      expect(marks.filter((mark) => mark === -1).length).toBe(at(marks, 0) === 1 ? 1 : 2);
    }
    expect(new Set(rows.map(({ marks }) => String(marked(marks)))).size).toBeGreaterThan(100);
  });

  test("the target is only at the end", () => {
    for (const { numbers, marks, answers, weights } of rows) {
      const sum = marked(marks).reduce((total, t) => total + at(numbers, t), 0);
      expect(answers[answers.length - 1]).toBeCloseTo(0.5 + sum / 4, 12);
      expect(weights.map((weight, t) => weight === Number(t === weights.length - 1))).not.toContain(false);
      expect(at(marks, 0) === 1 ? at(numbers, 0) : 0).toBe(0);
    }
  });

  test("lengths are between T and T + T/10", () => {
    expect([...new Set(rows.map(({ steps }) => steps))].sort()).toEqual([40, 41, 42, 43, 44]);
  });

  test("the baseline is the variance of the answers", () => {
    const answers = rows.map((row) => row.answers[row.answers.length - 1] ?? Number.NaN);
    const mean = answers.reduce((a, b) => a + b) / answers.length;
    const variance = answers.reduce((total, y) => total + (y - mean) ** 2, 0) / answers.length;
    // A marked first step has 0 for its number, which makes it a little smaller.
    expect(variance / adding.batches(3, sizes).baseline).toBeGreaterThan(0.85);
    expect(variance / adding.batches(3, sizes).baseline).toBeLessThan(1.1);
  });
});

test("noisy sine: the best loss is that of a predictor that knows the sine", () => {
  const [period, noise] = [20, 0.3];
  const made = noisySine.batches(5, { batch: 1, time: 8000, parameters: { period, noise } });
  const [batch] = made.training;
  const { mean, deviation } = made.normalisation ?? { mean: [], deviation: [] };
  const errors = Array.from(batch?.targets.data ?? [], (y, t) => {
    const known = (Math.sin((2 * Math.PI * (t + 1)) / period) - at(mean, 0)) / at(deviation, 0);
    return (y - known) ** 2;
  });
  expect(errors.length).toBe(8000);
  expect(errors.reduce((a, b) => a + b) / errors.length / made.best).toBeCloseTo(1, 1);
});
