// Requests to the server: the key, errors as ApiError with the server's own message (an abort stays an AbortError), streams, and readers of
// JSON values that never throw.
import { readEvents } from "./sse";

export class ApiError extends Error {
  /** HTTP status, or 0 when the server could not be reached or its answer could not be read. */
  readonly status: number;
  /** The server's word for the kind of error, e.g. "user_not_found"; "" if it gave none. */
  readonly code: string;
  constructor(status: number, message: string, code = "") {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";

let apiKey: string | null = null;

/** Key sent as `Authorization: Bearer` from now on; null sends none. */
export function setApiKey(key: string | null): void {
  apiKey = key;
}

/** A JSON object. The readers below take any value: the wrong kind becomes empty, so that no answer can break the page. */
export type Json = Record<string, unknown>;
export const asRecord = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
export const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
export const asText = (value: unknown): string => (typeof value === "string" ? value : typeof value === "number" ? String(value) : "");
export const asNumber = (value: unknown, fallback: number): number => (typeof value === "number" ? value : fallback);

/** The answer, if its status is good; otherwise throws ApiError. */
export async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (apiKey !== null) headers["authorization"] = `Bearer ${apiKey}`;
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body), signal: signal ?? null });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, "The server cannot be reached. Is it still running?");
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response: Response): Promise<ApiError> {
  let message = "";
  let code = "";
  try {
    const body = asRecord(await response.json());
    code = asText(asRecord(body["error"])["code"]);
    message = asText(asRecord(body["error"])["message"]) || asText(body["error"]);
    if (message === "" && asText(body["status"]) === "loading") message = "The model is still loading.";
  } catch {
    // Not JSON: the status has to do.
  }
  return new ApiError(response.status, message || `The server answered ${response.status} ${response.statusText}`.trim() + ".", code);
}

/** The answer's JSON object; {} for 204. */
export async function getJson(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Json> {
  const response = await send(method, path, body, signal);
  if (response.status === 204) return {};
  try {
    return asRecord(await response.json());
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, "The server's answer was not JSON.");
  }
}

/** Data of a streamed answer, parsed; ends at [DONE]. A connection that closes before it, or an error event, throws. */
export async function* streamJson(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<Json> {
  const response = await send("POST", path, body, signal);
  if (response.body === null) throw new ApiError(0, "The server sent an empty answer.");
  try {
    for await (const data of readEvents(response.body)) {
      if (data === "[DONE]") return;
      const event = asRecord(JSON.parse(data));
      if (event["error"] !== undefined) {
        throw new ApiError(response.status, asText(asRecord(event["error"])["message"]) || "The server stopped with an error.");
      }
      yield event;
    }
  } catch (error) {
    if (isAbort(error) || error instanceof ApiError) throw error;
    throw new ApiError(
      0,
      error instanceof SyntaxError ? "The server sent an event that is not JSON." : "The connection to the server was lost.",
    );
  }
  throw new ApiError(0, "The server ended the answer early.");
}
