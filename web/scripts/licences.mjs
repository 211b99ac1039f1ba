// Puts the licence texts of what was bundled beside the built page (dist/licences.txt). Run by `npm run build`.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const parts = ["preact", "@preact/signals", "@preact/signals-core", "@fontsource-variable/figtree", "@fontsource/source-serif-4"];
const folder = new URL("../node_modules/", import.meta.url);
const texts = parts.map((name) => {
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map((base) => new URL(`${name}/${base}`, folder)).find((url) => existsSync(url));
  if (file === undefined) throw new Error(`[licences] expected a licence file in ${name}, found none`);
  const { version } = JSON.parse(readFileSync(new URL(`${name}/package.json`, folder), "utf8"));
  return `${name} ${version}\n\n${readFileSync(file, "utf8").trim()}\n`;
});
writeFileSync(new URL("../dist/licences.txt", import.meta.url), texts.join("\n----------------------------------------\n\n"));
