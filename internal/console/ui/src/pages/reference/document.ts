// The API's document (OpenAPI 3.1) as this page reads it.
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  example?: unknown;
  examples?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: boolean | Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  readOnly?: boolean;
}
export interface Parameter {
  $ref?: string;
  name: string;
  in: "query" | "path" | "header" | "cookie";
  description?: string;
  required?: boolean;
  schema?: Schema;
  example?: unknown;
}
interface Content {
  schema?: Schema;
  example?: unknown;
  examples?: Record<string, { value?: unknown; summary?: string }>;
}
export interface Body {
  $ref?: string;
  description?: string;
  required?: boolean;
  content?: Record<string, Content>;
}
interface Raw {
  operationId: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: Parameter[];
  requestBody?: Body;
  responses?: Record<string, Body>;
  "x-permission"?: string;
  "x-audit"?: string;
}
export interface Document {
  paths: Record<string, Record<string, Raw | Parameter[]>>;
  components: Record<string, Record<string, unknown>>;
}
export interface Operation extends Raw {
  method: string;
  path: string;
  tag: string;
  parameters: Parameter[];
}

const methods = ["get", "post", "put", "patch", "delete"];

/** Follows a reference within the document. */
export function resolve<T extends { $ref?: string }>(doc: Document, thing: T): T {
  let at: T = thing;
  for (let hops = 0; at.$ref && hops < 8; hops++) {
    const [, , kind, name] = at.$ref.split("/");
    const found = doc.components[kind ?? ""]?.[name ?? ""] as T | undefined;
    if (!found) return at;
    at = { ...found, ...at, $ref: found.$ref };
  }
  return at;
}

export const nameOfRef = (s: Schema) => s.$ref?.slice(s.$ref.lastIndexOf("/") + 1);

/** All operations, in the order of the document. */
export function operationsOf(doc: Document): Operation[] {
  return Object.entries(doc.paths).flatMap(([path, item]) => {
    const shared = (item.parameters ?? []) as Parameter[];
    return methods.flatMap((method) => {
      const raw = item[method] as Raw | undefined;
      if (!raw?.operationId) return [];
      const parameters = [...shared, ...(raw.parameters ?? [])].map((p) => resolve(doc, p));
      return [{ ...raw, method: method.toUpperCase(), path, tag: raw.tags?.[0] ?? "other", parameters }];
    });
  });
}

/** The one schema that several make together. */
export function whole(doc: Document, schema: Schema): Schema {
  const s = resolve(doc, schema);
  if (!s.allOf) return s;
  const parts = s.allOf.map((p) => whole(doc, p));
  return {
    ...s,
    type: "object",
    properties: Object.assign({}, ...parts.map((p) => p.properties ?? {}), s.properties ?? {}) as Record<string, Schema>,
    required: [...parts.flatMap((p) => p.required ?? []), ...(s.required ?? [])],
    allOf: undefined,
  };
}

const sample: Record<string, unknown> = { "date-time": "2026-03-02T08:00:00Z", date: "2026-03-02", email: "li.na@example.com", uri: "https://example.com", uuid: "7f0d0a52-6f0e-4c2b-9d0e-0c3f6a4b1e77", binary: "…" };
const deepest = 6;

/** A value that fits a schema. */
export function exampleOf(doc: Document, schema: Schema | undefined, depth = 0): unknown {
  if (!schema || depth > deepest) return undefined;
  const s = whole(doc, schema);
  if (s.example !== undefined) return s.example;
  if (s.examples?.length) return s.examples[0];
  if (s.const !== undefined) return s.const;
  if (s.default !== undefined && s.default !== null) return s.default;
  if (s.enum?.length) return s.enum[0];
  const one = s.oneOf?.[0] ?? s.anyOf?.[0];
  if (one) return exampleOf(doc, one, depth + 1);
  const type = Array.isArray(s.type) ? s.type.find((t) => t !== "null") : s.type;
  if (type === "object" || s.properties) {
    const entries = Object.entries(s.properties ?? {}).filter(([k]) => depth < 2 || s.required?.includes(k));
    return Object.fromEntries(entries.map(([k, v]) => [k, exampleOf(doc, v, depth + 1)]).filter(([, v]) => v !== undefined));
  }
  if (type === "array") {
    const item = exampleOf(doc, s.items, depth + 1);
    return item === undefined ? [] : [item];
  }
  if (type === "integer" || type === "number") return s.minimum ?? 1;
  if (type === "boolean") return true;
  return sample[s.format ?? ""] ?? "…";
}

/** The first example of a body that its document gives, else one made from the schema. */
export function exampleBody(doc: Document, body: Body | undefined): unknown {
  const content = body?.content?.["application/json"];
  if (!content) return undefined;
  if (content.example !== undefined) return content.example;
  const given = Object.values(content.examples ?? {})[0]?.value;
  return given ?? exampleOf(doc, content.schema);
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A line for a shell that does it. */
export function curlOf(doc: Document, op: Operation, origin: string): string {
  const value = (p: Parameter) => {
    const v = p.example ?? exampleOf(doc, p.schema);
    return v === undefined || v === "…" ? p.name.toUpperCase() : String(v);
  };
  const path = op.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const p = op.parameters.find((x) => x.in === "path" && x.name === name);
    return encodeURIComponent(p ? value(p) : name.toUpperCase());
  });
  const query = op.parameters.filter((p) => p.in === "query" && p.required).map((p) => `${p.name}=${encodeURIComponent(value(p))}`);
  const lines = [`curl${op.method === "GET" ? "" : ` -X ${op.method}`} ${quoted(origin + path + (query.length ? `?${query.join("&")}` : ""))}`];
  if (op["x-permission"] !== "public") lines.push(`-H "Authorization: Bearer $HELIOGRAPH_TOKEN"`);
  for (const p of op.parameters) if (p.in === "header" && p.required) lines.push(`-H ${quoted(`${p.name}: "ETAG"`)}`);
  const body = op.requestBody && resolve(doc, op.requestBody);
  const json = exampleBody(doc, body);
  if (json !== undefined) lines.push(`-H 'Content-Type: application/json'`, `-d ${quoted(JSON.stringify(json))}`);
  else if (body?.content) {
    const type = Object.keys(body.content)[0]!;
    lines.push(type.startsWith("multipart/") ? `-F file=@FILE` : `-H 'Content-Type: ${type}' --data-binary @FILE`);
  }
  return lines.join(" \\\n  ");
}

/** Codes of problems that a description names: 409 `address_taken`. */
export function problemsOf(op: Operation): [status: string, code: string][] {
  return [...`${op.description ?? ""}`.matchAll(/\b([45]\d\d)\s+`([a-z][a-z_]+)`(?:,\s*`([a-z_]+)`)?/g)].flatMap((m) => [[m[1]!, m[2]!] as [string, string], ...(m[3] ? [[m[1]!, m[3]] as [string, string]] : [])]);
}
