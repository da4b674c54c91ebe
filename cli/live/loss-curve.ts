/** @file Draws the losses of a run as an area chart of block characters. */
import { shortLoss } from "../progress.ts";

const EIGHTHS = " ▁▂▃▄▅▆▇█";
/** Width of the axis labels on the left, in characters. */
const SCALE = 6;

/**
 * The losses of steps 1, 2, … as `height` lines of at most `width` characters. The width stands for all planned `steps`,
 * so the curve grows to the right; each column shows the mean of its losses.
 */
export function lossCurve(
  losses: readonly number[],
  steps: number,
  { width, height }: { readonly width: number; readonly height: number },
): string[] {
  const means = columnMeans(losses, steps, Math.max(1, width - SCALE - 1));
  const [high, low] = [Math.max(...means), Math.min(...means)];
  // At least 1, so that the lowest column is visible.
  const levels = means.map((mean) => 1 + Math.round(((mean - low) / (high - low || 1)) * (8 * height - 1)));
  return Array.from({ length: height }, (_, row) => {
    const below = 8 * (height - 1 - row);
    const area = levels.map((level) => EIGHTHS[Math.min(8, Math.max(0, level - below))]).join("");
    const mark = means.length === 0 ? "" : row === 0 ? shortLoss(high) : row === height - 1 ? shortLoss(low) : "";
    return `${mark.padStart(SCALE)} ${area}`.trimEnd();
  });
}

/** The mean loss of each started column. A column without a step of its own shows the loss of the next step. */
function columnMeans(losses: readonly number[], steps: number, columns: number): number[] {
  const means: number[] = [];
  for (let column = 0; column < columns; column++) {
    const [first, next] = [Math.floor((column * steps) / columns), Math.floor(((column + 1) * steps) / columns)];
    if (first >= losses.length) break;
    const inside = losses.slice(first, Math.max(next, first + 1));
    means.push(inside.reduce((sum, loss) => sum + loss, 0) / inside.length);
  }
  return means;
}
