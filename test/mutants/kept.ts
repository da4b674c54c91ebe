/** @file Mutants of what the playground keeps: runs and their labels, work in the browser, links, settings, exports. */
import { changed, type Mutant } from "./mutant.ts";

const onRuns = "test/playground/runs.test.ts";
const onKept = "test/playground/kept.test.ts";
const onSettings = "test/playground/settings.test.ts";
const onExport = "test/playground/export.test.ts";
const onSources = "test/playground/visitor-source.test.ts";

export const keptMutants: readonly Mutant[] = [
  ...changed(
    "playground/page/session/runs.ts",
    [onRuns],
    [
      ["a run that gives way may be live", ".filter(({ live }) => !live)\n", ""],
      ["all runs have one colour", "uses.indexOf(Math.min(...uses))", "uses.indexOf(Math.max(...uses))"],
      ["a rate that was only set is on record", "i === 0 || step < (last?.step ?? 0)", "i === 0 || step >= 0"],
      ["runs that have ended take another rate", "records.filter(({ live }) => live).map", "records.map"],
      ["a thinner curve loses its last point", " || i === curve.steps.length - 1", ""],
      ["a curve grows without end", "if (curve.steps.length <= mostPoints) return curve;", "return curve;"],
    ],
  ),
  ...changed(
    "playground/page/session/run-labels.ts",
    [onRuns],
    [
      ["what all runs share is told", "new Set(texts).size > 1", "new Set(texts).size > 0"],
      ["other equations under one name are not told", "sources.length < 2", "sources.length < 99"],
      ["a rate that was moved is told as the first", "`rate ${first} → ${last}`", "`rate ${first}`"],
    ],
  ),
  ...changed(
    "playground/page/session/matching.ts",
    [onRuns],
    [
      ["two cells share a run", "!used.has(record.run) && ", ""],
      ["a run that has ended goes on", "records.filter((record) => record.live)", "records"],
      ["an edited cell goes on with its run", "record.source === source && ", ""],
      ["a moved learning rate makes another run", "({ learningRate, ...rest }: RunSettings)", "(rest: RunSettings)"],
    ],
  ),
  ...changed(
    "playground/page/session/shelf.ts",
    [onKept],
    [
      ["a piece stands on the shelf twice", "shelf.filter(({ id }) => id !== kept.id)", "shelf"],
      ["a piece that came by a link is released when it is read", "...(held === true && { held })", ""],
    ],
  ),
  ...changed(
    "playground/page/session/keeper.ts",
    [onKept],
    [
      ["what another page keeps is lost", "put(this.#read(), kept)", "put(this.shelf.value, kept)"],
      ["trouble is told each time", "if (this.#hasComplained) return;", ""],
      ["what has not changed is kept", "if (text === this.#text) return false;", ""],
    ],
  ),
  ...changed(
    "playground/page/session/stored-work.ts",
    [onKept],
    [
      ["a link may bring any number of cells", " || cells.length > mostCells", ""],
      [
        "a link without data is damaged",
        "isRecord(data) ? checkedData(data, from) : undefined",
        "checkedData(asRecord(data), from)",
      ],
      ["a name turns the writing direction", "\\p{Bidi_Control}", ""],
      ["data may be of any size", " && Number(size) <= largest", ""],
      ["a source may be of any length", " || source.length > longest", ""],
      ["parameters of a task may be anything", 'typeof value === "number");', "value !== null);"],
      ["bytes that are no text are taken for it", "{ fatal: true }", "{ fatal: false }"],
    ],
  ),
  ...changed(
    "playground/page/session/kept-runs.ts",
    [onKept],
    [
      [
        "a run of the last visit is live",
        "shown: given.shown === true, live: false",
        "shown: given.shown === true, live: true",
      ],
      ["a curve may lack values", "if (found.steps.length !== found.values.length)", "if (found.steps.length < 0)"],
    ],
  ),
  ...changed(
    "playground/page/share.ts",
    [onKept],
    [
      ["a link is as long as its data", "hash.length <= longestLink", "hash.length > 0"],
      ["the name in front is read as part of the cell", '.replace(/^[^.]*\\./, "")', ""],
    ],
  ),
  ...changed(
    "playground/page/export/csv.ts",
    [onExport],
    [
      ["a name is a formula", "/^[=+\\-@\\t\\r]/.test(field)", "field === undefined"],
      ["quotes end a field", `text.replaceAll('"', '""')`, "text"],
      [
        "steps without a loss are left out",
        "columns.flatMap((column) => [...column.keys()])",
        "[...(columns[0]?.keys() ?? [])]",
      ],
    ],
  ),
  ...changed(
    "playground/page/corrected-number.ts",
    [onSettings],
    [
      ["an empty field is 0", 'typed.trim() === "" ? Number.NaN : Number(typed)', "Number(typed)"],
      ["a correction is not told", "value === given ? { value } :", "value === value ? { value } :"],
    ],
  ),
  ...changed(
    "playground/shared/settings.ts",
    [onSettings],
    [
      ["a rate of the visitor's own is replaced", "learningRate === usualRates[before] && ", "learningRate > 0 && "],
      ["half a unit may come by a link", "if (!whole || Number.isInteger(value))", "if (value >= least)"],
    ],
  ),
  ...changed(
    "playground/worker/recipe.ts",
    [onSettings],
    [
      ["Nesterov is momentum", "momentum({ nesterov: true })", "momentum()"],
      ["there is no warm-up", "warmup > 0 ? warmUp(warmup, after) : after", "after"],
      ["zoneout is for show", "...(zoneout > 0 && { zoneout }),", ""],
      ["weights decay in AdamW alone", "rate === 0 ? make()", "rate >= 0 ? make()"],
    ],
  ),
  ...changed(
    "playground/worker/device-worker.ts",
    [onSettings],
    [["runs that are kept end with the others", "await this.#endRuns(keep);", "await this.#endRuns();"]],
  ),
  ...changed(
    "playground/page/visitor-source.ts",
    [onSources],
    [
      ["a cell with options is not exported", "`\\nexport default ${factory}();\\n`", '""'],
      ["a check by itself leaves its value", 'endsWith("\\n  ")', 'endsWith("\\n\\n")'],
    ],
  ),
  ...changed(
    "playground/page/headline.ts",
    [onSources],
    [["a sentence without a paper is enough", "named + 1 || sentences.length", "1"]],
  ),
];
