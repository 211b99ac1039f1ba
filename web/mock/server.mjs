// A stand-in for `attune serve`: the HTTP contract that the page uses, with deterministic data and slow streaming.
// Usage: node mock/server.mjs [--port N] [--pace MS]      (port 0 picks a free one; pace is the pause between words)
// For tests only: POST /mock/fail {path, status, message} makes the next matching request fail, GET /mock/state counts.
import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { critiqueScores } from "./attributes.mjs";
import { createCritiques } from "./critiques.mjs";
import { items, makeUsers, profile, rank, reason } from "./data.mjs";
import { beliefOf, createMoods, kPolicies, moodList } from "./moods.mjs";
import { Refusal } from "./refusal.mjs";

const kDist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const kTypes = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};
// The policy of the real server (src/serve/page.cpp), so that the browser tests notice what it would block.
const kPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const kModel = {
  id: "gemma-3-270m-q4_k_m",
  object: "model",
  created: 0,
  owned_by: "attune",
  attune: { instruction_tuned: false, context_length: 8192, parameters: 268098176 },
};
const kAnswer =
  "I would start with something small. The film is set over one night, and nearly all of it happens in a kitchen: two cooks, " +
  "one critic, and a kettle that will not stop whistling.\n\nIf you liked the slow parts of *Blade Runner*, you may like this:\n\n" +
  "- it is **patient** with its people\n- the jokes are dry\n- it ends a scene earlier than you expect\n\n" +
  "Shall I find a few more in that mood?";

export function createMock({
  pace = 18,
  users = makeUsers(943),
  instructionTuned = false,
  apiKey = null,
  chatOnly = false,
  attributes = true,
  moods = true,
} = {}) {
  const failures = [];
  const state = {
    chatsStarted: 0,
    chatsAborted: 0,
    chatsFinished: 0,
    feedback: 0,
    recommendsAborted: 0,
    critiques: 0,
    seeds: [],
    policies: [],
  };
  const events = new Set();
  const model = { ...kModel, attune: { ...kModel.attune, instruction_tuned: instructionTuned } };
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  const json = (response, status, body) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const startEvents = (response) => response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const emit = (response, value) => response.write(`data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`);
  const findUser = (id) =>
    users.get(id) ??
    (() => {
      throw new Refusal(404, `[user] expected a known user, found "${id}"`, "user_not_found", "user");
    })();

  const critiques = createCritiques({ findUser, learned: attributes, state });

  const moodRoutes = createMoods({ findUser, learned: moods });

  async function readJson(request) {
    if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) {
      throw new Refusal(415, "[request] expected content-type application/json");
    }
    let text = "";
    for await (const chunk of request) text += chunk;
    try {
      return JSON.parse(text);
    } catch {
      throw new Refusal(400, "[request] expected a JSON body, found malformed text");
    }
  }

  async function recommend(request, response) {
    const {
      user: id,
      k = 10,
      because = false,
      stream = false,
      exclude_seen: excludeSeen = true,
      policy = "vector",
    } = await readJson(request);
    if (!kPolicies.includes(policy)) throw new Refusal(400, `[recommend] expected a known policy, found "${policy}"`, null, "policy");
    const user = findUser(String(id));
    state.policies.push(policy);
    const own = policy === "vector";
    const decision = own
      ? {}
      : { decision: { event: "d1", model: "mock/1", seed: 1, propensity: 1, exact: true, lists: 1, belief: beliefOf(user) } };
    const ranked = own ? rank(user, k, excludeSeen, critiqueScores(user)) : moodList(user, k, excludeSeen, policy);
    const list = ranked.map((item) => ({ ...item, because: null, because_source: null }));
    const share = { model: 0, template: 0 };
    const explain = (item, index) => {
      const made = reason(user, item, index);
      share[made.source] += 1;
      return made;
    };
    if (!stream) {
      if (because)
        list.forEach((item, i) => {
          const made = explain(item, i);
          item.because = made.text;
          item.because_source = made.source;
        });
      return json(response, 200, { user: id, model: model.id, items: list, because_share: share, policy, ...decision });
    }
    let open = true;
    response.on("close", () => {
      if (!response.writableEnded) {
        open = false;
        state.recommendsAborted += 1;
      }
    });
    startEvents(response);
    await sleep(4 * pace);
    emit(response, { type: "items", user: id, model: model.id, items: list, policy, ...decision });
    for (let i = 0; because && i < list.length && open; ++i) {
      const made = explain(list[i], i);
      await sleep(5 * pace);
      for (const word of made.draft.match(/\S+\s*/g)) {
        if (!open) return undefined;
        emit(response, { type: "because_delta", item: list[i].item, text: word });
        await sleep(pace);
      }
      if (open) emit(response, { type: "because", item: list[i].item, because: made.text, because_source: made.source });
    }
    if (!open) return undefined;
    emit(response, { type: "done", because_share: share });
    emit(response, "[DONE]");
    return response.end();
  }

  async function feedback(request, response) {
    const { user: id, item, kind, value, event_id: eventId } = await readJson(request);
    if (typeof id !== "string" || id === "") throw new Refusal(400, "[feedback] expected a user, found none", null, "user");
    if (!items[Number(item) - 1]) throw new Refusal(404, `[feedback] expected a known item, found "${item}"`, "item_not_found", "item");
    if (kind === "rating" && !(value >= 1 && value <= 5))
      throw new Refusal(400, `[feedback] expected value 1 to 5, found ${value}`, null, "value");
    const duplicate = eventId !== undefined && events.has(eventId);
    if (!duplicate) {
      if (eventId) events.add(eventId);
      state.feedback += 1;
      if (!users.has(id)) users.set(id, { ratings: new Map(), dismissed: new Set(), critiques: [] });
      const user = users.get(id);
      if (kind === "dismiss") user.dismissed.add(String(item));
      else user.ratings.set(String(item), { value, time: Math.floor(Date.now() / 1000) });
    }
    json(response, 200, { event_id: eventId ?? `e${state.feedback}`, stored: true, duplicate });
  }

  async function chat(request, response) {
    const { messages, stream = false, max_tokens: maxTokens = 256, seed = null, stream_options: options } = await readJson(request);
    if (!Array.isArray(messages) || messages.length === 0) throw new Refusal(400, "[chat] expected messages, found none", null, "messages");
    state.seeds.push(seed);
    const tokens = kAnswer.match(/\S+\s*/g).slice(0, maxTokens);
    const finish = tokens.length < maxTokens ? "stop" : "length";
    const usage = {
      prompt_tokens: 12 * messages.length,
      completion_tokens: tokens.length,
      total_tokens: 12 * messages.length + tokens.length,
    };
    const head = { id: "chatcmpl-mock", created: 0, model: model.id, attune: { mode: "transcript" } };
    if (!stream) {
      return json(response, 200, {
        ...head,
        object: "chat.completion",
        usage,
        choices: [{ index: 0, message: { role: "assistant", content: tokens.join("") }, finish_reason: finish }],
      });
    }
    const chunk = (delta, reasonWhy = null) => ({
      ...head,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, finish_reason: reasonWhy }],
    });
    let open = true;
    state.chatsStarted += 1;
    response.on("close", () => {
      if (!response.writableEnded) {
        open = false;
        state.chatsAborted += 1;
      }
    });
    startEvents(response);
    await sleep(8 * pace);
    emit(response, chunk({ role: "assistant", content: "" }));
    for (const token of tokens) {
      if (!open) return undefined;
      emit(response, chunk({ content: token }));
      await sleep(2 * pace);
    }
    if (!open) return undefined;
    emit(response, chunk({}, finish));
    if (options?.include_usage) emit(response, { ...head, object: "chat.completion.chunk", choices: [], usage });
    emit(response, "[DONE]");
    state.chatsFinished += 1;
    return response.end();
  }

  function asset(response, path) {
    const file = join(kDist, normalize(path === "/" ? "/index.html" : path));
    if (!file.startsWith(kDist) || !existsSync(file) || !extname(file))
      throw new Refusal(404, `[route] expected a known path, found ${path}`);
    response.writeHead(200, {
      "content-type": kTypes[extname(file)] ?? "application/octet-stream",
      "content-security-policy": kPolicy,
      "x-content-type-options": "nosniff",
      "cache-control": "no-cache",
    });
    response.end(readFileSync(file));
  }

  async function route(request, response) {
    const url = new URL(request.url, "http://localhost");
    const path = decodeURIComponent(url.pathname);
    const limit = Number(url.searchParams.get("limit") ?? 20);
    const query = (url.searchParams.get("query") ?? "").toLowerCase();
    const key = `${request.method} ${path}`;
    const planned = failures.findIndex((failure) => path.startsWith(failure.path));
    if (planned >= 0) {
      const [failure] = failures.splice(planned, 1);
      throw new Refusal(failure.status, failure.message, failure.code ?? null);
    }
    if (apiKey && path.startsWith("/v1/") && request.headers.authorization !== `Bearer ${apiKey}`) {
      throw new Refusal(401, "[auth] expected a valid API key", "invalid_api_key");
    }
    if (key === "POST /mock/fail") {
      failures.push(await readJson(request));
      return json(response, 200, {});
    }
    if (key === "GET /mock/state") return json(response, 200, state);
    if (key === "GET /health") return json(response, 200, { status: "ok" });
    if (key === "GET /v1/models") return json(response, 200, { object: "list", data: [model] });
    if (chatOnly && /^\/v1\/(recommend|feedback|users|items|attributes|critique|states)/.test(path)) {
      throw new Refusal(404, "this server has no recommender; start it with --recommender FOLDER", "no_recommender");
    }
    if (key === "POST /v1/recommend") return recommend(request, response);
    if (key === "POST /v1/feedback") return feedback(request, response);
    if (key === "POST /v1/chat/completions") return chat(request, response);
    if (key === "GET /v1/users") {
      return json(response, 200, { users: [...users.keys()].filter((id) => id.toLowerCase().includes(query)).slice(0, limit) });
    }
    if (key === "GET /v1/items") {
      const found = items.filter((item) => item.title.toLowerCase().includes(query)).slice(0, limit);
      return json(response, 200, { items: found.map(({ quality, ...item }) => item) });
    }
    const moodAnswer = moodRoutes(request.method, path, url.searchParams);
    if (moodAnswer !== null) return json(response, 200, moodAnswer);
    const answer = await critiques(request.method, path, url.searchParams, () => readJson(request));
    if (answer !== null) return json(response, 200, answer);
    const user = /^\/v1\/users\/(.+)$/.exec(path)?.[1];
    if (user && request.method === "GET") return json(response, 200, profile(user, findUser(user)));
    if (user && request.method === "DELETE") {
      findUser(user);
      users.delete(user);
      return json(response, 200, { user, erased: true });
    }
    if (path.startsWith("/v1/")) throw new Refusal(404, `[route] expected a known path, found ${path}`);
    if (request.method !== "GET" && request.method !== "HEAD") throw new Refusal(405, `[route] expected GET, found ${request.method}`);
    return asset(response, path);
  }

  return createServer((request, response) => {
    route(request, response).catch?.((error) => {
      if (response.headersSent) return response.destroy();
      const status = error.status ?? 500;
      const type = status === 401 ? "authentication_error" : status >= 500 ? "server_error" : "invalid_request_error";
      return json(response, status, { error: { message: error.message, type, param: error.param ?? null, code: error.code ?? null } });
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, fallback) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? fallback : Number(process.argv[at + 1]);
  };
  const server = createMock({ pace: option("pace", 18), instructionTuned: process.argv.includes("--instruct") });
  server.listen(option("port", 8081), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
}
