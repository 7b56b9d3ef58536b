export type Pause = "hour" | "evening" | "tomorrow" | "week" | "open" | "own";

const at = (days: number, hour: number, now: Date) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour).toISOString();

/** When each pause ends, in the browser's zone; nothing: when I say. An evening that is over is tomorrow's. */
export const pauses: Record<Exclude<Pause, "own">, (now?: Date) => string | undefined> = {
  hour: (now = new Date()) => new Date(now.getTime() + 3_600_000).toISOString(),
  evening: (now = new Date()) => at(now.getHours() >= 18 ? 1 : 0, 18, now),
  tomorrow: (now = new Date()) => at(1, 9, now),
  week: (now = new Date()) => at(7, 9, now),
  open: () => undefined,
};
