// What these pages read, and what they call by name.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, ok, versioned, type Schemas } from "@/api/client";
import { ApiProblem, problemOf } from "@/api/problem";
import type { Tone } from "@/kit";

export type Import = Schemas["exchange"]["Import"];
export type ImportChange = Schemas["exchange"]["ImportChange"];
export type ImportKind = Schemas["exchange"]["ImportKind"];
export type ImportOptions = Schemas["exchange"]["ImportOptions"];
export type Export = Schemas["exchange"]["Export"];
export type TableSummary = Schemas["exchange"]["TableSummary"];

export const tones: Record<Import["state"] | Export["state"], Tone> = {
  ready: "plain",
  checking: "info",
  checked: "info",
  running: "info",
  done: "good",
  canceled: "warn",
  failed: "bad",
  expired: "plain",
};

export const useImportOptions = () => useQuery({ queryKey: ["import-options"], queryFn: ({ signal }) => ok(api.GET("/api/v1/import-options", { signal })) });

export const useTables = () => useQuery({ queryKey: ["tables"], queryFn: ({ signal }) => ok(api.GET("/api/v1/tables", { signal })) });

const at = (i: Import) => i.state === "checking" || i.state === "running";

export const importKey = (id: string) => ["imports", "one", id] as const;

/** An import; while a job is at it, it is asked again and again. */
export const useImport = (id: string) =>
  useQuery({
    queryKey: importKey(id),
    queryFn: ({ signal }) => versioned(api.GET("/api/v1/imports/{id}", { params: { path: { id } }, signal })),
    refetchInterval: (q) => (q.state.data && at(q.state.data.data) ? 700 : false),
  });

interface Versioned {
  data: Import;
  etag: string;
}

/** Changes an import. Changes wait for each other, so that each knows the version that the one before made. */
export function useChangeImport(id: string) {
  const client = useQueryClient();
  return useMutation({
    scope: { id: `import ${id}` },
    mutationFn: (change: ImportChange) => {
      const known = client.getQueryData<Versioned>(importKey(id));
      return versioned(api.PATCH("/api/v1/imports/{id}", { params: { path: { id }, header: { "If-Match": known?.etag ?? "" } }, body: change }));
    },
    onSuccess: (next) => client.setQueryData(importKey(id), next),
    onError: (e) => {
      if (e instanceof ApiProblem && e.status === 412) void client.invalidateQueries({ queryKey: importKey(id) });
    },
  });
}

/** Uploads a file: the fields first, as the API wants it. progress is told the share that went out. */
export function upload(fields: { kind: ImportKind; table?: string; target?: string }, file: File, progress: (share: number) => void, signal: AbortSignal): Promise<Import> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value) form.append(name, value);
  form.append("file", file, file.name);
  return new Promise((resolve, reject) => {
    const x = new XMLHttpRequest();
    x.open("POST", "/api/v1/imports");
    x.responseType = "text";
    x.upload.onprogress = (e) => e.lengthComputable && progress(e.loaded / e.total);
    x.onload = () => {
      if (x.status === 201) resolve(JSON.parse(x.responseText) as Import);
      else void problemOf(new Response(x.responseText, { status: x.status, headers: { "content-type": x.getResponseHeader("content-type") ?? "" } })).then(reject);
    };
    x.onerror = () => reject(new TypeError("network"));
    x.onabort = () => reject(new DOMException("given up", "AbortError"));
    signal.addEventListener("abort", () => x.abort());
    x.send(form);
  });
}
