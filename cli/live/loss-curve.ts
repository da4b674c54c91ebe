/** @file The losses of a run as a picture of characters: an area that falls as the loss does. */
import { shortLoss } from "../progress.ts";

const EIGHTHS = " ▁▂▃▄▅▆▇█";
/** Characters of the scale at the left. */
const SCALE = 6;

/**
 * The losses of steps 1, 2, … as `height` lines of `width` characters at the most. The width stands for all the `steps`
 * planned, so the curve grows to the right; a column is the mean of the losses that fall into it.
 */
export function lossCurve(
  losses: readonly number[],
  steps: number,
  { width, height }: { readonly width: number; readonly height: number },
): string[] {
  const means = columnMeans(losses, steps, Math.max(1, width - SCALE - 1));
  const [high, low] = [Math.max(...means), Math.min(...means)];
  // The lowest column is seen too.
  const levels = means.map((mean) => 1 + Math.round(((mean - low) / (high - low || 1)) * (8 * height - 1)));
  return Array.from({ length: height }, (_, row) => {
    const below = 8 * (height - 1 - row);
    const area = levels.map((level) => EIGHTHS[Math.min(8, Math.max(0, level - below))]).join("");
    const mark = means.length === 0 ? "" : row === 0 ? shortLoss(high) : row === height - 1 ? shortLoss(low) : "";
    return `${mark.padStart(SCALE)} ${area}`.trimEnd();
  });
}

/** The mean loss of each column that has begun. One that no step falls into has the loss of the next step. */
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
