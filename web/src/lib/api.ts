// The server's HTTP contract, and nothing about the page. Errors are ApiError with the server's own message; an abort stays an AbortError.
// Answers are normalised here (missing lists become empty, ids become strings), so that the rest of the page can trust its types.
import { bareTitle, parseTime } from "./format";
import { ApiError, asList, asNumber, asRecord, asText, getJson, send, streamJson, type Json } from "./http";
import type { BecauseShare, ChatMessage, ChatSettings, Item, ModelInfo, Profile, RankedItem, ReasonSource, RecommendEvent } from "./types";

export { ApiError, isAbort, setApiKey } from "./http";

export function toItem(value: unknown): Item {
  const record = asRecord(value);
  const year = asNumber(record["year"], 0) || Number.parseInt(asText(record["year"]), 10) || null;
  const item = asText(record["item"]) || asText(record["id"]);
  const title = asText(record["title"]) || `Item ${item}`;
  return {
    item,
    year,
    title: bareTitle(title, year),
    genres: asList(record["genres"])
      .map(asText)
      .filter((genre) => genre !== ""),
  };
}

const toSource = (value: unknown): ReasonSource | null => (value === "model" || value === "template" ? value : null);

export function toRanked(value: unknown): RankedItem {
  const record = asRecord(value);
  return {
    ...toItem(record),
    score: asNumber(record["score"], Number.NaN),
    because: asText(record["because"]) || null,
    becauseSource: toSource(record["because_source"]),
  };
}

function toShare(value: unknown): BecauseShare | null {
  if (typeof value !== "object" || value === null) return null;
  const record = asRecord(value);
  return { model: asNumber(record["model"], 0), template: asNumber(record["template"], 0) };
}

/** True when the model is loaded; false while it loads. Throws when the server cannot be reached. */
export async function isReady(): Promise<boolean> {
  try {
    await send("GET", "/health");
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 503) return false;
    throw error;
  }
}

export async function fetchModel(): Promise<ModelInfo> {
  const first = asRecord(asList((await getJson("GET", "/v1/models"))["data"])[0]);
  return { id: asText(first["id"]) || "unknown model", instructionTuned: asRecord(first["attune"])["instruction_tuned"] !== false };
}

/** False for a server that was started without a recommender: it chats only. */
export async function hasRecommender(): Promise<boolean> {
  try {
    await getJson("GET", "/v1/users?limit=1");
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.code === "no_recommender") return false;
    throw error;
  }
}

/** Ids that contain the query, an exact match first. */
export async function searchUsers(query: string, limit: number, signal: AbortSignal): Promise<string[]> {
  const body = await getJson("GET", `/v1/users?query=${encodeURIComponent(query)}&limit=${limit}`, undefined, signal);
  const rows = asList(body["users"] ?? body["data"]);
  const ids = rows.map((row) => asText(row) || asText(asRecord(row)["user"]) || asText(asRecord(row)["id"])).filter((id) => id !== "");
  return ids.includes(query) ? [query, ...ids.filter((id) => id !== query)] : ids;
}

export async function searchItems(query: string, limit: number, signal: AbortSignal): Promise<Item[]> {
  const body = await getJson("GET", `/v1/items?query=${encodeURIComponent(query)}&limit=${limit}`, undefined, signal);
  return asList(body["items"] ?? body["data"])
    .map(toItem)
    .filter((item) => item.item !== "");
}

const names = (value: unknown): string[] =>
  asList(value)
    .map((entry) => asText(entry) || asText(asRecord(entry)["title"]) || asText(asRecord(entry)["name"]))
    .filter((name) => name !== "");

export async function fetchProfile(user: string, signal?: AbortSignal): Promise<Profile> {
  const body = await getJson("GET", `/v1/users/${encodeURIComponent(user)}`, undefined, signal);
  const ratings = asList(body["ratings"]).map((row) => {
    const record = asRecord(row);
    const { item, title } = toItem(record);
    return { item, title, value: asNumber(record["value"], 0), timeMs: parseTime(record["time"]) };
  });
  const taste = asRecord(body["taste"]);
  return {
    user,
    ratings,
    numRatings: asNumber(body["num_ratings"], ratings.length),
    likes: names(taste["likes"]),
    dislikes: names(taste["dislikes"]),
    favourites: names(taste["favourites"]),
  };
}

export async function eraseUser(user: string): Promise<void> {
  await getJson("DELETE", `/v1/users/${encodeURIComponent(user)}`);
}

export type Feedback = { kind: "rating"; value: number } | { kind: "dismiss" };

/** Resolves once the event is durable. Sent again once, under the same event id, if the connection fails. */
export async function sendFeedback(user: string, item: string, feedback: Feedback, eventId: string): Promise<void> {
  const body = { user, item, ...feedback, event_id: eventId };
  try {
    await getJson("POST", "/v1/feedback", body);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 0) throw error;
    await getJson("POST", "/v1/feedback", body);
  }
}

/** Ranks for a user and, if asked, writes the reasons one after the other. */
export async function* streamRecommend(
  user: string,
  k: number,
  because: boolean,
  policy: string,
  signal: AbortSignal,
): AsyncGenerator<RecommendEvent> {
  const body: Json = { user, k, because, stream: true };
  if (policy !== "vector") body["policy"] = policy;
  for await (const event of streamJson("/v1/recommend", body, signal)) {
    const item = asText(event["item"]);
    switch (event["type"]) {
      case "items":
        yield { type: "items", items: asList(event["items"]).map(toRanked) };
        break;
      case "because_delta":
        yield { type: "because_delta", item, text: asText(event["text"]) };
        break;
      case "because":
        yield { type: "because", item, because: asText(event["because"]) || null, source: toSource(event["because_source"]) };
        break;
      case "done":
        yield { type: "done", share: toShare(event["because_share"]) };
        break;
      default:
        break;
    }
  }
}

export type ChatEvent = { type: "text"; text: string } | { type: "finish"; reason: string } | { type: "usage"; completionTokens: number };

/** One answer to a conversation, piece by piece. */
export async function* streamChat(
  messages: ChatMessage[],
  model: string,
  user: string | null,
  settings: ChatSettings,
  signal: AbortSignal,
): AsyncGenerator<ChatEvent> {
  const body: Json = {
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    temperature: settings.temperature,
    top_p: settings.topP,
    top_k: settings.topK,
    max_tokens: settings.maxTokens,
  };
  if (settings.seed !== null) body["seed"] = settings.seed;
  if (user !== null) body["user"] = user;
  for await (const chunk of streamJson("/v1/chat/completions", body, signal)) {
    const choice = asRecord(asList(chunk["choices"])[0]);
    const text = asText(asRecord(choice["delta"])["content"]);
    if (text !== "") yield { type: "text", text };
    if (typeof choice["finish_reason"] === "string") yield { type: "finish", reason: choice["finish_reason"] };
    const tokens = asRecord(chunk["usage"])["completion_tokens"];
    if (typeof tokens === "number") yield { type: "usage", completionTokens: tokens };
  }
}
