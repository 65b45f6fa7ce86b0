// Stores, reads, lists and transacts with the types that `openapi-typescript` generates from the document.
import createClient from "openapi-fetch";
import type { components, paths } from "./paths.js";

declare const process: { argv: string[] };

const client = createClient<paths>({ baseUrl: process.argv[2] });
const NAMESPACE = "typescript clients/ü";
const KEY = "a key/with a slash";
const path = { namespace: NAMESPACE };

function assert(holds: boolean, shown: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(shown));
}

// The key does not exist yet.
const missing = await client.GET("/kv/{namespace}/{key}", { params: { path: { ...path, key: KEY } }, parseAs: "text" });
assert(missing.response.status === 404 && missing.error === "Not Found", missing);

// Values. By default the client sends JSON.
const asItIs = { bodySerializer: (body: unknown) => body as string, parseAs: "text" } as const;
const stored = await client.POST("/kv/{namespace}/{key}", {
  params: { path: { ...path, key: KEY }, header: { "If-None-Match": "*" } },
  headers: { "Content-Type": "text/plain" },
  body: "vü",
  ...asItIs,
});
const created: string | undefined = stored.data;
assert(created === "Created", stored);
const found = await client.GET("/kv/{namespace}/{key}", {
  params: { path: { ...path, key: KEY } },
  parseAs: "arrayBuffer",
});
const bytes: ArrayBuffer | undefined = found.data;
assert(bytes?.byteLength === 3 && found.response.headers.get("Content-Type") === "text/plain", found);
const again = await client.POST("/kv/{namespace}/{key}", {
  params: { path: { ...path, key: KEY }, header: { "If-None-Match": "*" } },
  body: "",
  ...asItIs,
});
const problem: components["schemas"]["Problem"] | string | undefined = again.error;
assert(typeof problem === "object" && problem.code === "precondition_failed" && problem.status === 412, again);
const total = await client.POST("/kv/{namespace}/{key}", {
  params: { path: { ...path, key: "sum" }, query: { op: "add", ttl: "1h" } },
  body: "41",
  ...asItIs,
});
assert(total.data === "41", total);

// Lists.
const list = await client.GET("/kv/{namespace}", { params: { path, query: { limit: 10, values: true } } });
assert(list.data !== undefined, list);
const keys: (string | undefined)[] = list.data.items.map((item) => item.key);
assert(keys.join() === `${KEY},sum`, keys);
const item: components["schemas"]["Item"] | undefined = list.data.items[1];
assert(item?.value === "41" && item.expires !== null, item);
const namespaces = await client.GET("/kv", { params: { query: { prefix: "typescript" } } });
assert(namespaces.data?.namespaces[0]?.name === NAMESPACE, namespaces);

// Transactions.
const done = await client.POST("/txn/{namespace}", {
  params: { path },
  body: {
    checks: [
      { key: "new", absent: true },
      { key: KEY, exists: true },
      { key64: "c3Vt", revision: item.revision },
    ],
    ops: [
      { op: "set", key: "new", value: "v", ttl: 60 },
      { op: "delete", key: KEY },
      { op: "add", key: "sum", by: 1 },
    ],
  },
});
assert(done.data?.results[2]?.value === "42", done);
const touch: components["schemas"]["Operation"] = { op: "touch", key64: "c3Vt", ttl: "2h" };
const touched = await client.POST("/txn/{namespace}", { params: { path }, body: { ops: [touch] } });
assert(touched.data?.results[0]?.existed === true, touched);
const many = await client.POST("/get/{namespace}", { params: { path }, body: { keys: ["new", { key64: "c3Vt" }, "no"] } });
const values = many.data?.items.map((one) => one?.value ?? null);
assert(JSON.stringify(values) === '["v","42",null]', many);

// The compiler rejects unknown operations.
// @ts-expect-error
const wrong: components["schemas"]["Operation"] = { op: "push", key: "k" };
// @ts-expect-error
const unknown: components["schemas"]["Check"] = { key: "k", absent: true, revison: 7 };
void [wrong, unknown];

// An export can be imported.
const lines = await client.GET("/export/{namespace}", { params: { path }, parseAs: "text" });
assert(lines.data?.split("\n").length === 5, lines);
const report = await client.POST("/import/{namespace}", {
  params: { path },
  body: lines.data,
  bodySerializer: (body) => body,
});
assert(report.data?.imported === 2, report);

// Namespaces.
const settings = await client.PUT("/kv/{namespace}", { params: { path }, body: { ttl: "1h", max_keys: 5 } });
assert(settings.data?.settings.max_keys === 5, settings);
const dropped = await client.DELETE("/kv/{namespace}", { params: { path, query: { confirm: NAMESPACE } }, parseAs: "text" });
assert(dropped.data === "OK", dropped);
const version = await client.GET("/version");
assert(version.data?.limits["max_key_bytes"] === 1024, version);
