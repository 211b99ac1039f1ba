// Geometry and words of the small charts, without drawing them.
import type { Attribute, Histogram, SpectrumBar, TrajectoryStep } from "./attributes";

/** Bars of degrees that lie together share an axis: up to this many standard deviations, or to the strongest of them. */
const kDegreeLimit = 3;

/** Where the axis of these degrees ends. */
export function degreeLimit(degrees: Iterable<number>, least = kDegreeLimit): number {
  let limit = least;
  for (const degree of degrees) if (Number.isFinite(degree)) limit = Math.max(limit, Math.abs(degree));
  return limit;
}

/** Part of a row from -100 to 100 with the zero in the middle: where it begins and how wide it is. */
export interface Span {
  x: number;
  width: number;
}

const place = (value: number, limit: number): number => (limit > 0 ? 100 * Math.max(-1, Math.min(1, value / limit)) : 0);

/** The stretch between two values on an axis from -limit to limit; values that are no numbers count as 0. */
export function spanOf(from: number, to: number, limit: number): Span {
  const [a, b] = [from, to].map((value) => place(Number.isFinite(value) ? value : 0, limit)) as [number, number];
  return { x: Math.min(a, b), width: Math.abs(b - a) };
}

/** "+0.84", "−1.20", "0.00", or a dash for what is no number. A true minus sign, as wide as the plus. */
export function formatDegree(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const text = Math.abs(value).toFixed(2);
  if (text === "0.00") return text;
  return (value < 0 ? "\u2212" : "+") + text;
}

/** "68 %", or "" for what is no number. */
export const formatShare = (share: number): string => (Number.isFinite(share) ? `${Math.round(100 * share)} %` : "");

/** An attribute by the name of one of its senses: "dark#2" gives "dark, sense 2"; without a sense number the name itself. */
export function senseLabel(sense: string): string {
  const match = /^(.+)#(\d+)$/.exec(sense);
  return match === null ? sense : `${match[1]}, sense ${match[2]}`;
}

/** What is known of how people use a word, in plain words. */
export function describeKind(kind: string): string {
  switch (kind) {
    case "objective":
      return "People mean the same by it.";
    case "degree-subjective":
      return "People agree which items have more of it, but not where it begins.";
    case "sense-subjective":
      return "People mean different things by it.";
    case "irrelevant":
      return "It says little about what people like.";
    default:
      return "How people use it was not tested.";
  }
}

/** Where an attribute's examples come from, in plain words. */
export function describeSource(source: string): string {
  switch (source) {
    case "tags":
      return "learned from people's tags";
    case "joined tags":
      return "learned from tags that other people gave the same titles";
    case "judgements":
      return "learned from people's comparisons of items";
    case "genres":
      return "learned from genres, since these data have no tags";
    default:
      return source === "" ? "" : `learned from ${source}`;
  }
}

/** Mean degree over a list of items for every attribute that any of them has, the strongest mean first; an attribute that an item lacks
 *  counts as 0. */
export function meanSpectrum(spectra: readonly (readonly SpectrumBar[])[]): { name: string; degree: number }[] {
  const sums = new Map<string, number>();
  for (const spectrum of spectra) {
    const strongest = new Map<string, number>();
    for (const { name, degree } of spectrum) if (!strongest.has(name)) strongest.set(name, degree);
    for (const [name, degree] of strongest) sums.set(name, (sums.get(name) ?? 0) + degree);
  }
  const means = [...sums].map(([name, sum]) => ({ name, degree: sum / spectra.length }));
  return means.sort((a, b) => Math.abs(b.degree) - Math.abs(a.degree) || (a.name < b.name ? -1 : 1));
}

/** What to offer for a list: first what it has most of (one may want less), then what it has least of (one may want more), two to one. */
export function chooseOffers(means: readonly { name: string; degree: number }[], count: number): string[] {
  const sorted = [...means].sort((a, b) => b.degree - a.degree).map(({ name }) => name);
  if (sorted.length <= count) return sorted;
  const most = Math.ceil((2 * count) / 3);
  return [...sorted.slice(0, most), ...sorted.slice(most - count)];
}

/** Attributes whose name contains the query, names that begin with it first, then by number of users. */
export function findAttributes(all: readonly Attribute[], query: string): Attribute[] {
  const wanted = query.trim().toLowerCase();
  const rank = ({ name }: Attribute) => (name.toLowerCase().startsWith(wanted) ? 0 : 1);
  return all
    .filter(({ name }) => name.toLowerCase().includes(wanted))
    .sort((a, b) => rank(a) - rank(b) || b.users - a.users || (a.name < b.name ? -1 : 1));
}

/** Bars of a histogram in a box of the given size, lowest degree first; the highest count is full. Bars may differ in width. */
export function histogramBars(
  { edges, counts }: Histogram,
  width: number,
  height: number,
): { x: number; y: number; width: number; height: number }[] {
  const low = edges[0] ?? 0;
  const scale = width / ((edges.at(-1) ?? 1) - low);
  const most = Math.max(1, ...counts);
  return counts.map((count, n) => {
    const left = edges[n] ?? low;
    const tall = (height * count) / most;
    return { x: (left - low) * scale, y: height - tall, width: ((edges[n + 1] ?? left) - left) * scale, height: tall };
  });
}

export interface LinePoint {
  x: number;
  y: number;
  step: TrajectoryStep;
}

/** An axis is never shorter than this, so that a small change looks small. */
const kLeastSpan = 0.6;

/** Points of a trajectory in a box: steps from left to right, an axis that holds them all; where its 0 lies, or null if it lies outside. */
export function trajectoryPoints(
  steps: readonly TrajectoryStep[],
  width: number,
  height: number,
): { points: LinePoint[]; zero: number | null } {
  const values = steps.map((step) => step.meanDegree);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const span = Math.max(kLeastSpan, most - least);
  const high = (most + least + span) / 2;
  const y = (value: number) => (height * (high - value)) / span;
  const gap = steps.length > 1 ? width / (steps.length - 1) : 0;
  const zero = y(0);
  return {
    points: steps.map((step, n) => ({ x: n * gap, y: y(step.meanDegree), step })),
    zero: zero >= 0 && zero <= height ? zero : null,
  };
}

/** The same in words, for those who do not see the line. */
export function describeTrajectory(name: string, steps: readonly TrajectoryStep[]): string {
  const told = steps.map(
    ({ meanDegree, direction }) => `${direction === null ? "at the start" : `after ${direction}`} ${formatDegree(meanDegree)}`,
  );
  return `Mean of ${name} in the list: ${told.join(", ")}.`;
}
