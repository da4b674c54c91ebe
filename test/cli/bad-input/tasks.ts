/** @file Bad input: tasks that are none, and what they cannot be told. */
import type { BadInput } from "./row.ts";

export const tasks: readonly BadInput[] = [
  ["an unknown task", "task adding-up", 'unknown task "adding-up"; the tasks are embedded-reber, …'],
  [
    "a task named like an object's own property",
    "task toString",
    'unknown task "toString"; the tasks are embedded-reber, …',
  ],
  ["two tasks", "task copy adding", "too many arguments for 'task'. Expected 1 argument but got 2; see --help"],
  [
    "a parameter that the task does not have",
    "task copy --with width=3",
    'copy has no parameter "width"; it has length, symbols',
  ],
  ["a parameter of a task without any", "task adding --with length=3", 'adding has no parameter "length"; it has none'],
  [
    "a parameter without its number",
    "task copy --with length",
    '--with must be a name and a number, such as length=20, got "length"',
  ],
  [
    "a parameter that is not a number",
    "task copy --with length=nan",
    '--with must be a name and a number, such as length=20, got "length=nan"',
  ],
  [
    "a parameter without a name",
    "task copy --with =3",
    '--with must be a name and a number, such as length=20, got "=3"',
  ],
  [
    "a parameter out of range",
    "task copy --with length=1e9",
    "copy: length is 1000000000; expected a whole number from 1 to 1000",
  ],
  [
    "an unknown parameter path",
    "task copy --start x/y=1",
    "--start x/y: no parameter path ends this way; the parameters are embedding/table, …",
  ],
  [
    "a start that f32 cannot hold",
    "task copy --start bias=1e300",
    '--start must be a name and a number, such as length=20, got "bias=1e300"',
  ],
  [
    "less time than the task needs",
    "task adding --time 1",
    "adding: time is 1; expected 6 or more, for two marks in its first half",
  ],
  ["a task of 0 time steps", "task copy --time 0", '--time must be a whole number from 1 to 65535, got "0"'],
  [
    "more time steps than fit in memory",
    "task adding --batch 65535 --time 65535",
    "--batch 65535 x --time 65535 is 4,294,836,225 time steps, above the limit of 16,777,216; make one of them smaller",
  ],
  ["an absurd learning rate of a task", "task copy --lr 1e30", '--lr must be a number above 0, up to 1000, got "1e30"'],
  [
    "a plateau schedule for a task",
    "task copy --lr-schedule plateau",
    "--lr-schedule plateau needs a held-out loss during training, and a task measures it only at the end",
  ],
  [
    "a warm-up longer than the task's run",
    "task copy --warmup 3 --steps 2",
    "--warmup 3 must be smaller than --steps 2",
  ],
  [
    "more weights of a task than a buffer holds",
    "task copy --units 16000",
    "the network would have 1,025,248,170 weights, above the limit of 33,554,432: give fewer --units, --layers or --embed",
  ],
];
