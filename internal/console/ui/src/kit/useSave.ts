import { useMutation, useQueryClient, type QueryKey } from "@tanstack/react-query";
import { App } from "antd";
import { ApiProblem } from "@/api/problem";
import { useText } from "./texts";

/**
 * Saves a change of something versioned. `save` sends the ETag that came with what is shown as If-Match; when somebody else
 * was quicker (412) nothing is overwritten: the person is told, and what is there now is loaded.
 *
 *     const team = useQuery({ queryKey: ["team", id], queryFn: () => versioned(api.GET("/api/v1/teams/{id}", …)) });
 *     const save = useSave({
 *       save: (draft: TeamDraft) => ok(api.PUT("/api/v1/teams/{id}", { params: { path: { id }, header: { "If-Match": team.data!.etag } }, body: draft })),
 *       invalidates: [["team", id], ["teams"]],
 *     });
 *     save.mutateAsync(draft)
 */
export function useSave<In, Out>(o: { save: (change: In) => Promise<Out>; invalidates: QueryKey[]; done?: (out: Out) => void; silent?: boolean }) {
  const t = useText();
  const client = useQueryClient();
  const { message, modal } = App.useApp();
  const refresh = () => Promise.all(o.invalidates.map((queryKey) => client.invalidateQueries({ queryKey })));
  return useMutation({
    mutationFn: o.save,
    onSuccess: async (out) => {
      await refresh();
      if (!o.silent) void message.success(t("saved"));
      o.done?.(out);
    },
    onError: (error) => {
      if (!(error instanceof ApiProblem) || error.status !== 412) return;
      modal.warning({ title: t("changedMeanwhile"), content: t("changedMeanwhileHint"), okText: t("loadTheirs"), onOk: refresh });
    },
  });
}
