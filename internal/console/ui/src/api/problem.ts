// Errors of the API (RFC 9457) as something that is thrown, and what to tell people about them.
import type { Lang } from "@/lang";
import { codes } from "./codes";

export interface FieldProblem {
  pointer: string; // "/name", or the name of a parameter
  code?: string;
  detail: string;
  remedy?: string;
}

export class ApiProblem extends Error {
  readonly status: number; // 0: the gateway was not reached
  readonly code: string;
  readonly detail: string;
  readonly remedy: string | undefined;
  readonly instance: string | undefined; // the request's id, for who reads the log
  readonly fields: FieldProblem[];

  constructor(p: { status: number; code: string; detail: string; remedy?: string; instance?: string; fields?: FieldProblem[] }) {
    super(`${p.status} ${p.code}: ${p.detail}`);
    this.name = "ApiProblem";
    this.status = p.status;
    this.code = p.code;
    this.detail = p.detail;
    this.remedy = p.remedy;
    this.instance = p.instance;
    this.fields = p.fields ?? [];
  }
}

/** Reads the problem that a response holds, whatever stands between us and the gateway. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const bare = { status: response.status, code: `http_${response.status}`, detail: response.statusText || `HTTP ${response.status}` };
  if (!response.headers.get("content-type")?.includes("json")) return new ApiProblem(bare);
  try {
    const body = (await response.json()) as Partial<ApiProblem>;
    return new ApiProblem({
      status: response.status,
      code: body.code ?? bare.code,
      detail: body.detail ?? bare.detail,
      remedy: body.remedy,
      instance: body.instance,
      fields: body.fields,
    });
  } catch {
    return new ApiProblem(bare);
  }
}

/** Any error as a problem. */
export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  if (error instanceof TypeError && !navigator.onLine) return new ApiProblem({ status: 0, code: "offline", detail: error.message });
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) {
    return new ApiProblem({ status: 0, code: "unreachable", detail: "The gateway cannot be reached." });
  }
  return new ApiProblem({ status: 0, code: "page_broken", detail: error instanceof Error ? error.message : String(error) });
}

/** What to say about a problem, or a problem of a field: our text of its code, else the gateway's. */
export function words(p: { code?: string; detail: string; remedy?: string }, lang: Lang): { detail: string; remedy?: string } {
  const ours = p.code ? codes[p.code] : undefined;
  if (lang === "en") return { detail: ours?.detail.en || p.detail, remedy: p.remedy ?? ours?.remedy?.en };
  return { detail: ours?.detail.zh || p.detail, remedy: ours?.remedy?.zh ?? p.remedy };
}
