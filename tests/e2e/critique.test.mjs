// "More" and "less" of a word, in a real browser: the list changes, what changed is shown, it can be taken back; an item's spectrum, the user's
// profile, a word's page. Runs against the mock, a binary or a running server (harness.mjs); what must be planned to fail, on the mock only.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startMock, startTarget } from "./harness.mjs";
import {
  audit,
  begin,
  cards,
  end,
  idsShown,
  kUser,
  kWidths,
  noComplaints,
  openFresh,
  page,
  pick,
  target,
  waitUntil,
} from "./page_fixture.mjs";

before(() => begin(startTarget));
after(end);

const onMock = { skip: process.env.ATTUNE_URL || process.env.ATTUNE_BINARY ? "needs the mock" : false };
const words = () => page.locator(".steer .word");
const wordNames = () => words().evaluateAll((all) => all.map((word) => word.getAttribute("aria-label")));
const impact = () => page.locator(".impact");
const getJson = async (path) => (await fetch(`${target.url}${path}`)).json();
const critiquesOf = async (user) => (await getJson(`/v1/users/${user}/attributes`)).critiques;

/** "−0.31" as a number. */
const numberOf = (text) => Number(text.replace("\u2212", "-"));
const means = async () => (await impact().locator(".impact-means .figure").allInnerTexts()).map(numberOf);

/** Presses a button that critiques and waits for the answer. */
async function press(button) {
  const answered = page.waitForResponse((response) => response.url().endsWith("/v1/critique"));
  await button.click();
  const response = await answered;
  assert.equal(response.status(), 200, await response.text());
  await impact().waitFor();
  return { sent: response.request().postDataJSON(), answer: await response.json() };
}

/** Waits until the list that was ranked for its reasons is there. */
const settled = () =>
  waitUntil(async () => (await page.locator(".list-panel").getAttribute("aria-busy")) === "false", "the list to be complete");
const near = (a, b) => assert.ok(Math.abs(a - b) <= 0.0051, `expected ${b}, found ${a}`);

test("words to steer by are offered, with the mean of the list", async () => {
  await openFresh();
  await pick(kUser);
  await words().first().waitFor();
  const { data } = await getJson("/v1/attributes");
  const names = await wordNames();
  assert.ok(names.length > 0 && names.length <= 6);
  for (const name of names) assert.notEqual(data.find((attribute) => attribute.name === name)?.kind ?? "irrelevant", "irrelevant", name);
  const spectra = await Promise.all((await idsShown()).map((id) => getJson(`/v1/items/${id}/attributes?user=${kUser}`)));
  const strongest = ({ attributes }) => attributes.find((bar) => bar.name === names[0])?.degree ?? 0;
  const mean = spectra.reduce((sum, spectrum) => sum + strongest(spectrum), 0) / spectra.length;
  near(numberOf((await words().first().locator(".sr-only").innerText()).split(" ").at(-1)), mean);
  await settled();
  await audit("the words above the list");
  noComplaints();
});

test('"less" of a word changes the list, shows the mean before and after, and can be taken back', async () => {
  const before = await idsShown();
  const [name] = await wordNames();
  const { sent, answer } = await press(
    words()
      .first()
      .getByRole("button", { name: `Less ${name}`, exact: true }),
  );
  assert.deepEqual(
    { ...sent, event_id: typeof sent.event_id },
    { user: kUser, attribute: name, direction: "less", limit: 10, event_id: "string" },
  );
  assert.deepEqual(
    answer.before.items.map(({ item }) => String(item)),
    before,
  );
  const ids = answer.after.items.map(({ item }) => String(item));
  await waitUntil(async () => (await idsShown()).join() === ids.join(), "the list of the answer");
  assert.ok(answer.after.mean_degree < answer.before.mean_degree, "less of it");
  const [was, is] = await means();
  near(was, answer.before.mean_degree);
  near(is, answer.after.mean_degree);
  assert.match(await page.locator(".change").innerText(), /^Less .*\. List: (\d+ new|\d+ moved)/);
  await settled();
  assert.deepEqual(await idsShown(), ids, "the list that is ranked for its reasons is the same");
  const marks = await cards().evaluateAll((all) => all.map((card) => [card.dataset.item, card.querySelector(".move")?.className ?? ""]));
  for (const [id, mark] of marks) assert.equal(mark === "move new", !before.includes(id), `the mark of ${id}: ${mark}`);
  const degrees = await page.locator(".card-degree .figure").allInnerTexts();
  assert.equal(degrees.length, ids.length);
  degrees.forEach((degree, n) => near(numberOf(degree), answer.after.items[n].degree));
  await page.getByText(`Less ${name}`, { exact: true }).last().waitFor();
  await audit("the list after a critique");
  const critiques = await critiquesOf(kUser);
  assert.equal(critiques.length, 1);
  assert.deepEqual([String(critiques[0].event), critiques[0].direction], [String(answer.event), "less"]);

  await impact().getByRole("button", { name: "Take it back" }).click();
  await waitUntil(async () => (await idsShown()).join() === before.join(), "the list from before");
  await impact().waitFor({ state: "detached" });
  assert.match(await page.locator(".change").innerText(), /^Taken back: less /);
  assert.deepEqual(await critiquesOf(kUser), []);
  await settled();
  noComplaints();
});

test("the list stays critiqued when the page is loaded again", async () => {
  const [name] = await wordNames();
  await press(
    words()
      .first()
      .getByRole("button", { name: `Less ${name}`, exact: true }),
  );
  await settled();
  const ids = await idsShown();
  await page.reload();
  await cards().first().waitFor();
  await settled();
  assert.deepEqual(await idsShown(), ids);
  assert.equal(await impact().count(), 0);
  await page.locator(".past-critique").waitFor();
  noComplaints();
});

test("an item's spectrum: its strongest words, and a critique that is about the item", async () => {
  const card = cards().nth(2);
  const id = (await idsShown())[2];
  const open = card.getByRole("button", { name: /^More or less like/ });
  await open.focus();
  await page.keyboard.press("Enter");
  assert.equal(await open.getAttribute("aria-expanded"), "true");
  const rows = card.locator(".spectrum-row");
  await rows.first().waitFor();
  const { attributes } = await getJson(`/v1/items/${id}/attributes?user=${kUser}`);
  const { data } = await getJson("/v1/attributes");
  const telling = attributes.filter(({ name }) => data.find((other) => other.name === name)?.kind !== "irrelevant").slice(0, 6);
  assert.equal(await rows.count(), telling.length);
  const figures = await rows.locator(".figure").allInnerTexts();
  figures.forEach((figure, n) => near(numberOf(figure), telling[n].degree));
  await settled();
  await audit("an item's spectrum");
  const { sent } = await press(rows.first().getByRole("button", { name: /^Less / }));
  assert.equal(String(sent.item), id);
  assert.equal(sent.attribute, telling[0].sense ?? telling[0].name);
  await page
    .locator(".toast")
    .getByText(/mean of the list .*, now /)
    .waitFor();
  await settled();
  noComplaints();
});

test("the profile shows what the user likes, with intervals, and takes critiques back one by one", async () => {
  const rows = page.locator(".taste-row");
  await rows.first().waitFor();
  const { attributes } = await getJson(`/v1/users/${kUser}/attributes`);
  const all = page.locator(".taste-more").first();
  if (attributes.length > 9) {
    assert.ok((await rows.count()) < attributes.length);
    await page.getByRole("button", { name: `Show all ${attributes.length}` }).click();
    assert.equal(await all.getAttribute("aria-expanded"), "true");
  }
  assert.equal(await rows.count(), attributes.length);
  const sorted = attributes.map(({ taste }) => taste).sort((a, b) => b - a);
  const shown = await rows.evaluateAll((list) => list.map((row) => row.title.split(": ")[1].split(",")[0]));
  shown.forEach((text, n) => near(numberOf(text), sorted[n]));
  await audit("the whole profile");
  const { length } = await critiquesOf(kUser);
  assert.ok(length >= 2);
  await page
    .getByRole("button", { name: /^Take back: / })
    .last()
    .click();
  await waitUntil(async () => (await critiquesOf(kUser)).length === length - 1, "the oldest critique to be gone");
  await waitUntil(async () => (await page.locator(".past-critique").count()) === length - 1, "the profile to follow");
  await settled();
  noComplaints();
});

test("a word's page: senses with their items, how all items lie, and a critique of one sense", async () => {
  const { data } = await getJson("/v1/attributes");
  const attribute = [...data].sort((a, b) => b.senses.length - a.senses.length)[0];
  await page.getByRole("button", { name: "All words" }).click();
  await page.getByRole("dialog", { name: "Words to steer by" }).waitFor();
  await audit("the list of all words");
  await page.getByLabel("Find a word").fill("zzzz no such word");
  await page.getByText("No such word was learned.").waitFor();
  await page.getByLabel("Find a word").fill(attribute.name);
  await page.locator(".all-word").first().locator(".word-button").click();
  const dialog = page.locator("dialog.wide");
  await dialog.locator(".histogram").first().waitFor();
  assert.equal(await dialog.locator(".sense").count(), attribute.senses.length);
  const columns = await dialog.locator(".sense").evaluateAll((all) => all.map((sense) => sense.getBoundingClientRect().top));
  assert.equal(new Set(columns).size, 1, "senses stand side by side");
  const full = await getJson(`/v1/attributes/${encodeURIComponent(attribute.name)}`);
  const degrees = await dialog.locator(".sense").first().locator(".sense-items").first().locator(".figure").allInnerTexts();
  degrees.forEach((degree, n) => near(numberOf(degree), full.senses[0].high[n].degree));
  const longest = Math.max(...full.senses.flatMap(({ high, low }) => [high.length, low.length]));
  if (longest > 5) {
    await dialog.getByRole("button", { name: `Show ${longest} items of each` }).click();
    assert.equal(await dialog.locator(".sense").first().locator(".sense-items").first().locator("li").count(), full.senses[0].high.length);
  }
  await audit("a word's page");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("dialog", { name: "Words to steer by" }).waitFor();
  await page.locator(".all-word").first().locator(".word-button").click();
  await dialog.locator(".histogram").first().waitFor();
  const last = full.senses.at(-1).name;
  const { sent } = await press(
    dialog
      .locator(".sense")
      .last()
      .getByRole("button", { name: /^More / }),
  );
  assert.deepEqual([sent.attribute, sent.direction], [last, "more"]);
  assert.equal(await page.getByRole("dialog").count(), 0, "the dialogs make room for the list");
  assert.ok((await wordNames()).includes(attribute.name), "a word once said stays at hand");
  await page.getByRole("list", { name: "What you said" }).getByRole("listitem").first().waitFor();
  await settled();
  noComplaints();
});

test("the means after several critiques of a word are drawn as a line and told in words", async () => {
  const [name] = await wordNames();
  for (const direction of ["Less", "Less", "More"]) {
    const { answer } = await press(
      words()
        .first()
        .getByRole("button", { name: `${direction} ${name}`, exact: true }),
    );
    const [, is] = await means();
    near(is, answer.after.mean_degree);
    if (answer.trajectory.length <= 2) continue;
    const label = await impact().locator(".trajectory").getAttribute("aria-label");
    const told = [...label.matchAll(/[+\u2212]?\d+\.\d\d/g)].map(([text]) => numberOf(text));
    assert.equal(told.length, answer.trajectory.length);
    told.forEach((value, n) => near(value, answer.trajectory[n].mean_degree));
    assert.equal(await impact().locator(".trajectory-mark").count(), answer.trajectory.length - 1);
  }
  await settled();
  await audit("the line of means");
  await words().first().locator(".word-button").click();
  await page.locator("dialog .trajectory").waitFor();
  await audit("the page of a word that was said");
  await page.keyboard.press("Escape");
  noComplaints();
});

test("a rating ends the news of the last critique", async () => {
  await impact().waitFor();
  await cards().first().locator("h3").hover();
  await cards().first().getByRole("button", { name: "4 of 5" }).click();
  await impact().waitFor({ state: "detached" });
  assert.equal(await page.locator(".card-degree").count(), 0);
  await settled();
  noComplaints();
});

test("everything fits every width, in both colours, without violations", async () => {
  const [name] = await wordNames();
  await press(
    words()
      .first()
      .getByRole("button", { name: `Less ${name}`, exact: true }),
  );
  await cards()
    .first()
    .getByRole("button", { name: /^More or less like/ })
    .click();
  await page.locator(".spectrum-row").first().waitFor();
  await settled();
  const tooWide = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of kWidths) {
      await page.setViewportSize({ width, height: 800 });
      assert.ok((await tooWide()) <= 0, `${await tooWide()} px too wide at ${width}`);
    }
    for (const width of [320, 390]) {
      await page.setViewportSize({ width, height: 844 });
      for (const panel of ["Profile", "For you"]) {
        await page.getByRole("navigation", { name: "Panels" }).getByRole("button", { name: panel }).click();
        await audit(`${panel} at ${width} px, ${colorScheme}`);
      }
      await words().first().locator(".word-button").click();
      await page.locator("dialog .histogram").first().waitFor();
      const body = page.locator("dialog.wide");
      const over = await body.evaluate((element) => element.scrollWidth - element.clientWidth);
      assert.ok(over <= 0, `the word's page is ${over} px too wide at ${width}`);
      await audit(`a word's page at ${width} px, ${colorScheme}`);
      await page.keyboard.press("Escape");
      await body.waitFor({ state: "detached" });
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    await audit(`1440 px, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  noComplaints();
});

test("a refused critique or undo is told in the server's words and changes nothing", onMock, async () => {
  const fail = (failure) =>
    fetch(`${target.url}/mock/fail`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(failure) });
  const ids = await idsShown();
  const [name] = await wordNames();
  const count = (await critiquesOf(kUser)).length;
  await fail({ path: "/v1/critique", status: 404, message: '[attributes] expected a learned attribute, found "gorry"; close: gory' });
  await words()
    .first()
    .getByRole("button", { name: `More ${name}`, exact: true })
    .click();
  await page.getByRole("alert").getByText("close: gory").waitFor();
  await fail({ path: `/v1/users/${kUser}/critiques`, status: 503, message: "[store] expected a writable disk, found it full" });
  await impact().getByRole("button", { name: "Take it back" }).click();
  await page.getByRole("alert").getByText("found it full").waitFor();
  assert.deepEqual(await idsShown(), ids);
  assert.equal((await critiquesOf(kUser)).length, count);
  noComplaints();
});

test("a second press while one is on its way says nothing twice", onMock, async () => {
  let posts = 0;
  let go = () => {};
  const gate = new Promise((resolve) => (go = resolve));
  await page.route("**/v1/critique", async (route) => {
    posts += 1;
    await gate;
    await route.continue();
  });
  const [name] = await wordNames();
  const button = words()
    .first()
    .getByRole("button", { name: `More ${name}`, exact: true });
  await button.click();
  await waitUntil(async () => (await button.getAttribute("aria-busy")) === "true", "the button to be busy");
  await button.click({ force: true });
  await words().last().locator(".step").first().click({ force: true });
  go();
  await waitUntil(async () => (await button.getAttribute("aria-busy")) === "false", "the answer");
  assert.equal(posts, 1);
  await page.unroute("**/v1/critique");
  await settled();
  noComplaints();
});

test("what attributes are called is text, never markup", onMock, async () => {
  const evil = '<img src=x onerror="document.title=1">';
  const sense = { name: evil, share: 1, users: 1, high: [{ item: "1", title: evil, degree: 2 }], low: [] };
  const attribute = { name: evil, kind: evil, source: evil, users: 3, examples: 4, accuracy: "x", auc: null, senses: [sense] };
  const json = (body) => (route) => route.fulfill({ status: 200, contentType: "application/json", body: JSON.stringify(body) });
  await page.route("**/v1/attributes", json({ data: [attribute] }));
  await page.route("**/v1/attributes/*", json(attribute));
  await page.route("**/v1/items/*/attributes", json({ attributes: [{ name: evil, degree: 1e9, sense: evil }] }));
  await page.reload();
  await words().first().locator(".word-button").click();
  await page.locator("dialog .sense-item").first().waitFor();
  assert.equal(await page.locator("dialog img").count(), 0);
  assert.equal(await page.title(), "Attune");
  await page.keyboard.press("Escape");
  await page.unroute("**/v1/attributes");
  await page.unroute("**/v1/attributes/*");
  await page.unroute("**/v1/items/*/attributes");
  noComplaints();
});

test("without learned attributes the page says which command learns them", onMock, async () => {
  const bare = await startMock({ attributes: false, pace: 1 });
  try {
    await page.goto(bare.url);
    await pick(kUser);
    await page.getByText("attune learn attributes", { exact: true }).waitFor();
    await page.getByText(/^The server says: .*expected learned attributes/).waitFor();
    assert.equal(await words().count(), 0);
    assert.equal(await page.getByRole("button", { name: /^More or less like/ }).count(), 0);
    await settled();
    await audit("a server without attributes");
    assert.equal(await page.getByRole("alert").count(), 0);
  } finally {
    await bare.close();
  }
  noComplaints();
});
