// Texts of problems by their code. Each Part has its own file in codes/, such as codes/mail.json:
//
//     { "no_such_mail": { "detail": { "zh": "没有这封邮件", "en": "" }, "remedy": { "zh": "…", "en": "" } } }
//
// An empty English text leaves the gateway's own.
import type { Both } from "@/lang";

export interface Code {
  detail: Both;
  remedy?: Both;
}

const files = import.meta.glob<Record<string, Code>>("./codes/*.json", { eager: true, import: "default" });

export const codes: Record<string, Code> = Object.assign({}, ...Object.values(files));
