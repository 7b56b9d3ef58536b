// The API's own document, to read: what each operation does, who may, what goes in and what comes out.
import { DownloadOutlined, SearchOutlined } from "@ant-design/icons";
import { Button, Input } from "antd";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, type KeyboardEvent } from "react";
import { Link, useParams, useSearchParams } from "react-router";
import { problemOf } from "@/api/problem";
import { Async, Empty, Head, useFilters, useNarrow, useTyped } from "@/kit";
import { operationsOf, type Document, type Operation } from "./document";
import { Intro } from "./Intro";
import { OperationView } from "./OperationView";
import { useText } from "./texts";

async function fetchDocument(signal: AbortSignal) {
  const response = await fetch("/api/v1/openapi.json", { signal, credentials: "same-origin" });
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as Document;
}

export default function Reference() {
  const t = useText();
  const query = useQuery({ queryKey: ["openapi"], queryFn: ({ signal }) => fetchDocument(signal), staleTime: Infinity });
  return (
    <>
      <Head
        title={t("title")}
        actions={
          <Button icon={<DownloadOutlined aria-hidden />} href="/api/v1/openapi.json" target="_blank">
            OpenAPI 3.1
          </Button>
        }
      >
        {t("hint")}
      </Head>
      <Async query={query} lines={10}>
        {(doc) => <Inside doc={doc} />}
      </Async>
    </>
  );
}

function Inside({ doc }: { doc: Document }) {
  const t = useText();
  const narrow = useNarrow();
  const { operation } = useParams();
  const operations = useMemo(() => operationsOf(doc), [doc]);
  const op = operations.find((o) => o.operationId === operation);
  const view = operation ? op ? <OperationView key={op.operationId} doc={doc} op={op} /> : <Empty title={t("unknown")}>{t("unknownHint")}</Empty> : <Intro operations={operations.length} />;
  return (
    <div className="reference">
      {(!narrow || !operation) && <Contents operations={operations} current={operation} />}
      <div style={{ minWidth: 0 }}>
        {narrow && operation && (
          <p style={{ marginTop: 0 }}>
            <Link to="/reference">{t("allOperations")}</Link>
          </p>
        )}
        {view}
      </div>
    </div>
  );
}

function Contents({ operations, current }: { operations: Operation[]; current?: string }) {
  const t = useText();
  const [{ q }, go] = useFilters({ q: "" });
  const [params] = useSearchParams();
  const [typed, setTyped] = useTyped(q, (v) => go({ q: v }));
  const list = useRef<HTMLElement>(null);
  const found = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    return operations.filter((o) => {
      const text = [o.operationId, o.method, o.path, o.summary, o.description, o.tag, t.any(`tag.${o.tag}`, "")].join(" ").toLowerCase();
      return words.every((w) => text.includes(w));
    });
  }, [operations, q, t]);
  const tags = [...new Set(found.map((o) => o.tag))];
  useEffect(() => {
    list.current?.querySelector('[aria-current="page"]')?.scrollIntoView({ block: "nearest" });
  }, [current]);
  // Arrow keys go from one operation to the next, as in a list.
  const onKey = (e: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!step) return;
    const links = [...(list.current?.querySelectorAll<HTMLElement>("a, input") ?? [])];
    const next = links[links.indexOf(document.activeElement as HTMLElement) + step];
    if (!next) return;
    e.preventDefault();
    next.focus();
  };
  const search = params.toString();
  return (
    // The arrow keys are an extra: each link is reached by Tab.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <nav aria-label={t("operations")} ref={list} onKeyDown={onKey} className="reference-nav">
      <Input allowClear prefix={<SearchOutlined aria-hidden />} value={typed} onChange={(e) => setTyped(e.target.value)} placeholder={t("search")} aria-label={t("search")} maxLength={100} />
      {!found.length && <p className="muted small">{t("nothing")}</p>}
      {tags.map((tag) => (
        <section key={tag} aria-label={t.any(`tag.${tag}`, tag)}>
          <h2>{t.any(`tag.${tag}`, tag)}</h2>
          <ul>
            {found
              .filter((o) => o.tag === tag)
              .map((o) => (
                <li key={o.operationId}>
                  <Link to={{ pathname: `/reference/${o.operationId}`, search }} aria-current={o.operationId === current ? "page" : undefined}>
                    <span className="method" data-method={o.method}>
                      {o.method}
                    </span>
                    <span className="cut">{o.summary ?? o.operationId}</span>
                  </Link>
                </li>
              ))}
          </ul>
        </section>
      ))}
    </nav>
  );
}
