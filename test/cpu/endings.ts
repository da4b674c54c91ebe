/** @file Opens devices and destroys them, until their threads are gone; for Linux, which counts them. It prints how many are left. */
import { readdirSync } from "node:fs";
import { CpuContext } from "../../runtime/cpu/context.ts";

const count = () => readdirSync("/proc/self/task").length;
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

async function openAndDestroy(): Promise<void> {
  const context = await CpuContext.open({ threads: 4 });
  // For threads to fall asleep.
  await pause();
  context.destroy();
}

async function left(): Promise<number> {
  // The host makes threads of its own for the first.
  await openAndDestroy();
  await pause();
  const before = count();
  for (let i = 0; i < 4; i++) await openAndDestroy();
  for (let i = 0; i < 400 && count() > before + 3; i++) await pause();
  return count() - before;
}

void left().then((threads) => console.log(threads));
