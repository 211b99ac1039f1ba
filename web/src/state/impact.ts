// What the last critique did to the list; gone as soon as something else changes the list.
import { signal } from "@preact/signals";
import type { Direction, TrajectoryStep } from "../lib/attributes";

export interface Impact {
  event: string;
  attribute: string;
  /** What was meant: the attribute, or one of its senses. */
  sense: string;
  direction: Direction;
  /** Mean degree of the list. */
  before: number;
  after: number;
  /** Degree of every item in the list now. */
  degrees: ReadonlyMap<string, number>;
  trajectory: TrajectoryStep[];
}

export const impact = signal<Impact | null>(null);
