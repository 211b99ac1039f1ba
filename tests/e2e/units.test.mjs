// The page's pure functions, without a browser: event parsing, moves in the list, score bars, Markdown, answers of the server; and that
// web/dist is what the sources build.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { kRoot, needFile } from "./harness.mjs";

const kWeb = join(kRoot, "web");
const kMaxDistBytes = 180_000;
needFile("vite/package.json");
const esbuild = createRequire(needFile("vite/package.json"))("esbuild");

/** Bundles one TypeScript file of web/src and imports it. */
async function load(path) {
  const out = await esbuild.build({
    entryPoints: [join(kWeb, "src", path)],
    bundle: true,
    format: "esm",
    write: false,
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  return import(`data:text/javascript;base64,${Buffer.from(out.outputFiles[0].contents).toString("base64")}`);
}

const { EventParser, readEvents, kMaxEventChars } = await load("lib/sse.ts");
const { compareRanks, describeMoves } = await load("lib/moves.ts");
const { scoreFractions, parseTime, bareTitle, counted, formatScore } = await load("lib/format.ts");
const { parseBlocks } = await load("ui/markdown.tsx");
const api = await load("lib/api.ts");
const attributes = await load("lib/attributes.ts");
const chart = await load("lib/chart.ts");

/** A body that delivers the bytes in pieces of the given size. */
function bodyOf(bytes, size) {
  return new ReadableStream({
    start(controller) {
      for (let i = 0; i < bytes.length; i += size) controller.enqueue(bytes.slice(i, i + size));
      controller.close();
    },
  });
}

test("events come out the same whatever the line ends and wherever the bytes are cut", async () => {
  const expected = ['{"a":1}', "two\nlines", "é ∑ 🎬", "", "[DONE]"];
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = [
      ": a comment",
      'data: {"a":1}',
      "",
      "event: x",
      "data: two",
      "data:lines",
      "id: 7",
      "",
      "data: é ∑ 🎬",
      "",
      "data",
      "",
      "",
      "data: [DONE]",
      "",
      "",
    ].join(end);
    const bytes = new TextEncoder().encode(text);
    for (const size of [1, 2, 3, 5, 7, 64, 4096]) {
      const events = [];
      for await (const event of readEvents(bodyOf(bytes, size))) events.push(event);
      assert.deepEqual(events, expected, `line end ${JSON.stringify(end)}, pieces of ${size}`);
    }
  }
});

test("an event that was not ended by a blank line is not delivered", () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push("data: half"), []);
  assert.deepEqual(parser.push(" done\n"), []);
  assert.deepEqual(parser.push("\n"), ["half done"]);
});

test("an endless event is refused, on one line or on many", () => {
  assert.throws(() => new EventParser().push(`data: ${"x".repeat(kMaxEventChars + 1)}`), RangeError);
  assert.throws(() => new EventParser().push("data: xxxxxxxxxx\n".repeat(kMaxEventChars / 10 + 1)), RangeError);
});

test("an item that leaves does not make the others rise", () => {
  const moves = compareRanks(["a", "b", "c", "d"], ["b", "d", "c", "e"]);
  assert.deepEqual(
    [...moves],
    [
      ["b", 0],
      ["d", 1],
      ["c", -1],
      ["e", "new"],
    ],
  );
  assert.equal(describeMoves(moves), "1 new, 2 moved");
});

test("a new item in front does not make the others fall, and a first list has no moves", () => {
  assert.deepEqual(
    [...compareRanks(["a", "b"], ["z", "a", "b"])],
    [
      ["z", "new"],
      ["a", 0],
      ["b", 0],
    ],
  );
  assert.equal(compareRanks([], ["a"]).size, 0);
  assert.equal(describeMoves(compareRanks(["a"], ["a"])), "same order");
});

test("moves agree with counting pairs that changed their order", () => {
  let state = 12345;
  const next = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
  for (let round = 0; round < 200; ++round) {
    const shuffled = () => {
      const ids = [..."abcdefgh"];
      for (let i = ids.length - 1; i > 0; --i) {
        const j = next(i + 1);
        [ids[i], ids[j]] = [ids[j], ids[i]];
      }
      return ids.slice(0, 3 + next(6));
    };
    const before = shuffled();
    const after = shuffled();
    const both = after.filter((id) => before.includes(id));
    for (const [id, move] of compareRanks(before, after)) {
      if (!before.includes(id)) assert.equal(move, "new");
      else {
        const ahead = (list) => both.filter((other) => list.indexOf(other) < list.indexOf(id)).length;
        assert.equal(move, ahead(before) - ahead(after));
      }
    }
  }
});

test("score bars: best full, least short, equal all full, negative and missing scores", () => {
  assert.deepEqual(
    scoreFractions([5, 3, 4]).map((f) => f.toFixed(2)),
    ["1.00", "0.20", "0.60"],
  );
  assert.deepEqual(scoreFractions([2, 2]), [1, 1]);
  assert.deepEqual(
    scoreFractions([-1, -3]).map((f) => f.toFixed(2)),
    ["1.00", "0.20"],
  );
  assert.deepEqual(scoreFractions([1, Number.NaN]), [1, 0]);
  assert.deepEqual(scoreFractions([]), []);
  assert.equal(formatScore(Number.NaN), "–");
});

test("times in seconds, milliseconds and text", () => {
  assert.equal(parseTime(880606923), 880606923000);
  assert.equal(parseTime(1764036000000), 1764036000000);
  assert.equal(parseTime("880606923"), 880606923000);
  assert.equal(parseTime("1997-11-22T00:00:00Z"), Date.UTC(1997, 10, 22));
  for (const bad of ["no date", null, undefined, {}, Number.NaN]) assert.equal(parseTime(bad), null);
});

test("titles lose the year that is shown beside them, and only that", () => {
  assert.equal(bareTitle("Toy Story (1995)", 1995), "Toy Story");
  assert.equal(bareTitle("Blade Runner (2049)", 1982), "Blade Runner (2049)");
  assert.equal(bareTitle("Alien", null), "Alien");
  assert.equal(counted(1, "rating") + counted(2, "rating"), "1 rating2 ratings");
});

test("Markdown: blocks, an unfinished fence, and markup that stays text", () => {
  assert.deepEqual(parseBlocks("a\nb\n\n- x\n- y\n\n3. z"), [
    { kind: "text", lines: ["a", "b"] },
    { kind: "list", ordered: false, start: 1, entries: ["x", "y"] },
    { kind: "list", ordered: true, start: 3, entries: ["z"] },
  ]);
  assert.deepEqual(parseBlocks("```c\nint x;\n\ny"), [{ kind: "code", text: "int x;\n\ny" }]);
  assert.deepEqual(parseBlocks("<img src=x onerror=alert(1)>"), [{ kind: "text", lines: ["<img src=x onerror=alert(1)>"] }]);
});

/** Runs `use` with fetch answering as told. */
async function withFetch(answer, use) {
  const real = globalThis.fetch;
  globalThis.fetch = answer;
  try {
    return await use();
  } finally {
    globalThis.fetch = real;
  }
}

const events =
  (...lines) =>
  async () =>
    new Response(lines.map((line) => `data: ${line}\n\n`).join(""), { status: 200 });
const collect = async (stream) => {
  const all = [];
  for await (const event of stream) all.push(event);
  return all;
};
const recommend = () => collect(api.streamRecommend("1", 10, true, new AbortController().signal));

test("the server's own message reaches the reader; other bodies give the status", async () => {
  const reply = (status, body) => async () => new Response(body, { status, statusText: "Nope" });
  await assert.rejects(
    withFetch(reply(400, '{"error":{"message":"[x] expected y"}}'), () => api.fetchModel()),
    { name: "ApiError", status: 400, message: "[x] expected y" },
  );
  await assert.rejects(
    withFetch(reply(502, "<html>"), () => api.fetchModel()),
    { status: 502, message: "The server answered 502 Nope." },
  );
  await assert.rejects(
    withFetch(reply(200, "<html>"), () => api.fetchModel()),
    { status: 0, message: "The server's answer was not JSON." },
  );
  await assert.rejects(
    withFetch(
      async () => {
        throw new TypeError("refused");
      },
      () => api.fetchModel(),
    ),
    { status: 0 },
  );
  assert.equal(await withFetch(reply(503, '{"status":"loading"}'), () => api.isReady()), false);
  assert.equal(await withFetch(reply(200, '{"status":"ok"}'), () => api.isReady()), true);
});

test("a stream that breaks off, carries an error or is malformed is an error, not an end", async () => {
  const items = '{"type":"items","items":[{"item":1,"title":"A (1990)","year":1990,"genres":["X"],"score":1}]}';
  await assert.rejects(withFetch(events(items), recommend), { message: "The server ended the answer early." });
  await assert.rejects(withFetch(events(items, '{"error":{"message":"out of memory"}}'), recommend), { message: "out of memory" });
  await assert.rejects(withFetch(events(items, "{oops"), recommend), { message: "The server sent an event that is not JSON." });
  const whole = await withFetch(events(items, '{"type":"later_addition"}', '{"type":"done"}', "[DONE]"), recommend);
  assert.deepEqual(
    whole.map((event) => event.type),
    ["items", "done"],
  );
  assert.deepEqual(whole[0].items[0], { item: "1", title: "A", year: 1990, genres: ["X"], score: 1, because: null, becauseSource: null });
});

test("answers of unexpected shape become empty lists instead of crashes", async () => {
  const signal = new AbortController().signal;
  for (const body of ["{}", "[]", "null", '{"users":7,"items":"x","data":null,"ratings":{},"taste":[1]}']) {
    const reply = async () => new Response(body, { status: 200 });
    assert.deepEqual(await withFetch(reply, () => api.searchUsers("", 5, signal)), []);
    assert.deepEqual(await withFetch(reply, () => api.searchItems("", 5, signal)), []);
    assert.deepEqual((await withFetch(reply, () => api.fetchProfile("7"))).ratings, []);
    assert.equal((await withFetch(reply, () => api.fetchModel())).id, "unknown model");
  }
});

test("feedback is sent again once, under the same key, when the connection fails; a refusal is not repeated", async () => {
  const sent = [];
  const flaky = async (path, { body }) => {
    sent.push(JSON.parse(body));
    if (sent.length === 1) throw new TypeError("reset");
    return new Response('{"stored":true}', { status: 200 });
  };
  await withFetch(flaky, () => api.sendFeedback("u", "9", { kind: "rating", value: 4 }, "key-1"));
  assert.deepEqual(sent, Array(2).fill({ user: "u", item: "9", kind: "rating", value: 4, event_id: "key-1" }));
  let calls = 0;
  const refuse = async () => {
    calls += 1;
    return new Response("{}", { status: 404 });
  };
  await assert.rejects(
    withFetch(refuse, () => api.sendFeedback("u", "9", { kind: "dismiss" }, "key-2")),
    { status: 404 },
  );
  assert.equal(calls, 1);
});

test("an exact id comes first among those that contain it; a server without a recommender is told apart from one that fails", async () => {
  const signal = new AbortController().signal;
  const reply = (status, body) => async () => new Response(JSON.stringify(body), { status });
  assert.deepEqual(await withFetch(reply(200, { users: ["16", "61", "6"] }), () => api.searchUsers("6", 9, signal)), ["6", "16", "61"]);
  assert.deepEqual(await withFetch(reply(200, { users: ["16", "61"] }), () => api.searchUsers("6", 9, signal)), ["16", "61"]);
  assert.equal(await withFetch(reply(404, { error: { message: "none", code: "no_recommender" } }), () => api.hasRecommender()), false);
  assert.equal(await withFetch(reply(200, { users: [] }), () => api.hasRecommender()), true);
  await assert.rejects(
    withFetch(reply(404, { error: { message: "lost", code: "unknown_route" } }), () => api.hasRecommender()),
    { status: 404, code: "unknown_route" },
  );
});

test("ids with special characters stay one path segment", async () => {
  let asked = "";
  await withFetch(
    async (path) => {
      asked = path;
      return new Response("{}", { status: 200 });
    },
    () => api.eraseUser("a/b?c#d"),
  );
  assert.equal(asked, "/v1/users/a%2Fb%3Fc%23d");
});

test("bars around the middle: both ways, cut at the edge, nothing for what is no number", () => {
  assert.deepEqual(chart.spanOf(0, 1.5, 3), { x: 0, width: 50 });
  assert.deepEqual(chart.spanOf(0, -1.5, 3), { x: -50, width: 50 });
  assert.deepEqual(chart.spanOf(-3, 9, 3), { x: -100, width: 200 });
  assert.deepEqual(chart.spanOf(0, Number.NaN, 3), { x: 0, width: 0 });
  assert.deepEqual(chart.spanOf(0, 1, 0), { x: 0, width: 0 });
  assert.deepEqual([0.844, -1.2, 0, -0.004, Number.NaN].map(chart.formatDegree), ["+0.84", "\u22121.20", "0.00", "0.00", "–"]);
  assert.equal(chart.formatShare(0.678) + chart.formatShare(Number.NaN), "68 %");
  assert.equal(chart.senseLabel("dark#2") + chart.senseLabel("c#") + chart.senseLabel("#1"), "dark, sense 2c##1");
});

test("a list's mean spectrum counts one sense of a word, and an item without the word as 0", () => {
  const bar = (name, degree) => ({ name, sense: name, degree, percentile: 0.5 });
  const means = chart.meanSpectrum([[bar("dark", -2), bar("dark", 1), bar("odd", 0.5)], [bar("odd", 0.5)]]);
  assert.deepEqual(means, [
    { name: "dark", degree: -1 },
    { name: "odd", degree: 0.5 },
  ]);
  assert.deepEqual(chart.meanSpectrum([]), []);
});

test("offered are what a list has most of and, half as many, what it has least of", () => {
  const means = [3, -2, 0.5, -1, 2, 0, -3].map((degree) => ({ name: String(degree), degree }));
  assert.deepEqual(chart.chooseOffers(means, 6), ["3", "2", "0.5", "0", "-2", "-3"]);
  assert.deepEqual(chart.chooseOffers(means, 3), ["3", "2", "-3"]);
  assert.deepEqual(chart.chooseOffers(means.slice(0, 3), 6), ["3", "0.5", "-2"]);
  assert.deepEqual([chart.degreeLimit([]), chart.degreeLimit([-4, Number.NaN]), chart.degreeLimit([1], 0.5)], [3, 4, 1]);
});

test("words are found by a part of them, beginnings first, then the most used", () => {
  const word = (name, users) => ({ name, users });
  const all = [word("gory", 2), word("Gothic", 9), word("allegory", 50), word("dark", 99)];
  const names = (query) => chart.findAttributes(all, query).map(({ name }) => name);
  assert.deepEqual(names(" GO"), ["Gothic", "gory", "allegory"]);
  assert.deepEqual(names(""), ["dark", "allegory", "Gothic", "gory"]);
  assert.deepEqual(names("zz"), []);
});

test("histogram bars follow their edges; a trajectory's axis holds every step and is never too short", () => {
  const bars = chart.histogramBars({ edges: [-1, 0, 3], counts: [4, 1] }, 100, 40);
  assert.deepEqual(bars, [
    { x: 0, y: 0, width: 25, height: 40 },
    { x: 25, y: 30, width: 75, height: 10 },
  ]);
  assert.ok(chart.histogramBars({ edges: [0, 1], counts: [0] }, 10, 10).every(({ height }) => height === 0));
  const steps = [1, -1, 0.5].map((meanDegree, n) => ({ meanDegree, direction: [null, "less", "more"][n] }));
  const { points, zero } = chart.trajectoryPoints(steps, 100, 40);
  assert.deepEqual(
    points.map(({ x, y }) => [x, y]),
    [
      [0, 0],
      [50, 40],
      [100, 10],
    ],
  );
  assert.equal(zero, 20);
  const flat = chart.trajectoryPoints(
    [2, 2.3].map((meanDegree) => ({ meanDegree, direction: null })),
    100,
    40,
  );
  assert.deepEqual(
    flat.points.map(({ y }) => Math.round(y)),
    [30, 10],
  );
  assert.equal(flat.zero, null);
  assert.equal(
    chart.describeTrajectory("gory", steps),
    "Mean of gory in the list: at the start +1.00, after less \u22121.00, after more +0.50.",
  );
});

test("answers about attributes of unexpected shape are emptied, never crash", async () => {
  const ask = (body, use) => withFetch(async () => new Response(JSON.stringify(body), { status: 200 }), use);
  for (const body of [{}, [], null, { data: 7, attributes: "x", critiques: {}, senses: [null], before: 3, after: [], trajectory: null }]) {
    assert.deepEqual(await ask(body, () => attributes.fetchAttributes()), []);
    assert.deepEqual(await ask(body, () => attributes.fetchSpectrum("1", "2")), []);
    assert.deepEqual(await ask(body, () => attributes.fetchUserAttributes("1")), { tastes: [], critiques: [] });
    assert.equal((await ask(body, () => attributes.fetchAttribute("dark"))).kind, "unknown");
    const said = await ask(body, () =>
      attributes.sendCritique({ user: "1", attribute: "dark", direction: "less", item: null, limit: 5 }, "e"),
    );
    assert.deepEqual([said.attribute, said.direction, said.after.items, said.trajectory], ["dark", "less", [], []]);
  }
  const histograms = [
    { edges: [0, 1], counts: [1, 2] },
    { edges: [1, 0], counts: [1] },
    { edges: [0, "x"], counts: [1] },
    { edges: [0, 1], counts: [-1] },
    { edges: [0], counts: [] },
  ];
  for (const histogram of histograms) {
    const { senses } = await ask({ name: "a", senses: [{ name: "a", histogram }] }, () => attributes.fetchAttribute("a"));
    assert.equal(senses[0].histogram, null, JSON.stringify(histogram));
  }
  const beside = { name: "a", senses: [{ name: "a" }], histogram: { edges: [0, 1], counts: [3] } };
  const { senses } = await ask(beside, () => attributes.fetchAttribute("a"));
  assert.deepEqual(senses[0].histogram, { edges: [0, 1], counts: [3] });
});

test("a critique is sent again once, under the same key, when the connection fails; names stay one path segment", async () => {
  const sent = [];
  const answer =
    (result) =>
    async (path, { method, body }) => {
      sent.push([method, path, body && JSON.parse(body)]);
      return result();
    };
  const lost = answer(() => Promise.reject(new TypeError("reset")));
  const refuse = answer(() => new Response("{}", { status: 404 }));
  const request = { user: "u", attribute: "a/b", direction: "more", limit: 10 };
  const gone = { status: 0 };
  await assert.rejects(
    withFetch(lost, () => attributes.sendCritique({ ...request, item: null }, "key-1")),
    gone,
  );
  await assert.rejects(
    withFetch(refuse, () => attributes.sendCritique({ ...request, item: "7" }, "key-2")),
    { status: 404 },
  );
  await assert.rejects(
    withFetch(lost, () => attributes.fetchAttribute("a/b#1")),
    gone,
  );
  await assert.rejects(
    withFetch(lost, () => attributes.fetchSpectrum("1/2", "u&1")),
    gone,
  );
  await assert.rejects(
    withFetch(lost, () => attributes.undoCritique("u/1", "e?2")),
    gone,
  );
  const first = ["POST", "/v1/critique", { ...request, event_id: "key-1" }];
  assert.deepEqual(sent, [
    first,
    first,
    ["POST", "/v1/critique", { ...request, item: "7", event_id: "key-2" }],
    ["GET", "/v1/attributes/a%2Fb%231", null],
    ["GET", "/v1/items/1%2F2/attributes?user=u%261", null],
    ["DELETE", "/v1/users/u%2F1/critiques/e%3F2", null],
  ]);
});

test("web/dist is what the sources build, small, and free of outside addresses and inline code", async () => {
  const folder = mkdtempSync(join(tmpdir(), "attune-dist-"));
  try {
    const { build } = await import(pathToFileURL(needFile("vite/dist/node/index.js")));
    await build({ root: kWeb, configFile: join(kWeb, "vite.config.ts"), logLevel: "error", build: { outDir: folder, emptyOutDir: true } });
    const names = readdirSync(folder).sort();
    const committed = readdirSync(join(kWeb, "dist"))
      .filter((name) => name !== "licences.txt")
      .sort();
    assert.deepEqual(committed, names, "run npm run build in web/");
    for (const name of names)
      assert.ok(
        readFileSync(join(folder, name)).equals(readFileSync(join(kWeb, "dist", name))),
        `${name} differs: run npm run build in web/`,
      );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const total = readdirSync(join(kWeb, "dist")).reduce((sum, name) => sum + statSync(join(kWeb, "dist", name)).size, 0);
  assert.ok(total < kMaxDistBytes, `expected less than ${kMaxDistBytes} bytes, found ${total}`);
  const html = readFileSync(join(kWeb, "dist", "index.html"), "utf8");
  assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/i);
  for (const name of ["index.html", "index.css", "page.js"]) {
    const outside = readFileSync(join(kWeb, "dist", name), "utf8").match(/https?:\/\/[^\s"'`)]+/g) ?? [];
    assert.deepEqual(
      outside.filter((url) => !url.startsWith("http://www.w3.org/")),
      [],
      `${name} names an outside address`,
    );
  }
});
