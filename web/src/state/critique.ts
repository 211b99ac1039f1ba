// "More" and "less" of an attribute: stored, then the list changes; and taking one back.
import { effect, signal, untracked } from "@preact/signals";
import { sendCritique, undoCritique, type CritiqueResult, type Direction, type PastCritique, type TrajectoryStep } from "../lib/attributes";
import { formatDegree, senseLabel } from "../lib/chart";
import { newEventId } from "../lib/ids";
import type { Item } from "../lib/types";
import { loadUserAttributes, offer, openAttribute, wordsOpen } from "./attributes";
import { impact } from "./impact";
import { kListLength, refresh, saving, showList } from "./recommend";
import { panel, user } from "./session";
import { reportError, showToast } from "./toasts";

/** The critique on its way to the server, e.g. "less gory"; or "undo". */
export const critiquing = signal<string | null>(null);
/** By attribute, as far as this page has seen them. */
export const trajectories = signal<ReadonlyMap<string, TrajectoryStep[]>>(new Map());

/** "Less dark, sense 2". */
export function critiqueText(direction: Direction, attribute: string): string {
  return `${direction === "more" ? "More" : "Less"} ${senseLabel(attribute)}`;
}

const isBusy = (): boolean => critiquing.value !== null || saving.value !== null;

/** What the server answered; null if it refused, which is reported. */
async function attempt<T>(what: string, ask: () => Promise<T>): Promise<T | null> {
  critiquing.value = what;
  try {
    return await ask();
  } catch (error) {
    reportError(error);
    return null;
  } finally {
    critiquing.value = null;
  }
}

function applyResult(result: CritiqueResult): void {
  const { attribute, direction, sense, before, after, trajectory, event } = result;
  const degrees = new Map(after.items.map((item) => [item.item, item.degree]));
  trajectories.value = new Map(trajectories.value).set(attribute, trajectory);
  impact.value = { event, attribute, sense, direction, before: before.meanDegree, after: after.meanDegree, degrees, trajectory };
  offer(attribute);
  showList(after.items, `${critiqueText(direction, sense)}.`);
}

/** Stores a critique of the list, or of one of its items, and shows the list that follows. False if it could not be stored. */
export async function critique(attribute: string, direction: Direction, item: Item | null): Promise<boolean> {
  const id = user.value;
  if (id === null || isBusy()) return false;
  const request = { user: id, attribute, direction, item: item?.item ?? null, limit: kListLength };
  const result = await attempt(`${direction} ${attribute}`, () => sendCritique(request, newEventId()));
  if (result === null) return false;
  if (user.value !== id) return true;
  openAttribute.value = null;
  wordsOpen.value = false;
  panel.value = "list";
  applyResult(result);
  void loadUserAttributes();
  if (item !== null) {
    const { before, after } = result;
    const means = `mean of the list ${formatDegree(before.meanDegree)}, now ${formatDegree(after.meanDegree)}`;
    showToast("info", `${critiqueText(direction, result.sense)}: ${means}.`);
  }
  return true;
}

/** Takes a critique back and ranks again. False if the server refused. */
export async function undo({ event, attribute, direction }: Pick<PastCritique, "event" | "attribute" | "direction">): Promise<boolean> {
  const id = user.value;
  if (id === null || isBusy()) return false;
  const done = await attempt("undo", () => undoCritique(id, event).then(() => true));
  if (done === null) return false;
  if (user.value !== id) return true;
  const last = impact.value?.event === event ? impact.value : null;
  const rest = new Map(trajectories.value);
  // An older step is part of all that follow it: what is left would not be what happened.
  if (last !== null) rest.set(last.attribute, last.trajectory.slice(0, -1));
  else rest.delete(attribute.replace(/#\d+$/, ""));
  trajectories.value = rest;
  impact.value = null;
  void refresh(`Taken back: ${critiqueText(direction, attribute).toLowerCase()}.`);
  void loadUserAttributes();
  return true;
}

/** Nothing of one user is shown to another. */
export function followCritiqueUser(): void {
  effect(() => {
    void user.value;
    untracked(() => {
      impact.value = null;
      trajectories.value = new Map();
    });
  });
}
