// The page in a real browser: what a person does from choosing a user to erasing their data, by mouse and by keyboard, and an accessibility audit.
// Runs against the mock, a binary or a running server (harness.mjs); tests that need planned failures or counts run against the mock only.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { needFile, openBrowser, startMock, startTarget } from "./harness.mjs";

const axeSource = readFileSync(needFile("axe-core/axe.min.js"), "utf8");
const kWaitMs = Number(process.env.ATTUNE_WAIT_MS ?? 60000);
const kUser = process.env.ATTUNE_USER ?? "196";
const kWidths = [320, 390, 768, 899, 900, 1024, 1179, 1180, 1440];

let target;
let browser;
let page;
/** What the browser complained about; every test must leave it empty. */
const complaints = [];

function watch(where) {
  where.setDefaultTimeout(kWaitMs);
  where.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  where.on("pageerror", (error) => complaints.push(String(error)));
}

before(async () => {
  target = await startTarget();
  browser = await openBrowser();
  page = browser.page;
  watch(page);
});
after(async () => {
  await browser?.close();
  await target?.close();
});

const onlyMock = () => (target.kind === "mock" ? false : "needs the mock server");
const mockState = async () => (await fetch(`${target.url}/mock/state`)).json();
const fail = (failure) => fetch(`${target.url}/mock/fail`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(failure) });
const cards = () => page.locator(".cards:not(.ghosts) .card");
const titles = () => page.locator(".card h3").allInnerTexts();
const idsShown = () => page.locator(".cards:not(.ghosts) .card").evaluateAll((all) => all.map((card) => card.dataset.item));
const noComplaints = () => assert.deepEqual(complaints.splice(0), []);

async function waitUntil(condition, what) {
  const end = Date.now() + kWaitMs;
  while (Date.now() < end) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`expected ${what} within ${kWaitMs} ms`);
}

async function audit(what) {
  await page.evaluate(axeSource);
  await page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations !== Infinity).map((a) => a.finished.catch(() => {}))));
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const found = violations.map(({ id, impact, nodes }) => `${impact}: ${id} at ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  assert.deepEqual(found, [], `accessibility of ${what}`);
}

async function openFresh() {
  await page.goto(target.url);
  await page.evaluate(() => { localStorage.clear(); sessionStorage.clear(); });
  await page.reload();
  await page.getByRole("option").first().waitFor();
}

async function pick(user) {
  await page.getByRole("combobox").fill(user);
  await page.getByRole("option", { name: user, exact: true }).click();
  await cards().first().waitFor();
}

test("a user is found and chosen with the keyboard, and the list appears", async () => {
  await openFresh();
  await audit("the welcome page");
  const box = page.getByRole("combobox");
  await box.focus();
  await box.fill(kUser);
  await page.getByRole("option", { name: kUser, exact: true }).waitFor();
  await waitUntil(async () => (await page.getByRole("option").first().innerText()) === kUser, "the exact match first");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await cards().first().waitFor();
  assert.equal(await cards().count(), 10);
  assert.ok((await titles()).every((title) => title.trim() !== ""));
  const models = await (await fetch(`${target.url}/v1/models`)).json();
  assert.equal(await page.locator(".model-name").innerText(), models.data[0].id);
  const banner = page.getByText("Base model: chat runs as a transcript");
  assert.equal(await banner.count(), models.data[0].attune.instruction_tuned ? 0 : 1);
  noComplaints();
});

test("reasons arrive word by word, provisional first, then final with their source", async () => {
  const first = page.locator(".card .because").first();
  await page.locator(".card .because.writing, .card .because.final").first().waitFor();
  await page.locator(".card .because.final").first().waitFor();
  assert.match(await first.locator(".source").innerText(), /^(Gemma|template)$/);
  const text = await first.locator("p").innerText();
  await waitUntil(async () => (await page.locator(".because.writing, .because.waiting, .because.stale").count()) === 0, "all reasons to be final");
  assert.equal(await first.locator("p").innerText(), text, "a final reason does not change");
  await page.getByText(/Reasons: \d+ by Gemma, \d+ from the template/).waitFor();
  await audit("the list with reasons");
  noComplaints();
});

test("a provisional reason grows, is marked, and is replaced by the final text", async (t) => {
  if (onlyMock()) return t.skip(onlyMock());
  await page.reload();
  await cards().first().waitFor();
  await page.evaluate(() => {
    globalThis.seen = [];
    const look = () => {
      const because = document.querySelectorAll(".card .because")[3];
      if (because) globalThis.seen.push([because.className, because.querySelector("p, i")?.textContent ?? "", because.querySelector(".source")?.textContent ?? ""]);
    };
    new MutationObserver(look).observe(document.querySelector(".cards"), { subtree: true, childList: true, characterData: true, attributes: true });
  });
  await page.locator(".card").nth(3).locator(".because.final").waitFor();
  const seen = await page.evaluate(() => globalThis.seen);
  const writing = seen.filter(([name]) => name === "because writing");
  assert.ok(writing.length > 5, `expected many steps of writing, found ${writing.length}`);
  assert.ok(writing.every(([, , label]) => label === "writing"));
  assert.ok(writing.every(([, text], n) => n === 0 || text.startsWith(writing[n - 1][1])), "the text only grows");
  const final = seen.findIndex(([name]) => name === "because final");
  assert.match(seen[final][1], /^Close to .*, which you rated highly\.$/);
  assert.ok(!seen[final][1].startsWith(writing.at(-1)[1]), "the final text replaces the provisional one");
  assert.equal(seen[final][2], "template");
  assert.ok(seen.slice(final).every(([name]) => name === "because final"));
  return noComplaints();
});

test("a rating is stored and the list changes", async () => {
  const [firstId, secondId] = await idsShown();
  const stored = page.waitForResponse((response) => response.url().endsWith("/v1/feedback"));
  await page.locator(`.card[data-item="${firstId}"]`).getByRole("button", { name: "5 of 5" }).click();
  const response = await stored;
  assert.equal(response.status(), 200);
  const sent = response.request().postDataJSON();
  assert.deepEqual({ ...sent, event_id: typeof sent.event_id }, { user: kUser, item: firstId, kind: "rating", value: 5, event_id: "string" });
  await waitUntil(async () => !(await idsShown()).includes(firstId), "the rated item to leave the list");
  assert.ok((await idsShown()).includes(secondId) || (await page.locator(".move").count()) > 0);
  await page.locator(".move").first().waitFor();
  assert.match(await page.locator(".change").innerText(), /: 5 of 5\. List: (\d+ new|\d+ moved|same order)/);
  await page.locator(".past").first().waitFor();
  const known = await (await fetch(`${target.url}/v1/users/${kUser}`)).json();
  assert.ok(known.ratings.some((rating) => String(rating.item) === firstId && rating.value === 5));
  await page.getByText(`Learned from ${known.num_ratings} ratings`).waitFor();
  noComplaints();
});

test("\"not for me\" takes an item off", async () => {
  const before = await idsShown();
  await cards().nth(2).getByRole("button", { name: /^Not for me/ }).click();
  await waitUntil(async () => !(await idsShown()).includes(before[2]), "the dismissed item to leave");
  await page.getByText(/taken off\./).waitFor();
  noComplaints();
});

test("moving over the stars with the arrow keys stores nothing; Enter does, and the focus stays in the list", async () => {
  await page.waitForTimeout(600);
  let posts = 0;
  const count = (request) => { if (request.url().endsWith("/v1/feedback")) posts += 1; };
  page.on("request", count);
  const ids = await idsShown();
  const card = page.locator(`.card[data-item="${ids[1]}"]`);
  await card.getByRole("button", { name: "1 of 5" }).focus();
  for (let step = 0; step < 6; ++step) await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "5 of 5");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("Home");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "1 of 5");
  await page.keyboard.press("ArrowRight");
  assert.equal(posts, 0);
  await page.keyboard.press("Enter");
  await waitUntil(async () => !(await idsShown()).includes(ids[1]), "the rated item to leave");
  assert.equal(posts, 1);
  assert.ok(await page.evaluate(() => document.activeElement.closest(".card") !== null), "the focus is in the list");
  page.off("request", count);
  noComplaints();
});

test("an item is found by its title and rated; Escape closes the search", async () => {
  const box = page.getByLabel("Find something to rate");
  const title = (await titles())[4].replace(/^\d+\.\s*/, "").replace(/\s*\d{4}$/, "");
  await box.fill(title.slice(0, 8));
  const hit = page.locator(".hit", { hasText: title }).first();
  await hit.waitFor();
  await audit("the search results");
  await hit.getByRole("button", { name: "4 of 5" }).click();
  await hit.locator(".star.lit").nth(3).waitFor();
  assert.equal(await hit.getByRole("button", { name: "4 of 5" }).getAttribute("aria-pressed"), "true");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".hits-panel").count(), 0);
  assert.equal(await box.inputValue(), "");
  await box.fill("zzzz no such title");
  await page.getByText("Nothing has this in its title.").waitFor();
  await box.fill("");
  noComplaints();
});

async function setField(label, value) {
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByLabel(label).fill(String(value));
  await page.getByRole("button", { name: "Settings" }).click();
}

test("chat streams, shows its speed, and a stop keeps what was written", async () => {
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByLabel("Max tokens").fill("64");
  await page.getByLabel("Seed").fill("7");
  await page.getByLabel("Temperature").fill("99");
  await page.getByLabel("Seed").focus();
  assert.equal(await page.getByLabel("Temperature").inputValue(), "2", "a value out of range is pulled into it");
  await page.getByRole("button", { name: "Back to defaults" }).click();
  await page.getByLabel("Max tokens").fill("64");
  await page.getByLabel("Seed").fill("7");
  await audit("the chat settings");
  await page.getByRole("button", { name: "Settings" }).click();
  const asked = page.waitForRequest((request) => request.url().endsWith("/v1/chat/completions"));
  await page.getByLabel("Message", { exact: true }).fill("What should I watch tonight?");
  await page.keyboard.press("Enter");
  const body = (await asked).postDataJSON();
  assert.deepEqual({ seed: body.seed, max_tokens: body.max_tokens, stream: body.stream, last: body.messages.at(-1) },
    { seed: 7, max_tokens: 64, stream: true, last: { role: "user", content: "What should I watch tonight?" } });
  const answer = page.locator(".answer").last();
  await answer.locator(".prose").waitFor();
  let early = await answer.locator(".prose").innerText();
  const stop = page.getByRole("button", { name: "Stop", exact: true });
  // A real model may end its answer before the click: then it is asked again, with another seed.
  const stops = () => stop.click({ timeout: 1000 }).then(() => answer.getByText(/stopped/).waitFor({ timeout: 2000 })).then(() => true, () => false);
  for (let tries = 1; !(await stops()); ++tries) {
    assert.ok(target.kind !== "mock" && tries < 10, "expected an answer that can be stopped");
    await page.getByRole("button", { name: "Send" }).waitFor();
    await setField("Seed", 7 + tries);
    await page.getByRole("button", { name: "Regenerate" }).click();
    await answer.locator(".prose").waitFor();
    early = await answer.locator(".prose").innerText();
  }
  const stopped = await answer.locator(".prose").innerText();
  assert.ok(stopped.startsWith(early.slice(0, 5)));
  await page.waitForTimeout(400);
  assert.equal(await answer.locator(".prose").innerText(), stopped, "nothing arrives after a stop");
  if (target.kind === "mock") await waitUntil(async () => (await mockState()).chatsAborted === 1, "the server to see the stop");
  await page.getByRole("button", { name: "Regenerate" }).click();
  await page.getByRole("button", { name: "Send" }).waitFor();
  await answer.getByText(/tokens\/s · \d+ tokens/).waitFor();
  assert.equal(await page.locator(".answer").count(), 1, "a regenerated answer replaces the old one");
  await audit("the chat");
  noComplaints();
});

test("the newest line stays in view while it is written, unless the reader scrolled up", async (t) => {
  if (onlyMock()) return t.skip(onlyMock());
  await page.setViewportSize({ width: 1440, height: 420 });
  const log = page.getByRole("log");
  const gap = () => log.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
  await page.getByRole("button", { name: "Regenerate" }).click();
  await waitUntil(async () => (await page.locator(".answer .prose").innerText().catch(() => "")).includes("patient"), "the answer to grow");
  assert.ok((await gap()) < 48, "the end is in view");
  await log.evaluate((element) => element.scrollTo({ top: 0 }));
  await page.getByRole("button", { name: "Send" }).waitFor();
  assert.equal(await log.evaluate((element) => element.scrollTop), 0, "the reader's place is kept");
  await page.setViewportSize({ width: 1440, height: 900 });
  return noComplaints();
});

test("Shift+Enter makes a new line, a blank message is not sent, clearing empties the chat", async () => {
  const box = page.getByLabel("Message", { exact: true });
  await box.fill("   ");
  await page.keyboard.press("Enter");
  await box.fill("one");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("two");
  assert.equal(await box.inputValue(), "one\ntwo");
  assert.equal(await page.locator(".question").count(), 1);
  await box.fill("");
  await page.getByRole("button", { name: "Clear the chat" }).click();
  assert.equal(await page.locator(".turn").count(), 0);
  noComplaints();
});

test("the page fits every width without sideways scrolling, in both colours, without violations", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of kWidths) {
      await page.setViewportSize({ width, height: 800 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `${wide} px too wide at ${width}`);
    }
    await page.setViewportSize({ width: 390, height: 844 });
    for (const panel of ["Chat", "Profile", "For you"]) {
      await page.getByRole("navigation", { name: "Panels" }).getByRole("button", { name: panel }).click();
      await audit(`${panel} at 390 px, ${colorScheme}`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    await audit(`1440 px, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  noComplaints();
});

test("the colours can be set by hand and are remembered", async () => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole("button", { name: "Colours: auto" }).click();
  await page.getByRole("button", { name: "Colours: light" }).click();
  await page.getByRole("button", { name: "Colours: dark" }).waitFor();
  assert.notEqual(await ground(), light);
  await page.reload();
  await page.getByRole("button", { name: "Colours: dark" }).click();
  await page.getByRole("button", { name: "Colours: auto" }).waitFor();
  await cards().first().waitFor();
  noComplaints();
});

test("a guest starts by rating and then gets a list", async () => {
  await page.getByRole("button", { name: /Change user/ }).click();
  await audit("the user dialog");
  await page.getByRole("button", { name: "Continue as a new guest" }).click();
  await page.getByText("Nothing is known about you yet.").waitFor();
  assert.match(await page.getByRole("button", { name: /Change user/ }).innerText(), /guest-[a-z0-9]{6}/);
  await page.locator(".start .hit").first().waitFor();
  await audit("a guest's first page");
  await page.locator(".start .hit").first().getByRole("button", { name: "5 of 5" }).click();
  await cards().first().waitFor();
  noComplaints();
});

test("erasing asks first, can be called off, and then the user is gone", async () => {
  const guest = (await page.getByRole("button", { name: /Change user/ }).locator(".user-name").innerText()).trim();
  assert.match(guest, /^guest-/);
  const known = () => fetch(`${target.url}/v1/users/${guest}`).then((response) => response.status);
  assert.equal(await known(), 200);
  const erase = page.getByRole("button", { name: "Erase my data" });
  await erase.click();
  await page.getByRole("dialog", { name: "Erase all data?" }).waitFor();
  await audit("the erase dialog");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await known(), 200);
  await erase.click();
  await page.getByRole("button", { name: "Erase everything" }).click();
  await page.getByRole("heading", { name: "Who is this for?" }).waitFor();
  await page.getByText(`All data of ${guest} was erased.`).waitFor();
  assert.equal(await known(), 404);
  await page.getByRole("combobox").fill(guest);
  await page.getByText("No user matches.").waitFor();
  noComplaints();
});

test("what the server says about an error is shown, and the page goes on", async (t) => {
  if (onlyMock()) return t.skip(onlyMock());
  await openFresh();
  await pick("7");
  await fail({ path: "/v1/feedback", status: 503, message: "[store] expected a writable disk, found it full" });
  const ids = await idsShown();
  await cards().first().getByRole("button", { name: "3 of 5" }).click();
  await page.getByRole("alert").getByText("[store] expected a writable disk, found it full").waitFor();
  assert.deepEqual(await idsShown(), ids, "a rating that was not stored changes nothing");
  await audit("an error message");
  await page.getByRole("button", { name: "Dismiss" }).click();
  assert.equal(await page.getByRole("alert").count(), 0);
  await fail({ path: "/v1/chat", status: 429, message: "[limit] expected fewer requests" });
  await page.getByLabel("Message", { exact: true }).fill("Hello");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("[limit] expected fewer requests").waitFor();
  await page.getByRole("button", { name: "Regenerate" }).click();
  await page.locator(".answer .prose").waitFor();
  await fail({ path: "/v1/recommend", status: 500, message: "[recommend] failed" });
  await page.reload();
  await page.getByRole("button", { name: "Try again" }).click();
  await cards().first().waitFor();
  return noComplaints();
});

test("what model, catalogue and server write is text, never markup", async (t) => {
  if (onlyMock()) return t.skip(onlyMock());
  const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  const items = [{ item: "1", title: evil, year: 1990, genres: [evil], score: 1, because: null, because_source: null }];
  const stream = [{ type: "items", items }, { type: "because", item: "1", because: evil, because_source: "model" }, { type: "done", because_share: { model: 1, template: 0 } }];
  const body = `${stream.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")}data: [DONE]\n\n`;
  await page.route("**/v1/recommend", (route) => route.fulfill({ status: 200, contentType: "text/event-stream", body }));
  await page.reload();
  await page.locator(".because.final").waitFor();
  assert.equal(await page.locator(".because.final p").innerText(), evil);
  assert.equal(await page.locator(".card img, .card script").count(), 0);
  assert.equal(await page.title(), "Attune");
  await page.unroute("**/v1/recommend");
  return noComplaints();
});

test("a half-written reason is withdrawn when the stream breaks off", async (t) => {
  if (onlyMock()) return t.skip(onlyMock());
  const items = [{ item: "1", title: "A", year: 1990, genres: [], score: 1 }];
  const stream = [{ type: "items", items }, { type: "because_delta", item: "1", text: "Never checked" }];
  const body = stream.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
  await page.route("**/v1/recommend", (route) => route.fulfill({ status: 200, contentType: "text/event-stream", body }));
  await page.reload();
  await page.getByRole("alert").getByText("The server ended the answer early.").waitFor();
  assert.equal(await page.getByText("Never checked").count(), 0);
  await page.unroute("**/v1/recommend");
  return noComplaints();
});

test("items glide to their new places, and stand still when less motion is asked for", async (t) => {
  if (onlyMock()) return t.skip(onlyMock());
  const moving = () => page.evaluate(() => document.getAnimations().filter((a) => a.constructor.name === "Animation" && a.effect.target?.classList.contains("card")).length);
  for (const [reducedMotion, expected] of [["no-preference", true], ["reduce", false]]) {
    await page.emulateMedia({ reducedMotion });
    await openFresh();
    await pick("12");
    const first = (await idsShown())[0];
    await page.evaluate(() => { globalThis.seen = 0; const look = () => { globalThis.seen = Math.max(globalThis.seen, document.getAnimations().filter((a) => a.constructor.name === "Animation" && a.effect.target?.classList.contains("card")).length); requestAnimationFrame(look); }; look(); });
    await cards().first().getByRole("button", { name: "1 of 5" }).click();
    await waitUntil(async () => !(await idsShown()).includes(first), "the rated item to leave");
    await page.waitForTimeout(150);
    assert.equal((await page.evaluate(() => globalThis.seen)) > 0, expected, `motion ${reducedMotion}`);
    await waitUntil(async () => (await moving()) === 0, "the motion to end");
  }
  await page.emulateMedia({ reducedMotion: "no-preference" });
  return noComplaints();
});

test("the list that a newer rating overtakes is given up", async (t) => {
  if (onlyMock()) return t.skip(onlyMock());
  const { recommendsAborted } = await mockState();
  await cards().first().getByRole("button", { name: /^Not for me/ }).click();
  await waitUntil(async () => (await mockState()).recommendsAborted > recommendsAborted, "the older request to be aborted");
  return noComplaints();
});

test("with an API key the page asks for it, once a tab", async (t) => {
  if (onlyMock()) return t.skip(onlyMock());
  const locked = await startMock({ apiKey: "secret", instructionTuned: true });
  try {
    await page.goto(locked.url);
    await page.getByRole("dialog", { name: "API key" }).waitFor();
    await audit("the key dialog");
    await page.getByRole("textbox", { name: "Key" }).fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "API key" }).waitFor();
    await page.getByRole("textbox", { name: "Key" }).fill("secret");
    await page.keyboard.press("Enter");
    await page.getByRole("option").first().waitFor();
    assert.equal(await page.locator(".banner").count(), 0, "an instruction-tuned model needs no banner");
    await page.reload();
    await page.getByRole("option").first().waitFor();
  } finally {
    await locked.close();
  }
  return noComplaints();
});

test("a server without a recommender is a chat page", async (t) => {
  if (onlyMock()) return t.skip(onlyMock());
  const chatOnly = await startMock({ chatOnly: true });
  try {
    await page.goto(chatOnly.url);
    await page.getByRole("heading", { name: "Chat", exact: true }).waitFor();
    assert.equal(await page.getByRole("heading", { level: 2 }).count(), 1);
    await page.getByLabel("Message", { exact: true }).fill("Hello");
    await page.keyboard.press("Enter");
    await page.locator(".answer .prose").waitFor();
    await audit("the chat page");
    for (const width of kWidths) {
      await page.setViewportSize({ width, height: 800 });
      assert.ok(await page.getByLabel("Message", { exact: true }).isVisible(), `the message field at ${width}`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    assert.equal(await page.getByRole("alert").count(), 0);
  } finally {
    await chatOnly.close();
  }
  return noComplaints();
});

test("while the model loads the page says so and goes on by itself", async (t) => {
  if (onlyMock()) return t.skip(onlyMock());
  let ready = false;
  await page.route("**/health", (route) => route.fulfill({ status: ready ? 200 : 503, contentType: "application/json", body: ready ? '{"status":"ok"}' : '{"status":"loading"}' }));
  await page.goto(target.url);
  await page.getByText("The model is being loaded.").waitFor();
  await audit("the loading page");
  ready = true;
  await page.getByText("The model is being loaded.").waitFor({ state: "detached" });
  await page.unroute("**/health");
  await cards().or(page.getByRole("option")).first().waitFor();
  return noComplaints();
});
