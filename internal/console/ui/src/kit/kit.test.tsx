import { act, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Form, Input } from "antd";
import type { ReactNode } from "react";
import { createMemoryRouter, RouterProvider } from "react-router";
import { beforeEach, expect, test } from "vitest";
import { ApiProblem, problemOf } from "@/api/problem";
import { setLang } from "@/lang";
import { ApiForm, Listing, Problem, relative, size, useFilters } from ".";

function show(content: ReactNode, at = "/") {
  const router = createMemoryRouter([{ path: "/", element: content }, { path: "*", element: <p>elsewhere</p> }], { initialEntries: [at] });
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
  return router;
}

beforeEach(() => act(() => setLang("en", false)));

test("times are said as people say them", () => {
  const now = Date.parse("2026-03-02T08:00:00Z");
  expect(relative("2026-03-02T07:59:50Z", "en", now)).toBe("just now");
  expect(relative("2026-03-02T07:57:00Z", "en", now)).toBe("3 minutes ago");
  expect(relative("2026-03-02T07:57:00Z", "zh", now)).toBe("3分钟前");
  expect(relative("2026-03-01T08:00:00Z", "zh", now)).toBe("昨天");
  expect(relative("2025-11-02T08:00:00Z", "zh", now)).toBe("2025年11月2日");
  expect(size(3_565_158, "en")).toBe("3.4 MB");
});

test("a problem speaks the language of the reader, with the gateway's words where there are no others", async () => {
  const body = { status: 403, code: "forbidden", detail: "your role does not allow this", remedy: "Ask an administrator.", instance: "r-1" };
  const problem = await problemOf(new Response(JSON.stringify(body), { status: 403, headers: { "content-type": "application/problem+json" } }));
  show(<Problem error={problem} />);
  expect(screen.getByRole("alert").textContent).toContain("your role does not allow this");
  expect(screen.getByRole("alert").textContent).toContain("r-1");
  act(() => setLang("zh", false));
  expect(screen.getByRole("alert").textContent).toContain("您的角色不允许此操作");
  expect((await problemOf(new Response("<h1>Bad gateway</h1>", { status: 502 }))).code).toBe("http_502");
});

test("a form puts what the API says of a field at its input, and the rest above the button", async () => {
  const submit = () =>
    Promise.reject(
      new ApiProblem({ status: 422, code: "invalid", detail: "not as it must be", fields: [{ pointer: "/people/0/name", detail: "too short" }, { pointer: "/elsewhere", detail: "strange" }] }),
    );
  show(
    <ApiForm onSubmit={submit} footer={() => <button type="submit">Save</button>}>
      <Form.Item name={["people", 0]} label="Person">
        <Input />
      </Form.Item>
    </ApiForm>,
  );
  fireEvent.click(screen.getByText("Save"));
  const alert = await screen.findByText("not as it must be");
  expect((await screen.findByText("too short")).closest(".ant-form-item")).not.toBeNull();
  expect(alert.closest(".problem")!.textContent).toContain("strange");
  expect(alert.closest(".problem")!.textContent).not.toContain("too short");
});

interface Row {
  id: string;
}

test("a list comes page by page and is walked by keyboard", async () => {
  const asked: (string | undefined)[] = [];
  const fetch = ({ cursor }: { cursor?: string }) => {
    asked.push(cursor);
    return Promise.resolve(cursor ? { items: [{ id: "c" }] } : { items: [{ id: "a" }, { id: "b" }], next: "2" });
  };
  const router = show(
    <Listing<Row> label="Things" queryKey={["things"]} fetch={fetch} rowKey={(r) => r.id} to={(r) => `/things/${r.id}`} columns={[{ key: "id", title: "Id", render: (r) => r.id }]} />,
  );
  fireEvent.click(await screen.findByText("Load more"));
  await screen.findByText("c");
  expect(asked).toEqual([undefined, "2"]);
  const rows = screen.getAllByRole("row").slice(1);
  rows[0]!.focus();
  fireEvent.keyDown(rows[0]!, { key: "End" });
  expect(document.activeElement).toBe(rows[2]);
  fireEvent.keyDown(rows[2]!, { key: "k" });
  expect(document.activeElement).toBe(rows[1]);
  fireEvent.keyDown(rows[1]!, { key: "Enter" });
  await waitFor(() => expect(router.state.location.pathname).toBe("/things/b"));
});

test("filters live in the address", () => {
  function Filters() {
    const [f, set] = useFilters({ q: "", state: "open" });
    return <button onClick={() => set({ q: "报价 & more", state: "open" })}>{JSON.stringify(f)}</button>;
  }
  const router = show(<Filters />, "/?state=held&other=1");
  expect(screen.getByRole("button").textContent).toBe('{"q":"","state":"held"}');
  fireEvent.click(screen.getByRole("button"));
  expect(router.state.location.search).toBe("?other=1&q=%E6%8A%A5%E4%BB%B7+%26+more");
  expect(screen.getByRole("button").textContent).toBe('{"q":"报价 & more","state":"open"}');
});
