import { Fragment } from "react";
import { codes } from "@/api/codes";
import { Copy, Facts, Panel, State } from "@/kit";
import { permissionWords } from "@/kit/permissions";
import { curlOf, exampleBody, problemsOf, resolve, type Body, type Document, type Operation, type Parameter } from "./document";
import { SchemaView, typeOf } from "./SchemaView";
import { Prose } from "./Prose";
import { useText } from "./texts";

const places = ["path", "query", "header"] as const;

export function OperationView({ doc, op }: { doc: Document; op: Operation }) {
  const t = useText();
  const body = op.requestBody && resolve(doc, op.requestBody);
  const curl = curlOf(doc, op, location.origin);
  const permission = op["x-permission"] ?? "signed_in";
  const link = `${location.origin}/reference/${op.operationId}`;
  return (
    <div className="stack">
      <Panel title={<>{op.summary ?? op.operationId}</>} extra={<Copy text={link} label={t("copyLink")} />}>
        <p className="mono" style={{ marginTop: 0, overflowWrap: "anywhere" }}>
          <span className="method" data-method={op.method}>
            {op.method}
          </span>{" "}
          {op.path}
        </p>
        <Prose text={op.description} />
        <Facts
          rows={[
            [t("name"), <code key="n">{op.operationId}</code>],
            [
              t("who"),
              <span key="p">
                {permissionWords(permission, t.lang)} <code className="muted">{permission}</code>
              </span>,
            ],
            [t("recorded"), t.any(`audit.${op["x-audit"] ?? (op.method === "GET" ? "none" : "change")}`)],
          ]}
        />
        <div className="snippet" style={{ marginTop: 12 }}>
          <span className="small muted">{t("curl")}</span>
          <Copy text={curl} label={t("copyCurl")} />
          <pre className="mono">{curl}</pre>
        </div>
      </Panel>
      {op.parameters.length > 0 && (
        <Panel title={t("parameters")} flush>
          {places.map((place) => (
            <Parameters key={place} doc={doc} title={t(`in.${place}`)} list={op.parameters.filter((p) => p.in === place)} />
          ))}
        </Panel>
      )}
      {body && (
        <Panel title={t("request")}>
          <BodyView doc={doc} body={body} />
        </Panel>
      )}
      <Panel title={t("answers")}>
        {Object.entries(op.responses ?? {})
          .filter(([status]) => status !== "default")
          .map(([status, r]) => {
            const answer = resolve(doc, r);
            return (
              <section key={status} aria-label={status}>
                <h3>
                  <State tone={status < "300" ? "good" : "info"}>{status}</State> <Prose inline text={answer.description} />
                </h3>
                <BodyView doc={doc} body={answer} />
              </section>
            );
          })}
      </Panel>
      <Problems op={op} />
    </div>
  );
}

function Parameters({ doc, title, list }: { doc: Document; title: string; list: Parameter[] }) {
  const t = useText();
  if (!list.length) return null;
  return (
    <div className="properties">
      <h3>{title}</h3>
      <dl>
        {list.map((p) => (
          <Fragment key={p.name}>
            <dt>
              <code>{p.name}</code> {p.required && <span className="needed">{t("required")}</span>}
              <div className="muted small">{p.schema && typeOf(doc, p.schema, t)}</div>
            </dt>
            <dd>
              <Prose inline text={p.description ?? (p.schema && resolve(doc, p.schema).description)} />
            </dd>
          </Fragment>
        ))}
      </dl>
    </div>
  );
}

function BodyView({ doc, body }: { doc: Document; body: Body }) {
  const t = useText();
  const types = Object.keys(body.content ?? {});
  if (!types.length) return <p className="muted">{t("noBody")}</p>;
  const json = body.content?.["application/json"];
  const example = exampleBody(doc, body);
  const text = example === undefined ? "" : JSON.stringify(example, null, 2);
  return (
    <>
      {(types.length > 1 || !json) && <p className="muted small">{types.join(" · ")}</p>}
      {json?.schema && <SchemaView doc={doc} schema={json.schema} />}
      {text && (
        <details className="example">
          <summary>{t("example")}</summary>
          <div className="snippet">
            <Copy text={text} label={t("copyExample")} />
            <pre className="mono">{text}</pre>
          </div>
        </details>
      )}
    </>
  );
}

/** What can go wrong: what the operation names, and what any operation can answer. */
function Problems({ op }: { op: Operation }) {
  const t = useText();
  const own = problemsOf(op);
  const general: [string, string][] = [
    ...(op["x-permission"] === "public" ? [] : ([["401", "sign_in"], ["403", "forbidden"]] as [string, string][])),
    ...(op.path.includes("{") ? ([["404", "not_found"]] as [string, string][]) : []),
    ...(op.parameters.some((p) => p.name === "If-Match") ? ([["412", "changed_meanwhile"]] as [string, string][]) : []),
    ["429", "too_many_requests"],
  ];
  const seen = new Set(own.map(([, code]) => code));
  return (
    <Panel title={t("problems")}>
      <p className="muted" style={{ marginTop: 0 }}>
        {t("problemsHint")}
      </p>
      <Facts
        rows={[...own, ...general.filter(([, code]) => !seen.has(code))].map(([status, code]) => [
          <span key={code} className="nowrap">
            {status} <code>{code}</code>
          </span>,
          codes[code]?.detail[t.lang] || t.any(`problem.${code}`, codes[code]?.detail.en || " "),
        ])}
      />
    </Panel>
  );
}
