// Who is using the page, with which model, and how it looks. The rest of the state follows `user`.
import { effect, signal } from "@preact/signals";
import { ApiError, fetchModel, hasRecommender, isReady, setApiKey } from "../lib/api";
import { newGuestId } from "../lib/ids";
import { recall, remember } from "../lib/storage";
import type { ModelInfo } from "../lib/types";
import { keyWanted, reportError } from "./toasts";

export type ServerState = "connecting" | "loading" | "ready" | "unreachable";
export type Theme = "auto" | "light" | "dark";
/** Which panel narrow windows show; wide ones show all. */
export type Panel = "list" | "chat" | "you";

export const server = signal<ServerState>("connecting");
export const model = signal<ModelInfo | null>(null);
/** A server without a recommender only chats; the page then leaves the rest out. */
export const recommends = signal(true);
export const user = signal<string | null>(recall("user"));
export const panel = signal<Panel>("list");
export const pickerOpen = signal(false);
export const theme = signal<Theme>((recall("theme") as Theme | null) ?? "auto");

effect(() => remember("user", user.value));
effect(() => {
  remember("theme", theme.value);
  document.documentElement.dataset["theme"] = theme.value;
});

const kPollMs = 1500;

export function chooseUser(id: string): void {
  user.value = id;
  pickerOpen.value = false;
  panel.value = "list";
}

/** A guest is known to the server from the first rating on. */
export const chooseGuest = (): void => chooseUser(newGuestId());

export const isGuest = (id: string | null): boolean => id !== null && id.startsWith("guest-");

export function giveApiKey(key: string): void {
  remember("key", key, "session");
  setApiKey(key);
  keyWanted.value = false;
  void connect();
}

/** Waits until the server is there and its model loaded, then reads the model's name. Polls; never gives up. */
export async function connect(): Promise<void> {
  setApiKey(recall("key", "session"));
  for (;;) {
    try {
      if (await isReady()) {
        model.value = await fetchModel();
        recommends.value = await hasRecommender();
        server.value = "ready";
        return;
      }
      server.value = "loading";
    } catch (error) {
      if (error instanceof ApiError && error.status === 0) {
        server.value = "unreachable";
      } else {
        reportError(error);
        if (error instanceof ApiError && error.status === 401) return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, kPollMs));
  }
}
