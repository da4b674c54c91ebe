/** @file What is kept in the browser and what a link holds: it comes back as it was, and nothing else comes with it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Keeper, type Store } from "../../playground/page/session/keeper.ts";
import { runsAsText, runsIn } from "../../playground/page/session/kept-runs.ts";
import { begun, mostRuns, progressed, rateMoved, shown } from "../../playground/page/session/runs.ts";
import { type Kept, mostKept, ofLink, put, readShelf } from "../../playground/page/session/shelf.ts";
import { checkedWork, storedWork } from "../../playground/page/session/stored-work.ts";
import { type DataChoice, firstSettings, type Work } from "../../playground/page/session/workspace.ts";
import { linkOf, sharedIn, unreadInWords } from "../../playground/page/share.ts";
import { optimizerNames, scheduleNames } from "../../playground/shared/settings.ts";

const workOf = (source: string, data: DataChoice = { kind: "documentation" }): Work => ({
  ...{ cells: [{ name: "mine", source }], active: 0, settings: firstSettings, data },
});
const anyData = fc.oneof(
  fc.constant<DataChoice>({ kind: "documentation" }),
  fc.record({
    kind: fc.constant("task" as const),
    name: fc.string({ maxLength: 20 }),
    parameters: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.double({ noNaN: true, noDefaultInfinity: true })),
  }),
  fc.record({
    kind: fc.constantFrom("text" as const, "csv" as const),
    name: fc.string({ maxLength: 20 }),
    text: fc.string({ unit: "binary", maxLength: 200 }),
  }),
);
const anyWork: fc.Arbitrary<Work> = fc
  .record({
    cells: fc.array(fc.record({ name: fc.string({ maxLength: 60 }), source: fc.string({ unit: "binary" }) }), {
      ...{ minLength: 1, maxLength: 4 },
    }),
    active: fc.nat(3),
    settings: fc.record({
      ...{ units: fc.integer({ min: 1, max: 1024 }), layers: fc.integer({ min: 1, max: 4 }) },
      ...{ dropout: fc.double({ min: 0, max: 0.9, noNaN: true }), clipNorm: fc.constantFrom(null, 1, 0.25) },
      ...{ optimizer: fc.constantFrom(...optimizerNames), schedule: fc.constantFrom(...scheduleNames) },
    }),
    data: anyData,
  })
  .map(({ cells, active, settings, data }) => ({
    ...{ cells, active: Math.min(active, cells.length - 1), settings: { ...firstSettings, ...settings }, data },
  }));
/** What JSON keeps: it knows no -0. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

describe("a link", () => {
  test("holds any work, and its cell's name to be read by people", async () => {
    await fc.assert(
      fc.asyncProperty(anyWork, async (work) => {
        const { hash, withoutData } = await linkOf(work);
        expect(withoutData).toBe(false);
        expect(hash).toMatch(/^#cell=([a-z0-9-]+\.)?[\w-]+$/i);
        expect(await sharedIn(hash)).toEqual({ work: plain(work), unread: [] });
      }),
      { numRuns: 50 },
    );
    expect((await linkOf(workOf("x"))).hash).toMatch(/^#cell=mine\./);
  });

  test("names data that are too large for it, and stays short", async () => {
    const random = Array.from({ length: 10_000 }, (_, i) => Math.sin(i * i).toFixed(8)).join("\n");
    const { hash, withoutData } = await linkOf(workOf("x", { kind: "csv", name: "rivers.csv", text: random }));
    expect([withoutData, hash.length < 2000]).toEqual([true, true]);
    expect((await sharedIn(hash))?.work.data).toEqual({
      kind: "missing",
      name: "rivers.csv",
      size: random.length,
      from: "link",
    });
    // Long and monotonous is short.
    const data = { kind: "text", name: "a", text: "abc ".repeat(40_000) } as const;
    expect((await sharedIn((await linkOf(workOf("x", data))).hash))?.work.data).toEqual(data);
    // What could not be kept is still missing in the link.
    const missing = { kind: "missing", name: "b", size: 3, from: "visit" } as const;
    expect(await linkOf(workOf("x", missing))).toMatchObject({ withoutData: true });
  });

  test("holds the text of a file, and names bytes that are none", async () => {
    const text = new TextEncoder().encode("é is a letter");
    const file = { kind: "text", name: "f.txt", text } as const;
    expect((await sharedIn((await linkOf(workOf("x", file))).hash))?.work.data).toMatchObject({
      text: "é is a letter",
    });
    const bytes = { kind: "text", name: "f.bin", text: Uint8Array.of(0xff, 0xfe) } as const;
    expect((await sharedIn((await linkOf(workOf("x", bytes))).hash))?.work.data).toMatchObject({
      kind: "missing",
      size: 2,
    });
  });

  test.each(["#cell=", "#cell=mine.", "#cell=bm90aGluZw", "#cell=mine.bm90aGluZw", "#cell=%00"])(
    "%s is damaged",
    async (hash) => {
      await expect(sharedIn(hash)).rejects.toThrow(/^this link is damaged/);
    },
  );

  test("of another kind is none of this page's", async () => {
    expect(await sharedIn("")).toBeUndefined();
    expect(await sharedIn("#training")).toBeUndefined();
  });
});

describe("work from outside", () => {
  const cells = [{ name: "a", source: "b" }];
  test.each<[string, unknown]>([
    ["nothing", null],
    ["a list", []],
    ["no cells", { settings: {}, data: {} }],
    ["too many cells", { cells: Array(5).fill(cells[0]), settings: {}, data: {} }],
    ["a cell without a source", { cells: [{ name: "a" }], settings: {}, data: {} }],
    ["a name without end", { cells: [{ name: "a".repeat(61), source: "" }], settings: {}, data: {} }],
    ["a source without end", { cells: [{ name: "a", source: "b".repeat(200_001) }], settings: {}, data: {} }],
  ])("%s is refused", (_of, value) => {
    expect(() => checkedWork(value, "link")).toThrow();
  });

  test.each<[string, object, readonly string[], RegExp | undefined]>([
    ["settings that are null", { settings: null, data: { kind: "documentation" } }, ["settings"], /^The settings of/],
    ["no data", { settings: {} }, ["data"], /^The data of this link cannot be read\. .*documentation as data\.$/],
    ["a list and a word", { settings: [], data: "x" }, ["settings", "data"], /^The settings and the data of this link/],
    ["a task without parameters", { settings: {}, data: { kind: "task", name: "adding" } }, ["data"], /^The data of/],
    [
      "a size beyond reason",
      { settings: {}, data: { kind: "missing", name: "a", size: 1e300 } },
      ["data"],
      /^The data/,
    ],
    ["half a byte", { settings: {}, data: { kind: "missing", name: "a", size: 0.5 } }, ["data"], /^The data/],
    ["all", { settings: {}, data: { kind: "missing", name: "a", size: 3 } }, [], undefined],
  ])("%s: the cells are read, and one line says what is not", (_of, rest, unread, line) => {
    const found = checkedWork({ cells, active: 0, ...rest }, "link");
    expect([found.work.cells, found.work.settings, found.unread]).toEqual([cells, firstSettings, unread]);
    if (unread.includes("data")) expect(found.work.data).toEqual({ kind: "documentation" });
    if (line === undefined) expect(unreadInWords(found)).toBeUndefined();
    else expect(unreadInWords(found)).toMatch(line);
  });

  test("a name cannot turn the words around it: what controls the direction is shown escaped", () => {
    const name = "\u202evsc.exe\n \u0627";
    const data = { kind: "missing", name, size: 3 };
    const { work } = checkedWork({ cells: [{ name, source: "b" }], settings: {}, data }, "link");
    const shown = "\\u202evsc.exe\\u000a \u0627";
    expect([work.cells[0]?.name, work.data]).toEqual([shown, { kind: "missing", name: shown, size: 3, from: "link" }]);
    expect(checkedWork(work, "link").work).toEqual(work);
  });

  test.each<[unknown, DataChoice]>([
    [{}, { kind: "documentation" }],
    [{ kind: "text", name: "a" }, { kind: "documentation" }],
    [{ kind: "text", name: 7, text: "b" }, { kind: "documentation" }],
    [{ kind: "file", name: "/etc/passwd" }, { kind: "documentation" }],
    [{ kind: "text", name: "a", text: "b".repeat(200_001) }, { kind: "documentation" }],
    [
      { kind: "task", name: "adding", parameters: { a: 1, b: "x" } },
      { kind: "task", name: "adding", parameters: { a: 1 } },
    ],
    [
      { kind: "missing", name: "a", size: 3, from: "elsewhere" },
      { kind: "missing", name: "a", size: 3, from: "visit" },
    ],
  ])("data %j are %j", (data, expected) => {
    const { work } = checkedWork({ cells, active: 9, settings: { units: 0, time: 12 }, data, more: 1 }, "visit");
    expect(work).toEqual({ cells, active: 0, settings: { ...firstSettings, time: 12 }, data: expected });
  });
});

describe("the shelf", () => {
  const piece = (id: string, more: Partial<Kept> = {}): Kept => ({ id, saved: 1, work: workOf(id), ...more });

  test("has the latest in front, each piece once, and so many at the most", () => {
    let shelf = put(put([], piece("a")), piece("b"));
    shelf = put(shelf, piece("a", { saved: 2 }));
    expect(shelf.map(({ id, saved }) => [id, saved])).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
    for (let i = 0; i < 2 * mostKept; i++) shelf = put(shelf, piece(`${i}`));
    expect(shelf).toHaveLength(mostKept);
    expect(shelf[0]?.id).toBe(`${2 * mostKept - 1}`);
  });

  test("comes back from its text, and a piece that cannot be read does the others no harm", () => {
    const shelf = [piece("a", { link: "#cell=x", held: true }), piece("b")];
    expect(readShelf(JSON.stringify(shelf))).toEqual(shelf);
    expect(readShelf(JSON.stringify([shelf[0], { id: "c" }, 7, shelf[1]]))).toEqual(shelf);
    expect(ofLink(shelf, "#cell=x")?.id).toBe("a");
    expect(ofLink(shelf, "")).toBeUndefined();
    for (const text of [null, "", "{", "{}", "7"]) expect(readShelf(text)).toEqual([]);
  });
});

/** A browser's storage with so much room. */
function storeOf(room = Number.POSITIVE_INFINITY): Store & { readonly items: Map<string, string> } {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, text) => {
      if (text.length > room) throw new Error("QuotaExceededError");
      items.set(key, text);
    },
  };
}

describe("the keeper", () => {
  test("keeps what has changed, and gives it back to the next visit", () => {
    const store = storeOf();
    const keeper = new Keeper(() => store, expect.unreachable);
    keeper.open({}, workOf("first"));
    keeper.save(workOf("first"));
    expect(store.items.size).toBe(0);
    keeper.save(workOf("second"));
    keeper.save(workOf("third"));
    const next = new Keeper(() => store, expect.unreachable);
    expect(next.shelf.value.map(({ work }) => work)).toEqual([workOf("third")]);
  });

  test("leaves alone what another page has put there", () => {
    const store = storeOf();
    const [one, other] = [new Keeper(() => store, expect.unreachable), new Keeper(() => store, expect.unreachable)];
    one.save(workOf("one"));
    other.save(workOf("other"));
    one.save(workOf("one again"));
    expect(new Keeper(() => store, expect.unreachable).shelf.value.map(({ work }) => work.cells[0]?.source)).toEqual([
      "one again",
      "other",
    ]);
  });

  test("a copy stands behind what is worked on", () => {
    const store = storeOf();
    const keeper = new Keeper(() => store, expect.unreachable);
    keeper.save(workOf("now"));
    keeper.keepCopy(workOf("before"));
    expect(keeper.shelf.value.map(({ work }) => work.cells[0]?.source)).toEqual(["now", "before"]);
  });

  test("what came by a link stays held until the visitor agrees", () => {
    const store = storeOf();
    const keeper = new Keeper(() => store, expect.unreachable);
    keeper.open({ link: "#cell=x", held: true }, workOf("sent"));
    keeper.save(workOf("edited"));
    expect(readShelf(store.getItem("cellgrad-work"))[0]).toMatchObject({ link: "#cell=x", held: true });
    keeper.release();
    const [kept] = readShelf(store.getItem("cellgrad-work"));
    expect(kept).toMatchObject({ link: "#cell=x", work: workOf("edited") });
    expect(kept).not.toHaveProperty("held");
  });

  test.each<[string, () => Store]>([
    ["is full", () => storeOf(10)],
    [
      "is forbidden",
      () => {
        throw new Error("SecurityError");
      },
    ],
  ])("where storage %s it says so once, and the visit goes on", (_how, store) => {
    const said: string[] = [];
    const keeper = new Keeper(store, (line) => said.push(line));
    for (const source of ["a", "b", "c"]) keeper.save(workOf(source));
    keeper.saveRuns([]);
    keeper.saveRuns(begun([], [newRun("a")]));
    expect(said).toEqual([expect.stringMatching(/^This browser keeps nothing for this page, or has no room left/)]);
    // Within the visit nothing is lost.
    expect(keeper.shelf.value[0]?.work).toEqual(workOf("c"));
    expect(keeper.readRuns()).toEqual([]);
  });

  test("data that are too large are kept by name", () => {
    const work = workOf("x", { kind: "text", name: "book.txt", text: "a".repeat(200_001) });
    const store = storeOf();
    new Keeper(() => store, expect.unreachable).save(work);
    const missing = { kind: "missing", name: "book.txt", size: 200_001, from: "visit" };
    expect(readShelf(store.getItem("cellgrad-work"))[0]?.work.data).toEqual(missing);
    expect(storedWork(work).data).toMatchObject({ kind: "missing", from: "link" });
  });
});

function newRun(run: string) {
  return { run, cell: "gru", source: "s", settings: firstSettings, data: "d", weights: 3, baseline: 2, best: 1 };
}

describe("kept runs", () => {
  const event = (step: number) =>
    ({ type: "progress", run: "a", step, loss: 1 / step, tokensPerSecond: 9, gradientNorm: 1 }) as const;
  let records = begun([], [newRun("a"), newRun("b")]);
  for (let step = 1; step <= 500; step++) records = progressed(records, event(step));
  records = shown(
    rateMoved(progressed(records, { ...event(501), heldOut: { step: 500, loss: 3 } }), 0.1),
    ["b"],
    false,
  );

  test("come back with thinner curves, and nothing of them is live", () => {
    const [a, b] = runsIn(runsAsText(records));
    expect(b).toEqual({ ...records[1], live: false });
    expect(a).toMatchObject({ last: { step: 501 }, live: false, shown: true, heldOut: { steps: [500], values: [3] } });
    expect(a?.rates).toEqual(records[0]?.rates);
    expect(a?.loss.steps.length).toBeLessThanOrEqual(202);
    expect([a?.loss.steps[0], a?.loss.steps.at(-1)]).toEqual([1, 501]);
  });

  test("that cannot be read are left out", () => {
    const [a, b] = plain(JSON.parse(runsAsText(records)));
    const wrong = [
      { ...b, run: 7 },
      { ...b, run: "c", loss: { steps: [1], values: [] } },
      { ...b, run: "d", rates: [{ step: "x" }] },
      null,
      b,
      b,
    ];
    expect(runsIn(JSON.stringify([...wrong, a])).map(({ run }) => run)).toEqual(["b", "a"]);
    for (const text of [null, "", "{}", "[[]]"]) expect(runsIn(text)).toEqual([]);
    const many = Array.from({ length: 2 * mostRuns }, (_, i) => ({ ...b, run: `${i}` }));
    expect(runsIn(JSON.stringify(many))).toHaveLength(mostRuns);
  });
});
