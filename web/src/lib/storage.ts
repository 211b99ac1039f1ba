// localStorage and sessionStorage that never throw: private windows and full disks only lose the memory.

export function recall(key: string, area: "local" | "session" = "local"): string | null {
  try {
    return (area === "local" ? localStorage : sessionStorage).getItem(`attune.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string | null, area: "local" | "session" = "local"): void {
  try {
    const store = area === "local" ? localStorage : sessionStorage;
    if (value === null) store.removeItem(`attune.${key}`);
    else store.setItem(`attune.${key}`, value);
  } catch {
    // Nothing to do: the page works without memory.
  }
}
