import { DownloadOutlined } from "@ant-design/icons";
import { Button, Dropdown } from "antd";
import { useText } from "./texts";

/** Downloads the rows that the filters choose; the browser fetches the file by itself, however long it is. */
export function Export({ query }: { query: Record<string, string | undefined> }) {
  const t = useText();
  const to = (format: string) => {
    const params = new URLSearchParams({ format });
    for (const [k, v] of Object.entries(query)) if (v) params.set(k, v);
    return `/api/v1/audit/export?${params}`;
  };
  return (
    <Dropdown
      trigger={["click"]}
      menu={{
        items: [
          { key: "csv", label: <a href={to("csv")} download>{t("csv")}</a> },
          { key: "jsonl", label: <a href={to("jsonl")} download>{t("jsonl")}</a> },
        ],
      }}
    >
      <Button icon={<DownloadOutlined aria-hidden />} aria-haspopup="menu">
        {t("export")}
      </Button>
    </Dropdown>
  );
}
