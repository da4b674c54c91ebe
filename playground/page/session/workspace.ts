/** @file What the visitor has made: the cells, what they learn from, and the sizes. It is what a shared link holds. */
import type { RunSettings } from "../../shared/protocol.ts";
import { firstPreset, presets } from "../presets.ts";
import { Signal } from "./signal.ts";

export interface CellDraft {
  readonly id: number;
  /** The tab's name, and that of the run; no two are equal. */
  readonly name: string;
  readonly source: string;
  /** Place among the colours of curves. */
  readonly colour: number;
}

export type DataChoice =
  | { readonly kind: "documentation" }
  | { readonly kind: "task"; readonly name: string; readonly parameters: Readonly<Record<string, number>> }
  /** Text or a table of the visitor's own; bytes where it came as a file. `version` tells one from another. */
  | {
      readonly kind: "text" | "csv";
      readonly name: string;
      readonly text: string | Uint8Array<ArrayBuffer>;
      readonly version: number;
    };

export const mostCells = 4;

/** Small enough for a software adapter, large enough to learn to spell. */
export const firstSettings: RunSettings = {
  units: 64,
  layers: 1,
  embed: 24,
  batch: 16,
  time: 32,
  learningRate: 0.005,
  seed: 1,
  clipNorm: 1,
};

/** For the interpreter, which takes a second for what a GPU does in a millisecond. */
export const tinySettings: RunSettings = {
  ...firstSettings,
  units: 8,
  embed: 8,
  batch: 4,
  time: 12,
  learningRate: 0.02,
};

export class Workspace {
  readonly cells = new Signal<readonly CellDraft[]>([]);
  /** Id of the cell in the editor. */
  readonly active = new Signal(0);
  readonly settings = new Signal<RunSettings>(firstSettings);
  readonly data = new Signal<DataChoice>({ kind: "documentation" });
  #ids = 0;

  get activeCell(): CellDraft {
    const { value: cells } = this.cells;
    const draft = cells.find(({ id }) => id === this.active.value) ?? cells[0];
    if (draft === undefined) throw new Error("internal: the workspace has no cell");
    return draft;
  }

  /** Replaces all cells; the first is shown. */
  open(cells: readonly { readonly name: string; readonly source: string }[]): void {
    const opened: CellDraft[] = [];
    for (const { name, source } of cells.slice(0, mostCells)) {
      opened.push({ id: ++this.#ids, name: freeName(name, opened), source, colour: opened.length });
    }
    this.active.set(opened[0]?.id ?? 0);
    this.cells.set(opened);
  }

  openFirst(): void {
    this.open(presets.filter(({ name }) => name === firstPreset));
  }

  /** Adds a cell beside the others and shows it. */
  add(name: string, source: string): void {
    const { value: cells } = this.cells;
    const colour = [0, 1, 2, 3].find((hue) => cells.every((cell) => cell.colour !== hue)) ?? 0;
    const draft = { id: ++this.#ids, name: freeName(name, cells), source, colour };
    this.active.set(draft.id);
    this.cells.set([...cells, draft]);
  }

  remove(id: number): void {
    const { value: cells } = this.cells;
    const left = cells.filter((cell) => cell.id !== id);
    const [first] = left;
    if (first === undefined) return;
    if (this.active.value === id) this.active.set(first.id);
    this.cells.set(left);
  }

  /** Another source for the cell in the editor; with a name where it is another cell altogether. */
  edit(source: string, name?: string): void {
    const { id } = this.activeCell;
    const others = this.cells.value.filter((cell) => cell.id !== id);
    this.cells.set(
      this.cells.value.map((cell) =>
        cell.id === id ? { ...cell, source, name: name === undefined ? cell.name : freeName(name, others) } : cell,
      ),
    );
  }

  change(settings: Partial<RunSettings>): void {
    this.settings.set({ ...this.settings.value, ...settings });
  }
}

function freeName(name: string, taken: readonly CellDraft[]): string {
  const isFree = (candidate: string) => taken.every((cell) => cell.name !== candidate);
  if (isFree(name)) return name;
  for (let n = 2; ; n++) if (isFree(`${name} ${n}`)) return `${name} ${n}`;
}
