// The ranked list of the current user: fetched, then its reasons written one after the other, then changed by ratings and dismissals.
// One request at a time: a newer one aborts the older. Each item's reason is a signal of its own, so that a word redraws one paragraph.
import { effect, signal, untracked, type Signal } from "@preact/signals";
import { ApiError, isAbort, sendFeedback, streamRecommend, type Feedback } from "../lib/api";
import { newEventId } from "../lib/ids";
import { compareRanks, describeMoves, type Move } from "../lib/moves";
import { recall, remember } from "../lib/storage";
import type { BecauseShare, Item, RankedItem, ReasonSource, RecommendEvent } from "../lib/types";
import { impact } from "./impact";
import { loadMood, policyInForce } from "./moods";
import { loadProfile } from "./profile";
import { recommends, server, user } from "./session";
import { reportError, showToast } from "./toasts";

export interface Reason {
  text: string;
  source: ReasonSource | null;
  /** waiting: nothing yet; stale: from the last list, about to be rewritten; writing: provisional; final; absent: the server sent none. */
  state: "waiting" | "stale" | "writing" | "final" | "absent";
}

export interface ShownItem extends RankedItem {
  reason: Signal<Reason>;
  move: Move;
}

/** unknown: the server does not know this user yet (a guest before the first rating). */
export type ListState = "empty" | "ranking" | "writing" | "done" | "unknown" | "failed";

export const shown = signal<ShownItem[]>([]);
export const listState = signal<ListState>("empty");
export const share = signal<BecauseShare | null>(null);
/** What the last feedback changed, e.g. "Alien: 5 stars. 1 new, 3 moved." */
export const changeNote = signal("");
/** Item whose feedback is on its way to the server. */
export const saving = signal<string | null>(null);
export const withReasons = signal(recall("reasons") !== "off");

export const kListLength = 10;
let running: AbortController | null = null;

const idsOf = (items: readonly RankedItem[]): string[] => items.map((item) => item.item);

/** What was done, for the note above the list, and the order of items before it, from which moves are counted. */
interface Change {
  cause: string;
  before: readonly string[];
}

/** Ranks again. `cause` says what was done; without it the list counts as a first one (no markers). */
export const refresh = (cause?: string): Promise<void> => rankAgain(cause === undefined ? null : { cause, before: idsOf(shown.value) });

async function rankAgain(change: Change | null): Promise<void> {
  running?.abort();
  const id = user.value;
  if (id === null || server.value !== "ready" || !recommends.value) return;
  const controller = (running = new AbortController());
  listState.value = "ranking";
  share.value = null;
  try {
    for await (const event of streamRecommend(id, kListLength, withReasons.value, policyInForce(), controller.signal)) apply(event, change);
    if (running === controller) finish();
  } catch (error) {
    if (isAbort(error) || running !== controller) return;
    if (error instanceof ApiError && error.status === 404) {
      shown.value = [];
      listState.value = "unknown";
      return;
    }
    settleReasons();
    listState.value = "failed";
    reportError(error);
  }
}

function apply(event: RecommendEvent, change: Change | null): void {
  if (event.type === "items") {
    showItems(event.items, change);
    listState.value = "writing";
  } else if (event.type === "done") {
    share.value = event.share;
  } else {
    const item = shown.value.find((other) => other.item === event.item);
    if (item === undefined) return;
    const old = item.reason.value;
    if (event.type === "because") {
      item.reason.value = { text: event.because ?? "", source: event.source, state: event.because === null ? "absent" : "final" };
    } else {
      const kept = old.state === "writing" ? old.text : "";
      item.reason.value = { text: kept + event.text, source: null, state: "writing" };
    }
  }
}

function showItems(items: RankedItem[], change: Change | null): void {
  const moves = change === null ? new Map<string, Move>() : compareRanks(change.before, idsOf(items));
  const old = new Map(shown.value.map((item) => [item.item, item.reason.value]));
  shown.value = items.map((item) => ({ ...item, move: moves.get(item.item) ?? 0, reason: signal(firstReason(item, old.get(item.item))) }));
  changeNote.value = change === null ? "" : `${change.cause} ${change.before.length > 0 ? `List: ${describeMoves(moves)}.` : ""}`.trim();
}

/** Shows a list that the server sent with something else than a ranking, then has its reasons written; moves stay those of this change. */
export function showList(items: RankedItem[], cause: string): void {
  running?.abort();
  running = null;
  const change = { cause, before: idsOf(shown.value) };
  share.value = null;
  showItems(items, change);
  if (withReasons.value) void rankAgain(change);
  else finish();
}

function firstReason(item: RankedItem, old: Reason | undefined): Reason {
  if (item.because !== null) return { text: item.because, source: item.becauseSource, state: "final" };
  if (!withReasons.value) return { text: "", source: null, state: "absent" };
  if (old !== undefined && old.text !== "" && old.state !== "writing") return { text: old.text, source: null, state: "stale" };
  return { text: "", source: null, state: "waiting" };
}

/** Reasons that will not come any more: a half-written one is withdrawn, since it was never checked. */
function settleReasons(): void {
  for (const item of shown.value) {
    if (item.reason.value.state !== "final") item.reason.value = { text: "", source: null, state: "absent" };
  }
}

function finish(): void {
  settleReasons();
  listState.value = "done";
}

async function give(item: Item, feedback: Feedback, cause: string): Promise<boolean> {
  const id = user.value;
  if (id === null || saving.value !== null) return false;
  saving.value = item.item;
  try {
    await sendFeedback(id, item.item, feedback, newEventId());
  } catch (error) {
    reportError(error);
    return false;
  } finally {
    saving.value = null;
  }
  if (user.value === id) {
    impact.value = null;
    void refresh(cause);
    void loadProfile();
    void loadMood();
  }
  return true;
}

/** Stores a rating and ranks again. False if it could not be stored (the reason is shown). */
export async function rate(item: Item, value: number): Promise<boolean> {
  const stored = await give(item, { kind: "rating", value }, `${item.title}: ${value} of 5.`);
  if (stored) showToast("info", `Saved: ${item.title}, ${value} of 5.`);
  return stored;
}

/** Stores "not for me" and ranks again. */
export const dismiss = (item: Item): Promise<boolean> => give(item, { kind: "dismiss" }, `${item.title} taken off.`);

export function setReasons(on: boolean): void {
  withReasons.value = on;
  remember("reasons", on ? "on" : "off");
  void refresh();
}

/** Starts over whenever the user changes or the server becomes ready. */
export function followUser(): void {
  effect(() => {
    void user.value;
    void server.value;
    untracked(() => {
      shown.value = [];
      listState.value = "empty";
      changeNote.value = "";
      void refresh();
    });
  });
}
