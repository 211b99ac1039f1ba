// What the browser tests share: checks of what must be installed, the server under test, and the browser.
// Environment: ATTUNE_URL (a running server); or ATTUNE_BINARY (a binary to start, with an empty store of its own), ATTUNE_MODEL (default
// data/tiny.gguf) and ATTUNE_RECOMMENDER (a folder; default: one learned from the made-up ratings); neither: the mock.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer, request } from "node:http";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createMock } from "../../web/mock/server.mjs";

export const kRoot = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const kSkipped = 77;
const kChromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const kFlags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Ends the program with the exit code that ctest counts as skipped. */
function skip(why) {
  console.log(`skipped: ${why}`);
  process.exit(kSkipped);
}

/** A package of web/node_modules; the test is skipped where it is not installed. */
export function need(name) {
  const local = createRequire(join(kRoot, "web", "package.json"));
  try {
    return local(name);
  } catch {
    return skip(`${name} is not installed (npm ci in web/)`);
  }
}

/** Path of a file inside a package of web/node_modules, or a skip. */
export function needFile(path) {
  const file = join(kRoot, "web", "node_modules", path);
  return existsSync(file) ? file : skip(`web/node_modules/${path} is not there (npm ci in web/)`);
}

if (Number(process.versions.node.split(".")[0]) < 18) skip(`node ${process.versions.node} is older than 18`);

/** A browser with an empty profile of its own; `close` ends it and removes the profile. */
export async function openBrowser(options = {}) {
  const executablePath = process.env.ATTUNE_CHROMIUM ?? kChromium.find((path) => existsSync(path)) ?? skip("no Chromium is installed");
  const { chromium } = need("playwright-core");
  const folder = mkdtempSync(join(tmpdir(), "attune-page-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath,
    args: kFlags,
    viewport: { width: 1440, height: 900 },
    ...options,
  });
  const close = async () => {
    await context.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  return { context, page: context.pages()[0] ?? (await context.newPage()), close };
}

const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer()
      .on("error", reject)
      .listen(0, "127.0.0.1", () => {
        const { port } = probe.address();
        probe.close(() => resolve(port));
      });
  });

/** The mock server on a free port. */
export async function startMock(options = {}) {
  const server = createMock(options);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { kind: "mock", url: `http://127.0.0.1:${server.address().port}`, close };
}

/** Learns the made-up ratings into `folder`, so that a binary can be tested where no data is. */
function learnGenerated(binary, folder) {
  const run = spawnSync(binary, ["learn", "ratings", "generated", "--out", folder, "--no-compare"], {
    cwd: kRoot,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (run.status !== 0) throw new Error(`[server] expected "learn ratings generated" to succeed, found exit code ${run.status}`);
  return folder;
}

async function startBinary(binary) {
  const port = await freePort();
  const state = mkdtempSync(join(tmpdir(), "attune-state-"));
  const model = process.env.ATTUNE_MODEL ?? join(kRoot, "data", "tiny.gguf");
  const recommender = process.env.ATTUNE_RECOMMENDER ?? learnGenerated(binary, join(state, "recommender"));
  const args = ["serve", "-m", model, "--port", String(port), "--store", join(state, "attune.db"), "--recommender", recommender];
  const child = spawn(binary, args, { cwd: kRoot, stdio: ["ignore", "inherit", "inherit"] });
  let ended = null;
  child.on("exit", (code, signal) => (ended = `exit code ${code}, signal ${signal}`));
  child.on("error", (error) => (ended = error.message));
  const url = `http://127.0.0.1:${port}`;
  const close = async () => {
    if (ended === null) {
      const gone = new Promise((resolve) => child.on("exit", resolve));
      child.kill("SIGTERM");
      await gone;
    }
    rmSync(state, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 600; ++tries) {
    if (ended !== null) throw new Error(`[server] expected a running server, found: ${ended}`);
    const response = await fetch(`${url}/health`).catch(() => null);
    if (response?.ok) return { kind: "binary", url, close };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await close();
  throw new Error("[server] expected /health to answer 200 within two minutes, found none");
}

const kEventPauseMs = 40;

/** Sends a stream of events on, one every kEventPauseMs. */
async function relaySlowly(from, to) {
  let text = "";
  for await (const chunk of from.setEncoding("utf8")) {
    const events = (text + chunk).split("\n\n");
    text = events.pop();
    for (const event of events) {
      to.write(`${event}\n\n`);
      await new Promise((resolve) => setTimeout(resolve, kEventPauseMs));
    }
  }
  to.end(text);
}

/** The target behind a proxy that lets chat through slowly: a fixture model answers faster than anyone can press "Stop". */
async function behindSlowProxy(target) {
  const { host, origin } = new URL(target.url);
  const proxy = createHttpServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, host, ...(incoming.headers.origin && { origin }) };
    const upstream = request(`${origin}${incoming.url}`, { method: incoming.method, headers }, (response) => {
      outgoing.writeHead(response.statusCode, response.headers);
      const slow = incoming.url === "/v1/chat/completions" && response.headers["content-type"]?.startsWith("text/event-stream");
      if (slow) relaySlowly(response, outgoing).catch(() => outgoing.destroy());
      else response.pipe(outgoing);
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const close = async () => {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
    await target.close();
  };
  return { ...target, url: `http://127.0.0.1:${proxy.address().port}`, close };
}

/** The server under test; `kind` is "url", "binary" or "mock". */
export async function startTarget(mockOptions = {}) {
  if (process.env.ATTUNE_URL) return behindSlowProxy({ kind: "url", url: process.env.ATTUNE_URL, close: async () => {} });
  if (process.env.ATTUNE_BINARY) {
    if (!existsSync(process.env.ATTUNE_BINARY)) skip(`${process.env.ATTUNE_BINARY} is not built`);
    return behindSlowProxy(await startBinary(process.env.ATTUNE_BINARY));
  }
  return startMock(mockOptions);
}
