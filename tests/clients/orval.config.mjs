// One client of functions around fetch, and the schemas by which what it receives can be checked.
const input = "./openapi.json";

export default {
  fetch: { input, output: { target: "./generated/orval/client.ts", client: "fetch", baseUrl: process.env.SERVER } },
  zod: { input, output: { target: "./generated/orval/zod.ts", client: "zod" } },
};
