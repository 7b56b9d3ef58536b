import { expect, test } from "vitest";
import { curlOf, exampleOf, operationsOf, problemsOf, type Document } from "./document";

const doc: Document = {
  paths: {
    "/api/v1/teams/{id}": {
      parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
      put: {
        operationId: "changeTeam",
        tags: ["teams"],
        description: "409 `name_taken`; 422 `unknown_person`.",
        parameters: [{ $ref: "#/components/parameters/IfMatch", name: "", in: "header" }],
        requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/Team" } } } },
        "x-permission": "people.write",
      },
    },
  },
  components: {
    parameters: { IfMatch: { name: "If-Match", in: "header", required: true } },
    schemas: {
      Team: { type: "object", required: ["name"], properties: { name: { type: "string", examples: ["Sales' best"] }, size: { type: "integer", minimum: 3 }, parent: { $ref: "#/components/schemas/Team" }, at: { type: "string", format: "date-time" } } },
    },
  },
};

test("examples are made from schemas, also of those that hold themselves", () => {
  const example = exampleOf(doc, { $ref: "#/components/schemas/Team" }) as Record<string, unknown>;
  expect(example).toMatchObject({ name: "Sales' best", size: 3, at: "2026-03-02T08:00:00Z", parent: { name: "Sales' best" } });
});

test("the line for a shell holds path, token, headers and body, quoted", () => {
  const [op] = operationsOf(doc);
  op!.parameters = op!.parameters.map((p) => (p.in === "header" ? { ...p, name: "If-Match" } : p));
  const line = curlOf(doc, op!, "https://gw.example");
  expect(line).toContain(`curl -X PUT 'https://gw.example/api/v1/teams/ID'`);
  expect(line).toContain(`-H "Authorization: Bearer $HELIOGRAPH_TOKEN"`);
  expect(line).toContain(`-H 'If-Match: "ETAG"'`);
  expect(line).toContain(`Sales'\\'' best`);
});

test("codes of problems are read from the description", () => {
  expect(problemsOf(operationsOf(doc)[0]!)).toEqual([
    ["409", "name_taken"],
    ["422", "unknown_person"],
  ]);
});
