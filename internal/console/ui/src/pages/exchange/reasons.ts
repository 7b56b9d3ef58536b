// Why a row was refused. The gateway says it in English sentences; Chinese is made of what we know of them, else of the code.
import type { Schemas } from "@/api/client";
import type { Translate } from "@/lang";

type Row = Schemas["exchange"]["ImportRow"];

const chinese: [RegExp, string][] = [
  [/^is missing, and so is a phone number$/, "没有地址，也没有电话"],
  [/^is missing$/, "没有填写"],
  [/^has "(.*)", which is not a mail address$/, "“$1”不是邮件地址"],
  [/^has (.*), which is not a mail address$/, "$1 不是邮件地址"],
  [/^are more than (\d+)$/, "超过 $1 个"],
  [/^is longer than (\d+) bytes$/, "超过 $1 字节"],
  [/^has a line break or control character$/, "含有换行或控制字符"],
  [/^has bytes that are no text in the encoding of the file$/, "含有无法按文件编码识别的字符"],
  [/^is "(.*)"; it must be one of (.*)$/, "“$1”不在可选值中（$2）"],
  [/^is not a JSON object$/, "不是 JSON 对象"],
  [/^names no company$/, "没有这家公司"],
  [/^is too long or has a line break$/, "太长或含有换行"],
];

// What the gateway calls fields of contacts, and how imports call the column.
const columns: Record<string, string> = { addresses: "email", address: "email" };
export const fieldOf = (column: string) => columns[column] ?? column;

export function reasonOf(row: Row, t: Translate<`code.${NonNullable<Row["code"]>}`>): string {
  const said = row.reason ?? "";
  if (t.lang === "en") return said;
  for (const [pattern, text] of chinese) if (pattern.test(said)) return said.replace(pattern, text);
  return row.code ? t(`code.${row.code}`) : said;
}
