/** @file The live display of the demonstration: loss curve, status line, and samples during training. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { sampledSteps } from "../../cli/live/interim-samples.ts";
import { frame, showLive } from "../../cli/live/live-display.ts";
import { lossCurve } from "../../cli/live/loss-curve.ts";
import { Collected } from "./run.ts";

afterEach(() => vi.restoreAllMocks());

describe("the curve", () => {
  test("falls from the highest loss to the lowest, which label its axis", () => {
    expect(lossCurve([4, 3, 2, 1], 4, { width: 11, height: 4 })).toEqual([
      " 4.000 █",
      "       █▆",
      "       ██▃",
      " 1.000 ███▁",
    ]);
  });

  test("fills the same fraction of the width as of the steps", () => {
    const curve = lossCurve([2, 1, 1, 1], 8, { width: 15, height: 2 });
    expect(curve).toEqual([" 2.000 █", " 1.000 █▁▁▁"]);
  });

  test("shows means if there are more steps than columns, and repeats values if there are fewer", () => {
    const bottom = (losses: number[], columns: number) =>
      lossCurve(losses, losses.length, { width: 7 + columns, height: 1 })[0]?.slice(7);
    expect(bottom([1, 3, 4, 4, 0, 0], 3)).toBe("▅█▁");
    expect(bottom([1, 0], 4)).toBe("██▁▁");
  });

  test("is low for equal losses, and empty without losses", () => {
    expect(lossCurve([2, 2], 2, { width: 9, height: 2 })).toEqual([" 2.000", " 2.000 ▁▁"]);
    expect(lossCurve([], 2, { width: 9, height: 2 })).toEqual(["", ""]);
  });
});

describe("the frame", () => {
  const state = { steps: 1000, unit: "characters", losses: [4.5, 4.25], perSecond: 12_345.6, secondsLeft: 61.2 };
  const written = [
    { step: 1, text: "a  b\n\tc" },
    { step: 2, text: "x".repeat(100) },
  ];

  test("has step, loss, speed, remaining time, and a line for each sample", () => {
    const picture = frame({ ...state, written }, 79, 24);
    expect(picture).toHaveLength(8 + 1 + 2);
    expect(picture.slice(8)).toEqual([
      "step 2/1,000  loss 4.250  12,346 characters/s  1 min 2 s left",
      "step     1 writes: a b c",
      `step     2 writes: ${"x".repeat(56)}…`,
    ]);
  });

  test("fits the terminal's columns and rows", () => {
    for (const [columns, rows] of [
      [30, 24],
      [79, 6],
      [20, 9],
    ] as const) {
      const picture = frame({ ...state, written }, columns, rows);
      expect(picture.length).toBeLessThan(rows);
      for (const text of picture) expect([...text].length).toBeLessThanOrEqual(columns);
    }
  });

  test("escapes control characters in the network's text", () => {
    expect(frame({ ...state, written: [{ step: 1, text: "\u001b[2J" }] }, 79, 24).at(-1)).toBe(
      "step     1 writes: \\u001b[2J",
    );
  });

  test("is redrawn in place over the previous frame", () => {
    class Terminal extends Collected {
      readonly isTTY = true;
      readonly columns = 60;
      readonly rows = 24;
    }
    const terminal = new Terminal();
    const clock = vi.spyOn(performance, "now");
    const at = (milliseconds: number) => clock.mockReturnValue(milliseconds);
    at(0);
    const display = showLive(terminal, 4, "characters");
    const update = (step: number, loss: number) => display.update({ step, loss, gradientNorm: 1, tokensPerSecond: 10 });
    at(1000);
    update(1, 4);
    // Too soon for another picture; the number is in the next one.
    at(1050);
    update(2, 3);
    at(1100);
    update(3, 2);
    display.wrote(3, "ab");
    at(9000);
    display.stop();
    const pictures = terminal.text.split("\u001b[0J").slice(1);
    expect(pictures.map((picture) => /\[(\d+)A$/.exec(picture)?.[1])).toEqual(["9", "9", "10", undefined]);
    const [first, second] = pictures.map((picture) => picture.split("\n").find((text) => text.startsWith("step")));
    expect(first).toBe("step 1/4  loss 4.000  10 characters/s  3 s left");
    expect(second).toBe("step 3/4  loss 2.000  10 characters/s  1 s left");
    expect(pictures.at(-1)).toMatch(/ 3 s left\nstep 3 writes: ab\n$/);
  });
});

test("samples are taken close together at first, and none after the last step", () => {
  expect(sampledSteps(1500)).toEqual([50, 150, 375, 750]);
  expect(sampledSteps(2)).toEqual([1]);
  expect(sampledSteps(1)).toEqual([]);
});
