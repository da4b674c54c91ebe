/**
 * @file Opens and destroys devices, waits for their threads to end, and prints how many are left; for Linux, which
 * counts threads.
 */
import { readdirSync } from "node:fs";
import { CpuContext } from "../../runtime/cpu/context.ts";

const count = () => readdirSync("/proc/self/task").length;
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

async function openAndDestroy(): Promise<void> {
  const context = await CpuContext.open({ threads: 4 });
  // Wait until the threads sleep.
  await pause();
  context.destroy();
}

async function left(): Promise<number> {
  // The host creates its own threads for the first device.
  await openAndDestroy();
  await pause();
  const before = count();
  for (let i = 0; i < 4; i++) await openAndDestroy();
  for (let i = 0; i < 400 && count() > before + 3; i++) await pause();
  return count() - before;
}

void left().then((threads) => console.log(threads));
