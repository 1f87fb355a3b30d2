// Every pattern of the document, in both dialects of JavaScript; what Perl makes of them is the caller's affair.
import { readFileSync } from "node:fs";

const patterns = new Set();
JSON.parse(readFileSync(process.argv[2], "utf8"), (key, value) => {
  if (key === "pattern" && typeof value === "string") patterns.add(value);
  return value;
});
for (const pattern of patterns) {
  new RegExp(pattern);
  new RegExp(pattern, "u");
  console.log(pattern);
}
