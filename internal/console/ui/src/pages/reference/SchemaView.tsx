// The properties of a schema; those of what it holds open on demand.
import { Fragment } from "react";
import { Prose } from "./Prose";
import { nameOfRef, resolve, whole, type Document, type Schema } from "./document";
import { useText } from "./texts";

type T = ReturnType<typeof useText>;

/** The type of a value in a few words. */
export function typeOf(doc: Document, schema: Schema, t: T): string {
  const s = resolve(doc, schema);
  const types = (Array.isArray(s.type) ? s.type : [s.type ?? (s.properties || s.allOf ? "object" : "")]).filter((x) => x && x !== "null");
  if (types[0] === "array") return s.items ? t("listOf", { what: typeOf(doc, s.items, t) }) : t("type.array");
  const limits = [
    s.minimum !== undefined && `≥ ${s.minimum}`,
    s.maximum !== undefined && `≤ ${s.maximum}`,
    s.maxLength !== undefined && t("atMost", { n: s.maxLength }),
    s.default !== undefined && s.default !== null && typeof s.default !== "object" && t("default", { value: String(s.default) }),
  ].filter(Boolean);
  const name = nameOfRef(schema);
  const base = s.enum ? s.enum.map(String).join(" · ") : types[0] === "object" && name ? name : types.map((x) => t.any(`type.${s.format ?? x}`, t.any(`type.${x}`, x))).join(" / ") || t("type.any");
  return [base, ...limits].join(", ");
}

const inner = (doc: Document, schema: Schema): Schema | undefined => {
  let s = whole(doc, schema);
  for (let i = 0; i < 3 && s.items; i++) s = whole(doc, s.items);
  if (s.properties && Object.keys(s.properties).length) return s;
  return typeof s.additionalProperties === "object" ? inner(doc, s.additionalProperties) : undefined;
};

export function SchemaView({ doc, schema, seen = [] }: { doc: Document; schema: Schema; seen?: string[] }) {
  const t = useText();
  const s = inner(doc, schema) ?? whole(doc, schema);
  const name = nameOfRef(schema);
  const path = name ? [...seen, name] : seen;
  const choices = s.oneOf ?? s.anyOf;
  if (choices && !s.properties) {
    return (
      <div>
        <p className="muted small">{t("oneOf")}</p>
        {choices.map((c, i) => (
          <SchemaView key={i} doc={doc} schema={c} seen={path} />
        ))}
      </div>
    );
  }
  if (!s.properties) return <p className="muted small">{typeOf(doc, schema, t)}</p>;
  return (
    <dl className="properties">
      {Object.entries(s.properties).map(([key, p]) => {
        const deep = inner(doc, p);
        const deepName = nameOfRef(p) ?? (p.items && nameOfRef(p.items)) ?? "";
        return (
          <Fragment key={key}>
            <dt>
              <code>{key}</code> {s.required?.includes(key) && <span className="needed">{t("required")}</span>}
              <div className="muted small">{typeOf(doc, p, t)}</div>
            </dt>
            <dd>
              <Prose inline text={p.description ?? resolve(doc, p).description} />
              {deep && !path.includes(deepName) && path.length < 8 && (
                <details>
                  <summary className="small">{t("fields", { n: Object.keys(deep.properties ?? {}).length })}</summary>
                  <Inner doc={doc} schema={p} seen={[...path, deepName]} />
                </details>
              )}
            </dd>
          </Fragment>
        );
      })}
    </dl>
  );
}

const Inner = ({ doc, schema, seen }: { doc: Document; schema: Schema; seen: string[] }) => <SchemaView doc={doc} schema={schema.items ?? schema} seen={seen} />;
