/** @file Long-memory tasks: independent checks that their sequences follow the published rules. */
import { describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { Batch } from "../../train/data/batches.ts";
import { randomStream } from "../../train/random.ts";
import {
  addingHalves,
  copy,
  mackeyGlass,
  parity,
  reber,
  selectiveCopy,
  temporalOrder,
} from "../../train/tasks/index.ts";
import { embeddedReberString, type GrammarString, reberString } from "../../train/tasks/reber.ts";
import type { Task, TaskSizes } from "../../train/tasks/task.ts";

function trained(task: Task, sizes: TaskSizes, count: number): Batch[] {
  const batches = task.batches(11, sizes).training[Symbol.iterator]();
  return Array.from({ length: count }, () => batches.next().value as Batch);
}

/** Of an array [T, B, …], what each row holds over time. */
function rowsOf({ shape, data }: NdArray): number[][][] {
  const [steps = 0, rows = 0, width = 1] = shape;
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: steps }, (_, t) => [...data.slice((t * rows + row) * width, (t * rows + row + 1) * width)]),
  );
}

const sequences = (batches: readonly Batch[]) =>
  batches.flatMap(({ x, targets }) => {
    const answers = rowsOf(targets);
    return rowsOf(x).map((x, row) => ({ x, targets: at(answers, row) }));
  });

const variance = (values: readonly number[]) => {
  const mean = values.reduce((a, b) => a + b) / values.length;
  return values.reduce((total, y) => total + (y - mean) ** 2, 0) / values.length;
};

test.each([copy, selectiveCopy, parity, temporalOrder, addingHalves])("$name: every batch is fresh", (task) => {
  expect(trained(task, { batch: 2, time: 12 }, 3).map(({ fresh }) => fresh)).toEqual([true, true, true]);
});

test("adding by halves: the sum of two numbers from [0, 1], one in each half, only at the end", () => {
  const rows = sequences(trained(addingHalves, { batch: 100, time: 11 }, 20));
  for (const { x, targets } of rows) {
    expect(x.length).toBe(11);
    const marked = x.flatMap(([, mark], t) => (mark === 1 ? [t] : []));
    expect(marked.map((t) => t < 5)).toEqual([true, false]);
    expect(x.every(([number = -1, mark]) => number >= 0 && number < 1 && (mark === 0 || mark === 1))).toBe(true);
    const sum = marked.reduce((total, t) => total + (x[t]?.[0] ?? Number.NaN), 0);
    expect(
      targets
        .slice(0, -1)
        .flat()
        .every((value) => value === 0),
    ).toBe(true);
    expect(targets.at(-1)).toEqual([sum, 1]);
  }
  const { baseline } = addingHalves.batches(1, { batch: 1, time: 11 });
  expect(baseline).toBeCloseTo(0.167, 3);
  expect(variance(rows.map(({ targets }) => targets.at(-1)?.[0] ?? Number.NaN)) / baseline).toBeCloseTo(1, 1);
});

describe("copying", () => {
  const parameters = { length: 4, symbols: 3 };
  const decoded = (task: Task, time: number) => {
    const decode = task.batches(11, { batch: 1, time, parameters }).vocabulary?.decode ?? String;
    return sequences(trained(task, { batch: 10, time, parameters }, 20)).map(({ x, targets }) => ({
      read: decode(x.flat()),
      said: decode(targets.flat()),
    }));
  };

  test("copy: symbols, a gap and the sign; then the symbols again", () => {
    const all = decoded(copy, 6);
    for (const { read, said } of all) {
      const symbols = read.slice(0, 4);
      expect(symbols).toMatch(/^[abc]{4}$/);
      expect(read).toBe(`${symbols}_____?____`);
      expect(said).toBe(`__________${symbols}`);
    }
    expect(new Set(all.map(({ read }) => read)).size).toBeGreaterThan(60);
  });

  test("selective copy: symbols anywhere in the gap, all positions equally likely", () => {
    const all = decoded(selectiveCopy, 8);
    for (const { read, said } of all) {
      const [, gap = ""] = /^([abc_]{8})\?____$/.exec(read) ?? [];
      expect(said).toBe(`_________${gap.replaceAll("_", "")}`);
    }
    const taken = Array.from({ length: 8 }, (_, t) => all.filter(({ read }) => read[t] !== "_").length / all.length);
    for (const part of taken) expect(Math.abs(part - 0.5)).toBeLessThan(0.15);
    expect(() => selectiveCopy.batches(1, { batch: 1, time: 3, parameters })).toThrow(
      "selective-copy: time is 3; expected 4 or more, a step for each symbol or sign",
    );
  });

  test("the baseline is that of Arjovsky et al.: 10 ln 8 / (T + 20)", () => {
    expect(copy.batches(1, { batch: 1, time: 100 }).baseline).toBeCloseTo((10 * Math.log(8)) / 120, 12);
    expect(trained(copy, { batch: 1, time: 100 }, 1)[0]?.x.shape).toEqual([120, 1]);
  });
});

test("parity: whether the number of ones is odd, only at the end", () => {
  const rows = sequences(trained(parity, { batch: 20, time: 20 }, 20));
  for (const { x, targets } of rows) {
    expect(x.flat().every((bit) => Math.abs(bit) === 1)).toBe(true);
    const odd = x.flat().reduce((sign, bit) => (bit === 1 ? -sign : sign), 1) === -1;
    expect(targets.at(-1)).toEqual([Number(odd), 1]);
    expect(
      targets
        .slice(0, -1)
        .flat()
        .every((value) => value === 0),
    ).toBe(true);
  }
  expect(new Set(rows.map(({ x }) => x.length))).toEqual(new Set([20, 21, 22]));
  expect(variance(rows.map(({ targets }) => targets.at(-1)?.[0] ?? 0))).toBeCloseTo(0.25, 2);
});

test("temporal order: two symbols in their ranges, and their class at the end", () => {
  const rows = sequences(trained(temporalOrder, { batch: 50, time: 50 }, 10)).map(({ x, targets }) => {
    const text = x.map((oneHot) => "EBabcdXY"[oneHot.indexOf(1)]).join("");
    expect(x.every((oneHot) => oneHot.reduce((a, b) => a + b) === 1)).toBe(true);
    expect(
      targets
        .slice(0, -1)
        .flat()
        .every((value) => value === 0),
    ).toBe(true);
    return { text, answer: targets.at(-1) ?? [] };
  });
  for (const { text, answer } of rows) {
    expect(text).toMatch(/^E[abcd]+[XY][abcd]+[XY][abcd]+B$/);
    const [first, second] = [text.search(/[XY]/), text.search(/[XY][abcd]+B$/)];
    expect(first >= 5 && first <= 10 && second >= 25 && second <= 30).toBe(true);
    const answers = ["XX", "XY", "YX", "YY"].map((order) => Number(order === `${text[first]}${text[second]}`));
    expect(answer).toEqual([...answers, 1]);
  }
  expect(new Set(rows.map(({ answer }) => String(answer))).size).toBe(4);
});

describe("Reber strings", () => {
  const drawn = (stringOf: typeof reberString) => {
    const random = randomStream(5, "strings");
    return Array.from({ length: 400 }, () => stringOf(random));
  };
  // The automaton of Reber 1967, fig. 1, as a regular expression of its own.
  const inner = "B(?:TS*X(?:XT*VP)*(?:S|XT*VV)|PT*V(?:PXT*V)*(?:V|PS))E";

  test.each([
    ["Reber", reberString, inner],
    ["embedded Reber", embeddedReberString, `B(?:T${inner}T|P${inner}P)E`],
  ])("%s: every string is legal, and so is every other way that it tells of", (_name, stringOf, expression) => {
    const legal = new RegExp(`^${expression}$`);
    const strings = drawn(stringOf);
    const beginnings = (all: readonly GrammarString[]) =>
      new Set(all.flatMap(({ text }) => [...text].map((_, i) => text.slice(0, i + 1))));
    const known = beginnings(strings);
    for (const { text, following } of strings) {
      expect(text).toMatch(legal);
      expect(following.length).toBe(text.length);
      expect(following.every((symbols, i) => symbols.includes(text[i] ?? "?"))).toBe(true);
    }
    // Short beginnings are all seen: what may follow them is what did follow.
    for (const { text, following } of strings.slice(0, 50)) {
      for (let i = 0; i < 5; i++) {
        const seen = [..."BEPSTVX"].filter((symbol) => known.has(text.slice(0, i) + symbol));
        expect(new Set(following[i])).toEqual(new Set(seen));
      }
    }
  });

  test("of the plain grammar follow each other as text", () => {
    const made = reber.batches(3, { batch: 1, time: 5000 });
    const [batch] = made.training;
    const text = made.vocabulary?.decode(batch?.x.data ?? []) ?? "";
    expect(text.replaceAll(new RegExp(inner, "g"), "").length).toBeLessThan(100);
  });
});

test("Mackey-Glass: the series solves its equation, stays in its range and forgets its start", () => {
  const values = (seed: number) => {
    const parameters = { stride: 1, length: 1200 };
    const made = mackeyGlass.batches(seed, { batch: 1, time: 1079, parameters });
    const [batch] = made.training;
    const { mean = [], deviation = [] } = made.normalisation ?? {};
    return Array.from(batch?.x.data ?? [], (y) => y * at(deviation, 0) + at(mean, 0));
  };
  const y = values(1);
  expect(Math.min(...y)).toBeGreaterThan(0.2);
  expect(Math.max(...y)).toBeLessThan(1.4);
  expect(Math.max(...y) - Math.min(...y)).toBeGreaterThan(0.8);
  // dy/dt by a difference of fifth order against the right-hand side, one time unit apart.
  for (let t = 20; t < 1000; t++) {
    const [a, b, c, d, e, f] = [-3, -2, -1, 1, 2, 3].map((k) => at(y, t + k)) as [number, ...number[]] & number[];
    const slope = (45 * ((d ?? 0) - (c ?? 0)) - 9 * ((e ?? 0) - (b ?? 0)) + ((f ?? 0) - a)) / 60;
    const delayed = at(y, t - 17);
    expect(Math.abs(slope - ((0.2 * delayed) / (1 + delayed ** 10) - 0.1 * at(y, t)))).toBeLessThan(5e-3);
  }
  expect(values(2)).not.toEqual(y);
});
