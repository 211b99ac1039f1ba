// Short messages in the corner. Errors stay long enough to be read and can be dismissed; nothing else depends on them.
import { signal } from "@preact/signals";
import { ApiError, isAbort } from "../lib/api";

export interface Toast {
  id: number;
  kind: "error" | "info";
  text: string;
}

export const toasts = signal<Toast[]>([]);

const kInfoMs = 4500;
const kErrorMs = 15000;
const kMaxToasts = 4;
let nextId = 1;

export function dismissToast(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function showToast(kind: Toast["kind"], text: string): void {
  const same = toasts.value.filter((toast) => toast.text !== text);
  const toast = { id: nextId++, kind, text };
  toasts.value = [...same, toast].slice(-kMaxToasts);
  setTimeout(() => dismissToast(toast.id), kind === "error" ? kErrorMs : kInfoMs);
}

/** Asks for an API key; set by state/session.ts (a 401 may come from any request). */
export const keyWanted = signal(false);

/** Shows what went wrong. An abort is no error; a 401 opens the question for the key instead. */
export function reportError(error: unknown): void {
  if (isAbort(error)) return;
  if (error instanceof ApiError && error.status === 401) keyWanted.value = true;
  else showToast("error", error instanceof Error ? error.message : String(error));
}
