/** @file The history of runs as plain data: what stays, what tells runs apart, and which runs are those of the cells. */
import { describe, expect, test } from "vitest";
import { matching } from "../../playground/page/session/matching.ts";
import { differences, labelOf } from "../../playground/page/session/run-labels.ts";
import {
  begun,
  ended,
  freeRunName,
  mostRuns,
  type NewRun,
  progressed,
  type RunRecord,
  rateMoved,
  removed,
  shown,
  thinned,
} from "../../playground/page/session/runs.ts";
import { plainTraining, type RunSettings } from "../../playground/shared/settings.ts";

const settings: RunSettings = {
  ...plainTraining,
  ...{ units: 8, layers: 1, embed: 4, batch: 2, time: 8, learningRate: 0.01, seed: 1 },
};

function made(run: string, change: Partial<NewRun> & { settings?: RunSettings } = {}): NewRun {
  return { run, cell: "gru", source: "a", settings, data: "a text", weights: 10, baseline: 3, ...change };
}

const event = (run: string, step: number, loss = 1) =>
  ({ type: "progress", run, step, loss, tokensPerSecond: 100, gradientNorm: 1 }) as const;
const names = (records: readonly RunRecord[]) => records.map(({ run }) => run);
const of = (records: readonly RunRecord[], run: string) => records.find((record) => record.run === run);

describe("the history of runs", () => {
  test("a run that ends keeps its curve and figures, and others go on", () => {
    let records = begun([], [made("gru"), made("rnn")]);
    records = progressed(records, event("gru", 1, 2));
    records = progressed(records, { ...event("gru", 2, 1), heldOut: { step: 2, loss: 1.5 } });
    records = ended(records, ["gru"]);
    expect(of(records, "gru")).toMatchObject({
      live: false,
      loss: { steps: [1, 2], values: [2, 1] },
      heldOut: { steps: [2], values: [1.5] },
      speed: { steps: [1, 2], values: [100, 100] },
      last: { step: 2, loss: 1 },
    });
    expect(of(records, "rnn")).toMatchObject({ live: true, loss: { steps: [] } });
    // What is told of an unknown run changes nothing.
    expect(progressed(records, event("lstm", 3))).toEqual(records);
  });

  test("a run is drawn until it is hidden, and there until it is removed", () => {
    const records = shown(begun([], [made("a"), made("b")]), ["a"], false);
    expect(records.map(({ shown }) => shown)).toEqual([false, true]);
    expect(names(removed(records, ["a"]))).toEqual(["b"]);
    expect(removed(records, names(records))).toEqual([]);
  });

  test("each has a colour of its own while there are enough", () => {
    const eight = begun(
      [],
      [..."abcdefgh"].map((run) => made(run)),
    );
    expect(new Set(eight.map(({ colour }) => colour)).size).toBe(8);
    const again = begun(removed(eight, ["c"]), [made("i"), made("j")]);
    expect(of(again, "i")?.colour).toBe(of(eight, "c")?.colour);
    expect(again.every(({ colour }) => colour >= 0 && colour < 8)).toBe(true);
  });

  test("the oldest that have ended give way to new ones; live ones never", () => {
    const runs = Array.from({ length: mostRuns }, (_, i) => `${i}`);
    const full = begun([], [...runs.map((run) => made(run))]);
    const records = begun(ended(full, ["1", "2", "5"]), [made("x"), made("y")]);
    expect(records).toHaveLength(mostRuns);
    expect(names(records)).toEqual(["0", ...runs.slice(3), "x", "y"]);
    expect(begun(full, [made("x")])).toHaveLength(mostRuns + 1);
  });

  test("a curve of any length has so many points, the last among them", () => {
    let records = begun([], [made("gru")]);
    for (let step = 1; step <= 3000; step++) records = progressed(records, event("gru", step, step));
    const { steps, values } = of(records, "gru")?.loss ?? { steps: [], values: [] };
    expect(steps.length).toBeLessThanOrEqual(1200);
    expect(steps.length).toBeGreaterThan(500);
    expect(values).toEqual(steps);
    const thin = thinned({ steps, values }, 50);
    expect(thin.steps.length).toBeLessThanOrEqual(51);
    expect([thin.steps[0], thin.steps.at(-1)]).toEqual([steps[0], steps.at(-1)]);
  });

  test("the learning rate that a run was trained with is on record, and one that was only set is not", () => {
    let records = begun([], [made("gru")]);
    records = rateMoved(records, 0.02);
    expect(of(records, "gru")?.rates).toEqual([{ step: 0, value: 0.02 }]);
    records = rateMoved(progressed(records, event("gru", 5)), 0.03);
    records = rateMoved(records, 0.04);
    expect(of(records, "gru")?.rates).toEqual([
      { step: 0, value: 0.02 },
      { step: 5, value: 0.04 },
    ]);
    expect(of(ended(records, ["gru"]), "gru")?.rates).toEqual([{ step: 0, value: 0.02 }]);
    records = ended(progressed(records, event("gru", 6)), ["gru"]);
    expect(of(records, "gru")?.rates).toHaveLength(2);
    // It is over: the rate of others is not its own.
    expect(of(rateMoved(records, 1), "gru")?.rates).toHaveLength(2);
  });

  test.each([
    ["gru", [], "gru"],
    ["gru", ["gru"], "gru 2"],
    ["gru", ["gru", "gru 2", "gru 4"], "gru 3"],
  ])("%s beside %j is %s", (cell, taken, expected) => {
    expect(freeRunName(cell, taken)).toBe(expected);
  });
});

describe("what tells runs apart", () => {
  const told = (...runs: readonly NewRun[]) => [...differences(begun([], runs)).values()].map((one) => one.join(", "));
  const withSettings = (run: string, change: Partial<RunSettings>) =>
    made(run, { settings: { ...settings, ...change } });

  test("a run alone, or of the same settings as the others, needs no words", () => {
    expect(told(made("gru"))).toEqual([""]);
    expect(told(made("gru"), made("rnn", { cell: "rnn", source: "b" }))).toEqual(["", ""]);
    expect(labelOf("gru", [])).toBe("gru");
    expect(labelOf("gru 2", ["sgd", "rate 0.5"])).toBe("gru 2 · sgd · rate 0.5");
  });

  test.each<[Partial<RunSettings>, string, string]>([
    [{ units: 1 }, "8 units", "1 unit"],
    [{ layers: 2 }, "1 layer", "2 layers"],
    [{ time: 9 }, "8 steps back", "9 steps back"],
    [{ batch: 3 }, "batch 2", "batch 3"],
    [{ embed: 5 }, "embedding 4", "embedding 5"],
    [{ optimizer: "lion" }, "adam", "lion"],
    [{ learningRate: 0.5 }, "rate 0.01", "rate 0.5"],
    [{ weightDecay: 0.1 }, "no weight decay", "weight decay 0.1"],
    [{ schedule: "cosine" }, "constant rate", "cosine over 2,000 steps"],
    [{ warmup: 1000 }, "no warm-up", "warm-up 1,000 steps"],
    [{ clipNorm: null }, "clipped at 1", "no clipping"],
    [{ dropout: 0.2 }, "no dropout", "dropout 0.2"],
    [{ recurrentDropout: 0.2 }, "no recurrent dropout", "recurrent dropout 0.2"],
    [{ zoneout: 0.2 }, "no zoneout", "zoneout 0.2"],
    [{ seed: 7 }, "seed 1", "seed 7"],
  ])("%j is told, and nothing else", (change, before, after) => {
    expect(told(made("gru"), withSettings("gru 2", change))).toEqual([before, after]);
  });

  test("every setting makes a difference, but for what a schedule without an end does not read", () => {
    const changes: { readonly [K in keyof RunSettings]: RunSettings[K] } = {
      ...{ units: 9, layers: 2, time: 9, batch: 3, embed: 5, seed: 2, learningRate: 1, clipNorm: 2 },
      ...{ optimizer: "sgd", weightDecay: 1, schedule: "linear", scheduleSteps: 5, warmup: 2 },
      ...{ dropout: 0.1, recurrentDropout: 0.1, zoneout: 0.1 },
    };
    for (const [key, value] of Object.entries(changes)) {
      const [, text] = told(made("a"), made("b", { settings: { ...settings, [key]: value } }));
      expect(text === "", key).toBe(key === "scheduleSteps");
    }
  });

  test("other data, and other equations under one name", () => {
    expect(told(made("gru"), made("gru 2", { data: "rivers.csv" }))).toEqual(["on a text", "on rivers.csv"]);
    const edited = [made("gru"), made("gru 2", { source: "b" }), made("gru 3"), made("rnn", { cell: "rnn" })];
    expect(told(...edited)).toEqual(["equations 1", "equations 2", "equations 1", ""]);
  });

  test("a learning rate that was moved on the way", () => {
    const moved = rateMoved(progressed(begun([], [made("a"), made("b")]), event("a", 3)), 0.1);
    expect(differences(moved).get("a")).toEqual(["rate 0.01 → 0.1"]);
    expect(differences(moved).get("b")).toEqual(["rate 0.1"]);
  });
});

describe("the runs of the cells as they are", () => {
  const draft = (id: number, source: string) => ({ id, name: `${id}`, source, colour: 0 });
  const live = begun([], [made("gru"), made("rnn", { source: "b" })]);

  test("a cell that has not changed goes on, an edited one gets a run, and the run of what is gone is over", () => {
    const found = matching([draft(1, "a"), draft(2, "c")], settings, live);
    expect([...found.runs]).toEqual([[1, "gru"]]);
    expect(found.fresh.map(({ id }) => id)).toEqual([2]);
    expect(found.surplus).toEqual(["rnn"]);
  });

  test("two cells of one source have two runs", () => {
    const { runs, fresh } = matching([draft(1, "a"), draft(2, "a")], settings, live);
    expect([[...runs], fresh.map(({ id }) => id)]).toEqual([[[1, "gru"]], [2]]);
  });

  test("the learning rate makes no other run; all else does, and what has ended is none", () => {
    const cells = [draft(1, "a")];
    expect(matching(cells, { ...settings, learningRate: 1 }, live).fresh).toEqual([]);
    expect(matching(cells, { ...settings, dropout: 0.1 }, live).fresh).toEqual(cells);
    expect(matching(cells, settings, ended(live, ["gru"])).fresh).toEqual(cells);
  });
});
