// What the server knows about the current user, and erasing it.
import { effect, signal, untracked } from "@preact/signals";
import { ApiError, eraseUser, fetchProfile } from "../lib/api";
import type { Profile } from "../lib/types";
import { createLoader } from "./loader";
import { recommends, server, user } from "./session";
import { reportError, showToast } from "./toasts";

/** null while unknown: none chosen, not loaded yet, or a guest without events. */
export const profile = signal<Profile | null>(null);

const load = createLoader(profile, fetchProfile);

export function loadProfile(): Promise<void> {
  const id = server.value === "ready" && recommends.value ? user.value : null;
  if (id === null) profile.value = null;
  return load(id);
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
