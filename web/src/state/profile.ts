// What the server knows about the current user, and erasing it.
import { effect, signal, untracked } from "@preact/signals";
import { ApiError, eraseUser, fetchProfile, isAbort } from "../lib/api";
import type { Profile } from "../lib/types";
import { recommends, server, user } from "./session";
import { reportError, showToast } from "./toasts";

/** null while unknown: none chosen, not loaded yet, or a guest without events. */
export const profile = signal<Profile | null>(null);

let running: AbortController | null = null;

export async function loadProfile(): Promise<void> {
  running?.abort();
  const id = user.value;
  if (id === null || server.value !== "ready" || !recommends.value) {
    profile.value = null;
    return;
  }
  const controller = (running = new AbortController());
  try {
    const loaded = await fetchProfile(id, controller.signal);
    if (running === controller) profile.value = loaded;
  } catch (error) {
    if (isAbort(error) || running !== controller) return;
    profile.value = null;
    if (!(error instanceof ApiError && error.status === 404)) reportError(error);
  }
}

/** Erases everything about the current user and goes back to choosing one. */
export async function eraseMyData(): Promise<void> {
  const id = user.value;
  if (id === null) return;
  try {
    await eraseUser(id);
  } catch (error) {
    // Already unknown to the server is what was asked for.
    if (!(error instanceof ApiError && error.status === 404)) return reportError(error);
  }
  if (user.value === id) user.value = null;
  showToast("info", `All data of ${id} was erased.`);
}

export function followProfile(): void {
  effect(() => {
    void user.value;
    void server.value;
    untracked(() => {
      profile.value = null;
      void loadProfile();
    });
  });
}
