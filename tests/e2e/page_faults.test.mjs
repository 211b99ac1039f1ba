// The page when things go wrong or come in pieces: planned failures, broken streams, hostile text, motion, keys, loading. On the mock only.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startMock } from "./harness.mjs";
import {
  audit,
  begin,
  cards,
  end,
  idsShown,
  kUser,
  kWidths,
  mockState,
  noComplaints,
  openFresh,
  page,
  pick,
  target,
  waitUntil,
} from "./page_fixture.mjs";

before(() => begin(startMock));
after(end);

const fail = (failure) =>
  fetch(`${target.url}/mock/fail`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(failure) });

test("a provisional reason grows, is marked, and is replaced by the final text", async () => {
  await openFresh();
  await pick(kUser);
  await page.reload();
  await cards().first().waitFor();
  await page.evaluate(() => {
    globalThis.seen = [];
    const look = () => {
      const because = document.querySelectorAll(".card .because")[3];
      if (because)
        globalThis.seen.push([
          because.className,
          because.querySelector("p, i")?.textContent ?? "",
          because.querySelector(".source")?.textContent ?? "",
        ]);
    };
    new MutationObserver(look).observe(document.querySelector(".cards"), {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
    });
  });
  await page.locator(".card").nth(3).locator(".because.final").waitFor();
  const seen = await page.evaluate(() => globalThis.seen);
  const writing = seen.filter(([name]) => name === "because writing");
  assert.ok(writing.length > 5, `expected many steps of writing, found ${writing.length}`);
  assert.ok(writing.every(([, , label]) => label === "writing"));
  assert.ok(
    writing.every(([, text], n) => n === 0 || text.startsWith(writing[n - 1][1])),
    "the text only grows",
  );
  const final = seen.findIndex(([name]) => name === "because final");
  assert.match(seen[final][1], /^Close to .*, which you rated highly\.$/);
  assert.ok(!seen[final][1].startsWith(writing.at(-1)[1]), "the final text replaces the provisional one");
  assert.equal(seen[final][2], "template");
  assert.ok(seen.slice(final).every(([name]) => name === "because final"));
  noComplaints();
});

test("the newest line stays in view while it is written, unless the reader scrolled up", async () => {
  await page.setViewportSize({ width: 1440, height: 420 });
  const log = page.getByRole("log");
  const gap = () => log.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
  await page.getByLabel("Message", { exact: true }).fill("What should I watch tonight?");
  await page.keyboard.press("Enter");
  await waitUntil(
    async () =>
      (
        await page
          .locator(".answer .prose")
          .innerText()
          .catch(() => "")
      ).includes("patient"),
    "the answer to grow",
  );
  assert.ok((await gap()) < 48, "the end is in view");
  await log.evaluate((element) => element.scrollTo({ top: 0 }));
  await page.getByRole("button", { name: "Send" }).waitFor();
  assert.equal(await log.evaluate((element) => element.scrollTop), 0, "the reader's place is kept");
  await page.setViewportSize({ width: 1440, height: 900 });
  noComplaints();
});

test("what the server says about an error is shown, and the page goes on", async () => {
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
  noComplaints();
});

test("what model, catalogue and server write is text, never markup", async () => {
  const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  const items = [{ item: "1", title: evil, year: 1990, genres: [evil], score: 1, because: null, because_source: null }];
  const stream = [
    { type: "items", items },
    { type: "because", item: "1", because: evil, because_source: "model" },
    { type: "done", because_share: { model: 1, template: 0 } },
  ];
  const body = `${stream.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")}data: [DONE]\n\n`;
  await page.route("**/v1/recommend", (route) => route.fulfill({ status: 200, contentType: "text/event-stream", body }));
  await page.reload();
  await page.locator(".because.final").waitFor();
  assert.equal(await page.locator(".because.final p").innerText(), evil);
  assert.equal(await page.locator(".card img, .card script").count(), 0);
  assert.equal(await page.title(), "Attune");
  await page.unroute("**/v1/recommend");
  noComplaints();
});

test("a half-written reason is withdrawn when the stream breaks off", async () => {
  const items = [{ item: "1", title: "A", year: 1990, genres: [], score: 1 }];
  const stream = [
    { type: "items", items },
    { type: "because_delta", item: "1", text: "Never checked" },
  ];
  const body = stream.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
  await page.route("**/v1/recommend", (route) => route.fulfill({ status: 200, contentType: "text/event-stream", body }));
  await page.reload();
  await page.getByRole("alert").getByText("The server ended the answer early.").waitFor();
  assert.equal(await page.getByText("Never checked").count(), 0);
  await page.unroute("**/v1/recommend");
  noComplaints();
});

test("items glide to their new places, and stand still when less motion is asked for", async () => {
  const moving = () =>
    page.evaluate(
      () =>
        document.getAnimations().filter((a) => a.constructor.name === "Animation" && a.effect.target?.classList.contains("card")).length,
    );
  for (const [reducedMotion, expected] of [
    ["no-preference", true],
    ["reduce", false],
  ]) {
    await page.emulateMedia({ reducedMotion });
    await openFresh();
    await pick("12");
    const first = (await idsShown())[0];
    await page.evaluate(() => {
      globalThis.seen = 0;
      const look = () => {
        globalThis.seen = Math.max(
          globalThis.seen,
          document.getAnimations().filter((a) => a.constructor.name === "Animation" && a.effect.target?.classList.contains("card")).length,
        );
        requestAnimationFrame(look);
      };
      look();
    });
    await cards().first().getByRole("button", { name: "1 of 5" }).click();
    await waitUntil(async () => !(await idsShown()).includes(first), "the rated item to leave");
    await page.waitForTimeout(150);
    assert.equal((await page.evaluate(() => globalThis.seen)) > 0, expected, `motion ${reducedMotion}`);
    await waitUntil(async () => (await moving()) === 0, "the motion to end");
  }
  await page.emulateMedia({ reducedMotion: "no-preference" });
  noComplaints();
});

test("the list that a newer rating overtakes is given up", async () => {
  const { recommendsAborted } = await mockState();
  await cards()
    .first()
    .getByRole("button", { name: /^Not for me/ })
    .click();
  await waitUntil(async () => (await mockState()).recommendsAborted > recommendsAborted, "the older request to be aborted");
  noComplaints();
});

test("with an API key the page asks for it, once a tab", async () => {
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
  noComplaints();
});

test("a server without a recommender is a chat page", async () => {
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
  noComplaints();
});

test("while the model loads the page says so and goes on by itself", async () => {
  let ready = false;
  await page.route("**/health", (route) =>
    route.fulfill({ status: ready ? 200 : 503, contentType: "application/json", body: ready ? '{"status":"ok"}' : '{"status":"loading"}' }),
  );
  await page.goto(target.url);
  await page.getByText("The model is being loaded.").waitFor();
  await audit("the loading page");
  ready = true;
  await page.getByText("The model is being loaded.").waitFor({ state: "detached" });
  await page.unroute("**/health");
  await cards().or(page.locator("[role=option]")).first().waitFor();
  noComplaints();
});
