import { Tooltip } from "antd";
import { meaning, type Said } from "./plain";
import { useText } from "./texts";

/** What a server said last: what it means, and its own words. short: these only when one points at it. */
export function Reply({ of, short }: { of: Said & { server?: string }; short?: boolean }) {
  const t = useText();
  const key = meaning(of);
  const own = [of.code, of.enhanced, of.reply].filter(Boolean).join(" ");
  if (!key) return own ? <span style={{ overflowWrap: "anywhere" }}>{own}</span> : <span className="muted">–</span>;
  if (short) {
    return (
      <Tooltip title={own}>
        <span>{t.any(`reply.${key}`)}</span>
      </Tooltip>
    );
  }
  return (
    <>
      <div>{t.any(`reply.${key}`)}</div>
      {own && (
        <div className="muted small" style={{ overflowWrap: "anywhere" }}>
          {of.server && `${of.server}: `}
          {own}
        </div>
      )}
    </>
  );
}
