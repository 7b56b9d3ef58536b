// A list that comes page by page: a table, or cards on a phone. Rows are reached by Tab, then by the arrow keys (or j and k);
// Enter opens.
import { Button, Checkbox } from "antd";
import { useInfiniteQuery, type QueryKey } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from "react";
import { Link, useNavigate } from "react-router";
import { Empty, Loading, Problem } from "./Async";
import { useNarrow } from "./useNarrow";
import { useText } from "./texts";

export interface Column<T> {
  key: string;
  title: string; // "" for buttons
  render: (row: T) => ReactNode;
  width?: number | string;
  align?: "right";
  /** On a phone: the card's first line, without a name, or left out. */
  card?: "first" | "plain" | "none";
}

export interface ListingProps<T> {
  label: string; // what the list holds, for screen readers
  queryKey: QueryKey; // with the filters in it
  fetch: (page: { cursor?: string; limit: number; signal: AbortSignal }) => Promise<{ items: T[]; next?: string }>;
  columns: Column<T>[];
  rowKey: (row: T) => string;
  to?: (row: T) => string; // where a row leads
  onOpen?: (row: T) => void; // or what opening it does, such as a drawer
  filters?: ReactNode; // stands above the list
  filtered?: boolean; // whether filters are set: an empty list then says so
  empty?: ReactNode; // for a list without filters that has nothing
  limit?: number;
  /** Rows can be chosen; the result stands above the list while some are. */
  chosen?: (rows: T[], clear: () => void) => ReactNode;
  refetchInterval?: number;
}

export function Listing<T>(p: ListingProps<T>) {
  const t = useText();
  const narrow = useNarrow();
  const limit = p.limit ?? 50;
  const query = useInfiniteQuery({
    queryKey: p.queryKey,
    queryFn: ({ pageParam, signal }) => p.fetch({ cursor: pageParam || undefined, limit, signal }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next || undefined,
    refetchInterval: p.refetchInterval,
    placeholderData: (before) => before, // typing a filter keeps the rows until the new ones are there
  });
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const pickedRows = rows.filter((r) => picked.has(p.rowKey(r)));
  const clear = () => setPicked(new Set());

  let body: ReactNode;
  if (query.data === undefined) {
    body = query.error ? <Pad><Problem error={query.error} again={() => void query.refetch()} /></Pad> : <Loading lines={8} />;
  } else if (!rows.length) {
    body = p.filtered ? <Empty title={t("nothingFiltered")}>{t("nothingFilteredHint")}</Empty> : (p.empty ?? <Empty />);
  } else {
    const inner = { ...p, rows, picked, setPicked };
    body = (
      <div style={{ opacity: query.isPlaceholderData ? 0.55 : 1 }} aria-busy={query.isPlaceholderData}>
        {query.error && <Pad><Problem error={query.error} again={() => void query.refetch()} /></Pad>}
        {narrow ? <Cards {...inner} /> : <Table {...inner} />}
        <div className="more">
          <span role="status">{query.hasNextPage ? t("shownMore", { n: rows.length }) : t("shown", { n: rows.length })}</span>
          {query.hasNextPage && (
            <Button onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>
              {t("more")}
            </Button>
          )}
        </div>
      </div>
    );
  }
  return (
    <section className="panel listing" aria-label={p.label}>
      {pickedRows.length > 0 && p.chosen ? (
        <div className="bar">
          <strong>{t("picked", { n: pickedRows.length })}</strong>
          {p.chosen(pickedRows, clear)}
          <Button type="text" onClick={clear}>
            {t("pickNone")}
          </Button>
        </div>
      ) : (
        p.filters && <div className="bar">{p.filters}</div>
      )}
      {body}
    </section>
  );
}

const Pad = ({ children }: { children: ReactNode }) => <div style={{ padding: 12 }}>{children}</div>;

interface Inner<T> extends ListingProps<T> {
  rows: T[];
  picked: ReadonlySet<string>;
  setPicked: (next: ReadonlySet<string>) => void;
}

function toggle(set: ReadonlySet<string>, key: string) {
  const next = new Set(set);
  if (!next.delete(key)) next.add(key);
  return next;
}

const interactive = "a, button, input, label, select, textarea, [role=menuitem], [role=checkbox], [role=switch]";

function Table<T>({ rows, columns, rowKey, to, onOpen, chosen, picked, setPicked, label }: Inner<T>) {
  const t = useText();
  const go = useNavigate();
  const body = useRef<HTMLTableSectionElement>(null);
  const [at, setAt] = useState(0); // the row that Tab reaches
  const opens = Boolean(to ?? onOpen);
  const current = Math.min(at, rows.length - 1);

  const open = (row: T, fresh: boolean) => {
    if (!to) onOpen?.(row);
    else if (fresh) window.open(to(row), "_blank", "noopener");
    else void go(to(row));
  };
  const onKey = (e: KeyboardEvent<HTMLTableRowElement>, row: T, i: number) => {
    if (e.target !== e.currentTarget || e.altKey) return;
    const moves: Record<string, number> = { ArrowDown: i + 1, j: i + 1, ArrowUp: i - 1, k: i - 1, Home: 0, End: rows.length - 1 };
    const next = e.ctrlKey || e.metaKey ? undefined : moves[e.key];
    if (next !== undefined) {
      const to = Math.max(0, Math.min(next, rows.length - 1));
      setAt(to);
      (body.current?.rows[to] as HTMLElement | undefined)?.focus();
    } else if (e.key === "Enter" && opens) open(row, e.ctrlKey || e.metaKey);
    else if (e.key === " " && chosen) setPicked(toggle(picked, rowKey(row)));
    else return;
    e.preventDefault();
  };
  const onClick = (e: MouseEvent<HTMLElement>, row: T, i: number) => {
    setAt(i);
    if (!opens || (e.target as HTMLElement).closest(interactive) || window.getSelection()?.toString()) return;
    open(row, e.ctrlKey || e.metaKey);
  };
  const all = rows.every((r) => picked.has(rowKey(r)));
  return (
    <div className="scroll">
      <table aria-label={label}>
        <thead>
          <tr>
            {chosen && (
              <th scope="col" style={{ width: 36 }}>
                <Checkbox checked={all} indeterminate={!all && picked.size > 0} aria-label={t("pickAll")} onChange={() => setPicked(all ? new Set() : new Set(rows.map(rowKey)))} />
              </th>
            )}
            {columns.map((c) => (
              <th key={c.key} scope="col" style={{ width: c.width }} data-align={c.align}>
                {c.title || <span className="unseen">{t("actions")}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row, i) => {
            const key = rowKey(row);
            return (
              <tr
                key={key}
                tabIndex={(opens || chosen) && i === current ? 0 : -1}
                data-to={opens || undefined}
                aria-selected={chosen ? picked.has(key) : undefined}
                onFocus={(e) => e.target === e.currentTarget && setAt(i)}
                onKeyDown={(e) => onKey(e, row, i)}
                onClick={(e) => onClick(e, row, i)}
              >
                {chosen && (
                  <td>
                    <Checkbox checked={picked.has(key)} aria-label={t("pick")} onChange={() => setPicked(toggle(picked, key))} />
                  </td>
                )}
                {columns.map((c) => (
                  <td key={c.key} data-align={c.align}>
                    {c.render(row)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Cards<T>({ rows, columns, rowKey, to, onOpen, chosen, picked, setPicked, label }: Inner<T>) {
  const t = useText();
  const first = columns.find((c) => c.card === "first") ?? columns[0]!;
  const rest = columns.filter((c) => c !== first && c.card !== "none");
  return (
    <ul className="cards" aria-label={label}>
      {rows.map((row) => {
        const key = rowKey(row);
        const head = first.render(row);
        return (
          <li key={key}>
            <div className="row" style={{ flexWrap: "nowrap", alignItems: "flex-start" }}>
              {chosen && <Checkbox checked={picked.has(key)} aria-label={t("pick")} onChange={() => setPicked(toggle(picked, key))} />}
              <div className="first grow">
                {to ? <Link to={to(row)}>{head}</Link> : onOpen ? <Button type="link" style={{ padding: 0, height: "auto", whiteSpace: "normal", textAlign: "left" }} onClick={() => onOpen(row)}>{head}</Button> : head}
              </div>
            </div>
            {rest.filter((c) => c.card === "plain" && c.title).map((c) => <div key={c.key}>{c.render(row)}</div>)}
            <dl>
              {rest.filter((c) => c.card !== "plain" && c.title).map((c) => (
                <Fact key={c.key} name={c.title}>{c.render(row)}</Fact>
              ))}
            </dl>
            {rest.filter((c) => !c.title).map((c) => <div key={c.key} style={{ marginTop: 8 }}>{c.render(row)}</div>)}
          </li>
        );
      })}
    </ul>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** An input of filters that answers a little after the last key. */
export function useTyped(value: string, set: (v: string) => void): [string, (v: string) => void] {
  const [text, setText] = useState(value);
  const [from, setFrom] = useState(value);
  if (from !== value) {
    setFrom(value);
    setText(value);
  }
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return [
    text,
    (v) => {
      setText(v);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => set(v), 300);
    },
  ];
}
