import { DownloadOutlined, FileExcelOutlined, FileImageOutlined, FileOutlined, FilePdfOutlined, FileTextOutlined, FileWordOutlined, FileZipOutlined } from "@ant-design/icons";
import type { ComponentType } from "react";
import type { Schemas } from "@/api/client";
import { size, State } from "@/kit";
import { useText } from "./texts";

type Attachment = Schemas["mail"]["Attachment"];

const icons: [RegExp, ComponentType<{ "aria-hidden"?: boolean }>][] = [
  [/pdf$/i, FilePdfOutlined],
  [/\.(xlsx?|csv|ods|et)$|spreadsheet|excel/i, FileExcelOutlined],
  [/\.(docx?|odt|rtf|wps)$|wordprocessing|msword/i, FileWordOutlined],
  [/\.(zip|rar|7z|gz|tar)$|zip|compressed/i, FileZipOutlined],
  [/^image\/|\.(png|jpe?g|gif|webp|bmp)$/i, FileImageOutlined],
  [/^text\/|\.(txt|md|log)$/i, FileTextOutlined],
];

// What a double click runs, or a browser runs as a page.
const runs = /\.(exe|com|scr|bat|cmd|ps1|vbs?|js|jse|wsf|hta|msi|jar|lnk|iso|img|apk|dmg|html?|xhtml|svg|docm|xlsm|pptm)$/i;

export function Attachments({ list }: { list: Attachment[] }) {
  const t = useText();
  if (!list.length) return null;
  const total = list.reduce((n, a) => n + a.size, 0);
  return (
    <section className="attachments" aria-label={t("attachments", { n: list.length })}>
      <h3>
        {t("attachments", { n: list.length })} <span className="muted small">{size(total, t.lang)}</span>
      </h3>
      <ul>
        {list.map((a) => {
          const Icon = icons.find(([p]) => p.test(a.name) || p.test(a.type))?.[1] ?? FileOutlined;
          const name = a.name || t("noName", { n: a.n + 1 });
          const ending = /\.([a-z0-9]{1,8})$/i.exec(a.name)?.[1]?.toUpperCase();
          const kind = ending ? t("file", { ending }) : a.type;
          return (
            <li key={a.n}>
              <Icon aria-hidden />
              <div className="grow">
                <div className="cut">
                  <bdi title={name}>{name}</bdi>
                </div>
                <div className="muted small">
                  {kind} · {size(a.size, t.lang)}
                  {a.inline && <> · {t("inline")}</>}
                </div>
                {runs.test(a.name) && <State tone="warn">{t("runs")}</State>}
              </div>
              {a.url?.startsWith("/api/") && (
                <a href={a.url} download aria-label={t("download", { name })} title={t("download", { name })}>
                  <DownloadOutlined aria-hidden />
                </a>
              )}
            </li>
          );
        })}
      </ul>
      <p className="muted small">{t("unchecked")}</p>
    </section>
  );
}
