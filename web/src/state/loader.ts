// Loading what the server knows about one user.
import type { Signal } from "@preact/signals";
import { ApiError, isAbort } from "../lib/api";
import { reportError } from "./toasts";

/** A function that loads a user's `fetch` into `target`; null: nobody. Only the last call counts; a guest of whom nothing is known gives null. */
export function createLoader<T>(target: Signal<T | null>, fetch: (id: string, signal: AbortSignal) => Promise<T | null>) {
  let running: AbortController | null = null;
  return async (id: string | null): Promise<void> => {
    running?.abort();
    if (id === null) return;
    const controller = (running = new AbortController());
    try {
      const loaded = await fetch(id, controller.signal);
      if (running === controller) target.value = loaded;
    } catch (error) {
      if (isAbort(error) || running !== controller) return;
      target.value = null;
      if (!(error instanceof ApiError && error.status === 404)) reportError(error);
    }
  };
}
