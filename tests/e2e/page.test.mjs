// The page in a real browser: what a person does from choosing a user to erasing their data, by mouse and by keyboard, and accessibility.
// Runs against the mock, a binary or a running server (harness.mjs).
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startTarget } from "./harness.mjs";
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
  target,
  titles,
  waitUntil,
} from "./page_fixture.mjs";

before(() => begin(startTarget));
after(end);

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
  await waitUntil(
    async () => (await page.locator(".because.writing, .because.waiting, .because.stale").count()) === 0,
    "all reasons to be final",
  );
  assert.equal(await first.locator("p").innerText(), text, "a final reason does not change");
  await page.getByText(/Reasons: \d+ by Gemma, \d+ from the template/).waitFor();
  await audit("the list with reasons");
  noComplaints();
});

test("a rating is stored and the list changes", async () => {
  const [firstId, secondId] = await idsShown();
  const stored = page.waitForResponse((response) => response.url().endsWith("/v1/feedback"));
  await page.locator(`.card[data-item="${firstId}"]`).getByRole("button", { name: "5 of 5" }).click();
  const response = await stored;
  assert.equal(response.status(), 200);
  const sent = response.request().postDataJSON();
  assert.deepEqual(
    { ...sent, event_id: typeof sent.event_id },
    { user: kUser, item: firstId, kind: "rating", value: 5, event_id: "string" },
  );
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

test('"not for me" takes an item off', async () => {
  const before = await idsShown();
  await cards()
    .nth(2)
    .getByRole("button", { name: /^Not for me/ })
    .click();
  await waitUntil(async () => !(await idsShown()).includes(before[2]), "the dismissed item to leave");
  await page.getByText(/taken off\./).waitFor();
  noComplaints();
});

test("moving over the stars with the arrow keys stores nothing; Enter does, and the focus stays in the list", async () => {
  await page.waitForTimeout(600);
  let posts = 0;
  const count = (request) => {
    if (request.url().endsWith("/v1/feedback")) posts += 1;
  };
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
  assert.deepEqual(
    { seed: body.seed, max_tokens: body.max_tokens, stream: body.stream, last: body.messages.at(-1) },
    { seed: 7, max_tokens: 64, stream: true, last: { role: "user", content: "What should I watch tonight?" } },
  );
  const answer = page.locator(".answer").last();
  await answer.locator(".prose").waitFor();
  let early = await answer.locator(".prose").innerText();
  const stop = page.getByRole("button", { name: "Stop", exact: true });
  // A real model may end its answer before the click: then it is asked again, with another seed.
  const stops = () =>
    stop
      .click({ timeout: 1000 })
      .then(() => answer.getByText(/stopped/).waitFor({ timeout: 2000 }))
      .then(
        () => true,
        () => false,
      );
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
  const speed = answer.getByText(/tokens\/s · \d+ tokens/);
  const answered = async () => {
    await page.getByRole("button", { name: "Regenerate" }).click();
    await page.getByRole("button", { name: "Send" }).waitFor();
    return speed.waitFor({ timeout: 2000 }).then(
      () => true,
      () => false,
    );
  };
  // A real model may answer with nothing at all, which has no speed: then it is asked again, with another seed.
  for (let tries = 1; !(await answered()); ++tries) {
    assert.ok(target.kind !== "mock" && tries < 10, "expected an answer that shows its speed");
    await setField("Seed", 100 + tries);
  }
  assert.equal(await page.locator(".answer").count(), 1, "a regenerated answer replaces the old one");
  await audit("the chat");
  noComplaints();
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
  const guest = (
    await page
      .getByRole("button", { name: /Change user/ })
      .locator(".user-name")
      .innerText()
  ).trim();
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
