// The conversation, its settings, and the answer being written. Kept in memory only; the settings are remembered.
import { effect, signal, untracked, type Signal } from "@preact/signals";
import { isAbort, streamChat } from "../lib/api";
import { recall, remember } from "../lib/storage";
import type { ChatMessage, ChatSettings } from "../lib/types";
import { model, user } from "./session";
import { reportError } from "./toasts";

export interface AnswerStats {
  tokens: number;
  tokensPerSecond: number | null;
  firstTokenMs: number | null;
}

export interface Turn {
  id: number;
  role: "user" | "assistant";
  text: Signal<string>;
  /** How the answer ended; a question is always "stop". */
  state: Signal<"writing" | "stop" | "length" | "stopped" | "failed">;
  stats: Signal<AnswerStats | null>;
}

export const turns = signal<Turn[]>([]);
export const answering = signal(false);

export const kDefaultSettings: ChatSettings = { temperature: 1, topP: 0.95, topK: 64, maxTokens: 256, seed: null };
export const settings = signal<ChatSettings>(recallSettings());

function recallSettings(): ChatSettings {
  try {
    const stored = JSON.parse(recall("chat") ?? "{}") as Partial<ChatSettings>;
    const merged = { ...kDefaultSettings };
    for (const key of ["temperature", "topP", "topK", "maxTokens", "seed"] as const) {
      const value = stored[key];
      if (typeof value === "number" && Number.isFinite(value)) merged[key] = value;
    }
    return merged;
  } catch {
    return kDefaultSettings;
  }
}

effect(() => remember("chat", JSON.stringify(settings.value)));

let nextId = 1;
let running: AbortController | null = null;

function addTurn(role: Turn["role"], text: string, state: Turn["state"]["value"]): Turn {
  const turn: Turn = { id: nextId++, role, text: signal(text), state: signal(state), stats: signal(null) };
  turns.value = [...turns.value, turn];
  return turn;
}

/** Asks; does nothing while an answer is being written or for blank text. */
export function ask(text: string): void {
  if (answering.value || text.trim() === "") return;
  addTurn("user", text.trim(), "stop");
  void answer();
}

/** Takes the last answer back and asks again (with a fixed seed the same answer comes). */
export function regenerate(): void {
  if (answering.value || turns.value.length === 0) return;
  if (turns.value.at(-1)?.role === "assistant") turns.value = turns.value.slice(0, -1);
  void answer();
}

/** Ends the answer; what was written stays, and the server is told by the closed connection. */
export const stop = (): void => running?.abort();

export function clearChat(): void {
  stop();
  turns.value = [];
}

/** What is sent: empty answers left out, and neighbours of one role joined, since Gemma's chat format wants the roles to alternate. */
function historyOf(all: readonly Turn[]): ChatMessage[] {
  const history: ChatMessage[] = [];
  for (const { role, text } of all) {
    const last = history.at(-1);
    if (text.value === "") continue;
    if (last?.role === role) last.content += `\n\n${text.value}`;
    else history.push({ role, content: text.value });
  }
  return history;
}

/** A conversation belongs to one person. */
export function followChatUser(): void {
  effect(() => {
    void user.value;
    untracked(clearChat);
  });
}

/** Tokens per second between the first and the last token; the first one's wait is prefill and is told apart. */
function statsOf(tokens: number, startMs: number, firstMs: number | null, lastMs: number): AnswerStats {
  const span = firstMs === null ? 0 : lastMs - firstMs;
  return {
    tokens,
    tokensPerSecond: tokens > 1 && span > 0 ? ((tokens - 1) * 1000) / span : null,
    firstTokenMs: firstMs === null ? null : firstMs - startMs,
  };
}

async function answer(): Promise<void> {
  const history = historyOf(turns.value);
  const controller = (running = new AbortController());
  const turn = addTurn("assistant", "", "writing");
  answering.value = true;
  const startMs = performance.now();
  let firstMs: number | null = null;
  let lastMs = startMs;
  let pieces = 0;
  try {
    for await (const event of streamChat(history, model.value?.id ?? "", user.value, settings.value, controller.signal)) {
      if (event.type === "text") {
        lastMs = performance.now();
        firstMs ??= lastMs;
        pieces += 1;
        turn.text.value += event.text;
        turn.stats.value = statsOf(pieces, startMs, firstMs, lastMs);
      } else if (event.type === "usage") {
        turn.stats.value = statsOf(event.completionTokens, startMs, firstMs, lastMs);
      } else {
        turn.state.value = event.reason === "length" ? "length" : "stop";
      }
    }
    if (turn.state.value === "writing") turn.state.value = "stop";
  } catch (error) {
    turn.state.value = isAbort(error) ? "stopped" : "failed";
    reportError(error);
  } finally {
    if (running === controller) running = null;
    answering.value = running !== null;
  }
}
