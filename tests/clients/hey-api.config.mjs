// A client that checks by itself what it sends and what it receives.
export default {
  input: "./openapi.json",
  output: "./generated/hey-api",
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", { name: "@hey-api/sdk", validator: true }, "zod"],
};
