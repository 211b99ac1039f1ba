// What the user is believed to be in the mood for, and by which policy the list is chosen.
import { effect, signal, untracked } from "@preact/signals";
import { ApiError } from "../lib/api";
import { fetchMood, kPolicies, type Mood, type Policy } from "../lib/moods";
import { recall, remember } from "../lib/storage";
import { createLoader } from "./loader";
import { recommends, server, user } from "./session";

/** absent: the recommender has no moods, and `moodsHint` says what to do. */
export const moodsState = signal<"known" | "absent">("known");
export const moodsHint = signal("");
/** null while unknown: none chosen, not loaded yet, or a guest without events. */
export const mood = signal<Mood | null>(null);
export const policy = signal<Policy>(kPolicies.find(({ id }) => id === recall("policy"))?.id ?? "vector");

const load = createLoader<Mood>(mood, async (id, abort) => {
  try {
    const loaded = await fetchMood(id, abort);
    moodsState.value = "known";
    return loaded;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 409) throw error;
    moodsHint.value = error.message;
    moodsState.value = "absent";
    return null;
  }
});

export const loadMood = (): Promise<void> => load(server.value === "ready" && recommends.value ? user.value : null);

/** The policy that lists are asked with: without moods there is one only. */
export const policyInForce = (): Policy => (moodsState.value === "known" ? policy.value : "vector");

export function choosePolicy(chosen: Policy): void {
  policy.value = chosen;
  remember("policy", chosen);
}

export function followMood(): void {
  effect(() => {
    void user.value;
    void server.value;
    untracked(() => {
      mood.value = null;
      void loadMood();
    });
  });
}
