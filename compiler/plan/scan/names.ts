/**
 * @file The names of the scan schedules, in the order in which "auto" tries them. Each schedule has its own file, and
 * `schedules.ts` lists them; options, tunings, reports and tests take the names from here.
 */

export const scanScheduleNames = ["newton", "parallel", "resident", "persistent", "stepwise"] as const;

export type ScanScheduleName = (typeof scanScheduleNames)[number];

/** How scans run; "auto" lets a rule of shapes and limits choose. */
export type ScheduleChoice = "auto" | ScanScheduleName;

export const scheduleChoices: readonly ScheduleChoice[] = ["auto", ...scanScheduleNames];
