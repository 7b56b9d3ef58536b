// Forms whose mistakes the API finds: each stands at its input, what belongs to no input above the button.
import { Form, type FormInstance, type FormProps } from "antd";
import { useState, type ReactNode } from "react";
import { ApiProblem, words } from "@/api/problem";
import { lang } from "@/lang";
import { Problem } from "./Async";

type Path = (string | number)[];

/** The path of an input of a JSON pointer: "/steps/0/name" is ["steps", 0, "name"]. */
export function pathOf(pointer: string): Path {
  return pointer
    .replace(/^\//, "")
    .split("/")
    .map((p) => p.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((p) => (/^\d+$/.test(p) ? Number(p) : p));
}

/** Puts the fields of a problem at their inputs, and returns what has none. */
export function placeProblems<T>(form: FormInstance<T>, error: unknown): unknown {
  if (!(error instanceof ApiProblem) || !error.fields.length) return error;
  const there = new Set(form.getFieldsError().map((f) => JSON.stringify(f.name)));
  const placed = new Map<string, { name: Path; errors: string[] }>();
  const rest = error.fields.filter((f) => {
    // A mistake deep in a value stands at the input that holds the value.
    for (let name = pathOf(f.pointer); name.length; name = name.slice(0, -1)) {
      const key = JSON.stringify(name);
      if (!there.has(key)) continue;
      const w = words(f, lang());
      const text = w.remedy ? `${w.detail} ${w.remedy}` : w.detail;
      placed.set(key, { name, errors: [...(placed.get(key)?.errors ?? []), text] });
      return false;
    }
    return true;
  });
  form.setFields([...placed.values()] as Parameters<typeof form.setFields>[0]);
  const firstPlaced = placed.values().next().value;
  if (firstPlaced) form.scrollToField(firstPlaced.name as never, { focus: true, block: "center" });
  if (!rest.length) return undefined;
  return new ApiProblem({ ...error, detail: error.detail, fields: rest });
}

export interface ApiFormProps<T> extends Omit<FormProps<T>, "onFinish" | "children" | "form"> {
  form?: FormInstance<T>;
  onSubmit: (values: T) => Promise<unknown>;
  /** The inputs. */
  children: ReactNode;
  /** The buttons; they stand below what went wrong. */
  footer: (busy: boolean) => ReactNode;
}

/**
 *     <ApiForm onSubmit={(v: Draft) => save.mutateAsync(v)} footer={(busy) => <Button htmlType="submit" type="primary" loading={busy}>…</Button>}>
 *       <Form.Item name="name" label={t("name")} rules={[{ required: true }]}><Input /></Form.Item>
 *     </ApiForm>
 */
export function ApiForm<T extends object>({ form: given, onSubmit, children, footer, ...rest }: ApiFormProps<T>) {
  const [own] = Form.useForm<T>();
  const form = given ?? own;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (values: T) => {
    setBusy(true);
    setError(undefined);
    try {
      await onSubmit(values);
    } catch (e) {
      setError(placeProblems(form, e));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Form<T> layout="vertical" {...rest} form={form} onFinish={(v) => void submit(v)}>
      {children}
      {error !== undefined && <Problem error={error} style={{ marginBottom: 16 }} />}
      {footer(busy)}
    </Form>
  );
}
