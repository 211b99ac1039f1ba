// Pictures of the page for the eye, not a test: node tests/e2e/screenshots.mjs FOLDER
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openBrowser, startTarget } from "./harness.mjs";

const folder = process.argv[2] ?? "shots";
mkdirSync(folder, { recursive: true });
const target = await startTarget({ pace: 25 });
const user = process.env.ATTUNE_USER ?? "196";

async function shoot(name, { width, height, dark = false, mobile = false }, steps) {
  const { page, close } = await openBrowser({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", hasTouch: mobile });
  const snap = (part) => page.screenshot({ path: join(folder, `${name}-${part}.png`) });
  try {
    await page.goto(target.url);
    await steps(page, snap);
  } finally {
    await close();
  }
}

const choose = async (page) => {
  await page.getByRole("combobox").fill(user);
  await page.getByRole("option", { name: user, exact: true }).click();
  await page.locator(".card .because.writing").first().waitFor();
};
const chat = async (page) => {
  await page.getByLabel("Message", { exact: true }).fill("What should I watch on a rainy evening?");
  await page.keyboard.press("Enter");
};

/** Says "less" of the first word, twice, and opens an item's spectrum and the page of a word. */
async function critique(page, snap, part) {
  const less = page.locator(".word .step").first();
  await less.waitFor();
  await less.click();
  await page.locator(".impact svg").first().waitFor();
  await page.waitForTimeout(1200);
  await snap(`${part}-less`);
  await less.click();
  await page.locator(".trajectory").first().waitFor();
  await page.locator(".adjust").first().click();
  await page.waitForTimeout(1200);
  await snap(`${part + 1}-spectrum`);
  await page.getByRole("button", { name: "All words" }).click();
  await snap(`${part + 2}-words`);
  await page.locator(".all-word", { hasText: "senses" }).or(page.locator(".all-word")).first().locator(".word-button").click();
  await page.locator(".histogram").first().waitFor();
  await snap(`${part + 3}-word`);
}

async function wide(page, snap) {
  await page.getByRole("option").first().waitFor();
  await snap("1-welcome");
  await choose(page);
  await chat(page);
  await page.locator(".because.final").nth(1).waitFor();
  await snap("2-arriving");
  await page.locator(".card").nth(1).getByRole("button", { name: "5 of 5" }).click();
  await page.locator(".move").first().waitFor();
  await page.waitForTimeout(1200);
  await snap("3-rated");
  await page.getByLabel("Find something to rate").fill("star");
  await page.locator(".hit").first().waitFor();
  await page.getByRole("button", { name: "Settings" }).click();
  await snap("4-search");
  await page.keyboard.press("Escape");
  await page.getByLabel("Find something to rate").fill("");
  await critique(page, snap, 5);
}

async function narrow(page, snap) {
  await page.getByRole("option").first().waitFor();
  await snap("1-welcome");
  await choose(page);
  await page.locator(".because.final").first().waitFor();
  await snap("2-arriving");
  await page.getByRole("button", { name: "Chat", exact: true }).click();
  await chat(page);
  await page.getByText("Regenerate").waitFor({ timeout: 60000 });
  await snap("3-chat");
  await page.getByRole("button", { name: "Profile", exact: true }).click();
  await page.waitForTimeout(300);
  await snap("4-profile");
  await page.getByRole("button", { name: "Erase my data" }).click();
  await snap("5-erase");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "For you", exact: true }).click();
  await critique(page, snap, 6);
}

await shoot("desktop", { width: 1440, height: 900 }, wide);
await shoot("dark", { width: 1440, height: 900, dark: true }, wide);
await shoot("mobile", { width: 390, height: 844, mobile: true }, narrow);
await shoot("mobile-dark", { width: 390, height: 844, mobile: true, dark: true }, narrow);
await shoot("tablet", { width: 1024, height: 768 }, async (page, snap) => {
  await choose(page);
  await snap("2-arriving");
});
await target.close();
