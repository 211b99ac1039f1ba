// Search as you type: waits for a pause, aborts the older request, reports failures once.
import { useEffect, useState } from "preact/hooks";
import { reportError } from "../state/toasts";

const kPauseMs = 160;

/** Results for the query; null until the first answer. `active` false asks nothing and keeps what there is. */
export function useSearch<T>(query: string, active: boolean, search: (query: string, signal: AbortSignal) => Promise<T[]>): T[] | null {
  const [found, setFound] = useState<T[] | null>(null);
  useEffect(() => {
    if (!active) return undefined;
    const controller = new AbortController();
    const timer = setTimeout(
      () => {
        search(query.trim(), controller.signal).then(setFound, (error: unknown) => {
          if (!controller.signal.aborted) reportError(error);
        });
      },
      query === "" ? 0 : kPauseMs,
    );
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [query, active]);
  return found;
}
