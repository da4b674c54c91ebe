/** @file How fast each device has trained the runs as they are: what a switch between devices compares. */
import type { DeviceReport, ProgressEvent } from "../../shared/protocol.ts";
import { Signal } from "./signal.ts";

type Kind = DeviceReport["kind"];

/** Part of a new figure in the mean that is shown: speeds arrive several times a second, and jump. */
const newest = 0.25;

export class DeviceSpeeds {
  /** Counts up. */
  readonly changed = new Signal(0);
  readonly #speeds = new Map<Kind, Map<string, number>>();

  add(kind: Kind, { run, tokensPerSecond }: Pick<ProgressEvent, "run" | "tokensPerSecond">): void {
    const runs = this.#speeds.get(kind) ?? new Map<string, number>();
    const before = runs.get(run) ?? tokensPerSecond;
    runs.set(run, before + newest * (tokensPerSecond - before));
    this.#speeds.set(kind, runs);
    this.changed.set(this.changed.value + 1);
  }

  /** Tokens per second of all runs together; none where the device has trained none. */
  of(kind: Kind): number | undefined {
    const runs = this.#speeds.get(kind);
    return runs === undefined ? undefined : [...runs.values()].reduce((sum, speed) => sum + speed, 0);
  }

  clear(): void {
    this.#speeds.clear();
    this.changed.set(this.changed.value + 1);
  }
}
