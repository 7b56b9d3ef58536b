// One import, step by step: the file, its columns, what would change, what changed.
import { Steps } from "antd";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useNavigate, useParams } from "react-router";
import { api, ok } from "@/api/client";
import { Async, ConfirmAction, Head, Problem, State, Time, size, useFilters, useNarrow } from "@/kit";
import { CheckStep } from "./CheckStep";
import { ColumnsStep } from "./ColumnsStep";
import { importKey, tones, useImport, type Import as Job } from "./data";
import "./exchange.css";
import { FileStep } from "./FileStep";
import { ResultStep } from "./ResultStep";
import { useText } from "./texts";

const steps = ["file", "columns", "check", "result"] as const;
type Step = (typeof steps)[number];

const changes: Record<Job["kind"], string[]> = { contacts_create: ["customers"], contacts_learn: ["customers"], table: ["tables"] };

/** The step that a state belongs to; what waits for people can be at any before the last. */
function stepOf(job: Job, wanted: string): Step {
  if (job.started_at || job.state === "running" || job.state === "done") return wanted === "check" && job.state === "checking" ? "check" : job.state === "ready" || job.state === "checking" || job.state === "checked" ? (steps.find((s) => s === wanted) ?? "check") : "result";
  if (job.state === "checking") return "check";
  return steps.find((s) => s === wanted && s !== "result") ?? (job.state === "ready" ? "file" : "check");
}

export default function Import() {
  const t = useText();
  const { id = "" } = useParams();
  const query = useImport(id);
  return <Async query={query}>{({ data }) => <Loaded key={data.id} job={data} t={t} />}</Async>;
}

function Loaded({ job, t }: { job: Job; t: ReturnType<typeof useText> }) {
  const client = useQueryClient();
  const go = useNavigate();
  const narrow = useNarrow();
  const [{ step: wanted }, set] = useFilters({ step: "" });
  const step = stepOf(job, wanted);
  const ended = step === "result";
  const to = (s: Step) => set({ step: s });
  const act = useMutation({
    mutationFn: (verb: "check" | "start" | "cancel") => {
      const params = { params: { path: { id: job.id } } };
      return verb === "check"
        ? ok(api.POST("/api/v1/imports/{id}/check", params))
        : verb === "start"
          ? ok(api.POST("/api/v1/imports/{id}/start", params))
          : ok(api.POST("/api/v1/imports/{id}/cancel", params));
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: importKey(job.id) });
      void client.invalidateQueries({ queryKey: ["imports", "list"] });
    },
  });
  const check = () => {
    to("check");
    act.mutate("check");
  };
  const remove = async () => {
    await ok(api.DELETE("/api/v1/imports/{id}", { params: { path: { id: job.id } } }));
    void client.invalidateQueries({ queryKey: ["imports", "list"] });
    await go("/exchange");
  };
  const busy = job.state === "checking" || job.state === "running";
  const written = job.state === "done" || job.state === "canceled" || job.state === "failed";
  useEffect(() => {
    // What the import changed is shown elsewhere, and may be known from before.
    if (written) for (const key of changes[job.kind]) void client.invalidateQueries({ queryKey: [key] });
  }, [written, job.kind, client]);
  return (
    <>
      <Head
        title={job.file}
        back={{ to: "/exchange", title: t("title") }}
        actions={
          !busy && (
            <ConfirmAction title={t("removeImport")} text={job.counts.added + job.counts.changed > 0 && ended ? t("removeDone") : t("removeText")} danger action={remove}>
              {t("remove")}
            </ConfirmAction>
          )
        }
      >
        <span className="row">
          <State tone={tones[job.state]}>{t(`state.${job.state}`)}</State>
          <span>
            {t(`kind.${job.kind}`)} · {size(job.bytes, t.lang)} · {job.created_by} · <Time at={job.created_at} />
          </span>
        </span>
      </Head>
      <Steps
        className="exchange-steps"
        current={steps.indexOf(step)}
        size="small"
        orientation="horizontal"
        responsive={false}
        onChange={ended || busy ? undefined : (n) => (n === 2 ? (job.state === "checked" ? to("check") : job.problems.length ? to("columns") : check()) : to(steps[n]!))}
        items={steps.map((s, n) => ({ title: narrow && s !== step ? <span className="unseen">{t(`step.${s}`)}</span> : t(`step.${s}`), disabled: ended || busy || n === 3 }))}
      />
      {act.error && <Problem error={act.error} style={{ marginBottom: 16 }} />}
      {step === "file" && <FileStep job={job} next={() => to("columns")} />}
      {step === "columns" && <ColumnsStep job={job} back={() => to("file")} check={check} />}
      {step === "check" && <CheckStep job={job} busy={act.isPending} back={() => to("columns")} check={check} cancel={() => act.mutate("cancel")} start={() => act.mutateAsync("start")} />}
      {step === "result" && <ResultStep job={job} cancel={() => act.mutate("cancel")} again={() => act.mutate("start")} />}
    </>
  );
}
