// The API, typed by the Parts' documents:
//
//     const mail = await ok(api.GET("/api/v1/messages/{id}", { params: { path: { id } }, signal }));
//
// An answer that is no success is thrown as an ApiProblem.
import createClient from "openapi-fetch";
import type { paths } from "./gen";
import { problemOf } from "./problem";

export type { Schemas } from "./gen";

export const api = createClient<paths>({
  baseUrl: location.origin,
  credentials: "same-origin",
  // Several values of one parameter stand in one text, as the documents say (explode: false).
  querySerializer: { array: { style: "form", explode: false } },
  fetch: (request) => globalThis.fetch(request),
});

api.use({
  async onResponse({ response }) {
    if (!response.ok && response.status !== 304) throw await problemOf(response);
    return undefined;
  },
});

interface Answer {
  data?: unknown;
  response: Response;
}

type Data<A extends Answer> = Exclude<A["data"], undefined>;

/** The body of a successful answer. */
export async function ok<A extends Answer>(answer: Promise<A>): Promise<Data<A>> {
  return (await answer).data as Data<A>;
}

/** The same with the answer's ETag, for what is changed by useSave. */
export async function versioned<A extends Answer>(answer: Promise<A>): Promise<{ data: Data<A>; etag: string }> {
  const a = await answer;
  return { data: a.data as Data<A>, etag: a.response.headers.get("etag") ?? "" };
}
