// Forms change nothing by themselves: a rule that is shown, opened to the last option, walked through and left is the rule that it was.
import { act, fireEvent, render } from "@testing-library/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { App } from "antd";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { useEffect } from "react";
import { createMemoryRouter, RouterProvider } from "react-router";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { sessionKey } from "@/app/session";
import words from "@/test/vocabulary.json";
import { Condition } from "./Condition";
import { EditorProvider, useHistory, type Editor, type Parameter, type Vocabulary } from "./editor";
import { asText, pointer, type Json, type Obj } from "./json";
import { numbered } from "./facts";
import { Steps } from "./Steps";
import { Trigger } from "./Trigger";

const vocab = words as unknown as Vocabulary;
const slow = 60_000; // ms; long rules have hundreds of inputs

function Forms({ rule: first, tell }: { rule: Obj; tell: (now: Obj) => void }) {
  const history = useHistory(first);
  useEffect(() => {
    tell(history.rule);
  }, [history.rule, tell]);
  const editor: Editor = { ...history, vocab, problems: [], readOnly: false, fields: () => undefined };
  return (
    <EditorProvider value={editor}>
      <Trigger />
      <Condition at={["when"]} label="if" />
      <Steps at={["steps"]} />
    </EditorProvider>
  );
}

/** Shows the forms of a rule with all options, goes through all inputs, and returns the rule. */
function walk(rule: Obj): Obj {
  const told: Obj[] = [];
  const client = new QueryClient({ defaultOptions: { queries: { retry: false, enabled: false } } });
  client.setQueryData(sessionKey, { signed_in: true, permissions: [], person: { email: "me@example.com" } });
  const router = createMemoryRouter([{ path: "*", element: <App><Forms rule={rule} tell={(now) => void told.push(now)} /></App> }]);
  render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
  act(() => document.querySelectorAll<HTMLElement>('.rd-more[aria-expanded="false"]').forEach((more) => more.click()));
  act(() =>
    document.querySelectorAll<HTMLElement>("input, textarea").forEach((input) => {
      input.focus();
      input.blur();
    }),
  );
  // One by one: what one writes, the next reads.
  for (const text of document.querySelectorAll<HTMLElement>("[contenteditable=true]")) fireEvent.input(text);
  return told.at(-1)!;
}

const folder = join(process.cwd(), "../../../deploy/rules");
const files = readdirSync(folder).filter((f) => f.endsWith(".yaml"));

test.each(files)("%s", (file) => {
  const rule = parse(readFileSync(join(folder, file), "utf8")) as Obj;
  expect(walk(rule)).toEqual(rule);
  for (const s of numbered(rule)) expect(document.querySelector(`[data-step="${s.id}"] .rd-body`), s.id).not.toBeNull();
}, slow);

/** A value of a parameter that is not what counts where there is none. */
function sample(p: Parameter): Json | undefined {
  const choices = (p.choices ?? []).map((c) => c.value).filter((v) => v !== "" && v !== asText(p.default as Json));
  switch (p.type) {
    case "boolean":
      return p.default !== true;
    case "number":
      return 0.25;
    case "integer":
      return 3;
    case "enum":
      return p.repeated ? choices.slice(0, 2) : /^(true|false)$/.test(choices[0]!) ? choices[0] === "true" : choices[0]!;
    case "duration":
      return p.negative ? "-2 workdays" : "90m";
    case "schedule":
      return "每月最后一个工作日 09:00";
    case "line":
    case "template":
    case "html":
      return `<b>x</b> & {{.mail.subject | default "—"}}{{if .mail.cc}}  {{end}}${p.type === "line" ? "" : "\n\n- \n"}`;
    case "addresses":
      return ["role:bosses", "a@example.com", "{{first .mail.to}}"];
    case "address":
      return "a@example.com";
    case "value":
    case "json":
    case "object":
      // These have forms of their own.
      if (p.name === "facts") return [{ name: "n", value: "{{.mail.subject}}" }];
      return { a: [1, "2", true, null, { fact: "mail.subject" }, {}, []], "b c": "", "d": { e: 0.5 } };
    case "objects":
      return [{ a: 1 }, { a: "1" }];
    case "map_of_objects":
      return { one: { a: "x" } };
    case "values":
      return p.name === "values" ? { a: 1, b: { fact: "mail.subject" }, c: "{{.x}}", d: null, e: ["x", 2], f: false } : [1, "won"];
    case "field_map":
      return { Stage__c: "won", amount: 12.5, none: null, open: true, tags: ["a", "b"], of: { fact: "mail.subject" } };
    case "selections":
      return [{ field: "Stage__c", is: "in", value: ["won", 2] }, { field: "amount", is: "ge", value: 1000 }, { field: "a", is: "eq", value: { fact: "mail.from" } }, { field: "b", is: "empty" }];
    case "facts":
      return [{ name: "n", value: "{{.mail.subject}}" }];
    case "links":
      return [{ label: "l", url: "https://example.com/{{.mail.key}}" }];
    case "fact":
    case "list_fact":
      return "record.Odd name";
    case "texts":
    case "tags":
    case "fields":
    case "step_ids":
      return ["one", "zwei, 三"];
    case "steps":
      return [{ id: "inner", do: "stop" }];
    case "cases":
      return [{ when: { cel: "true" }, steps: [{ id: "inner", do: "stop" }] }];
    case "branches":
      return [[{ id: "inner", do: "stop" }], []];
    case "condition":
      return { all: [{ field: "mail.subject", op: "contains", value: ["a", "b"] }, { not: { some: "mail.to", where: { field: "element.domain", op: "is", value: "x" } } }] };
  }
  return "other";
}

const full = (params: Parameter[]): Obj => Object.fromEntries(params.map((p) => [p.name, p.one_or_more || !p.repeated || Array.isArray(sample(p)) ? sample(p)! : [sample(p)!]]));

test.each(vocab.steps.map((s) => s.kind))("a step %s with all that it can have", (kind) => {
  const info = vocab.steps.find((s) => s.kind === kind)!;
  const rule: Obj = {
    id: "r", name: "r", owner: "a@example.com", trigger: { type: "mail" }, when: sample({ type: "condition" } as Parameter)!,
    steps: [{ id: "s", do: kind, with: full(info.parameters), when: { any: [{ field: "mail.date", op: "before", value: "2026-03-05" }, { count: "mail.to", op: "gt", value: 2 }] }, on_error: "continue" }],
  };
  expect(walk(rule)).toEqual(rule);
}, slow);

test.each(vocab.triggers.map((s) => s.type))("a trigger %s with all that it can have", (type) => {
  const info = vocab.triggers.find((s) => s.type === type)!;
  const rule: Obj = { id: "r", name: "r", owner: "a@example.com", trigger: { type, ...full(info.parameters) }, steps: [] };
  expect(walk(rule)).toEqual(rule);
  for (const p of info.parameters) expect(document.querySelector(`[data-at="${pointer(["trigger", p.name])}"]`), p.name).not.toBeNull();
});
