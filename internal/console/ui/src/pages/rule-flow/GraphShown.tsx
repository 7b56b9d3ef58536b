// A rule as a picture where there is room, and as a list on phones; one may choose.
import { ApartmentOutlined, UnorderedListOutlined } from "@ant-design/icons";
import { Segmented } from "antd";
import { lazy, Suspense, useState } from "react";
import type { Schemas } from "@/api/client";
import { Loading, useNarrow } from "@/kit";
import { FlowList } from "./FlowList";
import type { Over } from "./NodeState";
import { useText } from "./texts";

const Picture = lazy(() => import("./FlowPicture"));

interface Props {
  graph: Schemas["automation"]["Graph"];
  over?: Over;
  ended?: boolean;
}

export function GraphShown(p: Props) {
  const t = useText();
  const narrow = useNarrow();
  const [chosen, choose] = useState<"picture" | "list">();
  const as = chosen ?? (narrow ? "list" : "picture");
  return (
    <div className="stack" style={{ gap: 8 }}>
      <div className="row">
        <Segmented
          size="small"
          value={as}
          onChange={choose}
          aria-label={t("flow.as")}
          options={[
            { value: "picture", label: t("flow.picture"), icon: <ApartmentOutlined aria-hidden /> },
            { value: "list", label: t("flow.list"), icon: <UnorderedListOutlined aria-hidden /> },
          ]}
        />
        {p.over === "run" && as === "picture" && <span className="muted small">{t("flow.legend")}</span>}
      </div>
      {as === "list" ? (
        <FlowList graph={p.graph} over={p.over} />
      ) : (
        <Suspense fallback={<Loading lines={8} />}>
          <Picture {...p} />
        </Suspense>
      )}
    </div>
  );
}
