// What the page thinks the user is in the mood for, in a real browser: bars of the states, how the belief moved, the policy of the list. Runs
// against the mock, a binary or a running server (harness.mjs); what must be planned to fail, on the mock only.
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
const rows = () => page.locator(".mood-row");
const getJson = async (path) => (await fetch(`${target.url}${path}`)).json();
const beliefOf = async (user) => (await getJson(`/v1/users/${user}/belief`)).states;
const shares = () => rows().locator(".figure").allInnerTexts();
const percent = (p) => `${Math.round(100 * p)} %`;
const settled = () =>
  waitUntil(async () => (await page.locator(".list-panel").getAttribute("aria-busy")) === "false", "the list to be complete");

/** Chooses a policy and waits for the list; what was asked. */
async function choose(policy) {
  const asked = page.waitForRequest((request) => request.url().endsWith("/v1/recommend"));
  await page.getByLabel("Chosen by").selectOption(policy);
  const body = (await asked).postDataJSON();
  await settled();
  return body;
}

test("the likeliest moods are shown with what is typical of them", async () => {
  await openFresh();
  await pick(kUser);
  await rows().first().waitFor();
  const states = (await beliefOf(kUser)).sort((a, b) => b.probability - a.probability);
  assert.deepEqual(
    await shares(),
    states.slice(0, 4).map(({ probability }) => percent(probability)),
  );
  assert.equal(await rows().first().locator(".mood-name").innerText(), states[0].name);
  const typical = await rows().first().locator(".mood-items").innerText();
  assert.ok(typical.startsWith(states[0].items[0].title), typical);
  await page.getByRole("button", { name: `Show all ${states.length} moods` }).click();
  assert.equal(await rows().count(), states.length);
  await settled();
  await audit("the moods");
  noComplaints();
});

test("a rating moves the belief, and the bars follow", async () => {
  const before = await beliefOf(kUser);
  await cards().first().locator("h3").hover();
  await cards().first().getByRole("button", { name: "5 of 5" }).click();
  await waitUntil(async () => (await getJson(`/v1/users/${kUser}/belief`)).steps > 0, "the rating to be a step");
  await waitUntil(async () => {
    const states = (await beliefOf(kUser)).sort((a, b) => b.probability - a.probability);
    const expected = states.map(({ probability }) => percent(probability));
    return (await shares()).join() === expected.join();
  }, "the bars to follow");
  assert.notDeepEqual(await beliefOf(kUser), before);
  await rows().first().locator(".mood-line").waitFor();
  const label = await rows().first().locator(".mood-line").getAttribute("aria-label");
  assert.match(label, /: from \d+ % to \d+ % over \d+ steps/);
  await settled();
  noComplaints();
});

test("the policy of the list is sent, kept over a reload, and changes the list", async () => {
  const own = await idsShown();
  const body = await choose("greedy");
  assert.equal(body.policy, "greedy");
  assert.match(await page.locator(".change").innerText(), /^Chosen by: your mood/);
  const byMood = await idsShown();
  await page.reload();
  await cards().first().waitFor();
  await settled();
  assert.equal(await page.getByLabel("Chosen by").inputValue(), "greedy");
  assert.deepEqual(await idsShown(), byMood);
  const back = await choose("vector");
  assert.equal(back.policy, undefined);
  assert.deepEqual(await idsShown(), own);
  noComplaints();
});

test("everything fits every width, in both colours, without violations", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of kWidths) {
      await page.setViewportSize({ width, height: 800 });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${over} px too wide at ${width}`);
    }
    await page.setViewportSize({ width: 390, height: 844 });
    for (const panel of ["Profile", "For you"]) {
      await page.getByRole("navigation", { name: "Panels" }).getByRole("button", { name: panel }).click();
      await audit(`${panel} at 390 px, ${colorScheme}`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    await audit(`1440 px, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  noComplaints();
});

test("without learned moods the page says which command learns them", onMock, async () => {
  const bare = await startMock({ moods: false, pace: 1 });
  try {
    await page.goto(bare.url);
    await pick(kUser);
    await page.getByText(/attune learn bandit/).waitFor();
    assert.equal(await page.getByLabel("Chosen by").count(), 0);
    await settled();
    await audit("a server without moods");
    assert.equal(await page.getByRole("alert").count(), 0);
  } finally {
    await bare.close();
  }
  noComplaints();
});
