// One page in one browser against one server, and what the browser tests do with it again and again.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { needFile, openBrowser } from "./harness.mjs";

const axeSource = readFileSync(needFile("axe-core/axe.min.js"), "utf8");
export const kWaitMs = Number(process.env.ATTUNE_WAIT_MS ?? 60000);
export const kUser = process.env.ATTUNE_USER ?? "196";
export const kWidths = [320, 390, 768, 899, 900, 1024, 1179, 1180, 1440];

export let target;
export let page;
let browser;
/** What the browser complained about; every test must leave it empty. */
const complaints = [];

export async function begin(start) {
  target = await start();
  browser = await openBrowser();
  page = browser.page;
  page.setDefaultTimeout(kWaitMs);
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
}

export async function end() {
  await browser?.close();
  await target?.close();
}

/** What the mock counted. */
export const mockState = async () => (await fetch(`${target.url}/mock/state`)).json();
export const cards = () => page.locator(".cards:not(.ghosts) .card");
export const titles = () => page.locator(".card h3").allInnerTexts();
export const idsShown = () => cards().evaluateAll((all) => all.map((card) => card.dataset.item));
/** No error in the console: among others, the content security policy blocked nothing. */
export const noComplaints = () => assert.deepEqual(complaints.splice(0), []);

/** Counts pauses instead of looking at the clock, so that a machine that stood still meanwhile fails nothing. */
export async function waitUntil(condition, what) {
  const kPauseMs = 25;
  for (let tries = 0; tries < kWaitMs / kPauseMs; ++tries) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, kPauseMs));
  }
  assert.fail(`expected ${what} within ${kWaitMs} ms`);
}

export async function audit(what) {
  await page.evaluate(axeSource);
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter((a) => a.effect.getTiming().iterations !== Infinity)
        .map((a) => a.finished.catch(() => {})),
    ),
  );
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const found = violations.map(({ id, impact, nodes }) => `${impact}: ${id} at ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  assert.deepEqual(found, [], `accessibility of ${what}`);
}

export async function openFresh() {
  await page.goto(target.url);
  await page.evaluate(() => {
    localStorage.clear();
    sessionStorage.clear();
  });
  await page.reload();
  await page.getByRole("option").first().waitFor();
}

export async function pick(user) {
  await page.getByRole("combobox").fill(user);
  await page.getByRole("option", { name: user, exact: true }).click();
  await cards().first().waitFor();
}
