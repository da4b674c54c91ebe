/**
 * @file The schedules of scans by name, in the order in which "auto" tries them. Each is a strategy of a file of its own,
 * which `schedules.ts` lists; options, tunings, reports and tests derive their names from here.
 */

export const scanScheduleNames = ["persistent", "stepwise"] as const;

export type ScanScheduleName = (typeof scanScheduleNames)[number];

/** How scans shall run; "auto" lets a rule of shapes and limits choose. */
export type ScheduleChoice = "auto" | ScanScheduleName;

export const scheduleChoices: readonly ScheduleChoice[] = ["auto", ...scanScheduleNames];
