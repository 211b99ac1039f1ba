// Small pure formatting functions.

const kLeastFraction = 0.2;

/**
 * Lengths in 0..1 for the score bars: the best of the list is full, the least keeps kLeastFraction, since scores of one list lie close
 * together and may be negative. Equal scores are all full; what is no number is 0.
 */
export function scoreFractions(scores: readonly number[]): number[] {
  const finite = scores.filter(Number.isFinite);
  const low = Math.min(...finite);
  const span = Math.max(...finite) - low;
  const fraction = (score: number) => (span <= 0 ? 1 : kLeastFraction + ((1 - kLeastFraction) * (score - low)) / span);
  return scores.map((score) => (Number.isFinite(score) ? fraction(score) : 0));
}

/** Two decimals, or a dash for what is no number. */
export function formatScore(score: number): string {
  return Number.isFinite(score) ? score.toFixed(2) : "–";
}

/** Date in the reader's own format, e.g. "Nov 22, 1997". */
export function formatDate(timeMs: number | null): string {
  return timeMs === null ? "" : new Date(timeMs).toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
}

/** Accepts seconds, milliseconds or a date text, as servers differ; null for anything else. */
export function parseTime(value: unknown): number | null {
  if (typeof value === "number" && Number.isFinite(value)) return value < 1e11 ? value * 1000 : value;
  if (typeof value !== "string") return null;
  const parsed = /^\d+$/.test(value) ? parseTime(Number(value)) : Date.parse(value);
  return parsed === null || Number.isNaN(parsed) ? null : parsed;
}

/** "1 item", "2 items". */
export function counted(count: number, singular: string): string {
  return `${count} ${singular}${count === 1 ? "" : "s"}`;
}

/** Title without its trailing "(1995)", which MovieLens puts there and the page shows beside it. */
export function bareTitle(title: string, year: number | null): string {
  return year !== null && title.endsWith(`(${year})`) ? title.slice(0, -`(${year})`.length).trim() : title;
}
