// The configuration file, key by key. Nothing is written before the person has seen the list of changes.
import { SearchOutlined } from "@ant-design/icons";
import { Alert, Badge, Input, Select } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { api, ok, versioned, type Schemas } from "@/api/client";
import { useLive } from "@/app/live";
import { useMay } from "@/app/session";
import { Async, Empty, Head, Panel, useFilters, useNarrow, useTyped, useUnsaved } from "@/kit";
import { DraftContext, type Mistakes } from "./draft";
import { Review } from "./Review";
import { Nodes } from "./Nodes";
import { useText } from "./texts";
import { changesIn, noDraft, treeOf, type Draft, type Node, type Schema } from "./tree";
import { useWords } from "./words";

export default function Settings() {
  const t = useText();
  const query = useQuery({ queryKey: ["settings"], queryFn: ({ signal }) => versioned(api.GET("/api/v1/settings", { signal })) });
  const schema = useQuery({ queryKey: ["settings", "schema"], queryFn: ({ signal }) => ok(api.GET("/api/v1/settings/schema", { signal })), staleTime: Infinity });
  useLive(["settings"], () => void query.refetch());
  return (
    <>
      <Head title={t("title")}>{t("hint")}</Head>
      <Async query={query} lines={12}>
        {({ data, etag }) => <Form settings={data} etag={etag} schema={schema.data as Schema | undefined} again={() => query.refetch()} />}
      </Async>
    </>
  );
}

type Loaded = Schemas["administration"]["Settings"];

function Form({ settings, etag, schema, again }: { settings: Loaded; etag: string; schema?: Schema; again: () => Promise<unknown> }) {
  const t = useText();
  const may = useMay();
  const words = useWords();
  const [at, go] = useFilters({ section: "upstreams", q: "" });
  const [typed, setTyped] = useTyped(at.q, (q) => go({ q }));
  const [draft, setDraft] = useState<Draft>(noDraft);
  const [mistakes, setMistakes] = useState<Mistakes>({});
  const n = changesIn(draft);
  useUnsaved(n > 0);
  const tree = useMemo(() => treeOf(settings.items, schema), [settings, schema]);
  const found = useMemo(() => (at.q ? tree.map((x) => filter(x, at.q.toLowerCase(), words.all)).filter((x) => x !== undefined) : []), [tree, at.q, words]);
  const section = tree.find((x) => x.setting.path === at.section) ?? tree[0];
  const shown = at.q ? found : section ? [section] : [];
  const context = useMemo(() => ({ draft, setDraft, mistakes, schema, write: may("settings.write"), searching: Boolean(at.q) }), [draft, mistakes, schema, may, at.q]);
  return (
    <DraftContext.Provider value={context}>
      <Notices settings={settings} />
      <div className="settings">
        <Sections tree={tree} draft={draft} current={at.q ? "" : (section?.setting.path ?? "")} go={(s) => (setTyped(""), go({ section: s, q: "" }))} />
        <div className="stack" style={{ minWidth: 0 }}>
          <Input allowClear prefix={<SearchOutlined aria-hidden />} value={typed} onChange={(e) => setTyped(e.target.value)} placeholder={t("search")} aria-label={t("search")} maxLength={100} />
          {shown.map((x) => (
            <Panel key={x.setting.path} title={words.label(x.setting)} flush>
              {words.help(x.setting) && x.setting.type !== "text" && x.children.length + x.elements.length > 0 && <p className="setting-intro muted">{words.help(x.setting)}</p>}
              <Nodes nodes={x.setting.type === "section" ? x.children : [x]} top={x.setting.type !== "section"} />
            </Panel>
          ))}
          {!shown.length && <Empty title={t("nothingFound")}>{t("nothingFoundHint")}</Empty>}
        </div>
      </div>
      {n > 0 && (
        <Review
          settings={settings}
          etag={etag}
          draft={draft}
          setDraft={setDraft}
          setMistakes={setMistakes}
          saved={async () => {
            setDraft(noDraft);
            setMistakes({});
            await again();
          }}
          again={again}
        />
      )}
    </DraftContext.Provider>
  );
}

/** What of a node fits the words that are looked for. */
function filter(node: Node, q: string, text: (s: Node["setting"]) => string): Node | undefined {
  if (q.split(/\s+/).every((w) => text(node.setting).includes(w))) return node;
  const children = node.children.map((c) => filter(c, q, text)).filter((c) => c !== undefined);
  const elements = node.elements.map((e) => ({ ...e, children: e.children.map((c) => filter(c, q, text)).filter((c) => c !== undefined) })).filter((e) => e.children.length);
  return children.length || elements.length ? { ...node, children, elements } : undefined;
}

function Notices({ settings }: { settings: Loaded }) {
  const t = useText();
  const words = useWords();
  return (
    <div className="stack" style={{ marginBottom: 16 }}>
      {!settings.writable && <Alert type="info" showIcon title={t("notWritable")} description={t("notWritableHint", { file: settings.file })} />}
      {Boolean(settings.pending?.length) && <Alert type="warning" showIcon title={t("pending", { what: settings.pending!.map((p) => words.labelOf(p)).join(t("comma")) })} description={t("pendingHint")} />}
      {settings.warnings.map((w) => (
        <Alert key={w} type="warning" showIcon title={t("warning")} description={w} />
      ))}
    </div>
  );
}

function Sections({ tree, draft, current, go }: { tree: Node[]; draft: Draft; current: string; go: (section: string) => void }) {
  const t = useText();
  const words = useWords();
  const narrow = useNarrow();
  const changed = (path: string) =>
    [...Object.keys(draft.set), ...draft.removed, ...draft.added.map((a) => a.path)].filter((p) => p === path || p.startsWith(`${path}.`) || p.startsWith(`${path}[`)).length;
  if (narrow) {
    return <Select aria-label={t("sections")} value={current || undefined} placeholder={t("sections")} onChange={go} options={tree.map((x) => ({ value: x.setting.path, label: words.label(x.setting) }))} style={{ width: "100%" }} />;
  }
  return (
    <nav aria-label={t("sections")} className="settings-nav">
      {tree.map((x) => (
        <button key={x.setting.path} type="button" aria-current={x.setting.path === current || undefined} onClick={() => go(x.setting.path)}>
          <span className="grow">{words.label(x.setting)}</span>
          {changed(x.setting.path) > 0 && <Badge count={changed(x.setting.path)} size="small" color="var(--hg-warn)" title={t("changes", { n: changed(x.setting.path) })} />}
        </button>
      ))}
    </nav>
  );
}
