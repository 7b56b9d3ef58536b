import { AuditOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";
import { OpenApprovals } from "./OpenApprovals";

const title = { zh: "审批", en: "Approvals" };

export default definePage({
  routes: [{ path: "/approvals", permission: "approvals.decide", title, load: () => import("./Approvals") }],
  nav: { to: "/approvals", group: "automation", order: 30, icon: AuditOutlined, permission: "approvals.decide", title, badge: OpenApprovals },
});
